//! netfilter links: the hooks of netfilter in a network namespace.

mod ensure;
mod golden;
mod soak;
mod sorts;
mod typed;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{
    AttachFlags, AttachType, Error, LinkCreate, LinkKind, NetfilterArgs, NetfilterFlags, RawLink,
};
use bpf_link_sys::{
    BPF_F_NETFILTER_IP_DEFRAG, NF_INET_LOCAL_OUT, NF_INET_POST_ROUTING, NF_INET_PRE_ROUTING,
    NFPROTO_ARP, NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6,
};
use bpf_link_tests::{Hook, Netns, Program, Sandbox, device, eventually_holds};

use crate::fixture::traffic::{send_packet, send_packet_over_ipv6};
use crate::fixture::{LOOPBACK, ensure_refused};
use crate::harness::Listed::{self, Tests};
use crate::harness::{Need, Test, test};
use crate::suites::conformance::{self, Counting, Field, Operation, Subject, field};
use crate::suites::kind_tests::KindTests;

/// What tests of all kinds need to know of this one.
pub(crate) const KIND: KindTests = KindTests::new(
    LinkKind::Netfilter,
    Need::NETFILTER,
    golden::CASES,
    typed::HAS_NO,
    soak::place,
);

/// What this file and those of its folder list.
pub(crate) const ALL: &[Listed] = &[
    Tests(TESTS),
    Tests(ensure::TESTS),
    Tests(golden::TESTS),
    Tests(sorts::TESTS),
    Tests(typed::TESTS),
];

const TESTS: &[Test] = &[
    test!(conforms).needs(Need::NETFILTER),
    test!(conforms_for_ipv6).needs(Need::NETFILTER),
    test!(one_program_to_a_priority).needs(Need::NETFILTER),
    test!(fragments).needs(Need::NETFILTER),
    test!(hooks_that_there_are_not).needs(Need::NETFILTER),
    test!(a_program_that_does_not_fit).needs(Need::NETFILTER),
    test!(the_namespace_is_the_one_of_the_calling_thread).needs(Need::NETFILTER),
    test!(before_there_was_netfilter).needs(&[Need::Without(&Need::Constant(
        "bpf_attach_type",
        "BPF_NETFILTER",
    ))]),
];

fn request(program: &Program, args: NetfilterArgs) -> LinkCreate<'_> {
    LinkCreate::new(program, AttachType::Netfilter).args(args)
}

fn fields(family: u32, hook: u32, priority: i32, flags: u32) -> Vec<Field> {
    // All of it stays when the link is detached.
    vec![
        field!(netfilter.pf, family),
        field!(netfilter.hooknum, hook),
        field!(netfilter.priority, priority),
        field!(netfilter.flags, flags),
    ]
}

fn conforms(sandbox: &Sandbox) -> Result<()> {
    conformance::check(&Subject {
        sandbox,
        kind: LinkKind::Netfilter,
        first: Counting::program(Hook::NETFILTER)?,
        second: Counting::program(Hook::NETFILTER)?,
        create: &|program| {
            let args = NetfilterArgs::new(NFPROTO_IPV4, NF_INET_POST_ROUTING, -10_000);
            RawLink::create(&LinkCreate::new(program, AttachType::Netfilter).args(args))
        },
        event: &|_| send_packet(),
        fields: fields(NFPROTO_IPV4, NF_INET_POST_ROUTING, -10_000, 0),
        update: Operation::Refused(libc::EOPNOTSUPP),
        detach: Operation::Works,
    })
}

fn conforms_for_ipv6(sandbox: &Sandbox) -> Result<()> {
    conformance::check(&Subject {
        sandbox,
        kind: LinkKind::Netfilter,
        first: Counting::program(Hook::NETFILTER)?,
        second: Counting::program(Hook::NETFILTER)?,
        create: &|program| {
            let args = NetfilterArgs::new(NFPROTO_IPV6, NF_INET_LOCAL_OUT, 10_001);
            RawLink::create(&LinkCreate::new(program, AttachType::Netfilter).args(args))
        },
        event: &|_| send_packet_over_ipv6(),
        fields: fields(NFPROTO_IPV6, NF_INET_LOCAL_OUT, 10_001, 0),
        update: Operation::Refused(libc::EOPNOTSUPP),
        detach: Operation::Works,
    })
}

fn one_program_to_a_priority(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::NETFILTER)?;
    let args = |hook, priority| NetfilterArgs::new(NFPROTO_IPV4, hook, priority);
    let create = |args| RawLink::create(&request(&program, args));
    let link = create(args(NF_INET_LOCAL_OUT, 77))?;
    ensure_refused!(
        create(args(NF_INET_LOCAL_OUT, 77)),
        Error::Command(_),
        Some(libc::EBUSY)
    );
    // The same program on another priority, hook or family is another matter.
    drop(create(args(NF_INET_LOCAL_OUT, 78))?);
    drop(create(args(NF_INET_PRE_ROUTING, 77))?);
    drop(create(NetfilterArgs::new(
        NFPROTO_IPV6,
        NF_INET_LOCAL_OUT,
        77,
    ))?);
    link.detach()?;
    drop(create(args(NF_INET_LOCAL_OUT, 77))?);
    Ok(())
}

