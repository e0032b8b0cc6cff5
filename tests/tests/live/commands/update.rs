//! Updates, detaching, and runs of iterators: what is the same for every kind, and every way in
//! which they are refused.

use std::io::Read as _;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{
    AttachType, Error, InvalidRequest, LinkCreate, LinkKind, RawLink, RawTracepointOpen, Update,
    UpdateBy, UpdateFlags,
};
use bpf_link_tests::{
    CongestionControl, CounterMap, Device, DeviceKind, Hook, Map, Program, Sandbox, iterator,
};

use crate::fixture::chain::check_refusal;
use crate::fixture::{Counted, ensure_refused, refusal, runs, without_descriptors, xdp};
use crate::harness::{Need, Test, test};
use crate::suites::descriptor_zero;

pub(crate) const TESTS: &[Test] = &[
    test!(the_new_program_runs_and_the_old_does_not),
    test!(only_if_the_old_program_is_the_expected_one),
    test!(a_program_that_does_not_fit),
    test!(a_flag_that_there_is_not),
    test!(a_replacement_of_nothing),
    test!(a_hook_that_has_gone),
    test!(a_link_that_was_detached),
    test!(a_kind_that_is_not_updated),
    test!(a_map_where_a_program_belongs),
    test!(a_program_where_a_map_belongs).needs(Need::STRUCT_OPS),
    test!(another_map_than_the_expected_one).needs(Need::STRUCT_OPS),
    test!(a_kind_that_is_not_detached),
    test!(a_run_of_what_is_no_iterator),
    test!(a_run_keeps_the_program_that_it_began_with),
];

fn program_id(link: &RawLink) -> Result<u32> {
    Ok(link.info()?.program_id().context("no program")?.get())
}

fn the_new_program_runs_and_the_old_does_not(_sandbox: &Sandbox) -> Result<()> {
    let counted = Counted::new()?;
    let events = CounterMap::new()?;
    let new = Program::counting(Hook::XDP, &events)?;
    let id = new.id()?;
    counted.link.update(&new)?;
    drop(new);
    ensure!(program_id(&counted.link)? == id);
    ensure!(!counted.runs()? && runs(&events)?);
    // What is there may be put there again.
    counted.link.update(&counted.program)?;
    counted.link.update(&counted.program)?;
    ensure!(counted.runs()? && !runs(&events)?);
    Ok(())
}

fn only_if_the_old_program_is_the_expected_one(_sandbox: &Sandbox) -> Result<()> {
    let counted = Counted::new()?;
    let (new, other) = (Program::passing(Hook::XDP)?, Program::passing(Hook::XDP)?);
    let refused = counted.link.update(Update::program(&new).expecting(&other));
    let error = refusal(refused)?;
    ensure!(error.errno() == Some(libc::EPERM), "{error:?}");
    let Error::OldProgramMismatch { attached, .. } = error else {
        anyhow::bail!("{error:?}");
    };
    ensure!(attached.map(u32::from) == Some(counted.program.id()?));
    ensure!(counted.runs()?);
    counted
        .link
        .update(Update::program(&new).expecting(&counted.program))?;
    ensure!(program_id(&counted.link)? == new.id()? && !counted.runs()?);
    Ok(())
}

