//! The examples about packets.

use std::os::fd::{AsFd as _, AsRawFd as _};

use anyhow::{Context as _, Result, ensure};
use bpf_link::RawLink;
use bpf_link_sys::{BPF_SK_MSG_VERDICT, BPF_TCX_INGRESS};
use bpf_link_tests::sys::{self, LinkTarget};
use bpf_link_tests::{Hook, Map, Sandbox, eventually_holds};
use bpf_link_typed::{TcxAttach, TcxHook};

use super::running::{Running, run};
use super::{EXAMPLES, Pinned, below, counting};
use crate::fixture::attaching::{order, stops};
use crate::fixture::traffic::{connect, exchange, send_packet};
use crate::fixture::{Counted, LOOPBACK, text};
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(netfilter).needs(Need::NETFILTER).also_needs(EXAMPLES),
    test!(netfilter_priority_that_is_taken)
        .needs(Need::NETFILTER)
        .also_needs(EXAMPLES),
    test!(sockmap).needs(Need::SOCKMAP).also_needs(EXAMPLES),
    test!(take_over).needs(Need::TCX).also_needs(EXAMPLES),
    test!(take_over_all_or_nothing)
        .needs(Need::TCX)
        .also_needs(EXAMPLES),
    test!(tcx_order).needs(Need::TCX).also_needs(EXAMPLES),
];

fn netfilter(sandbox: &Sandbox) -> Result<()> {
    let (program, counter, _) = counting(sandbox, "filter", Hook::NETFILTER)?;
    let (example, said) = Running::attached("netfilter", &[program.path()?, "-10"])?;
    ensure!(said.contains("at priority -10."), "{said}");
    for _ in 0..3 {
        send_packet()?;
    }
    ensure!(counter.read()? == 3, "{}", counter.read()?);
    let said = example.end()?;
    ensure!(said == "It is detached.\n", "{said}");
    stops(&counter, send_packet)
}

fn netfilter_priority_that_is_taken(sandbox: &Sandbox) -> Result<()> {
    let (first, _counter, id) = counting(sandbox, "first", Hook::NETFILTER)?;
    let (second, counter, _) = counting(sandbox, "second", Hook::NETFILTER)?;
    let (_example, _) = Running::attached("netfilter", &[first.path()?, "-10"])?;
    let refused = run("netfilter", &[second.path()?, "-10"])?;
    ensure!(refused.status == Some(1), "{refused:?}");
    // What to do, who has it, and what the kernel answered.
    for words in [
        "use another priority",
        &format!("program {id}"),
        "os error 16",
    ] {
        ensure!(refused.errors.contains(words), "{words}: {refused:?}");
    }
    ensure!(refused.output.is_empty(), "{refused:?}");
    send_packet()?;
    ensure!(counter.read()? == 0);
    Ok(())
}

fn sockmap(sandbox: &Sandbox) -> Result<()> {
    let sockets = Map::sockmap(1)?;
    let map = Pinned::new(sandbox, "sockets", &sockets)?;
    let (program, counter, id) = counting(sandbox, "verdict", Hook::SK_MSG_VERDICT)?;
    let (example, _) = Running::attached("sockmap", &[map.path()?, program.path()?])?;
    let attached = || sys::prog_query(LinkTarget::Fd(sockets.as_fd()), BPF_SK_MSG_VERDICT);
    ensure!(attached()? == [id], "{:?}", attached()?);

    let [here, there] = connect()?;
    sockets.update(&0u32.to_ne_bytes(), &here.as_raw_fd().to_ne_bytes())?;
    exchange(&here, &there)?;
    exchange(&here, &there)?;
    // What comes back was not sent by a socket of the map.
    exchange(&there, &here)?;
    ensure!(counter.read()? == 2, "{}", counter.read()?);
    example.end()?;
    eventually_holds("it is detached", || Ok(attached()?.is_empty()))
}

