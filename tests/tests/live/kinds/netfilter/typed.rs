//! netfilter links through their type: attaching, info, and what is refused.

use anyhow::{Context as _, Result, ensure};
use bpf_link::{NetfilterArgs, RawLink};
use bpf_link_sys::{NF_INET_LOCAL_OUT, NFPROTO_IPV6};
use bpf_link_tests::{Hook, Program, Sandbox};
use bpf_link_typed::{
    Error, NetfilterAttach, NetfilterFamily, NetfilterFlags, NetfilterHook, NetfilterLink,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::fixture::attaching::{counting, counts, ensure_error, id_of, request, without};
use crate::fixture::chain::check;
use crate::fixture::traffic::send_packet;
use crate::harness::{Need, Test, test};
use crate::suites::operations::has_no;

has_no! { NetfilterLink: update, replace, create_iter }

pub(crate) const TESTS: &[Test] = &[
    test!(attach).needs(Need::NETFILTER),
    test!(errors_full).needs(Need::NETFILTER),
    test!(without).needs(without!("bpf_attach_type", "BPF_NETFILTER")),
    test!(info).needs(Need::NETFILTER),
];

fn attach(_sandbox: &Sandbox) -> Result<()> {
    let (program, counter) = counting(Hook::NETFILTER)?;
    let at =
        |priority| NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::PostRouting, priority);
    let link = at(-10_000).attach(&program)?;
    let info = link.info()?;
    ensure!(info.family == NetfilterFamily::Ipv4);
    ensure!(info.hook == NetfilterHook::PostRouting);
    ensure!(info.priority == -10_000 && info.program_id == id_of(&program)?);
    ensure!(counts(&counter, send_packet)?);
    let refused = at(-10_000).attach(&program);
    ensure!(matches!(
        refused,
        Err(Error::PriorityTaken {
            priority: -10_000,
            ..
        })
    ));
    ensure_error!(
        refused,
        Error::PriorityTaken { .. },
        Some(libc::EBUSY),
        &["priority -10000"]
    );
    ensure_error!(
        at(i32::MAX).attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::ERANGE),
        &["priority 2147483647"]
    );
    let other = NetfilterAttach::to(NetfilterFamily::Other(1), NetfilterHook::LocalIn, 1);
    ensure_error!(
        other.attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EAFNOSUPPORT),
        &["family inet, hook input, priority 1"]
    );
    let hook = NetfilterAttach::to(NetfilterFamily::Ipv6, NetfilterHook::Other(7), 1);
    ensure_error!(
        hook.attach(&program),
        Error::Link(bpf_link::Error::Command(_)),
        Some(libc::EPROTO),
        &["family ip6, hook 7, priority 1"]
    );
    let whole = NetfilterAttach::to(NetfilterFamily::Ipv6, NetfilterHook::Forward, 10_001);
    match whole.defragmented().attach(&program) {
        Ok(link) => {
            let info = link.info()?;
            ensure!(info.flags == NetfilterFlags::IP_DEFRAG && info.priority == 10_001);
        }
        // This kernel was built without what puts fragments together, or does not know the flag.
        Err(error) => ensure!(
            matches!(error.errno(), Some(libc::ENOENT | libc::EOPNOTSUPP)),
            "{error:?}"
        ),
    }
    Ok(())
}

fn netfilter_at(priority: i32) -> NetfilterAttach {
    NetfilterAttach::to(NetfilterFamily::Ipv4, NetfilterHook::Forward, priority)
}

fn errors_full(_sandbox: &Sandbox) -> Result<()> {
    const MOST: usize = 1024;
    let other = Program::passing(Hook::XDP)?;
    ensure_error!(
        netfilter_at(1).attach(&other),
        Error::AttachTypeMismatch { .. },
        Some(libc::EINVAL),
        &["family ip, hook forward, priority 1"]
    );
    // That many links are as many descriptors.
    let descriptors = Rlimit {
        current: Some(2 * MOST as u64),
        maximum: getrlimit(Resource::Nofile).maximum,
    };
    setrlimit(Resource::Nofile, descriptors).context("raising the limit")?;
    let program = Program::passing(Hook::NETFILTER)?;
    let mut links = Vec::new();
    let refused = loop {
        let priority = i32::try_from(links.len())? + 1;
        match netfilter_at(priority).attach(&program) {
            Ok(link) => links.push(link),
            Err(error) => break error,
        }
    };
    ensure!(
        links.len() <= MOST && links.len() >= MOST - 8,
        "{} are all",
        links.len()
    );
    let Error::HookTaken { holders, .. } = &refused else {
        anyhow::bail!("{refused:?}");
    };
    ensure!(holders.len() >= links.len(), "{}", holders.len());
    ensure!(holders.iter().all(|holder| !holder.is_certain));
    check(&refused, &["is taken, perhaps by program", "family ip"])?;
    ensure!(refused.errno() == Some(libc::E2BIG), "{refused:?}");
    Ok(())
}

fn without(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    ensure_error!(
        netfilter_at(1).attach(&program),
        Error::Link(bpf_link::Error::UnsupportedByKernel(_)) | Error::AttachTypeMismatch { .. },
        Some(libc::EINVAL),
        &["priority 1"]
    );
    Ok(())
}

fn info(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::NETFILTER)?;
    let args = NetfilterArgs::new(NFPROTO_IPV6, NF_INET_LOCAL_OUT, -123);
    let link = RawLink::create(&request(&program, Hook::NETFILTER).args(args))?;
    let link = NetfilterLink::try_from(link)?;
    let info = link.info()?;
    ensure!(info.program_id == id_of(&program)?);
    ensure!(
        (info.family.as_raw(), info.hook.as_raw(), info.priority)
            == (NFPROTO_IPV6, NF_INET_LOCAL_OUT, -123)
    );
    ensure!(info.flags == NetfilterFlags::empty() && info.is_defunct().is_none());
    link.detach()?;
    ensure!(link.info()? == info, "it says that it was detached");
    Ok(())
}
