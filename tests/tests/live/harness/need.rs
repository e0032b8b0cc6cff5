//! What a test needs, and how the machine is asked for it.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};
use bpf_link::{RawLink, RawTracepointOpen};
use bpf_link_tests::sys::{self, IdSpace};
use bpf_link_tests::{Device, DeviceKind, Hook, KernelBtf, Loader, Netns, Program, processors};
use rustix::thread::CapabilitySet;

use super::kernel::{self, Kernel};
use super::{example, lister};
use crate::fixture::ENOTSUPP;

/// Something that not every kernel, machine or user has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// A constant of an enumeration of the kernel, by the enumeration's name and its own.
    Constant(&'static str, &'static str),
    /// A member of a structure of the kernel, by the structure's name and its own.
    Member(&'static str, &'static str),
    /// A function of the kernel, which is not there where its configuration leaves it out.
    Function(&'static str),
    /// Something that iterators go over, by its name.
    Iterator(&'static str),
    /// A kernel that has had no oops since it booted: what died then may hold locks, for which
    /// others wait for ever.
    NoOops,
    /// A kernel that was booted for the tests: what a test of a guard asks for would crash the
    /// kernel if the guard did not hold.
    OwnKernel,
    /// A type of file system.
    FileSystem(&'static str),
    /// A second processor that is online.
    SecondProcessor,
    /// A processor that the machine may have, and that is offline.
    OfflineProcessor,
    /// A kind of network device.
    Device(DeviceKind),
    /// A command on the `PATH`.
    Command(&'static str),
    /// The command `bpf-links`, which is built if it is not there: that it cannot be is a failure.
    Lister,
    /// The examples of the crates, which are built likewise.
    Examples,
    /// That programs may be put on the kernel's functions. Some machines refuse that even to root.
    Trampoline,
    /// That the kernel compiles programs for the processor: without, no function can call one.
    Jit,
    /// That the machine's first process is in the kernel's first network namespace, and the tests
    /// may go there.
    FirstNetns,
    /// Modules of the kernel that are loaded and describe their types.
    ModuleTypes,
    /// A security module that is in effect.
    SecurityModule(&'static str),
    /// A machine of this architecture, by Rust's name: for what only its instructions have.
    Machine(&'static str),
    /// The Linux that a documented difference in behaviour came with, where there is nothing else
    /// to tell it by.
    Linux(u32, u32),
    /// A kernel from before that Linux.
    Before(u32, u32),
    /// The absence of something: for how the libraries deal with a kernel that does not have it.
    Without(&'static Need),
}

/// Where a need is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Anywhere: the parent asks, before it starts a process for the test.
    Machine,
    /// In the test's process and sandbox, as asking makes something on the kernel.
    Sandbox,
}

/// What the kinds of link need, told by what each came with. Kinds that are not listed are in every
/// kernel that the libraries support.
impl Need {
    /// Links of tracing programs.
    pub(crate) const TRACING: &[Self] = &[Self::Trampoline];
    /// Links of programs of the security hooks.
    pub(crate) const LSM: &[Self] = &[Self::Trampoline, Self::Function("bpf_lsm_file_open")];
    /// Perf event links, since Linux 5.15.
    pub(crate) const PERF_EVENT: &[Self] =
        &[Self::Constant("bpf_link_type", "BPF_LINK_TYPE_PERF_EVENT")];
    /// `kprobe_multi` links, since Linux 5.18, where the kernel has fprobe.
    pub(crate) const KPROBE_MULTI: &[Self] = &[
        Self::Constant("bpf_link_type", "BPF_LINK_TYPE_KPROBE_MULTI"),
        Self::Function("register_fprobe"),
    ];
    /// Programs that run at the entry and at the return of functions, since Linux 6.10.
    pub(crate) const KPROBE_SESSION: &[Self] = &[Self::Constant(
        "bpf_attach_type",
        "BPF_TRACE_KPROBE_SESSION",
    )];
    /// `struct_ops` links, since Linux 6.4.
    pub(crate) const STRUCT_OPS: &[Self] = &[
        Self::Constant("bpf_attach_type", "BPF_STRUCT_OPS"),
        Self::Jit,
        Self::NoOops,
    ];
    /// Netfilter links, since Linux 6.4.
    pub(crate) const NETFILTER: &[Self] = &[
        Self::Constant("bpf_attach_type", "BPF_NETFILTER"),
        Self::Function("bpf_nf_link_attach"),
    ];
    /// tcx links, since Linux 6.6.
    pub(crate) const TCX: &[Self] = &[
        Self::Constant("bpf_attach_type", "BPF_TCX_INGRESS"),
        Self::Function("tcx_link_attach"),
    ];
    /// `uprobe_multi` links, since Linux 6.6.
    pub(crate) const UPROBE_MULTI: &[Self] = &[
        Self::Constant("bpf_attach_type", "BPF_TRACE_UPROBE_MULTI"),
        Self::Function("uprobe_mmap"),
    ];
    /// netkit links, since Linux 6.7.
    pub(crate) const NETKIT: &[Self] = &[
        Self::Constant("bpf_attach_type", "BPF_NETKIT_PRIMARY"),
        Self::Function("netkit_link_attach"),
        Self::Device(DeviceKind::Netkit),
    ];
    /// Sockmap links, since Linux 6.10.
    pub(crate) const SOCKMAP: &[Self] = &[Self::Constant("bpf_link_type", "BPF_LINK_TYPE_SOCKMAP")];
    /// The kernel answers queries of maps of sockets, since Linux 5.19.
    pub(crate) const SOCKMAP_QUERY: Self = Self::Function("sock_map_bpf_prog_query");
    /// `tracing_multi` links, since Linux 7.2, where the kernel can put one piece of code on many
    /// functions.
    pub(crate) const TRACING_MULTI: &[Self] = &[
        Self::Constant("bpf_link_type", "BPF_LINK_TYPE_TRACING_MULTI"),
        Self::Function("bpf_trampoline_multi_attach"),
    ];
}

impl Need {
    /// Where to ask for it.
    pub(super) fn place(self) -> Place {
        match self {
            Self::Device(_) | Self::Trampoline | Self::Jit => Place::Sandbox,
            Self::Without(need) => need.place(),
            _ => Place::Machine,
        }
    }

    /// What is missing, in words; nothing where nothing is.
    ///
    /// # Errors
    ///
    /// It cannot be told.
    pub(crate) fn missing(self) -> Result<Option<String>> {
        Ok((!self.is_there()?).then(|| self.absence()))
    }

    fn is_there(self) -> Result<bool> {
        Ok(match self {
            Self::Constant(enumeration, constant) => {
                let found = KernelBtf::get()?.constant(enumeration, constant)?;
                found.is_some()
            }
            Self::Member(structure, member) => {
                let found = KernelBtf::get()?.member(structure, member)?;
                found.is_some()
            }
            Self::Function(name) => has_function(name)?,
            Self::Iterator(name) => {
                let found = KernelBtf::get()?.function(&format!("bpf_iter_{name}"))?;
                found.is_some()
            }
            Self::NoOops => !kernel::has_had_an_oops()?,
            Self::OwnKernel => Path::new("/vm-test").is_dir(),
            Self::FileSystem(name) => has_file_system(name)?,
            Self::SecondProcessor => processors::online()?.len() > 1,
            Self::OfflineProcessor => processors::offline()?.is_some(),
            Self::Device(kind) => can_make(kind)?,
            Self::Command(name) => is_command(name),
            Self::Lister => {
                lister::build()?;
                true
            }
            Self::Examples => {
                example::build()?;
                true
            }
            Self::Trampoline => can_trace_a_function()?,
            Self::Jit => is_compiled()?,
            Self::FirstNetns => is_in_the_first_netns(1)?,
            Self::ModuleTypes => std::fs::read_dir("/sys/kernel/btf")?.count() > 1,
            Self::SecurityModule(name) => has_security_module(name)?,
            Self::Machine(name) => name == std::env::consts::ARCH,
            Self::Linux(major, minor) => Kernel::here()?.version >= (major, minor),
            Self::Before(major, minor) => Kernel::here()?.version < (major, minor),
            Self::Without(need) => !need.is_there()?,
        })
    }

    /// That it is not there, in words.
    pub(super) fn absence(self) -> String {
        match self {
            Self::Constant(enumeration, constant) => {
                format!("the kernel's enum {enumeration} has no {constant}")
            }
            Self::Member(structure, member) => {
                format!("the kernel's struct {structure} has no {member}")
            }
            Self::Function(name) => format!("the kernel has no function {name}"),
            Self::Iterator(name) => format!("the kernel has no iterator over {name}"),
            Self::NoOops => "the kernel has had an oops".to_owned(),
            Self::OwnKernel => "the kernel was not booted for the tests".to_owned(),
            Self::FileSystem(name) => format!("the kernel has no file system {name}"),
            Self::SecondProcessor => "one processor is online".to_owned(),
            Self::OfflineProcessor => "no processor is offline".to_owned(),
            Self::Device(kind) => format!("the kernel has no network device of kind {kind:?}"),
            Self::Command(name) => format!("no command {name}"),
            Self::Lister => "there is no bpf-links".to_owned(),
            Self::Examples => "there are no examples".to_owned(),
            Self::Trampoline => "the kernel refuses programs on its functions".to_owned(),
            Self::Jit => "the kernel compiles no programs".to_owned(),
            Self::FirstNetns => {
                "process 1 is not in the kernel's first network namespace, or it is out of reach"
                    .to_owned()
            }
            Self::ModuleTypes => "no module that is loaded describes its types".to_owned(),
            Self::SecurityModule(name) => format!("no security module {name} is in effect"),
            Self::Machine(name) => format!("the machine is no {name}"),
            Self::Linux(major, minor) => {
                format!("the kernel is older than Linux {major}.{minor}")
            }
            Self::Before(major, minor) => {
                format!("the kernel is not older than Linux {major}.{minor}")
            }
            Self::Without(need) => format!("it is about the absence of what is there: {need:?}"),
        }
    }
}

/// What the user lacks for any live test, in words; nothing where nothing is missing.
///
/// # Errors
///
/// It cannot be told.
pub(super) fn missing_privilege() -> Result<Option<String>> {
    let wanted = CapabilitySet::SYS_ADMIN | CapabilitySet::NET_ADMIN;
    let missing = wanted - rustix::thread::capabilities(None)?.effective;
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter_names().map(|(name, _)| name).collect();
        return Ok(Some(format!(
            "not privileged: no CAP_{}",
            names.join(", no CAP_")
        )));
    }
    // The capabilities may be those of a user namespace, which has no say here.
    match sys::next_id(IdSpace::Link, 0) {
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(Some(format!(
            "not privileged: the kernel shows no links: {error}"
        ))),
        Err(error) => Err(error).context("asking for the first link"),
    }
}

/// Whether the kernel has a function or a variable of this name.
///
/// The list is read once in a process, and looked through once for each name: to take it apart
/// takes an emulated machine seconds.
fn has_function(name: &str) -> Result<bool> {
    const LIST: &str = "/proc/kallsyms";
    static LOOKED_FOR: Mutex<(String, BTreeMap<String, bool>)> =
        Mutex::new((String::new(), BTreeMap::new()));
    let mut looked_for = LOOKED_FOR.lock().unwrap_or_else(PoisonError::into_inner);
    let (list, found) = &mut *looked_for;
    if list.is_empty() {
        *list = std::fs::read_to_string(LIST).context(LIST)?;
    }
    if let Some(found) = found.get(name) {
        return Ok(*found);
    }
    // An address, a letter, a name, and for a module's the module.
    let has = list.contains(&format!(" {name}\n")) || list.contains(&format!(" {name}\t"));
    found.insert(name.to_owned(), has);
    Ok(has)
}

fn has_file_system(name: &str) -> Result<bool> {
    const LIST: &str = "/proc/filesystems";
    // `nodev`, if it is not on a disk, and a name.
    let list = std::fs::read_to_string(LIST).context(LIST)?;
    Ok(list
        .lines()
        .any(|line| line.split_ascii_whitespace().last() == Some(name)))
}

/// Whether a process is in the namespace that the settings of the network are in that are the whole
/// machine's.
fn is_in_the_first_netns(process: u32) -> Result<bool> {
    const SETTING: &str = "/proc/sys/net/core/netdev_max_backlog";
    match Netns::of_process(process) {
        Ok(netns) => netns.inside(|| Ok(Path::new(SETTING).exists())),
        // Some machines keep it from even root.
        Err(error) if errno(&error) == Some(libc::EACCES) => Ok(false),
        Err(error) => Err(error),
    }
}

fn has_security_module(name: &str) -> Result<bool> {
    const LIST: &str = "/sys/kernel/security/lsm";
    match std::fs::read_to_string(LIST) {
        Ok(list) => Ok(list.trim_end().split(',').any(|found| found == name)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).context(LIST),
    }
}

fn can_make(kind: DeviceKind) -> Result<bool> {
    match Device::create(kind, "probe") {
        Ok(_) => Ok(true),
        Err(error) if errno(&error) == Some(libc::EOPNOTSUPP) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Some machines refuse to load such a program; without a JIT it cannot be loaded, and on some
/// architectures older kernels have no code that calls it from a function.
fn can_trace_a_function() -> Result<bool> {
    let loaded = Loader::new(Hook::FENTRY)
        .function("bpf_fentry_test1")?
        .returning(0);
    let program = match loaded {
        Ok(program) => program,
        Err(error) if matches!(errno(&error), Some(libc::EPERM | libc::ENOMEM)) => {
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    let open = RawTracepointOpen::load_time_target(&program);
    match RawLink::open_raw_tracepoint(&open) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.errno(), Some(libc::EOPNOTSUPP | ENOTSUPP)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether a plain program has been compiled once it is loaded.
fn is_compiled() -> Result<bool> {
    let program = Program::passing(Hook::XDP)?;
    Ok(sys::prog_info(program.as_fd())?.jited_prog_len != 0)
}

fn errno(error: &anyhow::Error) -> Option<i32> {
    error
        .root_cause()
        .downcast_ref::<io::Error>()?
        .raw_os_error()
}

fn is_command(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| Path::new(&directory).join(name).is_file())
}
