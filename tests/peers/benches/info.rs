//! The info of a link that is held, of each kind that this machine can make.

use std::hint::black_box;
use std::os::fd::AsFd as _;

use anyhow::{Result, ensure};
use aya::programs::links::{FdLink, PinnedLink};
use bpf_link_peers::Side;
use bpf_link_tests::Sandbox;
use bpf_link_tests::sys::bare::{self, Arrays, ArraysLink, NamedLink};
use bpf_link_typed::{InfoBuf, Link};
use criterion::Criterion;

use crate::compare;
use crate::fixture::{Attached, PROBES, SORTS, duplicate};

/// Ours reads everything that the kernel says into a buffer that is used again; the bare calls are the same without reading the answer. aya reads
/// no name and no array, and libbpf-rs no cookie.
pub(crate) fn measure(criterion: &mut Criterion, sandbox: &Sandbox) -> Result<()> {
    for (name, make) in SORTS {
        match make(sandbox) {
            Ok(attached) => of(criterion, sandbox, name, attached)?,
            Err(error) => eprintln!("info of {name}: not on this machine: {error:#}"),
        }
    }
    Ok(())
}

fn of(criterion: &mut Criterion, sandbox: &Sandbox, name: &str, attached: Attached) -> Result<()> {
    let Attached { mut link, target } = attached;
    let pin = sandbox.bpffs().join("info");
    link.pin(&pin)?;
    let held = duplicate(&link)?;
    let typed = Link::try_from(link)?;
    ensure!(
        typed.info()?.is_defunct() != Some(true),
        "the link is not attached"
    );
    let mut buf = InfoBuf::new();
    let named = NamedLink::new(held.as_fd())?;
    let arrays = ArraysLink::new(held.as_fd())?;
    let mut room = ([0; 4096], Arrays::new(PROBES));
    let mut sides = vec![Side::ours(|| {
        let info = typed.info_in(&mut buf);
        assert!(info.is_ok());
        black_box(&info);
    })];

    sides.push(match (&named, &arrays) {
        (Some(link), _) => Side::bare(|| {
            let mut words = [0; 8];
            assert_eq!(link.info(&mut words, &mut room.0), 0);
            black_box(&words);
        }),
        (None, Some(link)) => Side::bare(|| {
            let mut words = [0; 8];
            assert!(link.info(&mut words, &mut room.1));
            black_box(&words);
        }),
        (None, None) => Side::bare(|| {
            let mut words = [0; 8];
            assert_eq!(bare::info(held.as_fd(), &mut words), 0);
            black_box(&words);
        }),
    });

    let aya = FdLink::from(PinnedLink::from_pin(&pin)?);
    sides.push(Side::aya(move || {
        let info = aya.info();
        assert!(info.is_ok());
        black_box(&info);
    }));

    #[cfg(feature = "libbpf-rs")]
    let libbpf = libbpf_rs::Link::open(&pin)?;
    #[cfg(feature = "libbpf-rs")]
    sides.push(Side::libbpf(move || {
        let info = libbpf.info();
        assert!(info.is_ok());
        black_box(&info);
    }));

    compare(criterion, &format!("info of {name}"), 256, sides);
    drop(target);
    std::fs::remove_file(pin)?;
    Ok(())
}
