//! The info of a link that is held, of each kind that this machine can make.

use std::hint::black_box;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use anyhow::{Result, ensure};
use aya::programs::links::{FdLink, PinnedLink};
use bpf_link_peers::Side;
use bpf_link_tests::Sandbox;
use bpf_link_tests::sys::bare::{self, ArraysLink, NamedLink};
use bpf_link_typed::{InfoBuf, Link};

use crate::bench::Bench;
use crate::fixture::{Attached, SORTS, duplicate};

/// Every side reads what the kernel says into memory that is used again. Where there is a name or
/// an array, all of it is asked for in one measure, and the numbers alone in another: aya reads no
/// more. libbpf-rs reads no cookie.
pub(crate) fn measure(bench: &mut Bench, sandbox: &Sandbox) -> Result<()> {
    for (name, make) in SORTS {
        match make(sandbox) {
            Ok(attached) => of(bench, sandbox, name, attached)?,
            Err(error) => bench.is_absent(&format!("info of {name}"), &error)?,
        }
    }
    Ok(())
}

fn of(bench: &mut Bench, sandbox: &Sandbox, name: &str, attached: Attached) -> Result<()> {
    let Attached { mut link, target } = attached;
    let pin = sandbox.bpffs().join("info");
    link.pin(&pin)?;
    let held = duplicate(&link)?;
    let typed = Link::try_from(link)?;
    ensure!(
        typed.info()?.is_defunct() != Some(true),
        "the link is not attached"
    );
    let turn = 256;
    let title = format!("info of {name}");
    if let Some(bare) = bare_with_buffers(&held)? {
        let sides = vec![
            ours(&typed),
            bare,
            #[cfg(feature = "libbpf-rs")]
            libbpf(&pin)?,
        ];
        bench.compare(&title, turn, sides)?;
        let numbers = vec![numbers(&typed), bare_numbers(&held), aya(&pin)?];
        bench.compare(&format!("numbers of {name}"), turn, numbers)?;
    } else {
        let sides = vec![
            ours(&typed),
            bare_numbers(&held),
            aya(&pin)?,
            #[cfg(feature = "libbpf-rs")]
            libbpf(&pin)?,
        ];
        bench.compare(&title, turn, sides)?;
    }
    drop(target);
    std::fs::remove_file(pin)?;
    Ok(())
}

fn ours(link: &Link) -> Side<'_> {
    let mut buf = InfoBuf::new();
    Side::ours(move || {
        let info = link.info_in(&mut buf);
        assert!(info.is_ok());
        black_box(&info);
    })
}

fn numbers(link: &Link) -> Side<'_> {
    let link = link.as_raw();
    Side::ours(move || {
        let info = link.info();
        assert!(info.is_ok());
        black_box(&info);
    })
}

fn bare_numbers(link: &OwnedFd) -> Side<'_> {
    let mut words = [0; 8];
    Side::bare(move || {
        assert_eq!(bare::info(link.as_fd(), &mut words), 0);
        black_box(&words);
    })
}

/// `None` for a link whose info has neither a name nor an array.
fn bare_with_buffers(link: &OwnedFd) -> Result<Option<Side<'_>>> {
    let mut words = [0; 8];
    if let Some(link) = NamedLink::new(link.as_fd())? {
        let mut name = [0; 4096];
        return Ok(Some(Side::bare(move || {
            let len = link.info(&mut words, &mut name);
            assert!(len.is_some());
            black_box((&words, len));
        })));
    }
    let Some(link) = ArraysLink::new(link.as_fd())? else {
        return Ok(None);
    };
    let mut arrays = link.buffers();
    Ok(Some(Side::bare(move || {
        let len = link.info(&mut words, &mut arrays);
        assert!(len.is_some());
        black_box((&words, len));
    })))
}

fn aya(pin: &Path) -> Result<Side<'static>> {
    let link = FdLink::from(PinnedLink::from_pin(pin)?);
    Ok(Side::aya(move || {
        let info = link.info();
        assert!(info.is_ok());
        black_box(&info);
    }))
}

#[cfg(feature = "libbpf-rs")]
fn libbpf(pin: &Path) -> Result<Side<'static>> {
    let link = libbpf_rs::Link::open(pin)?;
    Ok(Side::libbpf(move || {
        let info = link.info();
        assert!(info.is_ok());
        black_box(&info);
    }))
}