fn a_program_that_does_not_fit(_sandbox: &Sandbox) -> Result<()> {
    let counted = Counted::new()?;
    let wrong = Program::passing(Hook::CGROUP_EGRESS)?;
    ensure_refused!(
        counted.link.update(&wrong),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    let untyped = Program::passing(Hook::XDP_UNTYPED)?;
    ensure_refused!(
        counted.link.update(&untyped),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    let file = std::fs::File::open("/proc/self/comm")?;
    ensure_refused!(
        counted.link.update(&file),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    let known = Update::program(&counted.program);
    ensure_refused!(
        counted.link.update(known.expecting(&file)),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    ensure!(counted.runs()?);
    Ok(())
}

fn a_flag_that_there_is_not(_sandbox: &Sandbox) -> Result<()> {
    let counted = Counted::new()?;
    let flagged = Update::program(&counted.program).flags(UpdateFlags::from_bits_retain(1 << 30));
    ensure_refused!(
        counted.link.update(flagged),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    ensure!(counted.runs()?);
    Ok(())
}

/// The kernel would take the program with descriptor 0 for the one that is expected.
fn a_replacement_of_nothing(_sandbox: &Sandbox) -> Result<()> {
    let counted = Counted::new()?;
    let new = Program::passing(Hook::XDP)?;
    let replace = Update::program(&new).flags(UpdateFlags::REPLACE);
    descriptor_zero::with(&counted.program, |_| {
        let named = format!("link {}", counted.link.id()?);
        let error = check_refusal(counted.link.update(replace), &[&named])?;
        ensure!(
            matches!(
                error,
                Error::InvalidRequest(InvalidRequest::NothingExpected { .. })
            ),
            "{error:?}"
        );
        Ok(())
    })?;
    ensure!(counted.runs()?);
    Ok(())
}

fn a_hook_that_has_gone(_sandbox: &Sandbox) -> Result<()> {
    let device = Device::create(DeviceKind::Veth, "gone")?;
    let program = Program::passing(Hook::XDP)?;
    let request = LinkCreate::new(&program, AttachType::Xdp).target_ifindex(device.index());
    let link = RawLink::create(&request)?;
    device.delete()?;
    ensure_refused!(
        link.update(&program),
        Error::HookGone(_),
        Some(libc::ENOLINK)
    );
    ensure!(program_id(&link)? == program.id()?);
    link.detach()?;
    Ok(())
}

fn a_link_that_was_detached(sandbox: &Sandbox) -> Result<()> {
    let mut counted = Counted::new()?;
    let id = counted.link.id()?;
    counted.link.detach()?;
    ensure!(!counted.runs()?);
    counted.link.detach()?;
    ensure_refused!(
        counted.link.update(&counted.program),
        Error::HookGone(_),
        Some(libc::ENOLINK)
    );
    // It lives on: with its id and its program, and can be pinned.
    ensure!(counted.link.info()?.id() == id && program_id(&counted.link)? == counted.program.id()?);
    let path = sandbox.bpffs().join("pin");
    counted.link.pin(&path)?;
    ensure!(RawLink::from_pinned(&path)?.id()? == id);
    counted.link.unpin()?;
    // The hook is free.
    drop(xdp(&counted.program)?);
    Ok(())
}

/// A link that has neither update nor detach.
fn raw_tracepoint() -> Result<RawLink> {
    let program = Program::passing(Hook::RAW_TRACEPOINT)?;
    Ok(RawLink::open_raw_tracepoint(&RawTracepointOpen::named(
        &program,
        c"sched_switch",
    )?)?)
}

fn a_kind_that_is_not_updated(_sandbox: &Sandbox) -> Result<()> {
    let link = raw_tracepoint()?;
    let program = Program::passing(Hook::RAW_TRACEPOINT)?;
    let error = refusal(link.update(&program))?;
    ensure!(error.errno() == Some(libc::EINVAL));
    ensure!(
        matches!(
            error,
            Error::UnsupportedByKind {
                kind: LinkKind::RawTracepoint,
                ..
            }
        ),
        "{error:?}"
    );
    let id = link.id()?;
    ensure!(
        error.to_string()
            == format!(
                "link {id} is of kind raw_tracepoint, which does not support BPF_LINK_UPDATE"
            )
    );
    Ok(())
}

fn a_map_where_a_program_belongs(_sandbox: &Sandbox) -> Result<()> {
    let counted = Counted::new()?;
    let map = Map::array(4, 1)?;
    let words = format!("link {}", counted.link.id()?);
    for update in [Update::map(&map), Update::program(&map), (&map).into()] {
        let error = check_refusal(counted.link.update(update), &[&words, "not with a map"])?;
        ensure!(
            matches!(
                error,
                Error::WrongObject {
                    kind: LinkKind::Xdp,
                    needs: UpdateBy::Program,
                    ..
                }
            ) && error.errno() == Some(libc::EINVAL),
            "{error:?}"
        );
    }
    // A program that does not fit is none the less a program.
    let other = Program::passing(Hook::CGROUP_EGRESS)?;
    for update in [Update::map(&other), Update::program(&other)] {
        let error = check_refusal(counted.link.update(update), &[&words])?;
        ensure!(
            matches!(error, Error::Command(_)) && error.errno() == Some(libc::EINVAL),
            "{error:?}"
        );
    }
    ensure!(counted.runs()?);
    Ok(())
}

fn a_program_where_a_map_belongs(_sandbox: &Sandbox) -> Result<()> {
    let control = CongestionControl::new("update_wrong")?;
    let link = RawLink::create(&LinkCreate::struct_ops(&control))?;
    let program = Program::passing(Hook::XDP)?;
    for wrong in [Update::program(&program), Update::map(&program)] {
        let error = refusal(link.update(wrong))?;
        ensure!(
            matches!(
                error,
                Error::WrongObject {
                    kind: LinkKind::StructOps,
                    needs: UpdateBy::Map,
                    ..
                }
            ) && error.errno() == Some(libc::EINVAL),
            "{error:?}"
        );
    }
    Ok(())
}

fn another_map_than_the_expected_one(_sandbox: &Sandbox) -> Result<()> {
    let name = "update_map";
    let (first, second) = (CongestionControl::new(name)?, CongestionControl::new(name)?);
    let link = RawLink::create(&LinkCreate::struct_ops(&first))?;
    let refused = link.update(Update::map(&second).expecting(&second));
    ensure_refused!(
        refused,
        Error::OldProgramMismatch { attached: None, .. },
        Some(libc::EPERM)
    );
    link.update(Update::map(&second).expecting(&first))?;
    ensure!(bpf_link_tests::links::LinkInfo::of(&link)?.u32_at(16) == second.id()?);
    Ok(())
}

fn a_kind_that_is_not_detached(_sandbox: &Sandbox) -> Result<()> {
    let link = raw_tracepoint()?;
    let error = refusal(link.detach())?;
    ensure!(
        matches!(
            error,
            Error::UnsupportedByKind {
                kind: LinkKind::RawTracepoint,
                ..
            }
        ) && error.errno() == Some(libc::EOPNOTSUPP),
        "{error:?}"
    );
    Ok(())
}

fn a_run_of_what_is_no_iterator(_sandbox: &Sandbox) -> Result<()> {
    let counted = Counted::new()?;
    let error = refusal(counted.link.create_iter())?;
    ensure!(
        matches!(
            error,
            Error::UnsupportedByKind {
                kind: LinkKind::Xdp,
                ..
            }
        ) && error.errno() == Some(libc::EINVAL),
        "{error:?}"
    );
    Ok(())
}

fn a_run_keeps_the_program_that_it_began_with(_sandbox: &Sandbox) -> Result<()> {
    let (first, second) = (
        iterator("bpf_map", *b"first..\n")?,
        iterator("bpf_map", *b"second.\n")?,
    );
    let _map = Map::array(4, 1)?;
    let link = RawLink::create(&LinkCreate::new(&first, AttachType::TraceIter))?;
    let mut begun = link.create_iter()?;
    link.update(&second)?;
    let mut after = link.create_iter()?;
    let refused = without_descriptors(|| link.create_iter())?;
    ensure_refused!(refused, Error::Command(_), Some(libc::EMFILE));
    drop(link);
    let mut text = String::new();
    begun.read_to_string(&mut text)?;
    ensure!(
        !text.is_empty() && text.lines().all(|line| line == "first.."),
        "{text}"
    );
    text.clear();
    after.read_to_string(&mut text)?;
    ensure!(
        !text.is_empty() && text.lines().all(|line| line == "second."),
        "{text}"
    );
    Ok(())
}
