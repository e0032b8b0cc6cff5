//! What tests share that are about links in general and not about one kind.

pub(crate) mod addresses;
pub(crate) mod attaching;
pub(crate) mod beside;
pub(crate) mod chain;
pub(crate) mod lockdown;
pub(crate) mod ran;
pub(crate) mod random;
pub(crate) mod there;
pub(crate) mod traffic;

use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use bpf_link::{AttachType, Error, LinkCreate, LinkId, RawLink};
use bpf_link_tests::{CounterMap, Hook, Program, Sandbox};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::set_thread_uid;

use crate::fixture::traffic::send_packet;

/// The index of `lo`, the first device of every network namespace.
pub(crate) const LOOPBACK: u32 = 1;

/// The kernel's `ENOTSUPP`, which libc lacks.
pub(crate) const ENOTSUPP: i32 = 524;

/// A link whose program counts the packets that `lo` receives.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) link: RawLink,
    pub(crate) program: Program,
    pub(crate) counter: CounterMap,
}

impl Counted {
    pub(crate) fn new() -> Result<Self> {
        let counter = CounterMap::new()?;
        let program = Program::counting(Hook::XDP, &counter)?;
        let link = xdp(&program)?;
        Ok(Self {
            link,
            program,
            counter,
        })
    }

    /// As [`new`](Self::new), and pins the link; also returns its id and the path.
    pub(crate) fn pinned(sandbox: &Sandbox) -> Result<(Self, LinkId, PathBuf)> {
        let mut counted = Self::new()?;
        let id = counted.link.id()?;
        let path = sandbox.bpffs().join("pin");
        counted.link.pin(&path)?;
        Ok((counted, id, path))
    }

    /// Whether the program runs on a packet.
    pub(crate) fn runs(&self) -> Result<bool> {
        runs(&self.counter)
    }
}

/// A link of this XDP program on `lo`.
pub(crate) fn xdp(program: &Program) -> Result<RawLink> {
    let request = LinkCreate::new(program, AttachType::Xdp).target_ifindex(LOOPBACK);
    Ok(RawLink::create(&request)?)
}

/// Whether the program that counts here runs on a packet over `lo`.
pub(crate) fn runs(counter: &CounterMap) -> Result<bool> {
    let before = counter.read()?;
    send_packet()?;
    Ok(counter.read()? > before)
}

/// A path as text, for the arguments of a process.
pub(crate) fn text(path: &Path) -> Result<&str> {
    path.to_str().context("the path is not UTF-8")
}

/// A descriptor of the same link, or of whatever else, for what takes descriptors over.
pub(crate) fn duplicate(object: &impl AsFd) -> Result<OwnedFd> {
    Ok(object.as_fd().try_clone_to_owned()?)
}

/// The refusal; that there was none is the failure.
pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> Result<Error> {
    match result {
        Ok(value) => anyhow::bail!("it was not refused: {value:?}"),
        Err(error) => Ok(error),
    }
}

/// Holds the refusal against a pattern and an error number; without a number, there must be none.
macro_rules! ensure_refused {
    ($result:expr, $pattern:pat) => {
        $crate::fixture::ensure_refused!($result, $pattern, None)
    };
    ($result:expr, $pattern:pat, $errno:expr) => {{
        let error = $crate::fixture::refusal($result)?;
        let errno: Option<i32> = $errno;
        ::anyhow::ensure!(matches!(error, $pattern), "{error:?}");
        ::anyhow::ensure!(error.errno() == errno, "{error:?}");
        $crate::fixture::chain::check(&error, &[])?;
    }};
}
pub(crate) use ensure_refused;

/// Does something as a user without any privilege.
pub(crate) fn as_nobody<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let nobody = rustix::fs::Uid::from_raw(65534);
    let unprivileged = || {
        // Only this thread's user: the kernel takes its capabilities away with it.
        set_thread_uid(nobody)?;
        work()
    };
    std::thread::scope(|scope| scope.spawn(unprivileged).join())
        .map_err(|_| anyhow::anyhow!("it panicked"))?
}

/// Does something while the process has no descriptor left.
pub(crate) fn without_descriptors<T>(work: impl FnOnce() -> T) -> Result<T> {
    let before = getrlimit(Resource::Nofile);
    // Descriptors are given from the smallest free number up, and the limit is the first number
    // that is not given. What duplicates a descriptor wants a number from 3 up, and gets another
    // error if the limit is no larger than that.
    let _third = duplicate(&std::io::stderr())?;
    let free = duplicate(&std::io::stderr())?;
    let number = free.as_raw_fd();
    drop(free);
    let none_left = Rlimit {
        current: Some(number.try_into()?),
        maximum: before.maximum,
    };
    setrlimit(Resource::Nofile, none_left).context("lowering the limit")?;
    let result = work();
    setrlimit(Resource::Nofile, before).context("raising the limit again")?;
    ensure!(getrlimit(Resource::Nofile) == before);
    Ok(result)
}

/// Does something while `/proc` is empty, in this process's own mount namespace.
pub(crate) fn hiding_procfs<T>(work: impl FnOnce() -> T) -> Result<T> {
    mount("tmpfs", "/proc", "tmpfs", MountFlags::empty(), None)?;
    let result = work();
    unmount("/proc", UnmountFlags::empty())?;
    Ok(result)
}
