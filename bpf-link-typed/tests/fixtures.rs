//! What kernels have said of links of every sort, read by the types of their kinds.

use std::ffi::CStr;

use anyhow::{Context as _, Result, bail, ensure};
use bpf_link_tests::recorded::{Buffer, Recorded};
use bpf_link_typed::{
    AttachType, CgroupIterOrder, Error, Hideable, IterTarget, KprobeMultiFlags, LinkInfoRef,
    NetfilterFlags, PerfEventDetailsRef, RecordedBuffers, UprobeMultiFlags,
};

/// What the links were made with.
const COOKIE: u64 = 0x0123_4567_89ab_cdef;
const OFFSETS: &[u64] = &[0x40, 0, 0x80];
const COUNTERS: &[u64] = &[0x100, 0, 0x102];
/// On s390x, the kernel has an address space of its own, which begins at 0.
const FIRST_KERNEL_ADDRESS: u64 = if cfg!(target_arch = "s390x") {
    1
} else {
    1 << 63
};
const COOKIES: &[u64] = &[COOKIE, u64::MAX, 0];

/// A recorded link, with its arrays in the types that they have.
struct Fixture {
    recorded: Recorded,
    series: (u32, u32),
    ids: Vec<u32>,
}

impl Fixture {
    fn all() -> Result<Vec<Self>> {
        let all = Recorded::all()?.into_iter().map(|(_, recorded)| {
            let ids = numbers(&recorded, "ids").iter().copied();
            Ok(Self {
                series: recorded.version()?,
                ids: ids.map(u32::try_from).collect::<Result<_, _>>()?,
                recorded,
            })
        });
        let all: Vec<Self> = all.collect::<Result<_>>()?;
        ensure!(!all.is_empty(), "nothing has been recorded");
        Ok(all)
    }

    fn buffers(&self) -> RecordedBuffers<'_> {
        let numbers = |field| numbers(&self.recorded, field);
        RecordedBuffers {
            name: self.name().unwrap_or_default().as_bytes(),
            ids: &self.ids,
            addresses: numbers("addrs"),
            offsets: numbers("offsets"),
            ref_ctr_offsets: numbers("ref_ctr_offsets"),
            cookies: numbers("cookies"),
        }
    }

    /// With its NUL.
    fn name(&self) -> Option<&str> {
        let mut buffers = self.recorded.buffers.values();
        buffers.find_map(|buffer| match buffer {
            Buffer::Name(name) => Some(name.as_str()),
            Buffer::Numbers(_) => None,
        })
    }

    /// The name as it has to be read.
    fn expected_name(&self) -> Result<Option<&CStr>> {
        let name = self
            .name()
            .map(|name| CStr::from_bytes_with_nul(name.as_bytes()));
        Ok(name.transpose()?)
    }

    /// What this kernel reports: the value since that Linux, nothing before.
    fn since<T>(&self, major: u32, minor: u32, value: T) -> Option<T> {
        (self.series >= (major, minor)).then_some(value)
    }
}

fn numbers<'a>(recorded: &'a Recorded, field: &str) -> &'a [u64] {
    match recorded.buffers.get(field) {
        Some(Buffer::Numbers(numbers)) => numbers,
        _ => &[],
    }
}

