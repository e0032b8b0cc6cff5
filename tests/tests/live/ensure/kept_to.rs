//! What the caller has asked for is kept to or refused, and what is reported is so.

use anyhow::{Result, ensure};
use bpf_link_tests::{Hook, Netns, Program, Sandbox, names};
use bpf_link_typed::{
    Attach as _, AttachProgram, CgroupAttach, CgroupHook, Error, Link, NetfilterAttach,
    NetfilterFamily, NetfilterHook, TcxAttach, TcxHook, XdpAttach,
    ensure::{OldLink, Ours, Outcome, Why},
};

use crate::ensure::end::{ensure_nothing_left, ensure_one_link_and_pin, our_links};
use crate::fixture::chain::check_refusal;
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(a_netfilter_link_in_another_namespace).needs(Need::NETFILTER),
    test!(a_revision_of_a_cgroup).needs(&[Need::Member("cgroup_bpf", "revisions")]),
    test!(a_revision_of_a_tcx_hook).needs(Need::TCX),
    test!(directories_of_no_pin),
    test!(pins_of_a_netfilter_link_that_made_way).needs(Need::NETFILTER),
];

/// Neither an update in place nor a new link is made, nor planned.
fn revision<A: AttachProgram>(sandbox: &Sandbox, [to, at]: [&A; 2], hook: Hook) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let (old, new) = (Program::passing(hook)?, Program::passing(hook)?);
    for links in 0..2 {
        for refused in [
            at.clone().ensure_pinned(&pin).run(&new).map(drop),
            at.clone().ensure_pinned(&pin).plan(&new).map(drop),
        ] {
            let refused = check_refusal(refused, &[&pin.to_string_lossy(), "revision 1"])?;
            ensure!(
                matches!(refused, Error::ExpectedRevision { revision: 1, .. }),
                "{refused:?}"
            );
        }
        ensure!(our_links()?.len() == links && sandbox.pinned()?.len() == links);
        to.clone().ensure_pinned(&pin).run(&old)?;
    }
    let link = Link::from_pinned(&pin)?;
    ensure!(link.info()?.program_id().map(u32::from) == Some(old.id()?));
    link.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}

fn a_revision_of_a_tcx_hook(sandbox: &Sandbox) -> Result<()> {
    let to = TcxAttach::to("lo", TcxHook::Ingress);
    let at = to.clone().expected_revision(1);
    revision(sandbox, [&to, &at], Hook::TCX_INGRESS)
}

fn a_revision_of_a_cgroup(sandbox: &Sandbox) -> Result<()> {
    let cgroup = sandbox.new_cgroup("revision")?;
    let to = CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress);
    revision(
        sandbox,
        [&to, &to.clone().expected_revision(1)],
        Hook::CGROUP_EGRESS,
    )
}

/// They are removed again, and what was there before stays.
fn directories_of_no_pin(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let to = XdpAttach::to("none0")
        .ensure_pinned(directory.join("none0/in/pin"))
        .create_parents(0o700);
    let program = Program::passing(Hook::XDP)?;
    let is_refused = || {
        let refused = to.run(&program);
        ensure!(
            matches!(refused, Err(Error::NoSuchInterface { .. })),
            "{refused:?}"
        );
        Ok(())
    };
    is_refused()?;
    ensure!(!directory.exists());
    std::fs::create_dir(&directory)?;
    is_refused()?;
    ensure!(std::fs::read_dir(&directory)?.next().is_none());
    Ok(())
}

fn netfilter() -> NetfilterAttach {
    NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::LocalOut, 79)
}

/// Its hook has not gone: it is attached there.
fn a_netfilter_link_in_another_namespace(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let program = Program::passing(Hook::NETFILTER)?;
    let to = netfilter().ensure_pinned(&pin);
    let elsewhere = Netns::create()?;
    elsewhere.inside(|| Ok(to.run(&program)?))?;
    let done = to.run(&program)?;
    ensure!(
        matches!(
            done.outcome,
            Outcome::Replaced {
                why: Why::NotHere,
                gap: false,
                old_link: OldLink::Gone,
                ..
            }
        ),
        "{done:?}"
    );
    ensure_one_link_and_pin(sandbox, &pin)?;
    done.link.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}

/// The kernel reports a dead netfilter link like a live one. If a pin of it were left, every later
/// run would find it as one of ours. The path may lead to the bpffs by a symbolic link.
fn pins_of_a_netfilter_link_that_made_way(sandbox: &Sandbox) -> Result<()> {
    let old_directory = sandbox.bpffs().join("agent/of/old");
    std::fs::create_dir_all(&old_directory)?;
    let way = sandbox.directory().join("way");
    std::os::unix::fs::symlink(sandbox.bpffs(), &way)?;
    let new_pin = sandbox.bpffs().join("pin");
    let programs = [
        Program::passing(Hook::NETFILTER)?,
        Program::passing(Hook::NETFILTER)?,
        Program::passing(Hook::NETFILTER)?,
    ];
    let name = std::ffi::CString::new(names::object_name("prog"))?;
    let taking_over = || {
        netfilter()
            .ensure_pinned(way.join("pin"))
            .take_over(Ours::by_name(&name))
    };
    let old = netfilter()
        .ensure_pinned(old_directory.join("pin"))
        .run(&programs[0])?
        .link
        .id()?;
    let done = taking_over().run(&programs[1])?;
    ensure!(done.taken_over == Some(old), "{done:?}");
    drop(done);
    ensure_one_link_and_pin(sandbox, &new_pin)?;
    // No other pin is left, so the next run finds only this link of ours.
    let held = Link::from_pinned(&new_pin)?;
    std::fs::remove_file(&new_pin)?;
    let done = taking_over().run(&programs[2])?;
    ensure!(done.taken_over == Some(held.id()?), "{done:?}");
    drop(held);
    ensure_one_link_and_pin(sandbox, &new_pin)?;
    done.link.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}
