//! The operations on a link that exists.

use anyhow::{Result, ensure};
use bpf_link::{Error, LinkId, RawLink, RawTracepointOpen, Update};
use bpf_link_tests::{Hook, Program, Sandbox};

use crate::fixture::chain::{check, check_refusal};
use crate::fixture::{Counted, without_descriptors};
use crate::harness::{Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(what_a_kind_does_not_have),
    test!(another_program_than_the_expected_one),
    test!(a_link_that_has_gone),
    test!(a_pin),
    test!(no_descriptor_left),
];

fn what_a_kind_does_not_have(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::RAW_TRACEPOINT)?;
    let request = RawTracepointOpen::named(&program, c"sched_switch")?;
    let link = RawLink::open_raw_tracepoint(&request)?;
    let named = format!("link {}", link.id()?);
    check_refusal(link.update(&program), &[&named, "BPF_LINK_UPDATE"])?;
    check_refusal(link.detach(), &[&named, "BPF_LINK_DETACH"])?;
    check_refusal(link.create_iter(), &[&named, "BPF_ITER_CREATE"])?;
    Ok(())
}

fn another_program_than_the_expected_one(_sandbox: &Sandbox) -> Result<()> {
    let counted = Counted::new()?;
    let other = Program::passing(Hook::XDP)?;
    let named = format!("link {}", counted.link.id()?);
    let update = Update::program(&other).expecting(&other);
    check_refusal(counted.link.update(update), &[&named])?;
    counted.link.detach()?;
    check_refusal(counted.link.update(&other), &[&named])?;
    Ok(())
}

fn a_link_that_has_gone(_sandbox: &Sandbox) -> Result<()> {
    let id = Counted::new()?.link.id()?;
    let open = || RawLink::from_id(id);
    let error = bpf_link_tests::eventually("the link has gone", || Ok(open().err()))?;
    check(&error, &[&format!("link {id}")])?;
    let never = LinkId::new(0x7fff_fffe).ok_or_else(|| anyhow::anyhow!("it is not 0"))?;
    check_refusal(RawLink::from_id(never), &["link 2147483646"])?;
    Ok(())
}

/// A link that was opened from a pin is called by that.
fn a_pin(sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::RAW_TRACEPOINT)?;
    let request = RawTracepointOpen::named(&program, c"sched_switch")?;
    let mut link = RawLink::open_raw_tracepoint(&request)?;
    let path = sandbox.bpffs().join("words");
    link.pin(&path)?;
    let id = link.id()?;
    let named = path.display().to_string();
    let opened = RawLink::from_pinned(&path)?;
    let error = check_refusal(opened.detach(), &[&named, &format!("link {id}")])?;
    ensure!(
        matches!(error, Error::UnsupportedByKind { .. }),
        "{error:?}"
    );
    link.unpin()?;
    check_refusal(RawLink::from_pinned(&path), &[&named])?;
    let dotted = sandbox.bpffs().join("a.dot");
    let error = check_refusal(link.pin(&dotted), &[&dotted.display().to_string()])?;
    ensure!(matches!(error, Error::PinName { .. }), "{error:?}");
    let elsewhere = sandbox.directory().join("elsewhere");
    let error = check_refusal(link.pin(&elsewhere), &[&elsewhere.display().to_string()])?;
    ensure!(matches!(error, Error::NotOnBpffs { .. }), "{error:?}");
    Ok(())
}

/// A link that was opened by its id is called by that, though the kernel has said nothing about it.
fn no_descriptor_left(_sandbox: &Sandbox) -> Result<()> {
    let counted = Counted::new()?;
    let id = counted.link.id()?;
    let opened = RawLink::from_id(id)?;
    let refused = without_descriptors(|| opened.try_clone())?;
    check_refusal(refused, &[&format!("link {id}")])?;
    Ok(())
}
