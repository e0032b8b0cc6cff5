//! Functions by their names and by their numbers in BTF, the format in which the kernel describes
//! its own types and those of programs.

mod functions;
pub(crate) mod index;
mod prototypes;
pub(crate) mod types;

use std::ffi::{CStr, CString, OsStr};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::error::{Command, CommandError, Error, InvalidRequest, Result, Target};
use crate::id::{BtfId, BtfTypeId};
use crate::object::BtfInfo;
use functions::Functions;
use prototypes::Prototypes;

/// Where the kernel has its own types, and those of its modules.
const DIRECTORY: &str = "/sys/kernel/btf";
/// What the kernel itself is called there.
const KERNEL: &str = "vmlinux";

/// The functions of one BTF object: of the kernel, of a module or of a program.
///
/// It is a copy of their names and numbers. The kernel's own are kept once in a process, as long as
/// there is such a copy. A module that is loaded again has other numbers.
///
/// ```no_run
/// use bpf_link::Btf;
///
/// # fn main() -> bpf_link::Result<()> {
/// let kernel = Btf::of_kernel()?;
/// for function in kernel.functions_named("tcp_sendmsg") {
///     println!("tcp_sendmsg is {function}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Btf {
    module: Option<CString>,
    /// The BTF object of a program, which is not in any file.
    object: Option<BtfId>,
    functions: Arc<Functions>,
}

/// A function of a BTF object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct BtfFunction<'a> {
    /// Its number.
    pub id: BtfTypeId,
    /// Its name.
    pub name: &'a str,
}

impl Btf {
    /// The functions of the kernel that runs. Reads the whole of `/sys/kernel/btf/vmlinux`, several
    /// megabytes.
    ///
    /// # Errors
    ///
    /// [`Error::Command`] with
    /// [`Command::ReadKernelTypes`] and
    ///
    /// - `ENOENT`: the kernel was built without `CONFIG_DEBUG_INFO_BTF`, or there is no sysfs;
    /// - [`InvalidData`](io::ErrorKind::InvalidData): the types are in a format that this release
    ///   does not know.
    ///
    /// # Kernel
    ///
    /// Since Linux 5.4.
    pub fn of_kernel() -> Result<Self> {
        // They do not change while the kernel runs.
        static KEPT: Mutex<Weak<Functions>> = Mutex::new(Weak::new());
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        let functions = match kept.upgrade() {
            Some(functions) => functions,
            None => Arc::new(read_file(KERNEL.as_ref(), None)?),
        };
        *kept = Arc::downgrade(&functions);
        Ok(Self {
            module: None,
            object: None,
            functions,
        })
    }

    /// The functions of a module that is loaded.
    ///
    /// # Errors
    ///
    /// As [`of_kernel`](Self::of_kernel); with `ENOENT`, there is no such module, or it was built
    /// without types.
    ///
    /// # Kernel
    ///
    /// Since Linux 5.11.
    pub fn of_module(name: &str) -> Result<Self> {
        let base = Self::of_kernel()?;
        let name = CString::new(name).map_err(|refused| InvalidRequest::NameHasNul {
            name: refused.into_vec().into(),
        })?;
        // A name with a slash would be a path, and `vmlinux` is not a module.
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let bytes = name.as_bytes();
        if bytes.is_empty() || !bytes.iter().all(is_name) || bytes == KERNEL.as_bytes() {
            let path = Path::new(DIRECTORY).join(OsStr::from_bytes(bytes));
            let source = io::Error::from_raw_os_error(libc::ENOENT);
            return Err(refusal(Target::path(&path), source));
        }
        base.module(name)
    }

    /// The functions of the BTF object with this id: the one that a link's or a program's info has.
    /// Those of the kernel and its modules are read from sysfs.
    ///
    /// # Errors
    ///
    /// - [`Error::Vanished`] (`ENOENT`): no BTF object has this id.
    /// - [`Error::PermissionDenied`] (`EPERM`): the caller lacks
    ///   `CAP_SYS_ADMIN` in the first user namespace.
    /// - Otherwise as [`of_kernel`](Self::of_kernel) and [`BtfInfo::from_id`].
    ///
    /// # Kernel
    ///
    /// `BPF_BTF_GET_FD_BY_ID` since Linux 4.18, which ends in `btf_get_fd_by_id` (7.3). Before
    /// Linux 5.11 the kernel does not tell its own types from a program's: all are read from the
    /// object.
    pub fn from_id(id: BtfId) -> Result<Self> {
        let info = BtfInfo::from_id(id)?;
        match info.name {
            Some(name) if info.is_kernel == Some(true) => {
                let kernel = Self::of_kernel()?;
                if name.to_bytes() == KERNEL.as_bytes() {
                    Ok(kernel)
                } else {
                    kernel.module(name)
                }
            }
            _ => {
                let read = Functions::read(&BtfInfo::read_types(id)?, None);
                let functions = read.map_err(|error| refusal(Target::Btf(id), malformed(error)))?;
                Ok(Self {
                    module: None,
                    object: Some(id),
                    functions: Arc::new(functions),
                })
            }
        }
    }

