//! Hooks that take one program only, where it cannot be updated: the old one goes first, and comes
//! back if the new one does not go.

use anyhow::{Context as _, Result, ensure};
use bpf_link::RawLink;
use bpf_link_sys::{BPF_PROG_TYPE_XDP, BPF_XDP_DEVMAP};
use bpf_link_tests::{Hook, Netns, Program, Sandbox, eventually_holds};
use bpf_link_typed::{
    Attach as _, Error, NetfilterAttach, NetfilterFamily, NetfilterHook, NetnsAttach, NetnsHook,
    Rejected, SockmapAttach, SockmapHook, XdpAttach, XdpLink,
    ensure::{OldLink, Outcome, Why},
};

use crate::ensure::end::{ensure_nothing_left, ensure_one_link_and_pin};
use crate::fixture::attaching::{counting, counts, since};
use crate::fixture::chain::{check_refusal, check_silently};
use crate::fixture::runs;
use crate::fixture::traffic::send_packet;
use crate::harness::{Need, Role, Test, role, test};

pub(crate) const TESTS: &[Test] = &[
    test!(a_pin_that_is_not_ours_is_not_let_go_of),
    test!(one_slot_of_a_sockmap_for_another).needs(Need::SOCKMAP),
    test!(the_old_program_is_lost).needs(Need::NETFILTER),
    test!(the_old_program_is_put_back),
    test!(the_old_program_of_a_priority_is_put_back).needs(Need::NETFILTER),
    test!(xdp_of_another_sort),
];

pub(crate) const ROLES: &[Role] = &[role!(agent)];

const NOT_UPDATABLE: Outcome = Outcome::Replaced {
    why: Why::NotUpdatable,
    previous: None,
    gap: true,
    old_link: OldLink::Gone,
};

/// The same, whatever was there before.
fn without_previous(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Replaced {
            why, gap, old_link, ..
        } => Outcome::Replaced {
            why,
            previous: None,
            gap,
            old_link,
        },
        outcome => outcome,
    }
}

/// The kernel does not put a program that was loaded for XDP in the place of one that was loaded
/// for nothing in particular.
fn xdp_of_another_sort(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let (old, old_counter) = counting(Hook::XDP_UNTYPED)?;
    let (new, new_counter) = counting(Hook::XDP)?;
    let to = XdpAttach::to("lo").ensure_pinned(&pin);
    to.run(&old)?;
    ensure!(runs(&old_counter)?);
    let done = to.run(&new)?;
    ensure!(without_previous(done.outcome) == NOT_UPDATABLE, "{done:?}");
    ensure!(runs(&new_counter)? && !runs(&old_counter)?);
    ensure_one_link_and_pin(sandbox, &pin)?;
    done.link.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}

/// A program for the entries of a map. Where the kernel does not tell, it is refused only once the
/// hook is free.
fn the_old_program_is_put_back(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let (old, counter) = counting(Hook::XDP)?;
    let new = Program::passing(Hook::new(BPF_PROG_TYPE_XDP, BPF_XDP_DEVMAP, 2))?;
    let to = XdpAttach::to("lo").ensure_pinned(&pin);
    to.run(&old)?;
    let refused = to.run(&new);
    // Before Linux 5.18 nothing tells that it is for the entries of a map.
    let named = since(5, 18, format!("program {}", new.id()?))?;
    let words = ["interface lo"].into_iter().chain(named.as_deref());
    let error = &check_refusal(refused, &words.collect::<Vec<_>>())?;
    ensure!(error.errno() == Some(libc::EINVAL), "{error:?}");
    ensure!(runs(&counter)?);
    let id = ensure_one_link_and_pin(sandbox, &pin)?;
    let is_expected = match error {
        Error::AttachTypeMismatch { .. } => named.is_some(),
        Error::OldProgramPutBack { link, .. } => named.is_none() && *link == id,
        _ => false,
    };
    ensure!(is_expected, "{error:?}");
    ensure!(std::error::Error::source(error).is_some());
    // And all is as it was.
    ensure!(to.run(&old)?.outcome == Outcome::AlreadyRunning);
    XdpLink::from_pinned(&pin)?.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}

fn netfilter() -> NetfilterAttach {
    NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalOut, 77)
}

