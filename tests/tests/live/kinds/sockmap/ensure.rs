//! sockmap links over restarts and upgrades.

use std::os::fd::AsRawFd as _;

use anyhow::Result;
use bpf_link_tests::{Hook, Map, Sandbox};
use bpf_link_typed::{SockmapAttach, SockmapHook};

use crate::ensure::places::check_places;
use crate::ensure::suite::Way;
use crate::fixture::traffic::{connect, exchange};
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[test!(over_restarts).alone().needs(Need::SOCKMAP)];

fn over_restarts(sandbox: &Sandbox) -> Result<()> {
    let (map, other) = (Map::sockmap(1)?, Map::sockmap(1)?);
    let here = SockmapAttach::to(&map, SockmapHook::MsgVerdict);
    let elsewhere = SockmapAttach::to(&other, SockmapHook::MsgVerdict);
    check_places(
        sandbox,
        Hook::SK_MSG_VERDICT,
        [here, elsewhere],
        &|_| {
            let [here, there] = connect()?;
            map.update(&0u32.to_ne_bytes(), &here.as_raw_fd().to_ne_bytes())?;
            exchange(&here, &there)
        },
        Way::OnlyInPlace,
    )
}
