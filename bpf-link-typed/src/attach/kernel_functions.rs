//! The functions of the kernel and its modules, as its lists have them.

mod lines;
pub(crate) mod refusal;
mod renamed;
mod syscall;
mod table;
#[cfg(test)]
mod tests;
mod traceable;
mod unshared;

use std::collections::HashSet;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use crate::attach::lockdown;
use crate::attach::path_ref::PathRef;
use crate::attach::pattern;
use crate::attach::similar::Similar;
use crate::attach::tracefs;
use crate::error::{Error, KernelFunctionProblem, Result, SharedName};
use crate::info::hideable::Hideable;
use table::{Listed, SymbolTable};
use traceable::{Format, Traceable};

/// The functions of the kernel and its modules, to attach to them by name, by pattern, or by what
/// else is known of them.
///
/// They are those of the moment in which the kernel's lists were read: a module that is loaded
/// later is not among them. 120,000 functions take five megabytes.
///
/// ```no_run
/// use bpf_link_typed::attach::When;
/// use bpf_link_typed::{KernelFunctions, KprobeEvent, KprobeMultiAttach, PerfEventAttach};
///
/// # fn example(kprobe: std::fs::File, multi: std::fs::File) -> bpf_link_typed::Result<()> {
/// let kernel = KernelFunctions::traceable()?;
/// let functions = kernel.functions_where(|function| {
///     function.module.as_deref() == Some("ext4") && function.name.ends_with("_lookup")
/// })?;
/// let link = KprobeMultiAttach::to_functions(When::Entry, &functions).attach(&multi)?;
///
/// let openat = kernel.syscall("openat")?;
/// let link = PerfEventAttach::to(KprobeEvent::at_function(&openat)).attach(&kprobe)?;
/// # Ok(())
/// # }
/// ```
///
/// The kernel shows addresses only to those with `CAP_SYSLOG`, and to nobody if
/// `kernel.kptr_restrict` is 2. Functions are then known by their names alone.
#[derive(Debug)]
pub struct KernelFunctions {
    table: SymbolTable,
    /// For each function of the table; `None` if they are not only those that can be traced.
    traceable: Option<Vec<Traceable>>,
}

/// A function of the kernel or of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KernelFunction {
    /// Its name. Bytes that are not UTF-8 are replaced.
    pub name: String,
    /// The module that it is in; `None` if it is the kernel's own.
    pub module: Option<String>,
    /// Where it begins.
    pub address: Hideable<u64>,
}

impl KernelFunction {
    fn new(listed: &Listed<'_>) -> Self {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Self {
            name: text(listed.name),
            module: listed.module.map(text),
            address: Hideable::address(listed.address),
        }
    }
}

impl KernelFunctions {
    /// Reads the list of all functions (`/proc/kallsyms`), whether or not they can be traced.
    ///
    /// # Errors
    ///
    /// [`Error::File`]: the list cannot be read; `ENOENT` if the kernel was built without it, or
    /// `/proc` is not mounted.
    pub fn all() -> Result<Self> {
        const LIST: &str = "/proc/kallsyms";
        let read = || SymbolTable::read(BufReader::new(File::open(LIST)?));
        match read() {
            Ok(table) => Ok(Self {
                table,
                traceable: None,
            }),
            Err(source) => Err(Error::File {
                path: LIST.into(),
                source,
            }),
        }
    }

    /// Reads which functions can be traced, which are those that a
    /// [`KprobeMultiAttach`](crate::KprobeMultiAttach) takes. Tracefs is looked for in
    /// `/sys/kernel/tracing` and `/sys/kernel/debug/tracing`.
    ///
    /// Before Linux 6.5 the kernel lists them by name only (`available_filter_functions`). Where
    /// several functions have a name and only some of them can be traced, it is then not known
    /// which, and to ask for one of them is [`Error::AmbiguousSymbol`]. The same is so where the
    /// kernel hides its addresses; then a function is also found by only one of its names.
    ///
    /// # Errors
    ///
    /// - [`Error::File`]: a list cannot be read; `ENOENT` where tracefs is not mounted, or the
    ///   kernel has no ftrace.
    /// - [`Error::LockedDown`] (`EPERM`): the kernel is locked down for confidentiality.
    pub fn traceable() -> Result<Self> {
        Self::traceable_where(None)
    }

