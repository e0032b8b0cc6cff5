//! Attaching to many kernel functions.

use std::borrow::{Borrow, Cow};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use bpf_link::{
    AttachType, KprobeMultiArgs, KprobeMultiFlags, LinkCreate, ProgramInfo, RawLink, program_fits,
};

use super::KprobeMultiLink;
use crate::attach::When;
use crate::attach::fit;
use crate::attach::kernel_functions::{KernelFunction, KernelFunctions};
use crate::attach::looked_up::LookedUp;
use crate::attach::name_ref::NameRef;
use crate::attach::offsets::OffsetsRef;
use crate::attach::path_ref::PathRef;
use crate::error::{Error, Result, UntraceableSymbols};

/// Attaches a program to the entry, the return, or both, of many kernel functions.
///
/// ```no_run
/// use bpf_link_typed::attach::When;
/// use bpf_link_typed::KprobeMultiAttach;
///
/// # fn example(program: std::fs::File) -> bpf_link_typed::Result<()> {
/// let link = KprobeMultiAttach::to_symbols(When::Return, ["vfs_read", "vfs_write"])
///     .cookies(&[1, 2])
///     .attach(&program)?;
/// println!("{:?} functions", link.info()?.count);
/// let link = KprobeMultiAttach::matching(When::Entry, "vfs_*")?.attach(&program)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is attached before the program is given"]
pub struct KprobeMultiAttach<'a> {
    pub(super) functions: Functions<'a>,
    pub(super) when: When,
    pub(super) cookies: Option<Cow<'a, [u64]>>,
    pub(super) tracefs: Option<PathRef<'a>>,
    /// That no symbol is that of several functions.
    pub(super) names_are_clear: LookedUp<()>,
}

#[derive(Clone, Debug)]
pub(super) enum Functions<'a> {
    Symbols(Vec<NameRef<'a>>),
    Addresses(Cow<'a, [u64]>),
}

/// The functions as the kernel takes them.
#[derive(Clone, Copy)]
enum Given<'a> {
    Symbols(&'a [&'a CStr]),
    Addresses(&'a [u64]),
}

impl<'a> KprobeMultiAttach<'a> {
    /// To the functions with these symbols, each of which is given once. A name that several
    /// functions have is refused.
    pub fn to_symbols<I>(when: When, symbols: I) -> Self
    where
        I: IntoIterator<Item: Into<NameRef<'a>>>,
    {
        let symbols = symbols.into_iter().map(Into::into);
        Self::to(when, Functions::Symbols(symbols.collect()))
    }

    /// To the functions at these addresses.
    pub fn to_addresses(when: When, addresses: impl Into<OffsetsRef<'a>>) -> Self {
        Self::to(when, Functions::Addresses(addresses.into().0))
    }

    /// To these functions of the kernel, such as [`KernelFunctions::functions_where`] returns: by
    /// their addresses, or by their names if the kernel hides one of those.
    pub fn to_functions<I>(when: When, functions: I) -> Self
    where
        I: IntoIterator<Item: Borrow<KernelFunction>>,
    {
        let mut names = Vec::new();
        let mut addresses = Vec::new();
        for function in functions {
            let function = function.borrow();
            addresses.extend(function.address.visible());
            names.push(NameRef::from(function.name.clone()));
        }
        let functions = if addresses.len() == names.len() {
            Functions::Addresses(addresses.into())
        } else {
            Functions::Symbols(names)
        };
        Self::to(when, functions)
    }

    /// To all functions that can be traced and whose names match a pattern: `vfs_*`, or `ext4:*`
    /// for those of a module. They are those that the kernel has now, and
    /// [`KernelFunctions::functions_matching`] returns them. Functions that share a name are all
    /// attached to.
    ///
    /// # Errors
    ///
    /// As [`KernelFunctions::traceable`] and [`KernelFunctions::functions_matching`].
    pub fn matching(when: When, pattern: impl AsRef<str>) -> Result<Self> {
        let functions = KernelFunctions::traceable()?.functions_matching(pattern)?;
        Ok(Self::to_functions(when, functions))
    }

