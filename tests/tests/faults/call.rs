//! The system calls that faults are put into.

use rustix::fs::{self, AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags, StatxFlags};
use rustix::io;
use rustix::net::{AddressFamily, SocketType};

use bpf_link_tests::in_form;
use bpf_link_tests::sys::{self, PerfConfig};

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

/// An error number of faults, with its name.
pub(crate) type Errno = (&'static str, i32);

/// Those that all operations meet.
const ERRORS: &[Errno] = &[
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

/// Those that sets meet besides. In most calls they are an answer to what is asked about one link,
/// but a set has to undo what it did whatever it is told.
const ERRORS_OF_SETS: &[Errno] = &[
    ("EINVAL", libc::EINVAL),
    ("EOPNOTSUPP", libc::EOPNOTSUPP),
    ("EEXIST", libc::EEXIST),
    ("ENOLINK", libc::ENOLINK),
];

/// What sets meet in the short form, as they make some hundred calls each: errors that are handled
/// in different ways.
const ERRORS_OF_SETS_IN_SHORT: &[Errno] = &[
    ("EPERM", libc::EPERM),
    ("ENOENT", libc::ENOENT),
    ("EBUSY", libc::EBUSY),
    ("EINVAL", libc::EINVAL),
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

/// The error number of a call that the standard library made.
fn in_std(answer: std::io::Result<()>) -> Option<io::Errno> {
    answer.err().as_ref().and_then(io::Errno::from_io_error)
}

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
    pub(crate) fn errors(self, class: Class) -> impl Iterator<Item = Errno> {
        let lists = match class {
            Class::Plain | Class::Walk => [ERRORS, &[]],
            Class::Set => in_form([ERRORS_OF_SETS_IN_SHORT, &[]], [ERRORS, ERRORS_OF_SETS]),
        };
        lists
            .into_iter()
            .flatten()
            .copied()
            .filter(move |(_, errno)| self != Self::Fcntl || *errno != libc::EBADF)
    }

    /// Makes the call once, to no effect. Says whether the kernel's answer is the one that it
    /// always has, and which no fault has.
    pub(crate) fn make_in_vain(self) -> bool {
        let stdin = rustix::stdio::stdin();
        let long = || "x".repeat(5000);
        let is_too_long = |error: Option<io::Errno>| error == Some(io::Errno::NAMETOOLONG);
        match self {
            Self::Bpf => {
                let answer = sys::bpf_with_a_long_attr();
                answer.is_err_and(|error| error.raw_os_error() == Some(libc::E2BIG))
            }
            Self::Renameat => is_too_long(fs::renameat(CWD, long(), CWD, "y").err()),
            Self::Renameat2 => {
                let flags = RenameFlags::NOREPLACE;
                is_too_long(fs::renameat_with(CWD, long(), CWD, "y", flags).err())
            }
            Self::Unlinkat => is_too_long(fs::unlinkat(CWD, long(), AtFlags::empty()).err()),
            Self::Mkdir => is_too_long(in_std(std::fs::create_dir(long()))),
            Self::Rmdir => is_too_long(in_std(std::fs::remove_dir(long()))),
            Self::Newfstatat => is_too_long(fs::statat(CWD, long(), AtFlags::empty()).err()),
            Self::Statx => {
                let answer = fs::statx(CWD, long(), AtFlags::empty(), StatxFlags::empty());
                is_too_long(answer.err())
            }
            Self::Fstatfs => fs::fstatfs(stdin).is_ok(),
            Self::Getdents64 => {
                let mut room = [std::mem::MaybeUninit::uninit(); 64];
                let mut entries = fs::RawDir::new(stdin, &mut room);
                matches!(entries.next(), Some(Err(io::Errno::NOTDIR)))
            }
            Self::Fcntl => rustix::io::fcntl_getfd(stdin).is_ok(),
            Self::Openat => fs::openat(CWD, "/", OFlags::PATH, Mode::empty()).is_ok(),
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
            Self::Flock => fs::flock(stdin, FlockOperation::Unlock).is_ok(),
            Self::Socket => {
                rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).is_ok()
            }
        }
    }
}