    /// The same with tracefs mounted here.
    ///
    /// # Errors
    ///
    /// As [`traceable`](Self::traceable).
    pub fn traceable_in<'a>(tracefs: impl Into<PathRef<'a>>) -> Result<Self> {
        Self::traceable_where(Some(tracefs.into().as_ref()))
    }

    fn traceable_where(tracefs: Option<&Path>) -> Result<Self> {
        let mut functions = Self::all()?;
        functions.mark(tracefs)?;
        Ok(functions)
    }

    /// Leaves only those that can be traced.
    fn mark(&mut self, tracefs: Option<&Path>) -> Result<()> {
        const WITH_ADDRESSES: &str = "available_filter_functions_addrs";
        const NAMES: &str = "available_filter_functions";
        let path = tracefs::file(tracefs, WITH_ADDRESSES)?;
        let (path, opened, format) = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let path = path.with_file_name(NAMES);
                let opened = File::open(&path);
                (path, opened, Format::Names)
            }
            opened => (path, opened, Format::Addresses),
        };
        let marks = opened
            .and_then(|list| traceable::marks(&self.table, BufReader::new(list), format))
            .map_err(|source| lockdown::or_other(Error::File { path, source }))?;
        self.traceable = Some(marks);
        Ok(())
    }

    /// The function of this name, or of this module and name with a colon between them.
    ///
    /// # Errors
    ///
    /// - [`Error::KernelFunction`] with
    ///   - [`NoSuchFunction`](KernelFunctionProblem::NoSuchFunction): no function has this name;
    ///     the error lists similar names;
    ///   - [`NotTraceable`](KernelFunctionProblem::NotTraceable): it cannot be traced. Not
    ///     returned if these are [`all`](Self::all) functions.
    /// - [`Error::AmbiguousSymbol`]: there are several.
    pub fn function(&self, name: impl AsRef<str>) -> Result<KernelFunction> {
        let name = name.as_ref();
        let mut found = self.functions_named(name)?.into_iter();
        match (found.next(), found.next()) {
            (Some(function), None) => Ok(function),
            (Some(_), Some(_)) => {
                let wanted = Wanted::parse(name);
                Err(self.ambiguous(|function| wanted.is(function)))
            }
            (None, _) => Err(no_such(self.missing(name))),
        }
    }

    /// Every function of this name, or of this module and name with a colon between them. The list
    /// is empty if no function has this name.
    ///
    /// # Errors
    ///
    /// [`Error::AmbiguousSymbol`], as [`traceable`](Self::traceable) says.
    pub fn functions_named(&self, name: impl AsRef<str>) -> Result<Vec<KernelFunction>> {
        let wanted = Wanted::parse(name.as_ref());
        self.select(|function| wanted.is(function))
    }

    /// The functions whose names match a pattern, each once, by address. In the pattern, `*` stands
    /// for any characters, and `?` for one. With a colon in it, what comes before that is a pattern
    /// for the module: `ext4:*` are all functions of that module, and `*:*` those of every module.
    /// Without, the functions are the kernel's and those of modules.
    ///
    /// Functions that share a name are all returned. A function that has several names is found by
    /// each of them.
    ///
    /// # Errors
    ///
    /// [`Error::KernelFunction`] with [`NothingMatches`](KernelFunctionProblem::NothingMatches), or
    /// as [`functions_named`](Self::functions_named).
    pub fn functions_matching(&self, pattern: impl AsRef<str>) -> Result<Vec<KernelFunction>> {
        let pattern = pattern.as_ref();
        let wanted = Wanted::parse(pattern);
        let found = self.select(|function| wanted.matches(function))?;
        if found.is_empty() {
            let pattern = pattern.to_owned();
            return Err(no_such(KernelFunctionProblem::NothingMatches { pattern }));
        }
        Ok(found)
    }

    /// The functions that the closure picks, each once, by address. The list is empty if it picks
    /// nothing. The closure is shown a function that has several names with each of them, up to one
    /// that it picks.
    ///
    /// # Errors
    ///
    /// As [`functions_named`](Self::functions_named).
    pub fn functions_where(
        &self,
        mut picks: impl FnMut(&KernelFunction) -> bool,
    ) -> Result<Vec<KernelFunction>> {
        self.select(|function| picks(&KernelFunction::new(function)))
    }

    /// The function that has this address in it, and how many bytes after its beginning the address
    /// is: whether or not it can be traced. `None` if no known function has it, or addresses are
    /// hidden.
    #[must_use]
    pub fn function_at(&self, address: u64) -> Option<(KernelFunction, u64)> {
        let (listed, offset) = self.table.at(address)?;
        Some((KernelFunction::new(&listed), offset))
    }

    /// Whether the kernel shows the addresses of functions: `false` if it hides them from this
    /// process, or its list has no functions.
    #[must_use]
    pub fn has_addresses(&self) -> bool {
        self.table.len() > 0 && !self.table.is_hidden()
    }

    /// The names that several functions have, in order, and where those are.
    #[must_use]
    pub fn shared_names(&self) -> Vec<SharedName> {
        self.shared(|_| true)
    }

    /// The names among these that several functions have.
    fn shared(&self, are: impl FnMut(&Listed<'_>) -> bool) -> Vec<SharedName> {
        let named = self.by_name(are).into_iter();
        let shared = named.filter(|(_, count)| *count > 1);
        shared.map(|(name, _)| name).collect()
    }

    /// The names of such functions, in order, each with how many functions have it.
    fn by_name(&self, mut are: impl FnMut(&Listed<'_>) -> bool) -> Vec<(SharedName, usize)> {
        let functions = self.marked().filter(|(_, mark)| *mark != Traceable::No);
        let mut functions: Vec<(&[u8], u64)> = functions
            .filter(|(function, _)| are(function))
            .map(|(function, _)| (function.name, function.address))
            .collect();
        functions.sort_unstable();
        // Those that are hidden are all at 0.
        functions.dedup_by(|one, other| one == other && one.1 != 0);
        let of_one_name = functions.chunk_by(|one, other| one.0 == other.0);
        let named = of_one_name.map(|same| {
            let name = same.first().map_or(&[][..], |(name, _)| name);
            let addresses = same.iter().map(|(_, address)| *address);
            let named = SharedName {
                name: CString::new(name).unwrap_or_default(),
                addresses: addresses.filter(|address| *address != 0).collect(),
            };
            (named, same.len())
        });
        named.collect()
    }

    /// Each function, and whether it can be traced. Without a list of those that can be, all count
    /// as traceable.
    fn marked(&self) -> impl Iterator<Item = (Listed<'_>, Traceable)> {
        let marks = self.traceable.iter().flatten().copied();
        let marks = marks.chain(std::iter::repeat(Traceable::Yes));
        self.table.functions().zip(marks)
    }

    /// Those that are picked and can be traced, each place once.
    fn select(&self, mut picks: impl FnMut(&Listed<'_>) -> bool) -> Result<Vec<KernelFunction>> {
        let mut selected = Vec::new();
        let mut unclear = HashSet::new();
        let mut last = 0;
        for (function, mark) in self.marked() {
            let is_there = function.address != 0 && function.address == last;
            if mark == Traceable::No || is_there || !picks(&function) {
                continue;
            }
            last = function.address;
            match mark {
                Traceable::Unclear => _ = unclear.insert(function.name),
                _ => selected.push(KernelFunction::new(&function)),
            }
        }
        if unclear.is_empty() {
            Ok(selected)
        } else {
            Err(self.ambiguous(|function| unclear.contains(function.name)))
        }
    }

    /// The error that several functions have each of these names.
    fn ambiguous(&self, are: impl FnMut(&Listed<'_>) -> bool) -> Error {
        let named = self.by_name(are).into_iter();
        Error::AmbiguousSymbol {
            symbols: named.map(|(name, _)| name).collect(),
            source: None,
        }
    }

    /// Why there is no function of this name.
    fn missing(&self, name: &str) -> KernelFunctionProblem {
        let name = name.to_owned();
        let wanted = Wanted::parse(&name);
        if self.table.functions().any(|function| wanted.is(&function)) {
            return KernelFunctionProblem::NotTraceable { name };
        }
        let mut similar = Similar::to(wanted.name);
        let instead = self.instead_of(wanted.name.as_bytes()).into_iter();
        let mut instead: Vec<String> = instead
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect();
        for (function, mark) in self.marked() {
            if mark != Traceable::No {
                similar.show(&String::from_utf8_lossy(function.name));
            }
        }
        let closest = similar.closest().into_iter();
        let others: Vec<String> = closest.filter(|name| !instead.contains(name)).collect();
        instead.extend(others);
        KernelFunctionProblem::NoSuchFunction {
            name,
            similar: instead,
        }
    }
}

fn no_such(problem: KernelFunctionProblem) -> Error {
    Error::KernelFunction(Box::new(problem))
}

/// A name or a pattern, perhaps in a module.
struct Wanted<'a> {
    module: Option<&'a str>,
    name: &'a str,
}

impl<'a> Wanted<'a> {
    fn parse(text: &'a str) -> Self {
        match text.split_once(':') {
            Some((module, name)) => Self {
                module: Some(module),
                name,
            },
            None => Self {
                module: None,
                name: text,
            },
        }
    }

    fn is(&self, function: &Listed<'_>) -> bool {
        let module = self.module.map(str::as_bytes);
        function.name == self.name.as_bytes() && (module.is_none() || function.module == module)
    }

    fn matches(&self, function: &Listed<'_>) -> bool {
        let in_module = self.module.is_none_or(|pattern| {
            let module = function.module;
            module.is_some_and(|module| pattern::matches(pattern, module))
        });
        in_module && pattern::matches(self.name, function.name)
    }
}