fn each(check: impl Fn(&Fixture, LinkInfoRef<'_>) -> Result<()>) -> Result<()> {
    for fixture in Fixture::all()? {
        let recorded = &fixture.recorded;
        let info = bpf_link::LinkInfo::from_bytes(&recorded.info).context("it is no info")?;
        let view = LinkInfoRef::parse(&info, fixture.buffers())?;
        check(&fixture, view)
            .with_context(|| format!("Linux {:?}, {}: {view:?}", fixture.series, recorded.name))?;
    }
    Ok(())
}

#[test]
fn what_all_kinds_have() -> Result<()> {
    each(|fixture, view| {
        let recorded = &fixture.recorded;
        ensure!(view.kind().name() == Some(recorded.kind.as_str()));
        ensure!(view.id().get() == recorded.id);
        ensure!(view.program_id().map(u32::from) == recorded.program_id);
        let is_detached = recorded.name.ends_with("-detached");
        let defunct = (recorded.kind != "netfilter").then_some(is_detached);
        ensure!(view.is_defunct() == defunct);
        let owned = view.into_owned();
        ensure!(owned.is_defunct() == defunct && owned.id() == view.id());
        Ok(())
    })
}

#[test]
fn what_each_kind_has() -> Result<()> {
    each(|fixture, view| match view {
        LinkInfoRef::RawTracepoint(info) => {
            ensure!(info.name == Some(c"sched_switch"));
            let given = fixture.since(6, 17, COOKIE);
            ensure!(info.cookie == given);
            Ok(())
        }
        LinkInfoRef::Tracing(info) => {
            let expected = match fixture.recorded.name.as_str() {
                "tracing-fentry" | "tracing-program" => AttachType::TraceFentry,
                "tracing-fexit" => AttachType::TraceFexit,
                "tracing-modify_return" => AttachType::ModifyReturn,
                "tracing-fsession" => AttachType::TraceFsession,
                "tracing-lsm" => AttachType::LsmMac,
                // That of an extension says nothing.
                _ => info.attach_type.attach_type(),
            };
            ensure!(info.attach_type == expected);
            ensure!(info.target_obj_id.is_some() == fixture.since(5, 13, ()).is_some());
            ensure!(info.target_btf_id.is_some() == fixture.since(5, 13, ()).is_some());
            // A recording does not tell one of 0 from none.
            let given = fixture.recorded.name != "tracing-extension";
            ensure!(info.cookie == fixture.since(6, 17, COOKIE).filter(|_| given));
            Ok(())
        }
        LinkInfoRef::Iter(info) => {
            ensure!(info.target_name == fixture.expected_name()?);
            ensure!(match fixture.recorded.name.as_str() {
                "iter-bpf_map_elem" | "iter-sockmap" => matches!(info.target, IterTarget::Map(_)),
                "iter-task-tid" => matches!(info.target, IterTarget::Tid(_)),
                "iter-task-pid" => matches!(info.target, IterTarget::Pid(_)),
                "iter-cgroup" => matches!(
                    info.target,
                    IterTarget::Cgroup {
                        order: CgroupIterOrder::AncestorsUp,
                        ..
                    }
                ),
                _ => info.target == IterTarget::All,
            });
            Ok(())
        }
        LinkInfoRef::PerfEvent(info) => perf_event(fixture, info.event),
        LinkInfoRef::KprobeMulti(_)
        | LinkInfoRef::UprobeMulti(_)
        | LinkInfoRef::TracingMulti(_) => with_arrays(fixture, view),
        _ => of_a_hook(fixture, view),
    })
}

fn of_a_hook(fixture: &Fixture, view: LinkInfoRef<'_>) -> Result<()> {
    let attach_type = match view {
        LinkInfoRef::Cgroup(info) => Some(info.attach_type.attach_type()),
        LinkInfoRef::Netns(info) => Some(info.attach_type.attach_type()),
        LinkInfoRef::Tcx(info) => Some(info.attach_type.attach_type()),
        LinkInfoRef::Netkit(info) => Some(info.attach_type.attach_type()),
        LinkInfoRef::Sockmap(info) => Some(info.attach_type.attach_type()),
        LinkInfoRef::Netfilter(info) => {
            ensure!((info.family.as_raw(), info.hook.as_raw(), info.priority) == (2, 3, -123));
            ensure!(NetfilterFlags::IP_DEFRAG.contains(info.flags));
            None
        }
        other @ LinkInfoRef::Other(_) => bail!("{other:?}"),
        // The others have no attach type.
        _ => None,
    };
    let sort = match fixture.recorded.name.as_str() {
        "cgroup" | "cgroup-detached" => "inet_egress",
        "cgroup-lsm" => "lsm_cgroup",
        "netkit-detached" => "peer",
        "netns-detached" => "sk_lookup",
        "sockmap-detached" => "sk_msg_verdict",
        "tcx-detached" => "ingress",
        name => name.split_once('-').map_or("", |(_, sort)| sort),
    };
    if let Some(attach_type) = attach_type {
        let name = attach_type.name().context("no name")?;
        ensure!(name.ends_with(sort), "{name} and not {sort}");
    }
    Ok(())
}

fn perf_event(fixture: &Fixture, event: PerfEventDetailsRef<'_>) -> Result<()> {
    let name = fixture.recorded.name.as_str();
    if fixture.since(6, 6, ()).is_none() {
        ensure!(event == PerfEventDetailsRef::NotReported);
        return Ok(());
    }
    let (cookie, is_right) = match event {
        PerfEventDetailsRef::Kprobe(probe) | PerfEventDetailsRef::Kretprobe(probe) => {
            ensure!(probe.function == Some(c"bpf_fentry_test1") && probe.offset == 0);
            ensure!(
                probe
                    .address
                    .visible()
                    .is_some_and(|address| address >= FIRST_KERNEL_ADDRESS)
            );
            let is_return = matches!(event, PerfEventDetailsRef::Kretprobe(_));
            (
                probe.cookie,
                name == if is_return {
                    "perf_event-kretprobe"
                } else {
                    "perf_event-kprobe"
                },
            )
        }
        PerfEventDetailsRef::Uprobe(probe) | PerfEventDetailsRef::Uretprobe(probe) => {
            ensure!(probe.file == fixture.expected_name()? && probe.file.is_some());
            ensure!(probe.offset == 0x40);
            ensure!(probe.ref_ctr_offset == fixture.since(6, 16, 0x20));
            let is_return = matches!(event, PerfEventDetailsRef::Uretprobe(_));
            (
                probe.cookie,
                name == if is_return {
                    "perf_event-uretprobe"
                } else {
                    "perf_event-uprobe"
                },
            )
        }
        PerfEventDetailsRef::Tracepoint(tracepoint) => {
            ensure!(tracepoint.name == Some(c"sched_switch"));
            (tracepoint.cookie, name == "perf_event-tracepoint")
        }
        PerfEventDetailsRef::Event(event) => {
            ensure!((event.event_type, event.config) == (1, 2));
            (event.cookie, name == "perf_event-event")
        }
        other => bail!("{other:?}"),
    };
    ensure!(is_right);
    ensure!(cookie == fixture.since(6, 9, COOKIE));
    Ok(())
}

fn with_arrays(fixture: &Fixture, view: LinkInfoRef<'_>) -> Result<()> {
    let name = fixture.recorded.name.as_str();
    let is_return = name.ends_with("-return");
    match view {
        LinkInfoRef::KprobeMulti(info) => {
            ensure!(info.count == fixture.since(6, 6, 3));
            let addresses = info.addresses.and_then(Hideable::visible);
            ensure!(
                addresses.is_some_and(|addresses| addresses.is_sorted() && addresses.len() == 3)
            );
            ensure_cookies(info.cookies)?;
            let flags = info.flags.context("no flags")?;
            ensure!(flags.contains(KprobeMultiFlags::RETURN) == is_return);
        }
        LinkInfoRef::UprobeMulti(info) => {
            ensure!(info.count == fixture.since(6, 8, 3));
            ensure!(info.path == fixture.expected_name()? && info.path.is_some());
            ensure!(info.offsets == Some(OFFSETS) && info.ref_ctr_offsets == Some(COUNTERS));
            ensure!(info.cookies == Some(COOKIES));
            let flags = info.flags.context("no flags")?;
            ensure!(flags.contains(UprobeMultiFlags::RETURN) == is_return);
            ensure!((info.pid == Some(0)) == (name == "uprobe_multi-path_fd"));
        }
        LinkInfoRef::TracingMulti(info) => {
            ensure!(info.count == Some(3) && info.btf_obj_id.is_some());
            let expected = match name {
                "tracing_multi-fentry" => AttachType::TraceFentryMulti,
                "tracing_multi-fexit" => AttachType::TraceFexitMulti,
                _ => AttachType::TraceFsessionMulti,
            };
            ensure!(info.attach_type == Some(expected));
            let ids = info.ids.context("no ids")?;
            ensure!(ids.len() == 3 && ids.is_sorted());
            ensure!(matches!(info.addresses, Some(Hideable::Visible([_, _, _]))));
            ensure_cookies(info.cookies)?;
        }
        other => bail!("{other:?}"),
    }
    Ok(())
}

/// In whichever order the kernel has them.
fn ensure_cookies(cookies: Option<&[u64]>) -> Result<()> {
    let mut cookies = cookies.context("no cookies")?.to_vec();
    cookies.sort_unstable();
    ensure!(cookies == [0, COOKIE, u64::MAX]);
    Ok(())
}

/// As if the info had been cut off anywhere, with and without what was in the buffers.
#[test]
fn every_prefix_is_read() -> Result<()> {
    for fixture in Fixture::all()? {
        let whole = &fixture.recorded.info;
        for len in 0..=whole.len() {
            let Some(info) = bpf_link::LinkInfo::from_bytes(whole.get(..len).context("shorter")?)
            else {
                ensure!(len < 12);
                continue;
            };
            for buffers in [fixture.buffers(), RecordedBuffers::default()] {
                match LinkInfoRef::parse(&info, buffers) {
                    Ok(view) => ensure!(len >= 32 && view.into_owned().id().get() > 0),
                    Err(error) => {
                        ensure!(matches!(error, Error::ShortInfo { len: is } if is == len));
                        ensure!(len < 32);
                    }
                }
            }
        }
    }
    Ok(())
}
