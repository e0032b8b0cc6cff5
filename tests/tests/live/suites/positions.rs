//! Where a link stands among the programs of its hook: what holds for tcx, netkit and cgroup links
//! alike.

use std::fs::File;
use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{
    Anchor, AttachFlags, AttachType, BtfTypeId, Command, CreateArgs, Error, InvalidRequest,
    LinkCreate, LinkId, LinkKind, MprogArgs, ProgramId, RawLink, Target, TracingArgs, XdpFlags,
};
use bpf_link_sys::{BPF_F_ID, BPF_F_LINK};
use bpf_link_tests::sys::{self, LinkTarget};
use bpf_link_tests::{CongestionControl, Hook, Program, names};
use bpf_link_typed::LinkAnchor;

use crate::fixture::chain::check_refusal;
use crate::fixture::{as_nobody, ensure_refused, refusal, xdp};
use crate::suites::descriptor_zero;

/// A hook that has a list of programs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) target: LinkTarget<'a>,
    pub(crate) attach_type: AttachType,
    pub(crate) hook: Hook,
    /// Whether a program can be an anchor, and not only a link.
    pub(crate) takes_programs: bool,
}

impl Place<'_> {
    pub(crate) fn program(&self) -> Result<Program> {
        Program::passing(self.hook)
    }

    pub(crate) fn request<'b>(&'b self, program: &'b Program) -> LinkCreate<'b> {
        self.request_as(self.attach_type, program)
    }

    /// The same with the attach type written in another way.
    fn request_as<'b>(&'b self, attach_type: AttachType, program: &'b Program) -> LinkCreate<'b> {
        let request = LinkCreate::new(program, attach_type);
        match &self.target {
            LinkTarget::Fd(fd) => request.target_fd(fd),
            LinkTarget::Ifindex(ifindex) => request.target_ifindex(*ifindex),
            LinkTarget::None => request,
        }
    }

    /// A link of a new program, with these flags and arguments.
    pub(crate) fn attach(&self, flags: AttachFlags, args: MprogArgs<'_>) -> Result<Attached> {
        let program = self.program()?;
        let link = RawLink::create(&self.request(&program).flags(flags).args(args))?;
        Ok(Attached { link, program })
    }

    /// So many, one after the other.
    fn attach_some<const N: usize>(&self) -> Result<[Attached; N]> {
        let attach = || self.attach(AttachFlags::empty(), MprogArgs::new());
        let some: Vec<_> = std::iter::repeat_with(attach)
            .take(N)
            .collect::<Result<_>>()?;
        some.try_into().ok().context("not so many")
    }

    pub(crate) fn revision(&self) -> Result<u64> {
        Ok(sys::hook_revision(self.target, self.attach_type.as_raw())?)
    }

    fn ensure_order(&self, order: &[&Attached]) -> Result<()> {
        let found = sys::prog_query(self.target, self.attach_type.as_raw())?;
        let order: Vec<u32> = order
            .iter()
            .map(|attached| attached.program.id())
            .collect::<Result<_>>()?;
        ensure!(found == order, "the order is {found:?} and not {order:?}");
        Ok(())
    }
}

/// A link, and its program.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) link: RawLink,
    pub(crate) program: Program,
}

