//! Queries of hooks through the types of the kinds: what is the same for all.

use anyhow::Result;
use bpf_link_tests::{Map, Netns, Sandbox};
use bpf_link_typed::{CgroupHook, Error, FileRef, NetkitHook, NetnsHook, SockmapHook, TcxHook};

use crate::fixture::attaching::ensure_error;
use crate::fixture::{LOOPBACK, as_nobody};
use crate::harness::{Test, test};

pub(crate) const TESTS: &[Test] = &[test!(it_takes_a_privilege)];

fn it_takes_a_privilege(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("query")?;
    let netns = Netns::current()?;
    let map = Map::sockmap(1)?;
    as_nobody(|| {
        for asked in [
            CgroupHook::InetEgress.query(FileRef::fd(&cgroup)),
            CgroupHook::InetEgress.query_effective(FileRef::fd(&cgroup)),
            NetnsHook::SkLookup.query(FileRef::fd(&netns)),
            TcxHook::Ingress.query(LOOPBACK),
            NetkitHook::Primary.query(LOOPBACK),
            SockmapHook::MsgVerdict.query(&map),
        ] {
            ensure_error!(
                asked,
                Error::Link(bpf_link::Error::PermissionDenied(_)),
                Some(libc::EPERM)
            );
        }
        Ok(())
    })
}
