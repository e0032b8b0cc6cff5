//! The system calls that faults are put into.

use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags, StatxFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType};

use bpf_link_tests::sys::{self, IdSpace, PerfConfig};

/// A system call, by its name on `x86_64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Bpf,
    Renameat,
    Renameat2,
    Unlinkat,
    Mkdir,
    Rmdir,
    Newfstatat,
    Statx,
    Fstatfs,
    Getdents64,
    Fcntl,
    Openat,
    PerfEventOpen,
    Ioctl,
    Socket,
    Flock,
}

/// The error numbers of the faults, and their names.
pub(crate) const ERRORS: [(&str, i32); 9] = [
    ("EINTR", libc::EINTR),
    ("EAGAIN", libc::EAGAIN),
    ("EPERM", libc::EPERM),
    ("ENOMEM", libc::ENOMEM),
    ("ENOSPC", libc::ENOSPC),
    ("EMFILE", libc::EMFILE),
    ("EBADF", libc::EBADF),
    ("ENOENT", libc::ENOENT),
    ("EBUSY", libc::EBUSY),
];

/// What sort of operations: each sort is done by drivers of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Plain,
    /// It goes over the links of the whole machine, and so makes as many calls as those are.
    Walk,
    /// It is about several links, and makes several times as many calls.
    Set,
}

impl Class {
    pub(crate) const ALL: [Self; 3] = [Self::Plain, Self::Walk, Self::Set];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "operations",
            Self::Walk => "walks",
            Self::Set => "sets",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }
}

/// Flags that no kernel has.
const NO_SUCH_FLAGS: AtFlags = AtFlags::from_bits_retain(1 << 30);

impl Call {
    pub(crate) const ALL: [Self; 16] = [
        Self::Bpf,
        Self::Renameat,
        Self::Renameat2,
        Self::Unlinkat,
        Self::Mkdir,
        Self::Rmdir,
        Self::Newfstatat,
        Self::Statx,
        Self::Fstatfs,
        Self::Getdents64,
        Self::Fcntl,
        Self::Openat,
        Self::PerfEventOpen,
        Self::Ioctl,
        Self::Socket,
        Self::Flock,
    ];

    /// Those that only sets make.
    pub(crate) const OF_SETS: [Self; 3] = [Self::Mkdir, Self::Rmdir, Self::Getdents64];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bpf => "bpf",
            Self::Renameat => "renameat",
            Self::Renameat2 => "renameat2",
            Self::Unlinkat => "unlinkat",
            Self::Mkdir => "mkdir",
            Self::Rmdir => "rmdir",
            Self::Newfstatat => "newfstatat",
            Self::Statx => "statx",
            Self::Fstatfs => "fstatfs",
            Self::Getdents64 => "getdents64",
            Self::Fcntl => "fcntl",
            Self::Openat => "openat",
            Self::PerfEventOpen => "perf_event_open",
            Self::Ioctl => "ioctl",
            Self::Socket => "socket",
            Self::Flock => "flock",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|call| call.name() == name)
    }

    /// The place of the fault among the calls of a thread. No operation makes as many calls, but
    /// walks on a machine with many links.
    ///
    /// A process that has just started makes fewer calls before its `main`.
    pub(crate) fn place(self, class: Class) -> usize {
        match (self, class) {
            (Self::Bpf, Class::Set) => 160,
            (_, Class::Set) => 60,
            (Self::Bpf, _) => 26,
            _ => 12,
        }
    }

    /// The faults that make sense: std takes it for the end of I/O safety, and aborts, if a
    /// descriptor that it closes is said to be closed.
    pub(crate) fn errors(self) -> impl Iterator<Item = (&'static str, i32)> {
        ERRORS
            .into_iter()
            .filter(move |(_, errno)| self != Self::Fcntl || *errno != libc::EBADF)
    }

    /// Makes the call once, to no effect. Says whether the kernel's answer is the one that it
    /// always has, and which no fault has.
    pub(crate) fn make_in_vain(self) -> bool {
        let stdin = rustix::stdio::stdin();
        let invalid = Some(Errno::INVAL);
        match self {
            Self::Bpf => {
                let answer = sys::next_id(IdSpace::Link, u32::MAX);
                answer.is_err_and(|error| error.raw_os_error() == Some(libc::EINVAL))
            }
            Self::Renameat => {
                let long = "x".repeat(5000);
                rustix::fs::renameat(CWD, &*long, CWD, "y").err() == Some(Errno::NAMETOOLONG)
            }
            Self::Renameat2 => {
                let both = RenameFlags::NOREPLACE | RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(CWD, "x", CWD, "y", both).err() == invalid
            }
            Self::Unlinkat => rustix::fs::unlinkat(CWD, "x", NO_SUCH_FLAGS).err() == invalid,
            Self::Mkdir => {
                let answer = std::fs::create_dir("/");
                answer.is_err_and(|error| error.raw_os_error() == Some(libc::EEXIST))
            }
            Self::Rmdir => {
                let answer = std::fs::remove_dir(".");
                answer.is_err_and(|error| error.raw_os_error() == Some(libc::EINVAL))
            }
            Self::Newfstatat => rustix::fs::statat(CWD, "x", NO_SUCH_FLAGS).err() == invalid,
            Self::Statx => {
                let answer = rustix::fs::statx(CWD, "x", NO_SUCH_FLAGS, StatxFlags::empty());
                answer.err() == invalid
            }
            Self::Fstatfs => rustix::fs::fstatfs(stdin).is_ok(),
            Self::Getdents64 => {
                let mut room = [std::mem::MaybeUninit::uninit(); 64];
                let mut entries = rustix::fs::RawDir::new(stdin, &mut room);
                matches!(entries.next(), Some(Err(Errno::NOTDIR)))
            }
            Self::Fcntl => rustix::io::fcntl_getfd(stdin).is_ok(),
            Self::Openat => rustix::fs::openat(CWD, "/", OFlags::PATH, Mode::empty()).is_ok(),
            Self::PerfEventOpen => {
                // A type of the kernel's, but none of its events.
                let config = PerfConfig {
                    event_type: bpf_link_sys::PERF_TYPE_HARDWARE,
                    config: u64::MAX >> 32,
                    name: None,
                    offset: 0,
                    sample_period: 1 << 63,
                };
                let answer = sys::perf_event_open(&config);
                answer.is_err_and(|error| error.raw_os_error() == Some(libc::EINVAL))
            }
            Self::Ioctl => rustix::io::ioctl_fionbio(stdin, false).is_ok(),
            Self::Flock => rustix::fs::flock(stdin, FlockOperation::Unlock).is_ok(),
            Self::Socket => {
                rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).is_ok()
            }
        }
    }
}
