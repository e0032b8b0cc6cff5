//! Every sort of tcx link, attached through its type with every option that it has.

use anyhow::{Context as _, Result};
use bpf_link::Hook as QueriedHook;
use bpf_link_tests::{Hook, Sandbox};
use bpf_link_typed::{Anchor, Position, TcxAttach, TcxHook};
use serde_json::json;

use crate::fixture::LOOPBACK;
use crate::fixture::traffic::send_packet;
use crate::harness::{Need, Test, test};
use crate::suites::conformance::Counting;
use crate::suites::sorts::{SubKind, two};

pub(crate) const TESTS: &[Test] = &[
    test!(egress).needs(Need::TCX),
    test!(ingress).needs(Need::TCX),
];

/// After another program, and only if the list is as it was then.
fn check(sandbox: &Sandbox, (hook, of): (Hook, TcxHook)) -> Result<()> {
    let other = Counting::program(hook)?;
    let there = TcxAttach::to("lo", of).attach(&other)?;
    let place = Position::After(Anchor::link(&there));
    SubKind {
        sandbox,
        programs: two(hook)?,
        attach: &|program| {
            let list = QueriedHook::of_device(of.attach_type(), LOOPBACK).query()?;
            let revision = list.revision.context("the list has no revision")?;
            let to = TcxAttach::to("lo", of).position(place);
            Ok(to.expected_revision(revision).attach(program)?.into())
        },
        info: &|_| Ok(json!({ "ifindex": LOOPBACK, "attach_type": of.attach_type() })),
        event: &|_| send_packet(),
    }
    .check()
}

fn egress(sandbox: &Sandbox) -> Result<()> {
    check(sandbox, (Hook::TCX_EGRESS, TcxHook::Egress))
}

fn ingress(sandbox: &Sandbox) -> Result<()> {
    check(sandbox, (Hook::TCX_INGRESS, TcxHook::Ingress))
}
