//! The operations on a link that exists.

use anyhow::{Result, ensure};
use bpf_link::{Error, InfoBuffers, InvalidRequest, LinkId, RawLink, RawTracepointOpen, Update};
use bpf_link_tests::{Hook, Program, Sandbox};
use bpf_link_typed::XdpLink;

use crate::fixture::chain::{check, check_refusal};
use crate::fixture::{Counted, without_descriptors};
use crate::harness::{Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(what_a_kind_does_not_have),
    test!(another_program_than_the_expected_one),
    test!(a_link_that_has_gone),
    test!(a_pin),
    test!(a_pin_of_another),
    test!(an_info),
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
    check_refusal(
        XdpLink::from_pinned(&path),
        &[&format!("link {id} pinned at {}", path.display())],
    )?;
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

/// What is refused about a pin that another link has taken, and about a place for a pin.
fn a_pin_of_another(sandbox: &Sandbox) -> Result<()> {
    // Old kernels take a program once on a tracepoint.
    let programs = [
        Program::passing(Hook::RAW_TRACEPOINT)?,
        Program::passing(Hook::RAW_TRACEPOINT)?,
    ];
    let open = |program| {
        let request = RawTracepointOpen::named(program, c"sched_switch")?;
        RawLink::open_raw_tracepoint(&request)
    };
    let (mut link, mut other) = (open(&programs[0])?, open(&programs[1])?);
    let path = sandbox.bpffs().join("words");
    let named = path.display().to_string();
    link.pin(&path)?;
    other.pin_over(&path)?;
    let error = check_refusal(link.unpin(), &[&named])?;
    ensure!(matches!(error, Error::PinReplaced { .. }), "{error:?}");
    other.unpin()?;

    for path in [
        sandbox.bpffs().join("missing/words"),
        sandbox.bpffs().join("a.dot"),
        sandbox.directory().join("elsewhere"),
    ] {
        check_refusal(other.pin_over(&path), &[&path.display().to_string()])?;
    }
    let directory = sandbox.bpffs().join("directory");
    std::fs::create_dir(&directory)?;
    let refused = other.pin_over(&directory);
    check_refusal(refused, &[&directory.display().to_string()])?;
    ensure!(sandbox.pinned()?.is_empty());
    Ok(())
}

/// What is refused when a link is asked about itself.
fn an_info(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::RAW_TRACEPOINT)?;
    let request = RawTracepointOpen::named(&program, c"sched_switch")?;
    let link = RawLink::open_raw_tracepoint(&request)?;
    let named = format!("link {}", link.id()?);
    let short = InfoBuffers::RawTracepoint { name: &mut [0; 2] };
    let error = check_refusal(link.info_with(short), &[&named])?;
    ensure!(matches!(error, Error::BufferTooShort(_)), "{error:?}");
    let of_another = InfoBuffers::Iter {
        target_name: &mut [0; 2],
    };
    let error = check_refusal(
        link.info_with(of_another),
        &[&named, "of kind raw_tracepoint"],
    )?;
    ensure!(
        matches!(error, Error::InvalidRequest(InvalidRequest::Buffers { .. })),
        "{error:?}"
    );
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
