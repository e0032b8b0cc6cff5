//! The system calls of this crate, and the only unsafe code of the workspace's libraries.
//!
//! Every function here is safe to call with any argument that its types allow. What comes in as a
//! file descriptor is borrowed for the call; what comes out is new and owned.

mod btf_info;
mod by_id;
mod byte_set;
mod create;
mod errno;
mod fdinfo;
mod file;
mod get_link;
mod identity;
mod info;
mod info_bytes;
mod info_request;
mod interface;
mod kernel_types;
pub(crate) mod layout;
mod link;
mod map_create;
mod map_entry;
mod marks;
mod name;
mod netlink;
mod network_devices;
mod object;
mod object_info;
mod open_in_root;
mod perf_event;
mod perf_programs;
mod pinned;
mod probe;
mod prog_load;
mod query;
mod struct_ops;
mod tc_filters;
mod test_run;
mod thread;
mod worker;
mod xdp_programs;

use std::ffi::{c_int, c_long, c_ulong};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use bpf_link_sys as c;

pub(crate) use btf_info::{BtfAnswer, BtfFd};
pub(crate) use by_id::{
    link_get_fd_by_id, link_get_next_id, map_get_fd_by_id, map_get_next_id, prog_get_fd_by_id,
};
pub(crate) use byte_set::ByteSet;
pub(crate) use create::{
    knows_link_create, knows_raw_tracepoint_cookie, link_create, raw_tracepoint_open,
};
pub(crate) use errno::ENOTSUPP;
pub(crate) use file::{
    FileId, FileSystem, file_id, is_on, is_on_bpffs, open_directory, open_file_id, read_directory,
    rename_no_replace, rename_over, rewind, try_lock, unlink, unlock,
};
pub(crate) use identity::Identity;
pub(crate) use info::{Answer, LinkFd, object_start};
pub(crate) use info_bytes::{INFO_SIZE, InfoBytes};
pub(crate) use interface::{interface_index, interface_name};
pub(crate) use kernel_types::KernelTypes;
pub(crate) use link::{is_link, iter_create, link_detach, link_update};
pub(crate) use name::until_nul;
pub(crate) use network_devices::{NetworkDevice, network_device, network_devices};
pub(crate) use object::{obj_get, obj_pin};
pub(crate) use object_info::{is_program, map_info, prog_function, prog_info};
pub(crate) use open_in_root::open_in_root;
pub(crate) use perf_event::{perf_event_disable, perf_event_enable, perf_event_open};
pub(crate) use perf_programs::{perf_event_query_bpf, task_fd_query};
pub(crate) use probe::{create_struct_ops_map, link_create_from_nowhere, load_probe};
pub(crate) use prog_load::ProgramUse;
#[cfg(feature = "snapshot")]
pub(crate) use prog_load::prog_load;
pub(crate) use query::{QueryLists, QueryRequest, prog_query};
pub(crate) use struct_ops::struct_ops_value;
pub(crate) use tc_filters::{EGRESS as TC_EGRESS, INGRESS as TC_INGRESS, tc_filters};
pub(crate) use test_run::{put_into_array, test_run_too_many};
pub(crate) use thread::{effective_user, enter_netns, share_descriptors};
pub(crate) use worker::Worker;
pub(crate) use xdp_programs::XdpProgramIds;

/// A number that no file descriptor has.
const NO_DESCRIPTOR: u32 = u32::MAX;

/// A file descriptor as the kernel's structs have it.
#[expect(
    clippy::cast_sign_loss,
    reason = "the kernel's structs have descriptors as unsigned numbers"
)]
#[inline]
fn raw(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd() as u32
}

/// The size of a type, for a field of the kernel's.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the kernel's structs are some dozens of bytes"
)]
const fn len_of<T>() -> u32 {
    size_of::<T>() as u32
}

/// A file descriptor for a field in which the kernel takes 0 for "none".
pub(crate) enum NonZeroFd<'a> {
    Borrowed(BorrowedFd<'a>),
    Duplicate(OwnedFd),
}

impl<'a> NonZeroFd<'a> {
    /// The descriptor itself, or a duplicate of it if its number is 0.
    pub(crate) fn new(fd: BorrowedFd<'a>) -> io::Result<Self> {
        if fd.as_raw_fd() != 0 {
            return Ok(Self::Borrowed(fd));
        }
        // While 0 is open, a duplicate has another number.
        fd.try_clone_to_owned().map(Self::Duplicate)
    }

    fn raw(&self) -> u32 {
        match self {
            Self::Borrowed(fd) => raw(*fd),
            Self::Duplicate(fd) => raw(fd.as_fd()),
        }
    }
}

/// Makes one `bpf(2)` call with `attr`, which the kernel extends with zeros to its own size.
///
/// # Safety
///
/// - `attr` has no padding, and all of it is initialised.
/// - Every pointer that `command` reads from it is null, or is live for the call, as long as the
///   kernel takes it to be, and writable where the kernel writes.
#[inline]
unsafe fn bpf<T>(command: c::bpf_cmd, attr: &mut T) -> io::Result<c_long> {
    // SAFETY:
    // - `attr` is an exclusive reference, so the kernel may read and write the size that is given;
    // - the caller vouches that all of it is initialised, and for the pointers inside.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            c_long::from(command),
            std::ptr::from_mut(attr),
            size_of::<T>(),
        )
    };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Makes one `ioctl(2)` call: by number, as the type of the request is not the same in every C
/// library.
///
/// # Safety
///
/// If `request` takes a pointer, `argument` is live for the call, and as long and as writable as
/// the kernel takes it to be; and so is what it points to in turn.
unsafe fn ioctl<T>(fd: BorrowedFd<'_>, request: c_ulong, argument: *mut T) -> io::Result<()> {
    // SAFETY: the caller vouches for the argument.
    let result = unsafe { libc::syscall(libc::SYS_ioctl, fd.as_raw_fd(), request, argument) };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// A new socket, which is closed when another program is executed.
fn socket(domain: c_int, kind: c_int, protocol: c_int) -> io::Result<OwnedFd> {
    // SAFETY: the arguments are numbers.
    let fd = unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC, protocol) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so `fd` is a new descriptor; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes one `bpf(2)` call that returns a new file descriptor.
///
/// # Safety
///
/// As for [`bpf`]; and `command` returns a new file descriptor when it succeeds.
#[inline]
unsafe fn bpf_fd<T>(command: c::bpf_cmd, attr: &mut T) -> io::Result<OwnedFd> {
    // SAFETY: the caller vouches for what `bpf` asks.
    let fd = unsafe { bpf(command, attr) }?;
    let fd = i32::try_from(fd).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    // SAFETY: the command succeeded, so `fd` is a descriptor that was made for this call; nothing
    // else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
