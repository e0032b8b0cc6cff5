//! What kernels have said of links, read again where there is no such kernel.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use bpf_link::{LinkId, LinkInfo, LinkKind, ProgramId};
use bpf_link_tests::recorded::{Buffer, Recorded};
use bpf_link_typed::KindFacts;

/// A series of kernels.
struct Series {
    /// The name of its directory.
    name: &'static str,
    /// How long its `bpf_link_info` is.
    info_len: usize,
    /// The kinds that the kernel which was recorded was built without. Those that are newer than it
    /// are not named.
    without: &'static [LinkKind],
    /// Sorts of links that are recorded of it, besides one of each kind at least.
    sorts: usize,
}

static SERIES: [Series; 7] = [
    Series {
        name: "5.10",
        info_len: 32,
        without: &[],
        sorts: 25,
    },
    Series {
        name: "6.1",
        info_len: 48,
        without: &[LinkKind::KprobeMulti],
        sorts: 39,
    },
    Series {
        name: "6.12",
        info_len: 64,
        without: &[],
        sorts: 57,
    },
    Series {
        name: "6.18",
        info_len: 64,
        without: &[LinkKind::Tracing, LinkKind::KprobeMulti, LinkKind::Netkit],
        sorts: 45,
    },
    Series {
        name: "7.3",
        info_len: 64,
        without: &[],
        sorts: 65,
    },
    Series {
        name: "aarch64-7.3",
        info_len: 64,
        without: &[LinkKind::TracingMulti],
        sorts: 62,
    },
    Series {
        name: "s390x-6.12",
        info_len: 64,
        without: &[LinkKind::Tracing, LinkKind::StructOps],
        sorts: 48,
    },
];

impl Series {
    /// Whether its machine has the byte order of this one.
    fn is_native(&self) -> bool {
        self.name.starts_with("s390x-") == cfg!(target_endian = "big")
    }

    /// Whether its kernel, which is this version, has this kind.
    fn has(&self, kind: LinkKind, version: (u32, u32)) -> Result<bool> {
        let facts = KindFacts::of(kind).context("a kind without facts")?;
        let since = (facts.since.major.into(), facts.since.minor.into());
        let is_newer = since > version;
        Ok(!is_newer && !self.without.contains(&kind))
    }
}

/// Runs `check` on everything that has been recorded.
fn each(check: impl Fn(&Recorded) -> Result<()>) -> Result<()> {
    let all = Recorded::all()?;
    ensure!(!all.is_empty(), "nothing has been recorded");
    for (series, recorded) in all {
        check(&recorded).with_context(|| format!("Linux {series}, {}", recorded.name))?;
    }
    Ok(())
}

fn parse(recorded: &Recorded) -> Result<LinkInfo> {
    LinkInfo::from_bytes(&recorded.info).context("it is no info")
}

#[test]
fn every_kind_of_every_kernel_is_there() -> Result<()> {
    let mut found: BTreeMap<String, Vec<Recorded>> = BTreeMap::new();
    for (series, recorded) in Recorded::all()? {
        ensure!(recorded.directory() == series, "{:?}", recorded.kernel);
        found.entry(series).or_default().push(recorded);
    }
    let recorded_here = || SERIES.iter().filter(|series| series.is_native());
    let series: BTreeSet<&str> = recorded_here().map(|series| series.name).collect();
    assert_eq!(
        found.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        series
    );
    for series in recorded_here() {
        let recorded = found.get(series.name).context(series.name)?;
        let version = recorded.first().context("no link")?.version()?;
        let kinds: BTreeSet<u32> = recorded.iter().map(|link| link.kind_number).collect();
        let mut expected = BTreeSet::new();
        for &kind in LinkKind::KNOWN {
            if series.has(kind, version)? {
                expected.insert(kind.as_raw());
            }
        }
        assert_eq!(kinds, expected, "Linux {}", series.name);
        assert_eq!(recorded.len(), series.sorts, "Linux {}", series.name);
        for link in recorded {
            assert_eq!(link.info.len(), series.info_len, "Linux {}", series.name);
        }
    }
    Ok(())
}

#[test]
fn the_header_is_read() -> Result<()> {
    each(|recorded| {
        let info = parse(recorded)?;
        ensure!(info.kind().as_raw() == recorded.kind_number);
        ensure!(info.kind().name() == Some(recorded.kind.as_str()));
        ensure!(Some(info.id()) == LinkId::new(recorded.id));
        ensure!(info.program_id().map(ProgramId::get) == recorded.program_id);
        ensure!(info.as_bytes() == recorded.info);
        ensure!(usize::try_from(info.kernel_len())? == recorded.info.len());
        Ok(())
    })
}

#[test]
fn the_lengths_are_those_of_the_buffers() -> Result<()> {
    each(|recorded| {
        let info = parse(recorded)?;
        ensure!(info.name_len() == recorded.name_len);
        ensure!(info.count() == recorded.count);
        let (mut name, mut arrays) = (None, BTreeSet::new());
        for buffer in recorded.buffers.values() {
            match buffer {
                Buffer::Name(text) => name = Some(text.len()),
                Buffer::Numbers(numbers) => {
                    arrays.insert(numbers.len());
                }
            }
        }
        ensure!(info.name_len() == name);
        ensure!(arrays == info.count().into_iter().collect());
        Ok(())
    })
}

/// What every kind has, with the hole after it.
const HEADER: usize = 16;

/// Whether the kernel had more to say than that there is a link: the older ones have not, of some
/// kinds that they make.
fn tells_of_its_kind(info: &LinkInfo) -> bool {
    match info.kind() {
        LinkKind::PerfEvent => {
            let event_type = info.as_bytes().get(HEADER..HEADER + 4);
            event_type.is_some_and(|event_type| event_type != [0; 4])
        }
        LinkKind::KprobeMulti | LinkKind::UprobeMulti | LinkKind::TracingMulti => {
            info.count().is_some()
        }
        _ => true,
    }
}

/// A kernel that knows less of a link has a shorter `bpf_link_info`.
#[test]
fn every_beginning_is_read() -> Result<()> {
    each(|recorded| {
        let whole = parse(recorded)?;
        let mut bytes = recorded.info.clone();
        loop {
            let len = bytes.len();
            let info = LinkInfo::from_bytes(&bytes);
            ensure!(info.is_some() == (len >= 12), "{len} bytes");
            if let Some(info) = info {
                ensure!(info.kind() == whole.kind() && info.id() == whole.id());
                ensure!(info.program_id() == whole.program_id());
                ensure!(info.as_bytes() == bytes);
                for (told, all) in [
                    (info.name_len(), whole.name_len()),
                    (info.count(), whole.count()),
                ] {
                    ensure!(told.is_none() || told == all, "{len} bytes: {told:?}");
                }
                for end in 0..=LinkInfo::SIZE + 8 {
                    let reported = info.is_reported(end.saturating_sub(4)..end);
                    let is_there = end <= len && (end <= HEADER || tells_of_its_kind(&info));
                    ensure!(is_there == (reported != Some(false)), "{len} bytes, {end}");
                }
                ensure!(!format!("{info:?}").is_empty());
            }
            if bytes.pop().is_none() {
                return Ok(());
            }
        }
    })
}

#[test]
fn what_is_behind_the_end_is_passed_over() -> Result<()> {
    each(|recorded| {
        let mut longer = recorded.info.clone();
        longer.resize(LinkInfo::SIZE, 0);
        let whole = LinkInfo::from_bytes(&longer);
        longer.extend([0xff; 40]);
        ensure!(LinkInfo::from_bytes(&longer) == whole);
        Ok(())
    })
}
