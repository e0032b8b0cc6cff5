//! The functions of system calls.

use super::{KernelFunction, KernelFunctions};
use crate::error::{Error, KernelFunctionProblem, Result};

/// What the functions of system calls begin with, as the architectures call them. A kernel has them
/// under one of these names: before Linux 4.17, and where the architecture has no wrappers, without
/// its name.
const PREFIXES: [&str; 6] = [
    "__x64_sys_",
    "__arm64_sys_",
    "__s390x_sys_",
    "__riscv_sys_",
    "sys_",
    "SyS_",
];

/// System calls whose function has another name in the kernel's table of system calls, on the
/// architecture with this prefix or on all of them. Most kernels also have a function with the
/// system call's own name, which serves 32-bit programs or is not used.
const RENAMED: [(Option<&str>, &str, &str); 13] = [
    (None, "stat", "newstat"),
    (None, "lstat", "newlstat"),
    (None, "fstat", "newfstat"),
    (None, "uname", "newuname"),
    (None, "sendfile", "sendfile64"),
    (None, "umount2", "umount"),
    (Some("__arm64_sys_"), "fadvise64", "fadvise64_64"),
    (Some("__arm64_sys_"), "personality", "arm64_personality"),
    (Some("__riscv_sys_"), "fadvise64", "fadvise64_64"),
    (Some("__s390x_sys_"), "fadvise64", "fadvise64_64"),
    (Some("__s390x_sys_"), "personality", "s390_personality"),
    (Some("__s390x_sys_"), "ipc", "s390_ipc"),
    (Some("__s390x_sys_"), "mmap", "old_mmap"),
];

impl KernelFunctions {
    /// The function of the system call of this name (`openat`), whatever it is called on this
    /// architecture (`__x64_sys_openat`, `__arm64_sys_openat`, `sys_openat`). It is that of 64-bit
    /// programs; those that are run for 32-bit programs have functions of their own.
    ///
    /// A few are called something else in the kernel: `stat` is `__x64_sys_newstat`, although there
    /// is an old `__x64_sys_stat` as well.
    ///
    /// Where it has a wrapper, as on x86-64, arm64, s390x and riscv64, a program finds the
    /// arguments of the system call in the registers to which the function's only argument points.
    ///
    /// # Errors
    ///
    /// [`Error::KernelFunction`] with
    ///
    /// - [`NoSuchSyscall`](KernelFunctionProblem::NoSuchSyscall): the kernel has no system call
    ///   of this name; the error lists similar names;
    /// - [`NotTraceable`](KernelFunctionProblem::NotTraceable): its function cannot be traced.
    ///   Not returned if these are [`all`](Self::all) functions.
    pub fn syscall(&self, name: impl AsRef<str>) -> Result<KernelFunction> {
        let name = name.as_ref();
        let prefix = self.syscall_prefix();
        let renamed = RENAMED.iter().find_map(|(of, call, function)| {
            let is_of = *call == name && of.is_none_or(|of| of == prefix);
            let function = format!("{prefix}{function}");
            (is_of && self.has(&function)).then_some(function)
        });
        match self.function(renamed.unwrap_or_else(|| format!("{prefix}{name}"))) {
            Err(Error::KernelFunction(mut problem)) => {
                if let KernelFunctionProblem::NoSuchFunction { similar, .. } = &*problem {
                    let similar = similar
                        .iter()
                        .filter_map(|found| found.strip_prefix(prefix));
                    *problem = KernelFunctionProblem::NoSuchSyscall {
                        name: name.to_owned(),
                        similar: similar.map(ToOwned::to_owned).collect(),
                    };
                }
                Err(Error::KernelFunction(problem))
            }
            found => found,
        }
    }

    /// What they begin with here, told by the system call that every kernel of these links has.
    fn syscall_prefix(&self) -> &'static str {
        let is_there = |prefix: &&str| self.has(&format!("{prefix}bpf"));
        PREFIXES.into_iter().find(is_there).unwrap_or("sys_")
    }

    /// Whether the kernel has a function of this name, traceable or not.
    fn has(&self, name: &str) -> bool {
        let mut functions = self.table.functions();
        functions.any(|function| function.name == name.as_bytes())
    }
}
