//! What a kernel says of the kinds of links that it can create, held against what it does.

use anyhow::{Context as _, Result, ensure};
use bpf_link::{Command, Error, InvalidRequest, LinkKind, Support};
use bpf_link_tests::{Hook, Program, Sandbox, btf_header, eventually_holds, links};
use bpf_link_typed as typed;
use rustix::mount::{UnmountFlags, mount_bind, unmount};

use crate::fixture::{ENOTSUPP, as_nobody, without_descriptors, xdp};
use crate::harness::{Need, Test, test};
use crate::kinds::{KINDS, for_every_kind};
use crate::suites::kind_tests::KindTests;

pub(crate) const TESTS: &[Test] = &[
    test!(what_each_kind_needs).needs(&[Need::NoOops]),
    test!(what_can_be_created).alone().needs(&[Need::NoOops]),
    test!(nothing_is_left).alone(),
    test!(a_taken_device),
    test!(it_takes_a_privilege),
    test!(it_takes_descriptors),
    test!(it_takes_the_kernels_types),
    test!(what_is_certain_is_kept),
    test!(a_kind_of_a_later_kernel),
    test!(the_types_of_the_kinds),
];

/// The tests of a kind run exactly where the kernel is said to have it.
fn what_each_kind_needs(_sandbox: &Sandbox) -> Result<()> {
    for KindTests { kind, needs, .. } in KINDS {
        let missing = needs
            .iter()
            .find_map(|need| need.missing().transpose())
            .transpose()?;
        let support = kind.probe();
        ensure!(
            support.is_yes() == missing.is_none(),
            "{kind}: {support:?}, but {missing:?}"
        );
        match support {
            Support::Yes => {}
            Support::No(refusal) => {
                let is_refused = match refusal.errno() {
                    Some(libc::EINVAL | libc::EOPNOTSUPP) => true,
                    // The kernel has no code that calls a program from a function, or no JIT.
                    Some(ENOTSUPP | libc::ENOMEM) => *kind == LinkKind::Tracing,
                    _ => false,
                };
                ensure!(is_refused, "{kind}: {refusal:?}");
            }
            // This machine is against such programs, whatever its kernel can do.
            Support::Unknown(Error::PermissionDenied(refusal)) => ensure!(
                *kind == LinkKind::Tracing && refusal.command() == Command::ProgLoad,
                "{kind}: {refusal:?}"
            ),
            unknown => anyhow::bail!("{kind}: {unknown:?}"),
        }
    }
    Ok(())
}

/// What the kernel is said to be able to do is what it does.
fn what_can_be_created(sandbox: &Sandbox) -> Result<()> {
    for KindTests { kind, place, .. } in KINDS {
        let support = kind.probe();
        let created = place(sandbox, 0).and_then(|place| {
            let [object, _] = &place.objects;
            place.make(object)
        });
        match created {
            Ok(link) => {
                ensure!(link.kind()? == *kind);
                ensure!(support.is_yes(), "{kind} links are created: {support:?}");
            }
            Err(error) => ensure!(!support.is_yes(), "{kind}: {error:?}"),
        }
    }
    Ok(())
}

/// A link holds its program: where no program is left, no link is. Somebody else on this machine
/// may be asking the same right now.
fn nothing_is_left(_sandbox: &Sandbox) -> Result<()> {
    for kind in LinkKind::KNOWN {
        let _ = kind.probe();
        let what = format!("nothing is left of the probe for {kind} links");
        let is_gone = || Ok(links::programs_named("bpf_link_probe")?.is_empty());
        eventually_holds(&what, is_gone)?;
    }
    Ok(())
}

/// The device that is asked about has programs already.
fn a_taken_device(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let link = xdp(&program)?;
    ensure!(LinkKind::Xdp.probe().is_yes());
    ensure!(link.info()?.program_id().map(u32::from) == Some(program.id()?));
    Ok(())
}

