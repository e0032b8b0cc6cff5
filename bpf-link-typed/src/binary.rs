//! Functions and probes of programs and libraries, by their names.

mod bytes;
mod debug_data;
mod debug_file;
mod dynamic;
mod explain;
mod find;
mod format;
mod image;
mod library;
mod loader_cache;
mod name;
mod nearest;
mod notes;
mod place;
mod process;
mod reader;
mod root;
mod sections;
mod segments;
mod select;
mod strings;
mod symbol;
mod table;
#[cfg(feature = "elf-xz")]
mod unpack;
mod usdt;
mod versions;

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::attach::file_ref::FileRef;
use crate::attach::pattern;
use crate::attach::similar::Similar;
use crate::error::{BinaryProblem, Error, Result};
use image::Image;
use name::WrittenName;
use process::Process;
use root::Root;
use table::SymbolTable;

pub use nearest::SymbolOffset;
pub use place::BinaryPlace;
pub use symbol::{BinarySymbol, SymbolBinding};
pub use usdt::UsdtPlace;

/// A program or a library, to attach to its functions and USDT probes by their names.
///
/// It is an ELF file of either size and either order of bytes. The file is kept open, and a program
/// is attached to this file even if another one is put at its path. It is read with `pread(2)`, a
/// piece at a time, and is not kept in memory.
///
/// The program headers say where in the file an address is. In a stripped binary, functions that
/// are not exported are found as well if its debug file is installed: in `/usr/lib/debug/.build-id`
/// under the build id, or under the name that the binary has for it (`.gnu_debuglink`). If there is
/// none, the symbols in `.gnu_debugdata` are read, which Fedora and RHEL compress into their
/// binaries; this needs the feature `elf-xz`. In a file without section headers, as `sstrip` leaves
/// it, exported functions are found as the dynamic loader finds them.
///
/// ```no_run
/// use bpf_link_typed::attach::When;
/// use bpf_link_typed::{Binary, PerfEventAttach, UprobeEvent, UprobeMultiAttach};
///
/// # fn example(uprobe: std::fs::File, multi: std::fs::File) -> bpf_link_typed::Result<()> {
/// let libc = Binary::library("libc.so.6")?;
/// let malloc = UprobeEvent::in_binary(&libc, &libc.function("malloc")?);
/// let link = PerfEventAttach::to(malloc).attach(&uprobe)?;
///
/// // As a process has it, in whatever container that is.
/// let libssl = Binary::in_process(4711, "libssl")?;
/// let writes = libssl.functions_matching("SSL_write*")?;
/// let link = UprobeMultiAttach::in_binary(&libssl, When::Entry, &writes).attach(&multi)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Binary {
    image: Image,
    root: Root,
    /// Its path below the root, as far as that is known.
    path: PathBuf,
    /// What has the symbols that it was stripped of.
    debug: OnceLock<Option<Image>>,
}

