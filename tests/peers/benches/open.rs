//! From a pin to a link of a known kind.

use std::ffi::CString;
use std::hint::black_box;
use std::os::fd::AsFd as _;

use anyhow::Result;
use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::xdp::XdpLink;
use bpf_link_peers::Side;
use bpf_link_tests::Sandbox;
use bpf_link_tests::sys::bare;
use bpf_link_typed::Link;
use criterion::Criterion;

use crate::compare;
use crate::fixture::xdp;

/// The bare calls are those that it takes to be sure: open, ask whether it is a link, ask for its kind, close. The peers do not ask whether it is
/// a link; aya and libbpf-rs are asked for the kind.
pub(crate) fn measure(criterion: &mut Criterion, sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("open");
    let mut link = xdp()?;
    link.pin(&pin)?;
    let c_path = CString::new(pin.as_os_str().as_encoded_bytes())?;
    let sides = vec![
        Side::ours(|| {
            let link = Link::from_pinned(&pin);
            assert!(matches!(link, Ok(Link::Xdp(_))));
            black_box(&link);
        }),
        Side::bare(|| {
            let mut words = [0; 8];
            let link = bare::open(&c_path);
            let is_link = link.as_ref().is_some_and(|link| {
                bare::is_link(link.as_fd()) && bare::info(link.as_fd(), &mut words) == 0
            });
            assert!(is_link);
            black_box(&words);
        }),
        Side::aya(|| {
            let link = PinnedLink::from_pin(&pin).map(FdLink::from);
            let link = link.ok().and_then(|link| XdpLink::try_from(link).ok());
            assert!(link.is_some());
            black_box(&link);
        }),
        #[cfg(feature = "libbpf-rs")]
        Side::libbpf(|| {
            let info = libbpf_rs::Link::open(&pin).and_then(|link| link.info());
            assert!(info.is_ok());
            black_box(&info);
        }),
    ];
    compare(criterion, "open from a pin", 64, sides);
    std::fs::remove_file(pin)?;
    Ok(())
}
