//! Whether a program fits a hook. This is asked after a refusal, because one errno has many
//! meanings, and before an update, because it may be one of several that belong together.

use std::os::fd::BorrowedFd;

use bpf_link::{
    AttachType, Hook, LinkCreate, MapInfo, ProgramInfo, ProgramType, RawLink, Target, program_fits,
};

use crate::error::{Error, Rejected};

/// As the error that the program does not fit, if the kernel's refusal was for that, as far as the
/// program's type tells.
pub(crate) fn by_type(
    program: BorrowedFd<'_>,
    attach_type: AttachType,
    source: bpf_link::Error,
) -> Error {
    by_types(program, attach_type, program_types(attach_type), source)
}

/// The same for a hook whose attach type is that of several hooks, each with programs of other
/// types.
pub(crate) fn by_types(
    program: BorrowedFd<'_>,
    attach_type: AttachType,
    types: &[ProgramType],
    source: bpf_link::Error,
) -> Error {
    if !is_open(&source) {
        return source.into();
    }
    match ProgramInfo::of(&program) {
        Ok(info) if !types.is_empty() && !types.contains(&info.program_type) => {
            mismatch(attach_type, Some(info), source)
        }
        Err(error @ bpf_link::Error::NotAProgram(_)) => instead(program, error).into(),
        _ => source.into(),
    }
}

/// What the kernel says about the program. If it is a map, the error names it.
pub(crate) fn program_info(program: BorrowedFd<'_>) -> bpf_link::Result<ProgramInfo> {
    ProgramInfo::of(&program).map_err(|error| instead(program, error))
}

/// The same about a map.
pub(crate) fn map_info(map: BorrowedFd<'_>) -> bpf_link::Result<MapInfo> {
    MapInfo::of(&map).map_err(|error| instead(map, error))
}

/// The error, which names what was given instead of a program or a map.
fn instead(given: BorrowedFd<'_>, error: bpf_link::Error) -> bpf_link::Error {
    match error {
        bpf_link::Error::NotAProgram(target) => {
            let map = MapInfo::of(&given).ok();
            bpf_link::Error::NotAProgram(map.map_or(target, |map| Target::Map(map.id)))
        }
        bpf_link::Error::NotAMap(target) => {
            let program = ProgramInfo::of(&given).ok();
            bpf_link::Error::NotAMap(program.map_or(target, |program| Target::Program(program.id)))
        }
        error => error,
    }
}

/// The error for a refusal of what was given as a map: that it is a program, if it is one, and
/// otherwise what `otherwise` makes of the refusal.
pub(crate) fn or_no_map(
    map: BorrowedFd<'_>,
    source: bpf_link::Error,
    otherwise: impl FnOnce(bpf_link::Error) -> Error,
) -> Error {
    if is_open(&source) {
        if let Err(error @ bpf_link::Error::NotAMap(Target::Program(_))) = map_info(map) {
            return error.into();
        }
    }
    otherwise(source)
}

/// Checks the attach type that the program was loaded for as well.
pub(crate) fn or_mismatch(
    program: BorrowedFd<'_>,
    attach_type: AttachType,
    source: bpf_link::Error,
) -> Error {
    by_attach_type(program, attach_type, source).unwrap_or_else(Error::from)
}

/// As [`or_mismatch`]. Where the kernel gives no way to find out, the error says that the program
/// may not fit.
pub(crate) fn or_perhaps_mismatch(
    program: BorrowedFd<'_>,
    attach_type: AttachType,
    source: bpf_link::Error,
) -> Error {
    by_attach_type(program, attach_type, source)
        .unwrap_or_else(|source| perhaps_mismatch(program, attach_type, source))
}

/// The error that the program may not fit.
pub(crate) fn perhaps_mismatch(
    program: BorrowedFd<'_>,
    attach_type: AttachType,
    source: bpf_link::Error,
) -> Error {
    match ProgramInfo::of(&program) {
        Ok(info) => Error::ProgramRefused {
            attach_type,
            program: Box::new(info),
            source,
        },
        Err(_) => Error::from(source),
    }
}

/// The error to return; `Err` with the kernel's refusal if there is no way to find out whether the
/// program fits.
fn by_attach_type(
    program: BorrowedFd<'_>,
    attach_type: AttachType,
    source: bpf_link::Error,
) -> Result<Error, bpf_link::Error> {
    let source = match by_type(program, attach_type, source) {
        Error::Link(source) if is_open(&source) => source,
        error => return Ok(error),
    };
    match program_fits(&program, attach_type) {
        Some(false) => {
            let program = ProgramInfo::of(&program).ok();
            Ok(mismatch(attach_type, program, source))
        }
        Some(true) => Ok(source.into()),
        None => Err(source),
    }
}

/// The same as [`or_mismatch`] on a network device, for attach types that not every kernel has.
pub(crate) fn or_mismatch_on_device(
    program: BorrowedFd<'_>,
    attach_type: AttachType,
    ifindex: u32,
    source: bpf_link::Error,
) -> Error {
    match Hook::of_device(attach_type, ifindex).query() {
        Ok(_) => or_mismatch(program, attach_type, source),
        // Among others, that the kernel does not know the attach type.
        Err(_) => by_type(program, attach_type, source),
    }
}

/// Refuses a program that does not fit, without attaching anything: asks the kernel for a link on
/// nothing. For kinds that look at the program before they look at what the link is to be on.
///
/// `target` is what the caller has named.
pub(crate) fn check(
    program: BorrowedFd<'_>,
    attach_type: AttachType,
    target: impl FnOnce() -> Target,
) -> Result<(), Error> {
    match on_nothing(program, attach_type) {
        Some(source) if source.errno() == Some(libc::EINVAL) => {
            let info = ProgramInfo::of(&program).ok();
            Err(mismatch(attach_type, info, source.naming(target())))
        }
        // That there is nothing.
        _ => Ok(()),
    }
}

