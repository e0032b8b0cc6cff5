//! Every sort of netns link, attached through its type with every option that it has.

use anyhow::Result;
use bpf_link_tests::{Hook, Netns, Sandbox};
use bpf_link_typed::{FileRef, NetnsAttach, NetnsHook};
use serde_json::json;

use crate::fixture::LOOPBACK;
use crate::fixture::traffic::{send_frame, send_packet};
use crate::harness::{Test, test};
use crate::suites::sorts::{SubKind, two};

pub(crate) const TESTS: &[Test] = &[test!(flow_dissector), test!(sk_lookup)];

fn check(
    sandbox: &Sandbox,
    (hook, of): (Hook, NetnsHook),
    event: fn() -> Result<()>,
) -> Result<()> {
    let netns = Netns::current()?;
    SubKind {
        sandbox,
        programs: two(hook)?,
        attach: &|program| {
            Ok(NetnsAttach::to(FileRef::fd(&netns), of)
                .attach(program)?
                .into())
        },
        info: &|_| Ok(json!({ "netns_ino": netns.inode()?, "attach_type": of.attach_type() })),
        event: &|_| event(),
    }
    .check()
}

fn flow_dissector(sandbox: &Sandbox) -> Result<()> {
    let sort = (Hook::FLOW_DISSECTOR, NetnsHook::FlowDissector);
    // A frame that comes past the network stack has its headers looked for.
    check(sandbox, sort, || send_frame(LOOPBACK, LOOPBACK))
}

fn sk_lookup(sandbox: &Sandbox) -> Result<()> {
    let sort = (Hook::SK_LOOKUP, NetnsHook::SkLookup);
    check(sandbox, sort, send_packet)
}