    /// A module's, which refers to these.
    fn module(&self, name: CString) -> Result<Self> {
        let file = OsStr::from_bytes(name.to_bytes());
        let functions = read_file(file.as_ref(), Some(Arc::clone(&self.functions)))?;
        Ok(Self {
            module: Some(name),
            object: None,
            functions: Arc::new(functions),
        })
    }

    /// The module that the functions are in; `None` for those of the kernel itself or of a program.
    #[must_use]
    pub fn module_name(&self) -> Option<&CStr> {
        self.module.as_deref()
    }

    /// All functions of this object, without those of the kernel for a module's, in the order of
    /// their numbers. Not all of them can be traced.
    pub fn functions(&self) -> impl Iterator<Item = BtfFunction<'_>> {
        self.functions.own().filter_map(|(id, name)| {
            let id = BtfTypeId::new(id)?;
            Some(BtfFunction { id, name })
        })
    }

    /// The functions of this object whose arguments and return value can be passed to a tracing
    /// program, by their numbers, in order.
    ///
    /// Tracing programs cannot be attached to the others: they take a variable number of arguments,
    /// a structure of more than 16 bytes, or more than 12 words of 8 bytes in all, or they return a
    /// structure or more than 8 bytes. These are the rules of x86-64; other architectures may take
    /// less. A function in the list may still be impossible to trace for other reasons.
    ///
    /// Reads all types again.
    ///
    /// # Errors
    ///
    /// As [`of_kernel`](Self::of_kernel) and [`from_id`](Self::from_id).
    ///
    /// # Kernel
    ///
    /// As `btf_distill_func_proto` (7.3) decides it.
    pub fn passable_functions(&self) -> Result<Vec<BtfTypeId>> {
        let (target, read) = match (self.object, &self.module) {
            (Some(id), _) => {
                let types = BtfInfo::read_types(id)?;
                (Target::Btf(id), passable(&types, None))
            }
            (None, Some(module)) => {
                let base = read_bytes(KERNEL.as_ref())?;
                let name: &Path = OsStr::from_bytes(module.to_bytes()).as_ref();
                let path = Path::new(DIRECTORY).join(name);
                (
                    Target::path(&path),
                    passable(&read_bytes(name)?, Some(&base)),
                )
            }
            (None, None) => {
                let path = Path::new(DIRECTORY).join(KERNEL);
                (
                    Target::path(&path),
                    passable(&read_bytes(KERNEL.as_ref())?, None),
                )
            }
        };
        read.map_err(|error| refusal(target, malformed(error)))
    }

    /// The functions of this name. There may be several, as static functions of different files can
    /// share a name.
    pub fn functions_named(&self, name: &str) -> impl Iterator<Item = BtfTypeId> {
        let found = self.functions().filter(move |found| found.name == name);
        found.map(|found| found.id)
    }

    /// The name of the function with this number, for a module also of those of the kernel. `None`
    /// if the type is something else.
    #[must_use]
    pub fn function_name(&self, id: BtfTypeId) -> Option<&str> {
        self.functions.name_of(id.get())
    }
}

fn read_file(name: &Path, base: Option<Arc<Functions>>) -> Result<Functions> {
    let path = Path::new(DIRECTORY).join(name);
    let read = || Functions::read(&fs::read(&path)?, base).map_err(malformed);
    read().map_err(|source| refusal(Target::path(&path), source))
}

fn read_bytes(name: &Path) -> Result<Vec<u8>> {
    let path = Path::new(DIRECTORY).join(name);
    fs::read(&path).map_err(|source| refusal(Target::path(&path), source))
}

fn passable(types: &[u8], base: Option<&[u8]>) -> Result<Vec<BtfTypeId>, types::Malformed> {
    let prototypes = Prototypes::read(types, base)?;
    let functions = prototypes.passable();
    Ok(functions.filter_map(BtfTypeId::new).collect())
}

fn malformed(error: types::Malformed) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn refusal(target: Target, source: io::Error) -> Error {
    CommandError::new(Command::ReadKernelTypes, target, source).classify()
}