/// Its links stay, and no packet is missed.
fn take_over(sandbox: &Sandbox) -> Result<()> {
    let directory = below(sandbox, "links");
    let pins = text(&directory)?;
    let link = |name| anyhow::Ok(RawLink::from_pinned(directory.join(name))?.id()?);

    let (old_in, old_ins, _) = counting(sandbox, "old_in", Hook::TCX_INGRESS)?;
    let (old_out, old_outs, _) = counting(sandbox, "old_out", Hook::TCX_EGRESS)?;
    let first = run("take_over", &[pins, "lo", old_in.path()?, old_out.path()?])?;
    ensure!(first.status == Some(0), "{first:?}");
    ensure!(first.output.contains("ingress: create a link"), "{first:?}");
    ensure!(first.output.matches(", created").count() == 2, "{first:?}");
    let links = [link("ingress")?, link("egress")?];
    send_packet()?;
    ensure!(old_ins.read()? == 1 && old_outs.read()? == 1);

    // A link that an earlier version of the agent had.
    let (stale, mut earlier) = (directory.join("stale"), Counted::new()?);
    earlier.link.pin(&stale)?;
    drop(earlier.link);
    let (new_in, new_ins, _) = counting(sandbox, "new_in", Hook::TCX_INGRESS)?;
    let (new_out, new_outs, _) = counting(sandbox, "new_out", Hook::TCX_EGRESS)?;
    let second = run("take_over", &[pins, "lo", new_in.path()?, new_out.path()?])?;
    ensure!(second.status == Some(0), "{second:?}");
    let updated = second.output.matches(", updated, replacing program ");
    ensure!(updated.count() == 2, "{second:?}");
    ensure!(links == [link("ingress")?, link("egress")?]);
    ensure!(!stale.exists(), "{second:?}");
    send_packet()?;
    send_packet()?;
    ensure!(old_ins.read()? == 1 && old_outs.read()? == 1);
    ensure!(new_ins.read()? == 2 && new_outs.read()? == 2);

    // As it says.
    ensure!(second.output.ends_with(&format!("rm -r {pins}\n")));
    std::fs::remove_dir_all(&directory).context("removing the pins")?;
    stops(&new_ins, send_packet)?;
    stops(&new_outs, send_packet)
}

/// A set of which one link is refused leaves the links of the version before.
fn take_over_all_or_nothing(sandbox: &Sandbox) -> Result<()> {
    let directory = below(sandbox, "links");
    let pins = text(&directory)?;
    let (old_in, old_ins, _) = counting(sandbox, "old_in", Hook::TCX_INGRESS)?;
    let (old_out, _, _) = counting(sandbox, "old_out", Hook::TCX_EGRESS)?;
    let first = run("take_over", &[pins, "lo", old_in.path()?, old_out.path()?])?;
    ensure!(first.status == Some(0), "{first:?}");

    let (new_in, new_ins, _) = counting(sandbox, "new_in", Hook::TCX_INGRESS)?;
    let (wrong, _, _) = counting(sandbox, "wrong", Hook::XDP)?;
    let second = run("take_over", &[pins, "lo", new_in.path()?, wrong.path()?])?;
    ensure!(second.status == Some(1), "{second:?}");
    // Which link was refused, and why: the whole chain.
    ensure!(second.errors.contains("egress"), "{second:?}");
    ensure!(second.errors.contains("Caused by:"), "{second:?}");
    ensure!(second.errors.contains("os error 22"), "{second:?}");
    send_packet()?;
    ensure!(old_ins.read()? == 1 && new_ins.read()? == 0);
    std::fs::remove_dir_all(&directory).context("removing the pins")?;
    Ok(())
}

fn tcx_order(sandbox: &Sandbox) -> Result<()> {
    let lo = LinkTarget::Ifindex(LOOPBACK);
    let (other, _, other_id) = counting(sandbox, "other", Hook::TCX_INGRESS)?;
    let other = bpf_link::open_pinned_program(&other.path)?;
    let _other = TcxAttach::to("lo", TcxHook::Ingress).attach(&other)?;

    let (first, first_counter, first_id) = counting(sandbox, "first", Hook::TCX_INGRESS)?;
    let (second, second_counter, second_id) = counting(sandbox, "second", Hook::TCX_INGRESS)?;
    let (example, said) = Running::attached("tcx_order", &["lo", first.path()?, second.path()?])?;
    let expected = [other_id, first_id, second_id];
    ensure!(order(lo, BPF_TCX_INGRESS)?.0 == expected);
    let mut lines = said.lines().skip(1);
    for id in expected {
        let line = lines.next().context("a line for each program")?;
        ensure!(line.starts_with(&format!("- program {id}, ")), "{said}");
    }
    send_packet()?;
    ensure!(first_counter.read()? == 1 && second_counter.read()? == 1);
    example.end()?;
    stops(&first_counter, send_packet)?;
    stops(&second_counter, send_packet)?;
    ensure!(order(lo, BPF_TCX_INGRESS)?.0 == [other_id]);
    Ok(())
}
