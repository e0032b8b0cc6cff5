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
        let path = cgroup.path().display().to_string();
        for (asked, named) in [
            (
                CgroupHook::InetEgress.query(FileRef::fd(&cgroup)),
                "cgroup_inet_egress",
            ),
            (CgroupHook::InetEgress.query(cgroup.path()), &*path),
            (
                CgroupHook::InetEgress.query_effective(cgroup.path()),
                &*path,
            ),
            (
                NetnsHook::SkLookup.query("/proc/self/ns/net"),
                "/proc/self/ns/net",
            ),
            (NetnsHook::SkLookup.query(FileRef::fd(&netns)), "sk_lookup"),
            (TcxHook::Ingress.query("lo"), "interface lo (index 1)"),
            (
                NetkitHook::Primary.query(LOOPBACK),
                "interface lo (index 1)",
            ),
            (SockmapHook::MsgVerdict.query(&map), "sk_msg_verdict"),
        ] {
            ensure_error!(
                asked,
                Error::Link(bpf_link::Error::PermissionDenied(_)),
                Some(libc::EPERM),
                &[named]
            );
        }
        Ok(())
    })
}
