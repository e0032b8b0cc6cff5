//! Info: what the kernel reports, and what it does not.

use std::mem::offset_of;
use std::ops::Range;

use anyhow::{Result, ensure};
use bpf_link::{
    AttachType, InfoBuffers, InvalidRequest, IterArgs, LinkCreate, LinkInfo, LinkKind, RawLink,
    RawTracepointOpen,
};
use bpf_link_sys::bpf_link_info;
use bpf_link_tests::{Hook, Map, Program, Sandbox, iterator};

use crate::fixture::{refusal, xdp};
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(a_cookie_of_zero_is_a_cookie).needs(&[Need::Linux(6, 17)]),
    test!(a_cookie_that_the_kernel_does_not_report).needs(&[Need::Before(6, 17)]),
    test!(the_map_of_an_iterator_without_one),
    test!(what_every_kernel_reports),
    test!(buffers_for_another_kind),
    test!(the_header),
    test!(an_answer_is_put_in_the_place_of_another),
];

macro_rules! field {
    ($type:ty, $($field:tt)+) => {{
        let start = offset_of!(bpf_link_info, raw_tracepoint_union.$($field)+);
        start..start + size_of::<$type>()
    }};
}

fn number(info: &LinkInfo, field: Range<usize>) -> Option<u32> {
    let bytes = info.as_bytes().get(field)?.try_into().ok()?;
    Some(u32::from_ne_bytes(bytes))
}

/// A raw tracepoint, which has a cookie of 0 as none was given.
fn raw_tracepoint() -> Result<RawLink> {
    let program = Program::passing(Hook::RAW_TRACEPOINT)?;
    let request = RawTracepointOpen::named(&program, c"sched_switch")?;
    Ok(RawLink::open_raw_tracepoint(&request)?)
}

fn a_cookie_of_zero_is_a_cookie(_sandbox: &Sandbox) -> Result<()> {
    let link = raw_tracepoint()?;
    let cookie = field!(u64, raw_tracepoint.cookie);
    let first = link.info()?;
    ensure!(first.is_reported(cookie.clone()).is_none() && !first.is_conclusive());
    let second = link.info()?;
    ensure!(second.is_reported(cookie.clone()) == Some(true) && second.is_conclusive());
    ensure!(first == second, "the kernel has said the same");
    let info = link.info_with(InfoBuffers::RawTracepoint { name: &mut [] })?;
    ensure!(info.is_reported(cookie.clone()) == Some(true));
    ensure!(info.as_bytes().get(cookie) == Some([0; 8].as_slice()));
    Ok(())
}

fn a_cookie_that_the_kernel_does_not_report(_sandbox: &Sandbox) -> Result<()> {
    let link = raw_tracepoint()?;
    let cookie = field!(u64, raw_tracepoint.cookie);
    link.kind()?;
    let infos = [
        link.info_with(InfoBuffers::RawTracepoint { name: &mut [] })?,
        link.info()?,
    ];
    for info in infos {
        ensure!(info.is_reported(cookie.clone()) == Some(false));
        // Nothing of how it was found out is left in the bytes.
        let bytes = info.as_bytes().get(cookie.clone());
        ensure!(bytes.is_none_or(|bytes| bytes == [0; 8]));
    }
    Ok(())
}

fn the_map_of_an_iterator_without_one(_sandbox: &Sandbox) -> Result<()> {
    let map_id = field!(u32, iter.map_union.map.map_id);
    let maps = iterator("bpf_map", *b"element\n")?;
    let link = RawLink::create(&LinkCreate::new(&maps, AttachType::TraceIter))?;
    let info = link.info_with(InfoBuffers::Iter {
        target_name: &mut [],
    })?;
    ensure!(info.is_reported(map_id.clone()) == Some(false));
    ensure!(number(&info, map_id.clone()) == Some(0));

    let elements = iterator("bpf_map_elem", *b"element\n")?;
    let map = Map::hash(4, 4, 1)?;
    let request = LinkCreate::new(&elements, AttachType::TraceIter).args(IterArgs::map(&map));
    let link = RawLink::create(&request)?;
    let info = link.info_with(InfoBuffers::Iter {
        target_name: &mut [],
    })?;
    ensure!(info.is_reported(map_id.clone()) == Some(true));
    ensure!(number(&info, map_id) == Some(map.id()?));
    Ok(())
}

fn what_every_kernel_reports(_sandbox: &Sandbox) -> Result<()> {
    let link = xdp(&Program::passing(Hook::XDP)?)?;
    let ifindex = field!(u32, xdp.ifindex);
    ensure!(link.info()?.is_reported(ifindex.clone()) == Some(true));
    link.detach()?;
    let info = link.info()?;
    ensure!(
        info.is_reported(ifindex.clone()) == Some(true),
        "0 as the hook has gone"
    );
    ensure!(number(&info, ifindex) == Some(0));
    ensure!(info.is_reported(LinkInfo::SIZE..LinkInfo::SIZE + 4) == Some(false));
    Ok(())
}

fn buffers_for_another_kind(_sandbox: &Sandbox) -> Result<()> {
    let link = xdp(&Program::passing(Hook::XDP)?)?;
    let mut name = [7; 16];
    let error = refusal(link.info_with(InfoBuffers::RawTracepoint { name: &mut name }))?;
    ensure!(
        matches!(
            error,
            bpf_link::Error::InvalidRequest(InvalidRequest::Buffers {
                kind: LinkKind::Xdp,
                ..
            })
        ),
        "{error:?}"
    );
    ensure!(name == [7; 16]);
    Ok(())
}

fn the_header(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let link = xdp(&program)?;
    let info = link.info()?;
    ensure!(info.kind() == LinkKind::Xdp && link.kind()? == LinkKind::Xdp);
    ensure!(info.id() == link.id()?);
    ensure!(info.program_id().map(u32::from) == Some(program.id()?));
    ensure!(info.as_bytes().len() == usize::try_from(info.kernel_len())?);
    ensure!((32..=LinkInfo::SIZE).contains(&info.as_bytes().len()));
    ensure!(info.name_len().is_none() && info.count().is_none());
    Ok(())
}

fn an_answer_is_put_in_the_place_of_another(_sandbox: &Sandbox) -> Result<()> {
    let (named, nameless) = (raw_tracepoint()?, xdp(&Program::passing(Hook::XDP)?)?);
    let mut slot = None;
    let mut name = [7; 16];
    // What one kind of link leaves there is nothing to the next.
    for _ in 0..2 {
        ensure!(*nameless.info_in(&mut slot)? == nameless.info()?);
        let buffers = InfoBuffers::RawTracepoint { name: &mut name };
        let info = *named.info_with_in(buffers, &mut slot)?;
        ensure!(InfoBuffers::name_in(&name) == Some(c"sched_switch"));
        ensure!(slot == Some(info));
        let buffers = InfoBuffers::RawTracepoint { name: &mut name };
        ensure!(info == named.info_with(buffers)?);
    }

    let buffers = InfoBuffers::RawTracepoint { name: &mut name };
    refusal(nameless.info_with_in(buffers, &mut slot).copied())?;
    ensure!(slot.is_none(), "left behind: {slot:?}");
    Ok(())
}
