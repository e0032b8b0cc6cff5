//! Attaching without `bpf-link`: links, the attachments that came before links, queries and test
//! runs.

use std::ffi::CStr;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use bpf_link_sys::{
    BPF_F_QUERY_EFFECTIVE, BPF_LINK_CREATE, BPF_PROG_ATTACH, BPF_PROG_DETACH, BPF_PROG_QUERY,
    BPF_PROG_TEST_RUN, BPF_RAW_TRACEPOINT_OPEN, bpf_attach_type, bpf_attr,
};

use super::{address, address_mut, bpf, bpf_fd, length, number, zeroed_attr};

/// What a program is attached to.
#[derive(Debug, Clone, Copy)]
pub enum LinkTarget<'a> {
    /// A cgroup, a network namespace, a perf event, a map.
    Fd(BorrowedFd<'a>),
    /// A network device of the caller's network namespace.
    Ifindex(u32),
    /// What the program was loaded for, or what the rest of the command says.
    None,
}

impl<'a> From<BorrowedFd<'a>> for LinkTarget<'a> {
    fn from(fd: BorrowedFd<'a>) -> Self {
        Self::Fd(fd)
    }
}

/// `BPF_LINK_CREATE` of a kind that needs nothing beyond a target.
///
/// `object` is a program, or a map for `struct_ops`.
///
/// # Errors
///
/// What the kernel answered.
pub fn link_create(
    object: BorrowedFd<'_>,
    target: LinkTarget<'_>,
    attach_type: bpf_attach_type,
    flags: u32,
) -> io::Result<OwnedFd> {
    let mut attr = zeroed_attr();
    attr.link_create.prog_fd_union.prog_fd = number(object);
    match target {
        LinkTarget::Fd(fd) => attr.link_create.target_fd_union.target_fd = number(fd),
        LinkTarget::Ifindex(index) => attr.link_create.target_fd_union.target_ifindex = index,
        LinkTarget::None => {}
    }
    attr.link_create.attach_type = attach_type;
    attr.link_create.flags = flags;
    // SAFETY: whatever the kind, its pointers are null; and the command returns a new descriptor.
    unsafe { bpf_fd(BPF_LINK_CREATE, &mut attr) }
}

/// `BPF_RAW_TRACEPOINT_OPEN`: attaches to the raw tracepoint of this name, or without a name to
/// what the program was loaded for.
///
/// # Errors
///
/// What the kernel answered.
pub fn raw_tracepoint_open(program: BorrowedFd<'_>, name: Option<&CStr>) -> io::Result<OwnedFd> {
    let mut attr = zeroed_attr();
    attr.raw_tracepoint.name = name.map_or(0, |name| address(name.to_bytes_with_nul()));
    attr.raw_tracepoint.prog_fd = number(program);
    // SAFETY:
    // - `name` is null, or points to a string with its NUL that outlives the call; the kernel reads
    //   it.
    // - The command returns a new descriptor.
    unsafe { bpf_fd(BPF_RAW_TRACEPOINT_OPEN, &mut attr) }
}

/// The attr of an attachment without a link to this target.
fn target_attr(target: LinkTarget<'_>) -> bpf_attr {
    let mut attr = zeroed_attr();
    match target {
        LinkTarget::Fd(fd) => attr.target_fd_struct.target_fd_union.target_fd = number(fd),
        LinkTarget::Ifindex(index) => attr.target_fd_struct.target_fd_union.target_ifindex = index,
        LinkTarget::None => {}
    }
    attr
}

/// `BPF_PROG_ATTACH`: attaches without a link.
///
/// # Errors
///
/// What the kernel answered.
pub fn prog_attach<'a>(
    target: impl Into<LinkTarget<'a>>,
    program: BorrowedFd<'_>,
    attach_type: bpf_attach_type,
    flags: u32,
) -> io::Result<()> {
    let mut attr = target_attr(target.into());
    attr.target_fd_struct.attach_bpf_fd = number(program);
    attr.target_fd_struct.attach_type = attach_type;
    attr.target_fd_struct.attach_flags = flags;
    // SAFETY: the command's arm has no pointer.
    unsafe { bpf(BPF_PROG_ATTACH, &mut attr) }.map(drop)
}

