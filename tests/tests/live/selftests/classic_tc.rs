//! What the kernel's `tc_links` asserts about links next to filters of the traffic control that
//! there was before tcx.

use anyhow::{Result, ensure};
use bpf_link_sys::TCX_PASS;
use bpf_link_tests::{ClassicTc, CounterMap, Hook, Loader, Program, Sandbox};
use bpf_link_typed::{TcxAttach, TcxHook};

use crate::fixture::LOOPBACK;
use crate::fixture::attaching::counting;
use crate::fixture::traffic::send_packet;
use crate::harness::{Need, Test, test};

/// The discipline that has the filters, and the filters that are programs.
pub(crate) const CLASSIC_TC: &[Need] = &[
    Need::Function("clsact_init"),
    Need::Function("cls_bpf_classify"),
];

pub(crate) const TESTS: &[Test] = &[
    test!(links_and_filters_come_and_go)
        .needs(Need::TCX)
        .also_needs(CLASSIC_TC),
    test!(links_run_before_filters)
        .needs(Need::TCX)
        .also_needs(CLASSIC_TC),
];

/// The hooks of `lo`, and how a filter gets to each.
const SIDES: [(TcxHook, Hook, AddFilter); 2] = [
    (
        TcxHook::Ingress,
        Hook::TCX_INGRESS,
        ClassicTc::filter_ingress,
    ),
    (TcxHook::Egress, Hook::TCX_EGRESS, ClassicTc::filter_egress),
];

type AddFilter = fn(&ClassicTc, &Program) -> Result<()>;

/// How often each of two programs runs on a packet over `lo`.
fn runs_of(one: &CounterMap, other: &CounterMap) -> Result<[u64; 2]> {
    let (before, of_other) = (one.read()?, other.read()?);
    send_packet()?;
    Ok([one.read()? - before, other.read()? - of_other])
}

/// Both run where the link's program leaves the packet to the next one, and the link's alone
/// where it decides.
fn links_run_before_filters(_sandbox: &Sandbox) -> Result<()> {
    for (side, hook, add_filter) in SIDES {
        let (linked, of_link) = counting(hook)?;
        let (classic, of_filter) = counting(Hook::CLASSIC_TC)?;
        let tc = ClassicTc::create(LOOPBACK)?;
        add_filter(&tc, &classic)?;
        ensure!(runs_of(&of_link, &of_filter)? == [0, 1], "{side:?}");
        // It is on no list of tcx.
        ensure!(side.query("lo")?.programs.is_empty(), "{side:?}");

        let link = TcxAttach::to("lo", side).attach(&linked)?;
        ensure!(runs_of(&of_link, &of_filter)? == [1, 1], "{side:?}");
        let list = side.query("lo")?;
        let found: Vec<u32> = list.programs.iter().map(|one| one.id.get()).collect();
        ensure!(found == [linked.id()?], "{side:?}: {list:?}");

        let deciding = Loader::new(hook).counting(&of_link).returning(TCX_PASS)?;
        link.update(&deciding)?;
        ensure!(runs_of(&of_link, &of_filter)? == [1, 0], "{side:?}");
        link.update(&linked)?;
        ensure!(runs_of(&of_link, &of_filter)? == [1, 1], "{side:?}");

        link.detach()?;
        ensure!(runs_of(&of_link, &of_filter)? == [0, 1], "{side:?}");
        tc.delete()?;
        ensure!(runs_of(&of_link, &of_filter)? == [0, 0], "{side:?}");
    }
    Ok(())
}

/// Neither takes the other away, whichever was there first.
fn links_and_filters_come_and_go(_sandbox: &Sandbox) -> Result<()> {
    for (side, hook, add_filter) in SIDES {
        let (linked, of_link) = counting(hook)?;
        let (classic, of_filter) = counting(Hook::CLASSIC_TC)?;
        let link = TcxAttach::to("lo", side).attach(&linked)?;
        let tc = ClassicTc::create(LOOPBACK)?;
        ensure!(runs_of(&of_link, &of_filter)? == [1, 0], "{side:?}");
        add_filter(&tc, &classic)?;
        ensure!(runs_of(&of_link, &of_filter)? == [1, 1], "{side:?}");
        tc.delete()?;
        ensure!(runs_of(&of_link, &of_filter)? == [1, 0], "{side:?}");

        let tc = ClassicTc::create(LOOPBACK)?;
        add_filter(&tc, &classic)?;
        drop(link);
        ensure!(runs_of(&of_link, &of_filter)? == [0, 1], "{side:?}");
        let _link = TcxAttach::to("lo", side).attach(&linked)?;
        ensure!(runs_of(&of_link, &of_filter)? == [1, 1], "{side:?}");
        tc.delete()?;
    }
    Ok(())
}