impl Binary {
    /// Opens the file at this path.
    ///
    /// # Errors
    ///
    /// - [`Error::File`]: it could not be opened or read.
    /// - [`Error::Binary`]: it is not a program or a library, or is malformed.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::in_this_root(Root::Own, path.as_ref())
    }

    /// Opens the file at this path below another root directory, such as that of a container: no
    /// symbolic link leads out of it.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), with `ENOSYS` before Linux 5.6.
    pub fn open_in(root: impl AsRef<Path>, path: impl AsRef<Path>) -> Result<Self> {
        Self::in_this_root(Root::open(root.as_ref())?, path.as_ref())
    }

    /// Reads a file that is open for reading already.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn from_file(file: File) -> Result<Self> {
        let path = FileRef::fd(&file).path_in_words();
        Self::of_file(file, Root::Own, path)
    }

    /// Opens the first program of this name in the directories of `PATH`.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchBinary`]: no directory has such a program. Otherwise as [`open`](Self::open).
    pub fn program(name: impl AsRef<OsStr>) -> Result<Self> {
        let name = name.as_ref();
        if name.as_bytes().contains(&b'/') {
            return Self::open(name);
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let candidates = std::env::split_paths(&path).map(|directory| directory.join(name));
        let is_file = |path: &PathBuf| {
            let found = std::fs::metadata(path);
            found.is_ok_and(|found| found.is_file() && found.mode() & 0o111 != 0)
        };
        match { candidates }.find(is_file) {
            Some(path) => Self::open(path),
            None => Err(Error::NoSuchBinary {
                name: name.to_string_lossy().into_owned(),
                searched: PathBuf::from(path),
            }),
        }
    }

    /// Opens a library as the dynamic loader finds it, in `ld.so.cache` and then in the default
    /// directories. Give the whole name (`libssl.so.3`), or what comes before `.so` (`libssl`) or
    /// before a version and `.so` (`libc` for `libc-2.31.so`), which opens the first that is found.
    ///
    /// It does not look for libraries for particular processors (`glibc-hwcaps`), nor in the
    /// directories of `LD_LIBRARY_PATH` or of a run path: [`in_process`](Self::in_process) finds
    /// what a process really has.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchBinary`]: no such library was found. Otherwise as [`open`](Self::open).
    pub fn library(name: impl AsRef<OsStr>) -> Result<Self> {
        Self::library_in_this_root(Root::Own, name.as_ref())
    }

    /// Opens a library that is found in the same way below another root directory.
    ///
    /// # Errors
    ///
    /// As [`library`](Self::library).
    pub fn library_in(root: impl AsRef<Path>, name: impl AsRef<OsStr>) -> Result<Self> {
        Self::library_in_this_root(Root::open(root.as_ref())?, name.as_ref())
    }

    /// Opens a library as the process with this id has it mapped, even if another file has been
    /// put in its place, or the process is in a container. Give a name as for
    /// [`library`](Self::library), or the path as the process sees it.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchBinary`]: the process has mapped no such file.
    /// - [`Error::File`]: there is no such process (`ENOENT`), or the caller may not look into it
    ///   (`EACCES`, `EPERM`). A file that has been replaced takes `CAP_SYS_ADMIN` or
    ///   `CAP_CHECKPOINT_RESTORE`.
    /// - [`Error::Binary`].
    pub fn in_process(pid: u32, name: impl AsRef<OsStr>) -> Result<Self> {
        let (file, root, path) = Process::open(pid)?.library(name.as_ref())?;
        Self::of_file(file, root, path)
    }

    /// Opens the program that the process with this id runs.
    ///
    /// # Errors
    ///
    /// As [`in_process`](Self::in_process).
    pub fn of_process(pid: u32) -> Result<Self> {
        let process = Process::open(pid)?;
        let (file, path) = process.program()?;
        Self::of_file(file, process.root()?, path)
    }

    fn in_this_root(root: Root, path: &Path) -> Result<Self> {
        match root.open_file(path) {
            Ok(file) => Self::of_file(file, root, path.to_owned()),
            Err(source) => Err(Error::File {
                path: root.name(path),
                source,
            }),
        }
    }

    fn library_in_this_root(root: Root, name: &OsStr) -> Result<Self> {
        if name.as_bytes().contains(&b'/') {
            return Self::in_this_root(root, Path::new(name));
        }
        let (image, path) = library::find(&root, name)?;
        Ok(Self::of_image(image, root, path))
    }

    fn of_file(file: File, root: Root, path: PathBuf) -> Result<Self> {
        let image = Image::read(file, root.name(&path))?;
        Ok(Self::of_image(image, root, path))
    }

    fn of_image(image: Image, root: Root, path: PathBuf) -> Self {
        Self {
            image,
            root,
            path,
            debug: OnceLock::new(),
        }
    }

    /// The function of this name: `malloc`, `memcpy@GLIBC_2.14` for a version of it, or
    /// `main+0x10` for a place in it. The address and the offset are then those of the place.
    ///
    /// If several functions have the name, one that other files can use comes before one that only
    /// its own file can use, and a current version before those that only older programs get.
    /// [`functions_named`](Self::functions_named) returns all of them.
    ///
    /// # Errors
    ///
    /// [`Error::Binary`] with
    ///
    /// - [`NoSuchSymbol`](BinaryProblem::NoSuchSymbol): no table has the name; with names that are
    ///   close to it;
    /// - [`Stripped`](BinaryProblem::Stripped): the same, of a binary that is stripped;
    /// - [`Imported`](BinaryProblem::Imported): it is in another library;
    /// - [`Indirect`](BinaryProblem::Indirect): it is an indirect function;
    /// - [`NotAFunction`](BinaryProblem::NotAFunction);
    /// - [`Ambiguous`](BinaryProblem::Ambiguous): there are several, and none comes first;
    /// - [`BeyondFunction`](BinaryProblem::BeyondFunction): the place is not in the function;
    /// - [`NoSuchAddress`](BinaryProblem::NoSuchAddress): nobody has said how long the function is,
    ///   and the place is not in the file;
    /// - [`Malformed`](BinaryProblem::Malformed) or [`TooLarge`](BinaryProblem::TooLarge).
    pub fn function(&self, name: impl AsRef<str>) -> Result<BinarySymbol> {
        let name = name.as_ref();
        let written = WrittenName::parse(name);
        let mut found = find::find(&self.image.tables()?, &self.image.segments, &written)?;
        if !found.is_exported() && self.debug_symbols()?.is_some() {
            found = find::find(&self.tables()?, &self.image.segments, &written)?;
        }
        let mut symbol = match found.one(name) {
            Ok(symbol) => symbol,
            Err(problem) => return Err(self.explained(problem, &written)),
        };
        if written.offset != 0 {
            if symbol.size != 0 && written.offset >= symbol.size {
                return Err(self.image.bytes.problem(BinaryProblem::BeyondFunction {
                    name: symbol.name,
                    offset: written.offset,
                    size: symbol.size,
                }));
            }
            symbol.address = symbol.address.wrapping_add(written.offset);
            symbol.offset = self.offset_of(symbol.address)?;
        }
        Ok(symbol)
    }

    /// Every function of this name, whatever its binding and version, in the order of the tables.
    /// The list is empty if the binary has no such function.
    ///
    /// # Errors
    ///
    /// [`Error::File`] or [`Error::Binary`]: the file could not be read, or is malformed.
    pub fn functions_named(&self, name: impl AsRef<str>) -> Result<Vec<BinarySymbol>> {
        let written = WrittenName::parse(name.as_ref());
        Ok(find::find(&self.tables()?, &self.image.segments, &written)?.functions)
    }

    /// The functions whose names match a pattern, each place once, in the order of their places.
    /// In the pattern, `*` stands for any characters, and `?` for one. Indirect functions are left
    /// out.
    ///
    /// # Errors
    ///
    /// [`Error::Binary`] with [`NothingMatches`](BinaryProblem::NothingMatches), or as
    /// [`functions_named`](Self::functions_named).
    pub fn functions_matching(&self, pattern: impl AsRef<str>) -> Result<Vec<BinarySymbol>> {
        let pattern = pattern.as_ref();
        let found = self.functions_where(|symbol| pattern::matches(pattern, &symbol.name))?;
        if found.is_empty() {
            let problem = BinaryProblem::NothingMatches {
                pattern: pattern.to_owned(),
                is_stripped: self.is_stripped()?,
                has_unread_symbols: self.has_unread_symbols()?,
            };
            return Err(self.image.bytes.problem(problem));
        }
        Ok(found)
    }

    /// The functions that the closure picks, each place once, in the order of their places. The
    /// list is empty if it picks nothing. Indirect functions are left out.
    ///
    /// # Errors
    ///
    /// As [`functions_named`](Self::functions_named).
    pub fn functions_where(
        &self,
        picks: impl FnMut(&BinarySymbol) -> bool,
    ) -> Result<Vec<BinarySymbol>> {
        select::select(&self.tables()?, &self.image.segments, picks)
    }

    /// The offset in the file of a virtual address, as it is before the binary is loaded anywhere.
    ///
    /// # Errors
    ///
    /// [`Error::Binary`] with [`NoSuchAddress`](BinaryProblem::NoSuchAddress): the address is in no
    /// segment, or in a part of one that is not in the file.
    pub fn offset_of(&self, address: u64) -> Result<u64> {
        let offset = self.image.segments.offset_of(address, false);
        let problem = BinaryProblem::NoSuchAddress { address };
        offset.ok_or_else(|| self.image.bytes.problem(problem))
    }

    /// The function that has this place in the file in it, such as one from
    /// [`UprobeMultiInfo::offsets`](crate::UprobeMultiInfo::offsets); `None` if no known function
    /// has it.
    ///
    /// # Errors
    ///
    /// As [`functions_named`](Self::functions_named).
    pub fn symbol_at(&self, offset: u64) -> Result<Option<SymbolOffset>> {
        Ok(self.symbols_at(&[offset])?.pop().flatten())
    }

    /// The function that has each of these places in it. The tables are read once for all of them.
    ///
    /// # Errors
    ///
    /// As [`functions_named`](Self::functions_named).
    pub fn symbols_at(&self, offsets: &[u64]) -> Result<Vec<Option<SymbolOffset>>> {
        nearest::nearest(&self.tables()?, &self.image.segments, offsets)
    }

    /// The places of the USDT probe of this provider and name.
    ///
    /// # Errors
    ///
    /// [`Error::Binary`] with [`NoSuchProbe`](BinaryProblem::NoSuchProbe), or as
    /// [`functions_named`](Self::functions_named).
    pub fn usdt(&self, provider: impl AsRef<str>, name: impl AsRef<str>) -> Result<Vec<UsdtPlace>> {
        let (provider, name) = (provider.as_ref(), name.as_ref());
        let wanted = format!("{provider}:{name}");
        let mut similar = Similar::to(&wanted);
        let places = usdt::places(&self.image, |of, probe| {
            let is_wanted = of == provider && probe == name;
            if !is_wanted {
                similar.show(&format!("{of}:{probe}"));
            }
            is_wanted
        })?;
        if places.is_empty() {
            let similar = similar.closest();
            let problem = BinaryProblem::NoSuchProbe {
                probe: wanted,
                similar,
            };
            return Err(self.image.bytes.problem(problem));
        }
        Ok(places)
    }

    /// The places of all USDT probes. The list is empty if the binary has no probes.
    ///
    /// # Errors
    ///
    /// As [`functions_named`](Self::functions_named).
    pub fn usdt_places(&self) -> Result<Vec<UsdtPlace>> {
        usdt::places(&self.image, |_, _| true)
    }

    /// The name that the linker has given this binary by its contents; `None` if it has not.
    ///
    /// # Errors
    ///
    /// As [`functions_named`](Self::functions_named).
    pub fn build_id(&self) -> Result<Option<Vec<u8>>> {
        notes::build_id(&self.image)
    }

    /// What errors call the file: its path, below `/proc/PID/root` if it is a process' own.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.image.bytes.path()
    }

    /// The numbers of the file's device and inode: two binaries with the same numbers are the same
    /// file, however they were opened.
    ///
    /// # Errors
    ///
    /// [`Error::File`].
    pub fn device_and_inode(&self) -> Result<(u64, u64)> {
        match self.image.bytes.file().metadata() {
            Ok(found) => Ok((found.dev(), found.ino())),
            Err(source) => Err(Error::File {
                path: self.path().to_owned(),
                source,
            }),
        }
    }

    /// Its tables of symbols, and those that it was stripped of.
    fn tables(&self) -> Result<Vec<SymbolTable<'_>>> {
        let mut tables = self.image.tables()?;
        if let Some(debug) = self.debug_symbols()? {
            tables.extend(debug.tables()?);
        }
        Ok(tables)
    }

    /// The debug file of a binary that was stripped, or what is compressed into it.
    fn debug_symbols(&self) -> Result<Option<&Image>> {
        if self.image.has_all_symbols() {
            return Ok(None);
        }
        if let Some(found) = self.debug.get() {
            return Ok(found.as_ref());
        }
        let mut found = debug_file::find(&self.image, &self.root, &self.path)?;
        if found.is_none() {
            found = debug_data::read(&self.image)?.filter(Image::has_all_symbols);
        }
        Ok(self.debug.get_or_init(|| found).as_ref())
    }

    fn is_stripped(&self) -> Result<bool> {
        Ok(!self.image.has_all_symbols() && self.debug_symbols()?.is_none())
    }

    /// Whether only the lack of a feature keeps it from more symbols.
    fn has_unread_symbols(&self) -> Result<bool> {
        let is_read = cfg!(feature = "elf-xz");
        Ok(!is_read && self.is_stripped()? && debug_data::is_there(&self.image)?)
    }
}

impl AsFd for Binary {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.image.bytes.as_fd()
    }
}

impl<'a> From<&'a Binary> for FileRef<'a> {
    fn from(binary: &'a Binary) -> Self {
        Self::fd(binary)
    }
}