impl Attached {
    /// It as an anchor, in every way in which one can be given.
    fn anchors(&self, place: &Place<'_>) -> Result<Vec<Anchor<'_>>> {
        let mut anchors = vec![Anchor::link(&self.link), Anchor::LinkId(self.link.id()?)];
        if place.takes_programs {
            let id = ProgramId::new(self.program.id()?).context("a program has the id 0")?;
            anchors.extend([Anchor::program(&self.program), Anchor::ProgramId(id)]);
        }
        Ok(anchors)
    }
}

/// Without an anchor, before is first and after is last.
pub(crate) fn first_and_last(place: &Place<'_>) -> Result<()> {
    let [one, two] = place.attach_some()?;
    place.ensure_order(&[&one, &two])?;
    let first = place.attach(AttachFlags::BEFORE, MprogArgs::new())?;
    place.ensure_order(&[&first, &one, &two])?;
    let last = place.attach(AttachFlags::AFTER, MprogArgs::new())?;
    place.ensure_order(&[&first, &one, &two, &last])?;
    // An update keeps the place.
    let new = place.program()?;
    one.link.update(&new)?;
    let one = Attached {
        link: one.link,
        program: new,
    };
    place.ensure_order(&[&first, &one, &two, &last])
}

/// Before and after an anchor, which is given in every way.
pub(crate) fn around_an_anchor(place: &Place<'_>) -> Result<()> {
    let [one, two, three] = place.attach_some()?;
    for anchor in two.anchors(place)? {
        let args = MprogArgs::new().anchor(anchor);
        let before = place.attach(AttachFlags::BEFORE, args)?;
        place
            .ensure_order(&[&one, &before, &two, &three])
            .with_context(|| format!("{anchor:?}"))?;
        let after = place.attach(AttachFlags::AFTER, args)?;
        place
            .ensure_order(&[&one, &before, &two, &after, &three])
            .with_context(|| format!("{anchor:?}"))?;
    }
    place.ensure_order(&[&one, &two, &three])
}

/// An anchor that is open as descriptor 0 is an anchor, and not the absence of one.
pub(crate) fn around_descriptor_zero(place: &Place<'_>) -> Result<()> {
    let [one, two, three] = place.attach_some()?;
    let check = |before: &Attached| place.ensure_order(&[&one, before, &two, &three]);
    descriptor_zero::with(&two.link, |zero| {
        let args = MprogArgs::new().anchor(Anchor::Link(zero));
        check(&place.attach(AttachFlags::BEFORE, args)?)
    })?;
    if place.takes_programs {
        descriptor_zero::with(&two.program, |zero| {
            let args = MprogArgs::new().anchor(Anchor::Program(zero));
            check(&place.attach(AttachFlags::BEFORE, args)?)
        })?;
    }
    Ok(())
}

/// The expected revision is the list's, or nothing is attached.
pub(crate) fn an_expected_revision(place: &Place<'_>) -> Result<()> {
    let first = place.attach(AttachFlags::empty(), MprogArgs::new())?;
    let revision = place.revision()?;
    ensure!(revision > 0, "the list has no revision");
    let expecting = |revision| MprogArgs::new().expected_revision(revision);
    let program = place.program()?;
    for stale in [revision - 1, revision + 1, u64::MAX] {
        let request = place.request(&program).args(expecting(stale));
        if stale == 0 {
            continue;
        }
        let error = refusal(RawLink::create(&request))?;
        ensure!(matches!(error, Error::StaleRevision(_)), "{error:?}");
        ensure!(error.errno() == Some(libc::ESTALE));
        ensure!(place.revision()? == revision, "it has changed something");
    }
    let second = place.attach(AttachFlags::empty(), expecting(revision))?;
    place.ensure_order(&[&first, &second])?;
    ensure!(place.revision()? == revision + 1);
    // With a place as well.
    let args = expecting(revision + 1).anchor(Anchor::link(&second.link));
    let third = place.attach(AttachFlags::BEFORE, args)?;
    place.ensure_order(&[&first, &third, &second])
}

/// By its id, an anchor is opened first.
pub(crate) fn an_anchor_by_id_takes_a_privilege(place: &Place<'_>) -> Result<()> {
    let here = place.attach(AttachFlags::empty(), MprogArgs::new())?;
    let program = place.program()?;
    let id = here.link.id()?;
    let request = place.request(&program).flags(AttachFlags::BEFORE);
    let request = request.args(MprogArgs::new().anchor(Anchor::LinkId(id)));
    as_nobody(|| {
        let error = refusal(RawLink::create(&request))?;
        let Error::PermissionDenied(error) = error else {
            anyhow::bail!("{error:?}");
        };
        ensure!(error.errno() == Some(libc::EPERM));
        ensure!(error.command() == Command::LinkGetFdById);
        ensure!(is_anchor(error.target(), &Target::Link(id), place));
        Ok(())
    })?;
    place.ensure_order(&[&here])
}

/// What is no anchor on this hook. `elsewhere` is another hook of the same kind.
pub(crate) fn anchors_that_are_not_here(place: &Place<'_>, elsewhere: &Place<'_>) -> Result<()> {
    let here = place.attach(AttachFlags::empty(), MprogArgs::new())?;
    let program = place.program()?;
    let create = |anchor: Anchor<'_>| {
        let request = place.request(&program).flags(AttachFlags::BEFORE);
        RawLink::create(&request.args(MprogArgs::new().anchor(anchor)))
    };
    let (gone, gone_program) = {
        let there = elsewhere.attach(AttachFlags::empty(), MprogArgs::new())?;
        for anchor in there.anchors(place)? {
            ensure_refused!(create(anchor), Error::Command(_), Some(libc::ENOENT));
        }
        (there.link.id()?, there.program.id()?)
    };
    let gone_program = ProgramId::new(gone_program).context("a program has the id 0")?;
    // Ids that nothing has.
    let error = refusal(create(Anchor::LinkId(gone)))?;
    ensure!(error.errno() == Some(libc::ENOENT), "{error:?}");
    let Error::Vanished(error) = error else {
        anyhow::bail!("{error:?}");
    };
    ensure!(is_anchor(error.target(), &Target::Link(gone), place));
    if place.takes_programs {
        let refused = refusal(create(Anchor::ProgramId(gone_program)))?;
        let Error::Command(error) = &refused else {
            anyhow::bail!("{refused:?}");
        };
        ensure!(error.errno() == Some(libc::ENOENT), "{error:?}");
        let program = Target::Program(gone_program);
        ensure!(is_anchor(error.target(), &program, place), "{error:?}");
    } else {
        let id = ProgramId::new(here.program.id()?).context("a program has the id 0")?;
        for anchor in [Anchor::program(&here.program), Anchor::ProgramId(id)] {
            ensure_refused!(create(anchor), Error::Command(_), Some(libc::EINVAL));
        }
    }
    // Neither before nor after it.
    let args = MprogArgs::new().anchor(Anchor::link(&here.link));
    ensure_refused!(
        RawLink::create(&place.request(&program).args(args)),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    place.ensure_order(&[&here])
}

/// An anchor of another kind never gets to the kernel, and what is not a link is said not to be
/// one.
pub(crate) fn anchors_of_another_kind(place: &Place<'_>) -> Result<()> {
    let here = place.attach(AttachFlags::empty(), MprogArgs::new())?;
    let other = xdp(&Program::passing(Hook::XDP)?)?;
    refuse_anchor(place, &other, LinkKind::Xdp)?;
    refuse_anchor_in_the_flags(place, &other)?;
    refuse_anchor_in_the_flags(place, &here.link)?;

    let program = place.program()?;
    let file = std::fs::File::open("/proc/self/comm")?;
    let program_id = ProgramId::new(here.program.id()?).context("a program has the id 0")?;
    for (no_link, named) in [
        (here.program.as_fd(), Target::Program(program_id)),
        (file.as_fd(), Target::Descriptor),
    ] {
        let args = MprogArgs::new().anchor(Anchor::link(&no_link));
        let request = place.request(&program).flags(AttachFlags::BEFORE);
        let error = refusal(RawLink::create(&request.args(args)))?;
        let Error::NotALink(target) = &error else {
            anyhow::bail!("{error:?}");
        };
        ensure!(is_anchor(target, &named, place), "{error:?}");
    }
    place.ensure_order(&[&here])
}

/// The builder for a hook of this owner names it when it refuses an anchor of another kind.
pub(crate) fn the_owner_is_named<L: std::fmt::Debug>(
    owner: &str,
    attach: impl Fn(LinkAnchor<'_>) -> bpf_link_typed::Result<L> + Sync,
) -> Result<()> {
    let other = xdp(&Program::passing(Hook::XDP)?)?;
    let words = [owner, &format!("link {}", other.id()?)];
    let error = check_refusal(attach(LinkAnchor::link(&other)), &words)?;
    let bpf_link_typed::Error::Link(Error::InvalidRequest(InvalidRequest::Anchor { .. })) = error
    else {
        anyhow::bail!("{error:?}");
    };
    let no_link = File::open("/dev/null")?;
    let error = check_refusal(attach(LinkAnchor::link(&no_link)), &[owner, "the anchor"])?;
    ensure!(
        matches!(error, bpf_link_typed::Error::Link(Error::NotALink(_))),
        "{error:?}"
    );
    let id = other.id()?;
    let words = [owner, &format!("link {id}, the anchor")];
    let error = as_nobody(|| check_refusal(attach(LinkAnchor::LinkId(id)), &words))?;
    ensure!(
        matches!(
            error,
            bpf_link_typed::Error::Link(Error::PermissionDenied(_))
        ),
        "{error:?}"
    );
    drop(other);
    let gone = LinkId::new(u32::MAX).context("it is not 0")?;
    let words = [owner, &format!("link {gone}, the anchor")];
    let error = check_refusal(attach(LinkAnchor::LinkId(gone)), &words)?;
    ensure!(
        matches!(error, bpf_link_typed::Error::AnchorNotOnHook(_)),
        "{error:?}"
    );
    Ok(())
}

/// The kernel would follow a null pointer on this one.
pub(crate) fn a_struct_ops_anchor(place: &Place<'_>) -> Result<()> {
    let here = place.attach(AttachFlags::empty(), MprogArgs::new())?;
    let control = CongestionControl::new(&names::object_name("anchor"))?;
    let link = RawLink::create(&LinkCreate::struct_ops(&control))?;
    refuse_anchor(place, &link, LinkKind::StructOps)?;
    refuse_anchor_in_the_flags(place, &link)?;
    place.ensure_order(&[&here])
}

/// The flags that say what an anchor is never get to the kernel if the anchor has not set them:
/// neither with one that is given as a program, nor with what other arguments have in its place,
/// nor with descriptor 0, which is what the kernel finds without one.
fn refuse_anchor_in_the_flags(place: &Place<'_>, link: &RawLink) -> Result<()> {
    let program = place.program()?;
    let id = link.id()?.get();
    let as_program = ProgramId::new(id).context("a link has the id 0")?;
    let as_type = BtfTypeId::new(id).context("a link has the id 0")?;
    let unnamed = AttachType::Unknown(place.attach_type.as_raw());
    descriptor_zero::with(link, |_| {
        for bits in [BPF_F_LINK, BPF_F_LINK | BPF_F_ID, BPF_F_ID] {
            let flags = AttachFlags::BEFORE | AttachFlags::from_bits_retain(bits);
            for attach_type in [place.attach_type, unnamed] {
                let bare = place.request_as(attach_type, &program);
                let bare_with =
                    |args: CreateArgs<'_>| RawLink::create(&bare.flags(flags).args(args));
                for result in [
                    RawLink::create(&bare.flags(flags)),
                    RawLink::create(&bare.xdp_flags(XdpFlags::from_bits_retain(flags.bits()))),
                    bare_with(MprogArgs::new().into()),
                    bare_with(MprogArgs::new().anchor(Anchor::program(link)).into()),
                    bare_with(
                        MprogArgs::new()
                            .anchor(Anchor::ProgramId(as_program))
                            .into(),
                    ),
                    bare_with(MprogArgs::new().anchor(Anchor::link(link)).into()),
                    bare_with(TracingArgs::new().target_btf_id(as_type).into()),
                ] {
                    let error = refusal(result)?;
                    let Error::InvalidRequest(InvalidRequest::AnchorFlags(hook)) = error else {
                        anyhow::bail!("{bits:#x}: {error:?}");
                    };
                    ensure!(is_hook(&hook, place), "{hook:?}");
                }
            }
        }
        Ok(())
    })
}

/// Whether an error names this anchor, and the hook of the place.
fn is_anchor(target: &Target, expected: &Target, place: &Place<'_>) -> bool {
    matches!(target, Target::Anchor { anchor, hook } if **anchor == *expected && is_hook(hook, place))
}

/// Whether an error names the hook of the place, and what has it.
fn is_hook(hook: &Target, place: &Place<'_>) -> bool {
    matches!(hook, Target::Hook { attach_type, of: Some(_) } if *attach_type == place.attach_type)
}

fn refuse_anchor(place: &Place<'_>, anchor: &RawLink, kind: LinkKind) -> Result<()> {
    let program = place.program()?;
    let id: LinkId = anchor.id()?;
    let unnamed = AttachType::Unknown(place.attach_type.as_raw());
    for asked in [place.attach_type, unnamed] {
        for anchor in [Anchor::link(anchor), Anchor::LinkId(id)] {
            for flags in [AttachFlags::BEFORE, AttachFlags::empty()] {
                let request = place.request_as(asked, &program).flags(flags);
                let result = RawLink::create(&request.args(MprogArgs::new().anchor(anchor)));
                let error = check_refusal(result, &[&kind.to_string()])?;
                ensure!(error.errno().is_none(), "the kernel was asked: {error:?}");
                let Error::InvalidRequest(InvalidRequest::Anchor {
                    anchor,
                    hook,
                    found,
                }) = error
                else {
                    anyhow::bail!("{error:?}");
                };
                ensure!(is_hook(&hook, place) && found == kind, "{hook:?}");
                ensure!(*anchor == Target::Link(id), "{anchor:?}");
            }
        }
    }
    Ok(())
}