fn it_takes_a_privilege(_sandbox: &Sandbox) -> Result<()> {
    // A kernel without `struct_ops` says so to everybody.
    let mut is_told = false;
    as_nobody(|| {
        for kind in LinkKind::KNOWN {
            let support = kind.probe();
            if *kind == LinkKind::StructOps && matches!(support, Support::No(_)) {
                is_told = true;
                continue;
            }
            let Support::Unknown(Error::PermissionDenied(refusal)) = &support else {
                anyhow::bail!("{kind}: {support:?}");
            };
            ensure!(refusal.errno() == Some(libc::EPERM), "{kind}: {refusal:?}");
        }
        Ok(())
    })?;
    // None of that is kept.
    for kind in LinkKind::KNOWN {
        let support = kind.probe();
        ensure!(
            !matches!(support, Support::Unknown(_)) || *kind == LinkKind::Tracing,
            "{kind}: {support:?}"
        );
    }
    ensure!(!is_told || matches!(LinkKind::StructOps.probe(), Support::No(_)));
    ensure!(LinkKind::Cgroup.probe().is_yes());
    Ok(())
}

fn it_takes_descriptors(_sandbox: &Sandbox) -> Result<()> {
    let ask = || LinkKind::KNOWN.iter().map(|kind| kind.probe());
    let support: Vec<_> = without_descriptors(|| ask().collect())?;
    for (kind, support) in LinkKind::KNOWN.iter().zip(support) {
        match support {
            Support::Unknown(error) => {
                ensure!(error.errno() == Some(libc::EMFILE), "{kind}: {error:?}");
                ensure!(matches!(error, Error::Command(_)), "{kind}: {error:?}");
            }
            // A kernel may have said enough before it came to that.
            certain => ensure!(kind.probe().is_yes() == certain.is_yes(), "{kind}"),
        }
        let later = kind.probe();
        let is_told = !matches!(later, Support::Unknown(_));
        ensure!(is_told || *kind == LinkKind::Tracing, "{kind}: {later:?}");
    }
    for kind in [LinkKind::RawTracepoint, LinkKind::Cgroup, LinkKind::Iter] {
        ensure!(kind.probe().is_yes());
    }
    Ok(())
}

fn it_takes_the_kernels_types(sandbox: &Sandbox) -> Result<()> {
    const PATH: &str = "/sys/kernel/btf/vmlinux";
    let no_types = btf_header(0, 0);
    let instead = sandbox.directory().join("types");
    for (bytes, errno) in [(Vec::new(), None), (no_types, Some(libc::ENOENT))] {
        std::fs::write(&instead, &bytes)?;
        mount_bind(&instead, PATH).context(PATH)?;
        for kind in [LinkKind::Tracing, LinkKind::Iter] {
            let support = kind.probe();
            let Support::Unknown(Error::Command(refusal)) = &support else {
                anyhow::bail!("{kind}: {support:?}");
            };
            ensure!(refusal.command() == Command::ReadKernelTypes);
            ensure!(refusal.errno() == errno, "{kind}: {refusal:?}");
        }
        unmount(PATH, UnmountFlags::empty())?;
    }
    ensure!(LinkKind::Iter.probe().is_yes());
    Ok(())
}

fn what_is_certain_is_kept(_sandbox: &Sandbox) -> Result<()> {
    let certain: Vec<_> = LinkKind::KNOWN
        .iter()
        .map(|kind| (kind, kind.probe()))
        .filter(|(_, support)| !matches!(support, Support::Unknown(_)))
        .collect();
    ensure!(certain.len() >= LinkKind::KNOWN.len() - 1);
    as_nobody(|| {
        for (kind, before) in &certain {
            let again = kind.probe();
            ensure!(format!("{again:?}") == format!("{before:?}"));
        }
        Ok(())
    })
}

fn a_kind_of_a_later_kernel(_sandbox: &Sandbox) -> Result<()> {
    for number in [0, 99, u32::MAX] {
        let kind = LinkKind::Unknown(number);
        let support = kind.probe();
        ensure!(
            matches!(&support, Support::Unknown(Error::InvalidRequest(InvalidRequest::Probe(asked))) if *asked == kind),
            "{support:?}"
        );
    }
    Ok(())
}

fn the_types_of_the_kinds(_sandbox: &Sandbox) -> Result<()> {
    macro_rules! of_types {
        ($($kind:ident: $Link:ident,)+) => { [$( (typed::$Link::KIND, typed::$Link::probe()) ),+] };
    }
    let support = for_every_kind!(of_types);
    let kinds = support.iter().map(|(kind, _)| kind);
    ensure!(kinds.eq(LinkKind::KNOWN));
    for (kind, support) in support {
        ensure!(format!("{support:?}") == format!("{:?}", kind.probe()));
    }
    Ok(())
}
