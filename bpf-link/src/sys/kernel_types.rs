//! The kernel's own types, as bytes.

use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd as _};
use std::ptr::{self, NonNull};
use std::slice;

use super::file::{FileSystem, is_on};

/// The kernel's own types: mapped where the kernel allows it, as copying several megabytes takes
/// longer than to look through them.
#[derive(Debug)]
pub(crate) enum KernelTypes {
    Mapped(Mapping),
    Read(Vec<u8>),
}

impl KernelTypes {
    /// Where the kernel shows them.
    pub(crate) const PATH: &str = "/sys/kernel/btf/vmlinux";
    /// No kernel's types are larger.
    const LARGEST: u64 = 64 << 20;

    pub(crate) fn read() -> io::Result<Self> {
        let file = File::open(Self::PATH)?;
        let len = file.metadata()?.len();
        if let Some(mapping) = Mapping::of(&file, len.min(Self::LARGEST))? {
            return Ok(Self::Mapped(mapping));
        }
        let mut bytes = Vec::new();
        file.take(Self::LARGEST + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > Self::LARGEST {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        Ok(Self::Read(bytes))
    }
}

impl Deref for KernelTypes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(mapping) => mapping.bytes(),
            Self::Read(bytes) => bytes,
        }
    }
}

/// The kernel's own memory, mapped to be read.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

impl Mapping {
    /// Maps the file. `None` if it is not one of sysfs, whose contents could change, or if the
    /// kernel does not allow it (before Linux 6.16).
    fn of(file: &File, len: u64) -> io::Result<Option<Self>> {
        let Ok(len) = usize::try_from(len) else {
            return Ok(None);
        };
        if len == 0 || !is_on(FileSystem::Sysfs, file.as_fd())? {
            return Ok(None);
        }
        let fd = file.as_raw_fd();
        // SAFETY: a new mapping, at a place that the kernel chooses, affects no other memory.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                len,
                libc::PROT_READ,
                libc::MAP_PRIVATE,
                fd,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Ok(None);
        }
        let start = NonNull::new(start.cast());
        Ok(start.map(|start| Self { start, len }))
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY:
        // - `len` bytes from `start` on are mapped and readable as long as `self` lives;
        // - they are the kernel's types, a section that nothing writes to and that is there as long
        //   as the kernel is: no other file of sysfs can be at that path but by a mount, and none
        //   that can be mapped is of the kind that shrinks.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this is what `mmap` has mapped, and nobody borrows it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}
