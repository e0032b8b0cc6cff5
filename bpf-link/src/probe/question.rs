//! The kinds that are asked for by a creation that the kernel must refuse.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::answer::{Answer, untold};
use super::{kernel_types, program};
use crate::args::{CreateTarget, LinkCreate, NetfilterArgs, RawTracepointOpen, UprobeMultiArgs};
use crate::attach_type::AttachType;
use crate::error::{Command, Result};
use crate::flags::XdpFlags;
use crate::kind::LinkKind;
use crate::object::program_type::ProgramType;
use crate::sys::{self, LinkFd, ProgramUse};

/// A creation that the kernel must refuse.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    program_type: ProgramType,
    attach_type: AttachType,
    missing: Missing,
    /// What only a kernel that has the kind answers.
    known_by: &'static [i32],
}

/// What the creation lacks, so that nothing is attached.
#[derive(Clone, Copy, Debug)]
enum Missing {
    /// No tracepoint has the name.
    Tracepoint,
    /// The target is no descriptor.
    Descriptor,
    /// The target is no device.
    Device,
    /// The program is to run on the hardware of the loopback device, which has none.
    Hardware,
    /// The protocol family does not exist.
    Family,
    /// What has the code is a directory.
    File,
    /// The arguments are nowhere.
    Arguments,
}

const fn question(
    program_type: ProgramType,
    attach_type: AttachType,
    missing: Missing,
    known_by: &'static [i32],
) -> Question {
    Question {
        program_type,
        attach_type,
        missing,
        known_by,
    }
}

impl Question {
    /// What to ask for this kind; `None` for a kind that is not asked for like this.
    pub(super) const fn about(kind: LinkKind) -> Option<Self> {
        const NOT_A_FILE: &[i32] = &[libc::EBADF];
        const NOT_A_DEVICE: &[i32] = &[libc::ENODEV];
        const NOT_AN_ADDRESS: &[i32] = &[libc::EFAULT, libc::E2BIG];
        // It has no hardware, or there is a program on it that excludes this one.
        const NOT_HARDWARE: &[i32] = &[libc::EOPNOTSUPP, libc::EBUSY, libc::EEXIST];
        Some(match kind {
            LinkKind::RawTracepoint => question(
                ProgramType::RawTracepoint,
                AttachType::TraceRawTp,
                Missing::Tracepoint,
                &[libc::ENOENT],
            ),
            LinkKind::Cgroup => question(
                ProgramType::CgroupSkb,
                AttachType::CgroupInetEgress,
                Missing::Descriptor,
                NOT_A_FILE,
            ),
            LinkKind::Iter => question(
                ProgramType::Tracing,
                AttachType::TraceIter,
                Missing::Arguments,
                NOT_AN_ADDRESS,
            ),
            LinkKind::Netns => question(
                ProgramType::FlowDissector,
                AttachType::FlowDissector,
                Missing::Descriptor,
                NOT_A_FILE,
            ),
            LinkKind::Xdp => question(
                ProgramType::Xdp,
                AttachType::Xdp,
                Missing::Hardware,
                NOT_HARDWARE,
            ),
            LinkKind::PerfEvent => question(
                ProgramType::PerfEvent,
                AttachType::PerfEvent,
                Missing::Descriptor,
                NOT_A_FILE,
            ),
            LinkKind::KprobeMulti => question(
                ProgramType::Kprobe,
                AttachType::TraceKprobeMulti,
                Missing::Arguments,
                NOT_AN_ADDRESS,
            ),
            LinkKind::Netfilter => question(
                ProgramType::Netfilter,
                AttachType::Netfilter,
                Missing::Family,
                &[libc::EAFNOSUPPORT],
            ),
            LinkKind::Tcx => question(
                ProgramType::SchedCls,
                AttachType::TcxIngress,
                Missing::Device,
                NOT_A_DEVICE,
            ),
            LinkKind::UprobeMulti => question(
                ProgramType::Kprobe,
                AttachType::TraceUprobeMulti,
                Missing::File,
                NOT_A_FILE,
            ),
            LinkKind::Netkit => question(
                ProgramType::SchedCls,
                AttachType::NetkitPrimary,
                Missing::Device,
                NOT_A_DEVICE,
            ),
            LinkKind::Sockmap => question(
                ProgramType::SkMsg,
                AttachType::SkMsgVerdict,
                Missing::Descriptor,
                NOT_A_FILE,
            ),
            LinkKind::TracingMulti => question(
                ProgramType::Tracing,
                AttachType::TraceFentryMulti,
                Missing::Arguments,
                NOT_AN_ADDRESS,
            ),
            LinkKind::Tracing | LinkKind::StructOps | LinkKind::Unknown(_) => return None,
        })
    }

    /// Asks the kernel.
    pub(super) fn ask(&self, kind: LinkKind) -> Result<Answer> {
        let attach_btf_id = match kind {
            // The first of the iterators, which every kernel has that has any.
            LinkKind::Iter => kernel_types::function(kind, "bpf_iter_bpf_map")?,
            _ => 0,
        };
        let loaded = program::load(
            kind,
            &ProgramUse {
                program_type: self.program_type,
                attach_type: self.loaded_for(),
                attach_btf_id,
            },
        );
        let program = match loaded? {
            Ok(program) => program,
            Err(answer) => return Ok(answer),
        };
        let (command, created) = self.create(program.as_fd());
        let Err(source) = created else {
            // It is gone again, and it can be created.
            return Ok(Answer::Yes);
        };
        match source.raw_os_error() {
            Some(errno) if self.known_by.contains(&errno) => Ok(Answer::Yes),
            Some(errno @ (libc::EINVAL | libc::EOPNOTSUPP)) => Ok(Answer::No(command, errno)),
            _ => untold(kind, command, source),
        }
    }

    /// Programs of these types have one use only, and are loaded without naming it.
    fn loaded_for(&self) -> Option<AttachType> {
        let has_one_use = matches!(
            self.program_type,
            ProgramType::RawTracepoint | ProgramType::PerfEvent
        );
        (!has_one_use).then_some(self.attach_type)
    }

    fn create(&self, program: BorrowedFd<'_>) -> (Command, io::Result<LinkFd>) {
        /// In every network namespace.
        const LOOPBACK: u32 = 1;
        let request = LinkCreate::new(&program, self.attach_type);
        let created = match self.missing {
            Missing::Tracepoint => {
                return (Command::RawTracepointOpen, open_no_tracepoint(program));
            }
            Missing::Arguments => sys::link_create_from_nowhere(program, self.attach_type),
            Missing::Descriptor => sys::link_create(&LinkCreate {
                target: CreateTarget::NoDescriptor,
                ..request
            }),
            Missing::Device => sys::link_create(&request.target_ifindex(0)),
            Missing::Hardware => sys::link_create(
                &request
                    .target_ifindex(LOOPBACK)
                    .xdp_flags(XdpFlags::HW_MODE),
            ),
            Missing::Family => {
                let family = libc::AF_UNSPEC.unsigned_abs();
                sys::link_create(&request.args(NetfilterArgs::new(family, 0, 0)))
            }
            Missing::File => sys::link_create(&request.args(UprobeMultiArgs::path(c"/", &[0]))),
        };
        (Command::LinkCreate, created)
    }
}

fn open_no_tracepoint(program: BorrowedFd<'_>) -> io::Result<LinkFd> {
    // A tracepoint has the name of a C function.
    let request = RawTracepointOpen::named(&program, c"no tracepoint");
    sys::raw_tracepoint_open(&request.map_err(io::Error::other)?)
}