    fn to(when: When, functions: Functions<'a>) -> Self {
        Self {
            functions,
            when,
            cookies: None,
            tracefs: None,
            names_are_clear: LookedUp::default(),
        }
    }

    /// Where tracefs is mounted, which is asked which functions can be traced. Without this call,
    /// that is `/sys/kernel/tracing` or `/sys/kernel/debug/tracing`.
    pub fn tracefs(mut self, path: impl Into<PathRef<'a>>) -> Self {
        self.tracefs = Some(path.into());
        self
    }

    /// What `bpf_get_attach_cookie` gives the program for each function, in the order of the
    /// functions.
    pub fn cookies(mut self, cookies: impl Into<OffsetsRef<'a>>) -> Self {
        self.cookies = Some(cookies.into().0);
        self
    }

    /// Attaches the program to all of the functions, or to none: it runs as long as the link has a
    /// descriptor or a pin.
    ///
    /// The program stays the caller's, and has to be loaded for `BPF_TRACE_KPROBE_MULTI`, or
    /// `BPF_TRACE_KPROBE_SESSION` for a session.
    ///
    /// Do not give it a program that may sleep (`BPF_F_SLEEPABLE`). It is refused with `EINVAL`
    /// since Linux 7.0, and on earlier kernels to which that check was backported. Others attach
    /// it, and it may sleep where the kernel must not.
    ///
    /// # Errors
    ///
    /// - [`Error::SymbolNotFound`] (`ESRCH`): some of the symbols are unknown, or of functions that
    ///   cannot be traced, or given twice. Which they are is looked up after the refusal, in
    ///   `/proc/kallsyms` and in `available_filter_functions` of tracefs; if there is no tracefs to
    ///   ask, the error says so.
    /// - [`Error::AmbiguousSymbol`]: several functions have one of the names, and can be traced as
    ///   far as tracefs tells. The kernel would take the first of them without a word; it is not
    ///   asked.
    /// - [`Error::AddressNotTraceable`] (`EINVAL`, `ENOENT` since Linux 7.3): an address is not one
    ///   of a function that can be traced.
    /// - [`Error::AttachTypeMismatch`] (`EINVAL`): the program is for something else.
    /// - [`Error::ProgramRefused`] (`EINVAL`), for a session: the program is for something else, or
    ///   the kernel has no sessions.
    /// - [`Error::Link`] with
    ///   - [`NotAProgram`](bpf_link::Error::NotAProgram): what was given is not a program;
    ///   - [`UnsupportedByKernel`](bpf_link::Error::UnsupportedByKernel) (`EINVAL`, `EOPNOTSUPP`);
    ///   - [`LengthMismatch`](bpf_link::Error::LengthMismatch): not as many cookies as functions;
    ///   - [`InvalidRequest`](bpf_link::Error::InvalidRequest): a symbol is empty;
    ///   - [`Command`](bpf_link::Error::Command) and `EINVAL`: there are no functions; `E2BIG`:
    ///     there are more than a million.
    ///
    /// # Kernel
    ///
    /// `BPF_LINK_CREATE`, since Linux 5.18, sessions since 6.10; it ends in
    /// `bpf_kprobe_multi_link_attach` (7.3).
    pub fn attach(&self, program: impl AsFd) -> Result<KprobeMultiLink> {
        match &self.functions {
            Functions::Addresses(addresses) => {
                self.attach_to(Given::Addresses(addresses), program.as_fd())
            }
            Functions::Symbols(symbols) => {
                let names: Result<Vec<CString>> =
                    symbols.iter().map(NameRef::to_c_string).collect();
                let names = names?;
                let names: Vec<&CStr> = names.iter().map(CString::as_c_str).collect();
                self.attach_to(Given::Symbols(&names), program.as_fd())
            }
        }
    }

