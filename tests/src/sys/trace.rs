//! `ptrace(2)`: a process that is stopped before and after each of its system calls.

use std::ffi::c_long;
use std::io;

use rustix::process::Pid;

// The C libraries do not agree on the type of these.
const PTRACE_SYSCALL: c_long = 24;
const PTRACE_SEIZE: c_long = 0x4206;
const PTRACE_INTERRUPT: c_long = 0x4207;
const PTRACE_GET_SYSCALL_INFO: c_long = 0x420e;
const PTRACE_O_TRACESYSGOOD: c_long = 1;
const PTRACE_O_EXITKILL: c_long = 1 << 20;
const PTRACE_SYSCALL_INFO_ENTRY: u8 = 1;

/// Traces a process from now on, which dies with the calling thread.
///
/// # Errors
///
/// What the kernel answered.
pub fn trace(process: Pid) -> io::Result<()> {
    order(
        PTRACE_SEIZE,
        process,
        PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL,
    )
}

/// Stops a traced process.
///
/// # Errors
///
/// What the kernel answered.
pub fn interrupt(process: Pid) -> io::Result<()> {
    order(PTRACE_INTERRUPT, process, 0)
}

/// Lets a stopped process go on to the beginning or the end of its next system call.
///
/// # Errors
///
/// What the kernel answered.
pub fn to_next_system_call(process: Pid) -> io::Result<()> {
    order(PTRACE_SYSCALL, process, 0)
}

/// The number of the system call that a stopped process is about to make; none where it is stopped
/// elsewhere.
///
/// # Errors
///
/// What the kernel answered.
pub fn system_call_ahead(process: Pid) -> io::Result<Option<u64>> {
    /// The kernel's `struct ptrace_syscall_info` up to the number of the call, and room for the
    /// rest.
    #[repr(C)]
    #[derive(Default)]
    struct Info {
        op: u8,
        padding: [u8; 3],
        arch: u32,
        instruction_pointer: u64,
        stack_pointer: u64,
        number: u64,
        rest: [u64; 7],
    }
    let mut info = Info::default();
    // SAFETY: the kernel writes as many bytes of `info` as the size says at most, and any bytes are
    // good for it.
    let result = unsafe {
        libc::syscall(
            libc::SYS_ptrace,
            PTRACE_GET_SYSCALL_INFO,
            c_long::from(process.as_raw_nonzero().get()),
            size_of::<Info>(),
            std::ptr::from_mut(&mut info),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((info.op == PTRACE_SYSCALL_INFO_ENTRY).then_some(info.number))
}

/// A request that takes a number and gives nothing back.
fn order(request: c_long, process: Pid, data: c_long) -> io::Result<()> {
    const NO_ADDRESS: c_long = 0;
    let process = c_long::from(process.as_raw_nonzero().get());
    // SAFETY: none of these requests reads or writes memory of this process.
    let result = unsafe { libc::syscall(libc::SYS_ptrace, request, process, NO_ADDRESS, data) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
