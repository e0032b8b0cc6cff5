//! Another program in the place of a link's.

use std::ffi::CString;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::xdp::{Xdp, XdpLink};
use aya_obj::programs::XdpAttachType;
use bpf_link_peers::Side;
use bpf_link_tests::sys::{bare, obj_pin};
use bpf_link_tests::{Hook, Program, Sandbox};
use bpf_link_typed::XdpLink as OurLink;

use crate::bench::Bench;
use crate::fixture::{duplicate, xdp};

/// All sides have descriptors of the same link, and two programs each, which take turns.
pub(crate) fn measure(bench: &mut Bench, sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("update");
    let mut link = xdp()?;
    link.pin(&pin)?;
    let held = duplicate(&link)?;
    let link = OurLink::try_from(link)?;
    let programs = two(|_| Program::passing(Hook::XDP))?;
    let others = two(|_| Program::passing(Hook::XDP))?;

    let pins = two(|nth| pinned_program(sandbox, nth))?;
    #[cfg(feature = "libbpf-rs")]
    let objects = two(|_| crate::libbpf::xdp_object())?;

    let sides = vec![
        ours(link, programs),
        bare(held, others),
        aya(&pin, &pins)?,
        #[cfg(feature = "libbpf-rs")]
        libbpf(&pin, &objects)?,
    ];
    bench.compare("update", 16, sides)?;
    for pin in [&pin, &pins.0, &pins.1] {
        std::fs::remove_file(pin)?;
    }
    Ok(())
}

fn ours(link: OurLink, programs: (Program, Program)) -> Side<'static> {
    let mut next = alternate();
    Side::ours(move || {
        let program = if next() { &programs.0 } else { &programs.1 };
        assert!(link.update(program).is_ok());
    })
}

fn bare(link: OwnedFd, programs: (Program, Program)) -> Side<'static> {
    let mut next = alternate();
    Side::bare(move || {
        let program = if next() { &programs.0 } else { &programs.1 };
        assert_eq!(bare::update(link.as_fd(), program.as_fd()), 0);
    })
}

fn aya(pin: &Path, programs: &(PathBuf, PathBuf)) -> Result<Side<'static>> {
    let mut programs = (aya_program(&programs.0)?, aya_program(&programs.1)?);
    let pinned = PinnedLink::from_pin(pin)?;
    let mut held = Some(XdpLink::try_from(FdLink::from(pinned))?);
    let mut next = alternate();
    Ok(Side::aya(move || {
        let program = if next() {
            &mut programs.0
        } else {
            &mut programs.1
        };
        let attached = held
            .take()
            .and_then(|link| program.attach_to_link(link).ok());
        held = attached.and_then(|id| program.take_link(id).ok());
        assert!(held.is_some());
    }))
}

#[cfg(feature = "libbpf-rs")]
fn libbpf<'a>(pin: &Path, objects: &'a (libbpf_rs::Object, libbpf_rs::Object)) -> Result<Side<'a>> {
    let programs = (
        objects.0.progs().next().context("a program")?,
        objects.1.progs().next().context("a program")?,
    );
    let mut link = libbpf_rs::Link::open(pin)?;
    let mut next = alternate();
    Ok(Side::libbpf(move || {
        let program = if next() { &programs.0 } else { &programs.1 };
        assert!(link.update_prog(program).is_ok());
    }))
}

fn two<T>(make: impl Fn(u32) -> Result<T>) -> Result<(T, T)> {
    Ok((make(1)?, make(2)?))
}

/// True and false in turn.
fn alternate() -> impl FnMut() -> bool {
    let mut last = false;
    move || {
        last = !last;
        last
    }
}

/// aya takes programs that it has not loaded itself from pins.
fn pinned_program(sandbox: &Sandbox, nth: u32) -> Result<PathBuf> {
    let path = sandbox.bpffs().join(format!("program_{nth}"));
    let c_path = CString::new(path.as_os_str().as_encoded_bytes())?;
    obj_pin(Program::passing(Hook::XDP)?.as_fd(), &c_path)?;
    Ok(path)
}

fn aya_program(pin: &Path) -> Result<Xdp> {
    Xdp::from_pin(pin, XdpAttachType::Interface).context("a pinned program")
}
