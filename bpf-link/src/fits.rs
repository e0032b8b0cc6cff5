//! Whether a program fits an attach type, found out without attaching it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use crate::args::{CreateTarget, LinkCreate, UprobeMultiArgs};
use crate::attach_type::AttachType;
use crate::kind::LinkKind;
use crate::object::{ProgramInfo, ProgramType};
use crate::sys;

/// Asks whether a program fits an attach type: whether the kernel accepts its type and the attach
/// type that it was loaded for. The kernel does not report the latter. If the program does not fit,
/// [`RawLink::create`](crate::RawLink::create) fails with `EINVAL`, which has many other causes as
/// well.
///
/// Nothing is attached, and nothing runs. The answer is `Some(false)` also if this kernel does not
/// have the attach type. It is `None` if there is no way to find out: for functions of the kernel,
/// a program may be for entry, for return, or for replacing the result. It is also `None` if the
/// descriptor is not a program, or if the caller lacks a privilege.
///
/// ```no_run
/// use bpf_link::{AttachType, program_fits};
///
/// # fn example(program: std::fs::File) {
/// if program_fits(&program, AttachType::Xdp) == Some(false) {
///     println!("not an XDP program, or loaded for the entries of a map");
/// }
/// # }
/// ```
///
/// # Kernel
///
/// a `BPF_LINK_CREATE` that the kernel must refuse, for kinds that look at the program before they
/// look at the target: cgroups, network namespaces, tcx, netkit, iterators, `kprobe_multi`,
/// `uprobe_multi` and `tracing_multi`. For XDP, `BPF_PROG_TEST_RUN` with a batch that is too large
/// (`bpf_prog_test_run_xdp`, 7.3), since Linux 5.18; and an array of programs of our own, which
/// does not take a program for a certain device.
#[must_use]
pub fn program_fits(program: &(impl AsFd + ?Sized), attach_type: AttachType) -> Option<bool> {
    let program = program.as_fd();
    let info = ProgramInfo::of(&program).ok()?;
    let fits = |attach_type| refused_as(program, attach_type);
    match (attach_type, info.program_type) {
        (AttachType::Xdp, ProgramType::Xdp) => runs_on_devices(program),
        // A program for a security hook is for one of these two.
        (AttachType::LsmMac, ProgramType::Lsm) => fits(AttachType::LsmCgroup).map(|fits| !fits),
        (AttachType::Xdp | AttachType::LsmMac, _) => Some(false),
        (
            AttachType::TraceFentry
            | AttachType::TraceFexit
            | AttachType::TraceFsession
            | AttachType::ModifyReturn
            | AttachType::TraceRawTp,
            found,
        ) => {
            let is_for_another = found != ProgramType::Tracing
                || ELSEWHERE.iter().any(|other| fits(*other) == Some(true));
            is_for_another.then_some(false)
        }
        _ => fits(attach_type),
    }
}

/// What a tracing program is for if it is not for one function or tracepoint.
const ELSEWHERE: [AttachType; 4] = [
    AttachType::TraceIter,
    AttachType::TraceFentryMulti,
    AttachType::TraceFexitMulti,
    AttachType::TraceFsessionMulti,
];

/// Whether a creation that the kernel must refuse is refused for the target, or before it looks at
/// that.
fn refused_as(program: BorrowedFd<'_>, attach_type: AttachType) -> Option<bool> {
    let request = LinkCreate::new(&program, attach_type);
    let (answer, fits): (_, &[i32]) = match attach_type.link_kind()? {
        LinkKind::Cgroup | LinkKind::Netns => (
            sys::link_create(&LinkCreate {
                target: CreateTarget::NoDescriptor,
                ..request
            }),
            &[libc::EBADF],
        ),
        LinkKind::Tcx | LinkKind::Netkit => (
            sys::link_create(&request.target_ifindex(u32::MAX)),
            &[libc::ENODEV],
        ),
        LinkKind::Iter | LinkKind::KprobeMulti | LinkKind::TracingMulti => (
            sys::link_create_from_nowhere(program, attach_type),
            &[libc::EFAULT, libc::E2BIG],
        ),
        LinkKind::UprobeMulti => (
            // A directory has no code.
            sys::link_create(&request.args(UprobeMultiArgs::path(c"/", &[0]))),
            &[libc::EBADF],
        ),
        _ => return None,
    };
    told(answer, fits)
}

/// Whether an XDP program runs on devices, and not for the entries of a map.
fn runs_on_devices(program: BorrowedFd<'_>) -> Option<bool> {
    let fits = told(sys::test_run_too_many(Some(program)), &[libc::E2BIG])?;
    if fits {
        return Some(true);
    }
    // Not if the kernel does not know the question, or the program is for a certain device.
    let is_known = told(sys::test_run_too_many(None), &[libc::EBADF])?;
    let is_for_entries = is_known && sys::put_into_array(program).is_ok();
    is_for_entries.then_some(false)
}

fn told<T>(answer: io::Result<T>, fits: &[i32]) -> Option<bool> {
    match answer.err()?.raw_os_error()? {
        libc::EINVAL => Some(false),
        errno => fits.contains(&errno).then_some(true),
    }
}