/// Puts a new program on the netfilter hook, and says what came of it.
fn agent(arguments: &[String]) -> Result<()> {
    let pin = arguments.first().context("no path")?;
    let program = Program::passing(Hook::NETFILTER)?;
    role::say("ready")?;
    role::listen()?;
    let refused = netfilter().ensure_pinned(pin).run(&program);
    let refused = refused.err().context("it was not refused")?;
    check_silently(&refused, &["priority 77"])?;
    role::say(match refused {
        Error::OldProgramPutBack { .. } => "put back",
        Error::OldProgramLost {
            put_back: Some(_), ..
        } => "lost",
        other => anyhow::bail!("{other:?}"),
    })
}

/// Takes the priority in the moment when the agent has taken the old program off, for so many of
/// its calls.
fn take_in_between(sandbox: &Sandbox, calls: usize) -> Result<String> {
    let pin = sandbox.bpffs().join("pin");
    let theirs = Program::passing(Hook::NETFILTER)?;
    let mut player = role!(agent).start(&[pin.to_str().context("not UTF-8")?])?;
    ensure!(player.hear()? == "ready");
    let mut traced = player.trace("start")?;
    let mut taken = None;
    let mut number = 0;
    while traced.next_call()?.is_some() {
        if number == 0 {
            taken = netfilter().attach(&theirs).ok();
        }
        number += usize::from(taken.is_some() || number > 0);
        if number > calls {
            taken = None;
        }
    }
    ensure!(number > 0, "there was no gap");
    traced.finish_with_answer()
}

/// Somebody else has the priority when the new program is to be attached, and not any more after
/// that.
fn the_old_program_of_a_priority_is_put_back(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let (old, counter) = counting(Hook::NETFILTER)?;
    netfilter().ensure_pinned(&pin).run(&old)?;
    let said = take_in_between(sandbox, 1)?;
    ensure!(said == "put back", "{said}");
    ensure!(counts(&counter, send_packet)?);
    ensure_one_link_and_pin(sandbox, &pin)?;
    let mut link = RawLink::from_pinned(&pin)?;
    ensure!(link.info()?.program_id().map(u32::from) == Some(old.id()?));
    link.unpin()?;
    Ok(())
}

/// Somebody else has the priority all the time.
fn the_old_program_is_lost(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let (old, counter) = counting(Hook::NETFILTER)?;
    netfilter().ensure_pinned(&pin).run(&old)?;
    let said = take_in_between(sandbox, usize::MAX)?;
    ensure!(said == "lost", "{said}");
    ensure!(!counts(&counter, send_packet)?);
    // The next run finds its way all the same.
    let done = netfilter().ensure_pinned(&pin).run(&old)?;
    ensure!(counts(&counter, send_packet)?);
    ensure_one_link_and_pin(sandbox, &pin)?;
    done.link.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}

/// One slot excludes the other: the old link is in the way of one on another hook.
fn one_slot_of_a_sockmap_for_another(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let map = bpf_link_tests::Map::sockmap(1)?;
    let old = Program::passing(Hook::SK_SKB_VERDICT)?;
    let new = Program::passing(Hook::SK_SKB_STREAM_VERDICT)?;
    SockmapAttach::to(&map, SockmapHook::SkbVerdict)
        .ensure_pinned(&pin)
        .run(&old)?;
    let to = SockmapAttach::to(&map, SockmapHook::SkbStreamVerdict).ensure_pinned(&pin);
    let done = to.run(&new)?;
    ensure!(
        matches!(
            done.outcome,
            Outcome::Replaced {
                why: Why::OtherHook,
                gap: true,
                ..
            }
        ),
        "{done:?}"
    );
    ensure_one_link_and_pin(sandbox, &pin)?;
    done.link.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}

/// The link is given back, attached as it was.
fn a_pin_that_is_not_ours_is_not_let_go_of(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let netns = Netns::current()?;
    let lookup = Program::passing(Hook::SK_LOOKUP)?;
    let (program, counter) = counting(Hook::XDP)?;
    let done = XdpAttach::to("lo").ensure_pinned(&pin).run(&program)?;
    std::fs::remove_file(&pin)?;
    let mut other = NetnsAttach::to(bpf_link_typed::FileRef::fd(&netns), NetnsHook::SkLookup)
        .attach(&lookup)?;
    other.pin(&pin)?;
    let refused: Rejected<XdpLink> = match done.link.detach_and_unpin() {
        Ok(()) => anyhow::bail!("it was not refused"),
        Err(refused) => refused,
    };
    ensure!(
        matches!(
            refused.error(),
            Error::Link(bpf_link::Error::PinReplaced { .. })
        ),
        "{refused:?}"
    );
    ensure!(runs(&counter)?);
    drop(refused.into_input());
    eventually_holds("the program is off", || Ok(!runs(&counter)?))?;
    other.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}