/// The same for kinds where the kernel refuses a missing target with the same errno:
/// [`program_fits`] decides, and the refusal is the error's source.
pub(crate) fn check_by_asking(
    program: BorrowedFd<'_>,
    attach_type: AttachType,
    target: impl FnOnce() -> Target,
) -> Result<(), Error> {
    if program_fits(&program, attach_type) != Some(false) {
        return Ok(());
    }
    match on_nothing(program, attach_type) {
        Some(source) => {
            let info = ProgramInfo::of(&program).ok();
            Err(mismatch(attach_type, info, source.naming(target())))
        }
        None => Ok(()),
    }
}

/// The refusal of a link on nothing.
fn on_nothing(program: BorrowedFd<'_>, attach_type: AttachType) -> Option<bpf_link::Error> {
    // There is neither a device with this index nor a descriptor with this number.
    const NOTHING: u32 = u32::MAX;
    let request = LinkCreate::new(&program, attach_type).target_ifindex(NOTHING);
    RawLink::create(&request).err()
}

/// The error that the program does not fit.
pub(crate) fn mismatch(
    attach_type: AttachType,
    program: Option<ProgramInfo>,
    source: bpf_link::Error,
) -> Error {
    Error::AttachTypeMismatch {
        attach_type,
        program: program.map(Box::new),
        source,
    }
}

/// The error for a link of the wrong kind that a program made because of what it was loaded for.
pub(crate) fn other_kind(program: BorrowedFd<'_>) -> impl FnOnce(Rejected<RawLink>) -> Error {
    move |rejected| match rejected.into_parts().1 {
        Error::WrongKind {
            expected: Some(expected),
            found,
            ..
        } => Error::LoadedForAnotherKind {
            program: ProgramInfo::of(&program).ok().map(Box::new),
            expected,
            found,
        },
        error => error,
    }
}

/// Whether a refusal may be for the program.
fn is_open(source: &bpf_link::Error) -> bool {
    matches!(source, bpf_link::Error::Command(_)) && source.errno() == Some(libc::EINVAL)
}

/// The types of programs that a link on this attach type takes; empty where that is not known.
fn program_types(attach_type: AttachType) -> &'static [ProgramType] {
    use AttachType as At;
    match attach_type {
        At::CgroupInetIngress | At::CgroupInetEgress => &[ProgramType::CgroupSkb],
        At::CgroupInetSockCreate
        | At::CgroupInetSockRelease
        | At::CgroupInet4PostBind
        | At::CgroupInet6PostBind => &[ProgramType::CgroupSock],
        At::CgroupSockOps => &[ProgramType::SockOps],
        At::CgroupDevice => &[ProgramType::CgroupDevice],
        At::CgroupSysctl => &[ProgramType::CgroupSysctl],
        At::CgroupGetsockopt | At::CgroupSetsockopt => &[ProgramType::CgroupSockopt],
        At::CgroupInet4Bind
        | At::CgroupInet6Bind
        | At::CgroupInet4Connect
        | At::CgroupInet6Connect
        | At::CgroupUdp4Sendmsg
        | At::CgroupUdp6Sendmsg
        | At::CgroupUdp4Recvmsg
        | At::CgroupUdp6Recvmsg
        | At::CgroupInet4Getpeername
        | At::CgroupInet6Getpeername
        | At::CgroupInet4Getsockname
        | At::CgroupInet6Getsockname
        | At::CgroupUnixConnect
        | At::CgroupUnixSendmsg
        | At::CgroupUnixRecvmsg
        | At::CgroupUnixGetpeername
        | At::CgroupUnixGetsockname => &[ProgramType::CgroupSockAddr],
        At::LsmCgroup | At::LsmMac => &[ProgramType::Lsm],
        At::SkSkbStreamParser | At::SkSkbStreamVerdict | At::SkSkbVerdict => &[ProgramType::SkSkb],
        At::SkMsgVerdict => &[ProgramType::SkMsg],
        At::FlowDissector => &[ProgramType::FlowDissector],
        At::SkLookup => &[ProgramType::SkLookup],
        At::Xdp => &[ProgramType::Xdp],
        At::Netfilter => &[ProgramType::Netfilter],
        At::TcxIngress | At::TcxEgress | At::NetkitPrimary | At::NetkitPeer => {
            &[ProgramType::SchedCls]
        }
        At::TraceKprobeMulti
        | At::TraceKprobeSession
        | At::TraceUprobeMulti
        | At::TraceUprobeSession => &[ProgramType::Kprobe],
        At::PerfEvent => &[
            ProgramType::Kprobe,
            ProgramType::Tracepoint,
            ProgramType::PerfEvent,
        ],
        At::TraceRawTp
        | At::TraceFentry
        | At::TraceFexit
        | At::TraceFsession
        | At::ModifyReturn
        | At::TraceFentryMulti
        | At::TraceFexitMulti
        | At::TraceFsessionMulti
        | At::TraceIter => &[ProgramType::Tracing],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hook_of_programs_has_its_types() {
        for attach_type in AttachType::KNOWN {
            let known = attach_type.link_kind().is_some();
            let by_the_map = *attach_type == AttachType::StructOps;
            assert_eq!(
                program_types(*attach_type).is_empty(),
                !known || by_the_map,
                "{attach_type}"
            );
        }
    }
}