/// Where the kernel has what puts fragments together as a module, that has to be loaded.
fn fragments(_sandbox: &Sandbox) -> Result<()> {
    let counting = Counting::program(Hook::NETFILTER)?;
    let args = NetfilterArgs::new(NFPROTO_IPV4, NF_INET_PRE_ROUTING, -399)
        .flags(NetfilterFlags::IP_DEFRAG);
    let link = RawLink::create(&LinkCreate::new(&counting, AttachType::Netfilter).args(args))?;
    let info = link.info()?;
    for field in fields(
        NFPROTO_IPV4,
        NF_INET_PRE_ROUTING,
        -399,
        BPF_F_NETFILTER_IP_DEFRAG,
    ) {
        field.check(&info)?;
    }
    ensure!(counting.runs(send_packet)?);
    // The kernel puts them together at priority -400, and the program has to come after that.
    let program = Program::passing(Hook::NETFILTER)?;
    let args = NetfilterArgs::new(NFPROTO_IPV4, NF_INET_PRE_ROUTING, -400)
        .flags(NetfilterFlags::IP_DEFRAG);
    ensure_refused!(
        RawLink::create(&request(&program, args)),
        Error::Command(_),
        Some(libc::ERANGE)
    );
    Ok(())
}

fn hooks_that_there_are_not(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::NETFILTER)?;
    let out = |priority| NetfilterArgs::new(NFPROTO_IPV4, NF_INET_LOCAL_OUT, priority);
    for (args, errno) in [
        (
            NetfilterArgs::new(NFPROTO_INET, NF_INET_LOCAL_OUT, 1),
            libc::EAFNOSUPPORT,
        ),
        (
            NetfilterArgs::new(NFPROTO_ARP, NF_INET_LOCAL_OUT, 1),
            libc::EAFNOSUPPORT,
        ),
        (NetfilterArgs::new(NFPROTO_IPV4, 5, 1), libc::EPROTO),
        (out(i32::MIN), libc::ERANGE),
        (out(i32::MAX), libc::ERANGE),
        (
            out(1).flags(NetfilterFlags::from_bits_retain(1 << 30)),
            libc::EOPNOTSUPP,
        ),
    ] {
        ensure_refused!(
            RawLink::create(&request(&program, args)),
            Error::Command(_),
            Some(errno)
        );
    }
    let request = request(&program, out(1));
    ensure_refused!(
        RawLink::create(&request.flags(AttachFlags::BEFORE)),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    // Without arguments the family is 0.
    let request = LinkCreate::new(&program, AttachType::Netfilter);
    ensure_refused!(
        RawLink::create(&request),
        Error::Command(_),
        Some(libc::EAFNOSUPPORT)
    );
    Ok(())
}

fn a_program_that_does_not_fit(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let args = NetfilterArgs::new(NFPROTO_IPV4, NF_INET_LOCAL_OUT, 1);
    ensure_refused!(
        RawLink::create(&request(&program, args)),
        Error::Command(_),
        Some(libc::EINVAL)
    );
    Ok(())
}

/// And the link holds it.
fn the_namespace_is_the_one_of_the_calling_thread(_sandbox: &Sandbox) -> Result<()> {
    let other = Netns::create()?;
    let inode = other.inode()?;
    let counting = Counting::program(Hook::NETFILTER)?;
    let args = NetfilterArgs::new(NFPROTO_IPV4, NF_INET_LOCAL_OUT, 1);
    let request = LinkCreate::new(&counting, AttachType::Netfilter).args(args);
    let link = other.inside(|| {
        device::bring_up(LOOPBACK)?;
        Ok(RawLink::create(&request)?)
    })?;
    ensure!(!counting.runs(send_packet)?, "it has run here");
    ensure!(counting.runs(|| other.inside(send_packet))?, "not there");

    // A program on the socket lookup of the namespace tells whether that is there: its link does
    // not hold it.
    let lookup = Program::passing(Hook::SK_LOOKUP)?;
    let witness =
        RawLink::create(&LinkCreate::new(&lookup, AttachType::SkLookup).target_fd(&other))?;
    let namespace = || {
        let at = std::mem::offset_of!(
            bpf_link_sys::bpf_link_info,
            raw_tracepoint_union.netns.netns_ino
        );
        let info = witness.info()?;
        let bytes = info.as_bytes().get(at..).and_then(<[u8]>::first_chunk);
        anyhow::Ok(u64::from(u32::from_ne_bytes(*bytes.context("short")?)))
    };
    drop(other);
    let idle = Netns::create()?;
    let gone = RawLink::create(&LinkCreate::new(&lookup, AttachType::SkLookup).target_fd(&idle))?;
    drop(idle);
    // Another namespace, let go later, has gone; this one has not.
    eventually_holds("the idle namespace has gone", || {
        let field = field!(netns.netns_ino, 0u32);
        Ok(field.check(&gone.info()?).is_ok())
    })?;
    ensure!(namespace()? == inode, "the link's namespace has gone");
    link.detach()?;
    drop(link);
    eventually_holds("the link's namespace has gone", || Ok(namespace()? == 0))
}

fn before_there_was_netfilter(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let args = NetfilterArgs::new(NFPROTO_IPV4, NF_INET_LOCAL_OUT, 1);
    ensure_refused!(
        RawLink::create(&request(&program, args)),
        Error::UnsupportedByKernel(_) | Error::Command(_),
        Some(libc::EINVAL)
    );
    Ok(())
}