/// `BPF_PROG_DETACH`: undoes [`prog_attach`].
///
/// # Errors
///
/// What the kernel answered.
pub fn prog_detach<'a>(
    target: impl Into<LinkTarget<'a>>,
    program: BorrowedFd<'_>,
    attach_type: bpf_attach_type,
) -> io::Result<()> {
    let mut attr = target_attr(target.into());
    attr.target_fd_struct.attach_bpf_fd = number(program);
    attr.target_fd_struct.attach_type = attach_type;
    // SAFETY: the command's arm has no pointer.
    unsafe { bpf(BPF_PROG_DETACH, &mut attr) }.map(drop)
}

/// `BPF_PROG_QUERY`: the ids of the programs on a hook, in the kernel's order; up to 64, which is
/// the most that a hook has.
///
/// # Errors
///
/// What the kernel answered.
pub fn prog_query(target: LinkTarget<'_>, attach_type: bpf_attach_type) -> io::Result<Vec<u32>> {
    query(target, attach_type, 0).map(|(ids, _)| ids)
}

/// `BPF_PROG_QUERY`: the ids of the programs that run in a cgroup, those of its ancestors among
/// them, in the order in which they run.
///
/// # Errors
///
/// What the kernel answered.
pub fn effective_programs(
    cgroup: BorrowedFd<'_>,
    attach_type: bpf_attach_type,
) -> io::Result<Vec<u32>> {
    query(LinkTarget::Fd(cgroup), attach_type, BPF_F_QUERY_EFFECTIVE).map(|(ids, _)| ids)
}

/// `BPF_PROG_QUERY`: the revision of a hook's list of programs, which goes up by one with every
/// change; 0 where the kernel counts none.
///
/// # Errors
///
/// What the kernel answered.
pub fn hook_revision(target: LinkTarget<'_>, attach_type: bpf_attach_type) -> io::Result<u64> {
    query(target, attach_type, 0).map(|(_, revision)| revision)
}

fn query(
    target: LinkTarget<'_>,
    attach_type: bpf_attach_type,
    flags: u32,
) -> io::Result<(Vec<u32>, u64)> {
    let mut ids = vec![0u32; 64];
    let mut attr = zeroed_attr();
    match target {
        LinkTarget::Fd(fd) => attr.query.target_fd_union.target_fd = number(fd),
        LinkTarget::Ifindex(index) => attr.query.target_fd_union.target_ifindex = index,
        LinkTarget::None => {}
    }
    attr.query.attach_type = attach_type;
    attr.query.query_flags = flags;
    attr.query.prog_cnt_union.prog_cnt = length(&ids)?;
    attr.query.prog_ids = address_mut(&mut ids);
    // SAFETY:
    // - `prog_ids` points to `prog_cnt` ids, which the kernel writes and this function alone owns,
    //   during the call.
    // - The other pointers of the arm are null.
    unsafe { bpf(BPF_PROG_QUERY, &mut attr) }?;
    // SAFETY: the arm is integers, which every byte that the kernel may have written is a value of.
    let arm = unsafe { attr.query };
    // SAFETY: both names of the count are integers of the same size.
    let count = unsafe { arm.prog_cnt_union.prog_cnt };
    ids.truncate(usize::try_from(count).map_err(io::Error::other)?);
    Ok((ids, arm.revision))
}

/// `BPF_PROG_TEST_RUN`: runs a program once over `data`, and gives back what it returned.
///
/// # Errors
///
/// What the kernel answered; 524 (`ENOTSUPP`) for types of programs that cannot be run so.
pub fn prog_test_run(program: BorrowedFd<'_>, data: &[u8]) -> io::Result<u32> {
    let mut attr = zeroed_attr();
    attr.test.prog_fd = number(program);
    attr.test.data_size_in = length(data)?;
    attr.test.data_in = address(data);
    attr.test.repeat = u32::from(!data.is_empty());
    // SAFETY:
    // - `data_in` points to `data_size_in` bytes that outlive the call; the kernel reads them.
    // - The other pointers of the arm are null, so that nothing is copied out beyond `attr`.
    unsafe { bpf(BPF_PROG_TEST_RUN, &mut attr) }?;
    // SAFETY: the arm is integers, which every byte that the kernel may have written is a value of.
    let arm = unsafe { attr.test };
    Ok(arm.retval)
}
