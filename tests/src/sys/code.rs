//! Code of a file that was made by hand, mapped and called.

use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::ptr::NonNull;

use crate::elf::{CODE, HOT, SEMAPHORES, code};

/// The length of each part.
const LEN: usize = 0x1000;

/// The parts of an [`ElfFile`](crate::elf::ElfFile), as a loader maps them, but wherever there is
/// room.
#[derive(Debug)]
pub struct MappedElf {
    code: Mapping,
    hot: Mapping,
    semaphores: Mapping,
}

impl MappedElf {
    /// Maps a file.
    ///
    /// # Errors
    ///
    /// What the kernel answered; or it is not such a file.
    pub fn new(file: &File) -> io::Result<Self> {
        let executable = libc::PROT_READ | libc::PROT_EXEC;
        let mapped = Self {
            code: Mapping::new(file, CODE, executable)?,
            hot: Mapping::new(file, HOT, executable)?,
            semaphores: Mapping::new(file, SEMAPHORES, libc::PROT_READ | libc::PROT_WRITE)?,
        };
        for part in [&mapped.code, &mapped.hot] {
            if part.bytes() != code() {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        Ok(mapped)
    }

    /// Calls the function that is there in the file, 16 bytes after another one.
    ///
    /// # Panics
    ///
    /// No function is there.
    pub fn call(&self, offset: u64) {
        let (part, begin) = if offset >= HOT {
            (&self.hot, HOT)
        } else {
            (&self.code, CODE)
        };
        let within = usize::try_from(offset - begin).expect("it is near");
        assert!(within < LEN && within % 16 == 0, "{offset:#x}");
        let start = part.start.as_ptr().wrapping_add(within);
        // SAFETY: the mapping is executable, and its bytes are those of `code`, as was checked: at
        // every 16th byte of it a function begins that changes nothing and returns. Probes in it
        // are undone by the kernel.
        let function = unsafe { std::mem::transmute::<*mut u8, extern "C" fn()>(start) };
        function();
    }

    /// What the reference counter that is there in the file says.
    ///
    /// # Panics
    ///
    /// None is there.
    #[must_use]
    pub fn counter(&self, offset: u64) -> u16 {
        let within = usize::try_from(offset - SEMAPHORES).expect("it is near");
        let bytes = self.semaphores.bytes();
        let counter = bytes.get(within..within + 2).expect("it is in the page");
        u16::from_ne_bytes(counter.try_into().expect("it has two bytes"))
    }
}

/// A part of a file, mapped for this process alone.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
}

impl Mapping {
    fn new(file: &File, offset: u64, protection: c_int) -> io::Result<Self> {
        let offset = libc::off_t::try_from(offset).map_err(io::Error::other)?;
        // SAFETY: the kernel chooses where the mapping is, so it replaces none.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                LEN,
                protection,
                libc::MAP_PRIVATE,
                file.as_raw_fd(),
                offset,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { start })
    }

    /// A copy of what is in it: the kernel writes to it.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; LEN];
        // SAFETY: the mapping is readable, as long as this, and there until it is dropped; nothing
        // of this process writes to it.
        unsafe { std::ptr::copy_nonoverlapping(self.start.as_ptr(), bytes.as_mut_ptr(), LEN) };
        bytes
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and as long as this, and nothing refers to it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), LEN) };
    }
}
