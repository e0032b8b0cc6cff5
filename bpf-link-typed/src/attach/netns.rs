//! A network namespace that is not the calling thread's.

mod inside;
pub(crate) mod within;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A network namespace by its file, for hooks of devices and of netfilter that are in another one
/// than the calling thread.
///
/// What is done there is done on a thread of its own that enters it
/// ([`in_netns`](bpf_link::in_netns)). A path that cannot be opened is
/// [`Error::File`](crate::Error::File); without `CAP_SYS_ADMIN`, it is
/// [`Error::Link`](crate::Error::Link) with [`PermissionDenied`](bpf_link::Error::PermissionDenied)
/// (`EPERM`); what is not a network namespace is `EINVAL`.
///
/// ```no_run
/// use bpf_link_typed::{TcxAttach, TcxHook};
///
/// # fn example(program: std::fs::File) -> bpf_link_typed::Result<()> {
/// let link = TcxAttach::to("eth0", TcxHook::Ingress)
///     .in_netns("/run/netns/blue")
///     .attach(&program)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Netns {
    /// By a path, such as `/run/netns/blue` or `/proc/1/ns/net`, which is opened whenever something
    /// is done there.
    Path(PathBuf),
    /// By an open file, which all copies of this share.
    Fd(Arc<OwnedFd>),
}

/// Two are equal if they are the same path, or the same descriptor.
impl PartialEq for Netns {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Path(one), Self::Path(other)) => one == other,
            (Self::Fd(one), Self::Fd(other)) => one.as_raw_fd() == other.as_raw_fd(),
            _ => false,
        }
    }
}

impl Eq for Netns {}

impl std::hash::Hash for Netns {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        match self {
            Self::Path(path) => path.hash(state),
            Self::Fd(file) => file.as_raw_fd().hash(state),
        }
    }
}

macro_rules! from_paths {
    ($($Path:ty),+) => {$(
        impl From<$Path> for Netns {
            fn from(path: $Path) -> Self {
                Self::Path(path.into())
            }
        }
    )+};
}

from_paths!(
    &str, &String, String, &OsStr, &OsString, OsString, &Path, &PathBuf, PathBuf
);

impl From<OwnedFd> for Netns {
    fn from(file: OwnedFd) -> Self {
        Self::Fd(Arc::new(file))
    }
}

impl From<File> for Netns {
    fn from(file: File) -> Self {
        OwnedFd::from(file).into()
    }
}

/// Writes the path, or the descriptor.
impl fmt::Display for Netns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "network namespace {}", path.display()),
            Self::Fd(file) => write!(
                f,
                "the network namespace of descriptor {}",
                file.as_raw_fd()
            ),
        }
    }
}
