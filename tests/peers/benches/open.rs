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

use crate::bench::Bench;
use crate::fixture::xdp;

/// The bare calls are those that it takes: open, ask for the info, close. The peers make the same;
/// they do not look whether it is of a link.
pub(crate) fn measure(bench: &mut Bench, sandbox: &Sandbox) -> Result<()> {
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
            let answer = link
                .as_ref()
                .map(|link| bare::info(link.as_fd(), &mut words));
            assert_eq!(answer, Some(0));
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
    bench.compare("open from a pin", 64, sides)?;
    std::fs::remove_file(pin)?;
    Ok(())
}