    fn attach_to(&self, given: Given<'_>, program: BorrowedFd<'_>) -> Result<KprobeMultiLink> {
        let args = match given {
            Given::Addresses(addresses) => KprobeMultiArgs::addresses(addresses),
            Given::Symbols(symbols) => KprobeMultiArgs::symbols(symbols),
        };
        let args = match &self.cookies {
            Some(cookies) => args.cookies(cookies)?,
            None => args,
        };
        let flags = match self.when {
            When::Return => KprobeMultiFlags::RETURN,
            When::Entry | When::Session => KprobeMultiFlags::empty(),
        };
        if let Given::Symbols(symbols @ [_, ..]) = given {
            self.names_are_clear.get(|| self.check_names(symbols))?;
        }
        let request = LinkCreate::new(&program, self.attach_type()).args(args.flags(flags));
        RawLink::create(&request)
            .map(KprobeMultiLink)
            .map_err(|source| self.refused(given, request, program, source))
    }

    /// Refuses names that several functions have.
    fn check_names(&self, symbols: &[&CStr]) -> Result<()> {
        let shared = KernelFunctions::all()
            .map(|functions| functions.sharing(symbols, self.tracefs_path()))
            .unwrap_or_default();
        if shared.is_empty() {
            Ok(())
        } else {
            Err(Error::AmbiguousSymbol {
                symbols: shared.into(),
                source: None,
            })
        }
    }

    fn refused(
        &self,
        given: Given<'_>,
        request: LinkCreate<'_>,
        program: BorrowedFd<'_>,
        source: bpf_link::Error,
    ) -> Error {
        let attach_type = self.attach_type();
        match (source.errno(), given) {
            (Some(libc::ESRCH), Given::Symbols(symbols)) => Error::SymbolNotFound {
                symbols: Box::new(match KernelFunctions::all() {
                    Ok(functions) => functions.untraceable(symbols, self.tracefs_path()),
                    Err(_) => UntraceableSymbols::default(),
                }),
                source,
            },
            (Some(libc::EINVAL), Given::Symbols([_, ..]) | Given::Addresses([_, ..]))
                if matches!(source, bpf_link::Error::Command(_)) && is_program_refused(request) =>
            {
                self.misfit(program, source)
            }
            (Some(libc::EINVAL | libc::ENOENT), Given::Addresses(addresses))
                if matches!(source, bpf_link::Error::Command(_)) =>
            {
                let wrong = KernelFunctions::all()
                    .map(|functions| {
                        functions.untraceable_addresses(addresses, self.tracefs_path())
                    })
                    .unwrap_or_default();
                if wrong.is_empty() {
                    source.into()
                } else {
                    Error::AddressNotTraceable {
                        addresses: wrong.into(),
                        source,
                    }
                }
            }
            _ => fit::by_type(program, attach_type, source),
        }
    }

    /// Why the kernel refused the program. With `When::Session`, the reason may be that this kernel
    /// has no sessions, unless the program was loaded for links without them.
    fn misfit(&self, program: BorrowedFd<'_>, source: bpf_link::Error) -> Error {
        let attach_type = self.attach_type();
        let source = match fit::by_type(program, attach_type, source) {
            Error::Link(source @ bpf_link::Error::Command(_)) => source,
            error => return error,
        };
        let is_certain = self.when != When::Session
            || program_fits(&program, AttachType::TraceKprobeMulti) == Some(true);
        match ProgramInfo::of(&program) {
            Ok(info) if !is_certain => Error::ProgramRefused {
                attach_type,
                program: Box::new(info),
                source,
            },
            info => fit::mismatch(attach_type, info.ok(), source),
        }
    }

    fn tracefs_path(&self) -> Option<&Path> {
        self.tracefs.as_ref().map(AsRef::as_ref)
    }

    fn attach_type(&self) -> AttachType {
        match self.when {
            When::Entry | When::Return => AttachType::TraceKprobeMulti,
            When::Session => AttachType::TraceKprobeSession,
        }
    }
}

/// Whether the kernel refuses the program before it looks for the functions: the one that is given
/// is not a program, so nothing is attached.
fn is_program_refused(request: LinkCreate<'_>) -> bool {
    let nothing = [c"?"];
    let request = request.args(KprobeMultiArgs::symbols(&nothing));
    RawLink::create(&request).is_err_and(|error| error.errno() == Some(libc::EINVAL))
}
