//! Puts down what the kernel says of a link, by a bare system call, and holds the library against
//! it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::os::fd::AsFd as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{InfoBuffers, LinkKind, RawLink};
use bpf_link_sys::{
    BPF_PERF_EVENT_EVENT, BPF_PERF_EVENT_KPROBE, BPF_PERF_EVENT_KRETPROBE,
    BPF_PERF_EVENT_TRACEPOINT,
};
use bpf_link_tests::recorded::{Buffer, Recorded};
use bpf_link_tests::{KernelBtf, Program, links, sys};

/// The variable that says where to.
const VARIABLE: &str = "BPF_LINK_GOLDEN";

/// What the test knows of a link, as it has made it.
#[derive(Debug)]
pub(crate) struct Known {
    kind: LinkKind,
    program_id: Option<u32>,
    name: Option<String>,
    /// What the arrays have; nothing of those whose content the kernel alone knows.
    arrays: BTreeMap<&'static str, Option<Vec<u64>>>,
    count: usize,
}

impl Known {
    pub(crate) fn of(kind: LinkKind, program: &Program) -> Result<Self> {
        Ok(Self {
            program_id: Some(program.id()?),
            ..Self::without_program(kind)
        })
    }

    pub(crate) fn without_program(kind: LinkKind) -> Self {
        Self {
            kind,
            program_id: None,
            name: None,
            arrays: BTreeMap::new(),
            count: 0,
        }
    }

    /// Its name, without a NUL.
    pub(crate) fn named(self, name: &str) -> Self {
        let name = Some(name.to_owned());
        Self { name, ..self }
    }

    /// An array that the kernel gives back as it was.
    pub(crate) fn array(mut self, field: &'static str, content: &[u64]) -> Self {
        self.count = content.len();
        self.arrays.insert(field, Some(content.to_vec()));
        self
    }

    /// An array that the kernel has its own content, or order, for.
    pub(crate) fn own_array(mut self, field: &'static str, count: usize) -> Self {
        self.count = count;
        self.arrays.insert(field, None);
        self
    }
}

/// Records one sort of link.
pub(crate) struct Recorder<'a> {
    name: &'static str,
    instead: Option<&'a Look<'a>>,
    is_done: Cell<bool>,
}

/// What is done with a link that is there for a moment.
pub(crate) type Look<'a> = dyn Fn(&RawLink) -> Result<()> + 'a;

impl<'a> Recorder<'a> {
    pub(crate) fn new(name: &'static str) -> Self {
        let is_done = Cell::new(false);
        Self {
            name,
            instead: None,
            is_done,
        }
    }

    /// Has something else done with each link that would be recorded.
    pub(crate) fn instead(self, look: &'a Look<'a>) -> Self {
        Self {
            instead: Some(look),
            ..self
        }
    }

    /// Fails if nothing has been recorded.
    pub(crate) fn finish(&self) -> Result<()> {
        ensure!(self.is_done.get(), "nothing was recorded");
        Ok(())
    }

    pub(crate) fn record(&self, link: &RawLink, known: &Known) -> Result<()> {
        if let Some(look) = self.instead {
            self.is_done.set(true);
            return look(link);
        }
        let info = sys::link_info_bytes(link.as_fd())?;
        let said = links::LinkInfo::of(link)?;
        ensure!(said.link_type() == known.kind.as_raw(), "{said:?}");
        ensure!(
            said.program_id() == known.program_id.unwrap_or(0),
            "{said:?}"
        );

        // The places of the lengths, where this kernel has the fields.
        let told = |at: usize| {
            let bytes = info.get(at..).and_then(<[u8]>::first_chunk);
            let number = bytes.map(|bytes| u32::from_ne_bytes(*bytes));
            number.filter(|number| *number != 0)
        };
        let (name_len_at, count_at) = match known.kind {
            LinkKind::RawTracepoint | LinkKind::Iter => (Some(24), None),
            LinkKind::PerfEvent if known.name.is_some() => (Some(32), None),
            LinkKind::KprobeMulti => (None, Some(24)),
            LinkKind::UprobeMulti => (Some(48), Some(52)),
            LinkKind::TracingMulti => (None, Some(20)),
            _ => (None, None),
        };
        let name_len = name_len_at.and_then(told);
        let count = count_at.and_then(told);
        let name_len = name_len.map(usize::try_from).transpose()?;
        let count = count.map(usize::try_from).transpose()?;
        self.check_lengths(known, name_len, count)?;

        let library = link.info()?;
        ensure!(library.as_bytes() == info, "{library:?}");
        ensure!(u32::try_from(info.len())? == library.kernel_len());
        ensure!(library.name_len() == name_len && library.count() == count);
        let buffers = if name_len.is_some() || count.is_some() {
            buffers(link, known, told(16))?
        } else {
            BTreeMap::new()
        };
        let uname = rustix::system::uname();
        let [release, version, machine] = [uname.release(), uname.version(), uname.machine()]
            .map(|words| words.to_string_lossy().into_owned());
        let recorded = Recorded {
            kernel: [release, version],
            machine,
            name: self.name.to_owned(),
            kind: known.kind.to_string(),
            kind_number: known.kind.as_raw(),
            id: said.id(),
            program_id: known.program_id,
            name_len,
            count,
            info,
            buffers,
        };
        if let Some(path) = std::env::var_os(VARIABLE).map(PathBuf::from) {
            let written = recorded.write(&path);
            written.with_context(|| format!("{VARIABLE}={}", path.display()))?;
        }
        ensure!(!self.is_done.replace(true), "recorded twice");
        Ok(())
    }

    /// A kernel that has a kind's info tells how long names and arrays are.
    fn check_lengths(
        &self,
        known: &Known,
        name_len: Option<usize>,
        count: Option<usize>,
    ) -> Result<()> {
        let kind = known.kind.to_string();
        let has_info = KernelBtf::get()?.member("bpf_link_info", &kind)?.is_some();
        let name = known.name.as_ref().map(|name| name.len() + 1);
        let entries = Some(known.count).filter(|count| *count != 0);
        ensure!(
            name_len == name.filter(|_| has_info),
            "{}: a name of {name_len:?} bytes, not {name:?}",
            self.name
        );
        ensure!(
            count == entries.filter(|_| has_info),
            "{}: {count:?} entries, not {entries:?}",
            self.name
        );
        Ok(())
    }
}

/// What the kernel writes into buffers of the right length. `perf_event` is the type of a perf
/// event.
fn buffers(
    link: &RawLink,
    known: &Known,
    perf_event: Option<u32>,
) -> Result<BTreeMap<String, Buffer>> {
    let name_len = known.name.as_ref().map_or(0, |name| name.len() + 1);
    let mut name = vec![0xff; name_len];
    let mut ids = vec![u32::MAX; known.count];
    let [mut first, mut second, mut third] = [0; 3].map(|_| vec![u64::MAX; known.count]);
    let (name_field, fields, lent): (_, [&str; 3], _) = match known.kind {
        LinkKind::RawTracepoint => (
            "tp_name",
            [""; 3],
            InfoBuffers::RawTracepoint { name: &mut name },
        ),
        LinkKind::Iter => {
            let target_name = &mut name;
            ("target_name", [""; 3], InfoBuffers::Iter { target_name })
        }
        LinkKind::PerfEvent => {
            let field = match perf_event.context("the type of a perf event")? {
                BPF_PERF_EVENT_TRACEPOINT => "tp_name",
                BPF_PERF_EVENT_KPROBE | BPF_PERF_EVENT_KRETPROBE => "func_name",
                BPF_PERF_EVENT_EVENT => "",
                _ => "file_name",
            };
            (field, [""; 3], InfoBuffers::PerfEvent { name: &mut name })
        }
        LinkKind::KprobeMulti => (
            "",
            ["addrs", "cookies", ""],
            InfoBuffers::KprobeMulti {
                addresses: &mut first,
                cookies: &mut second,
            },
        ),
        LinkKind::UprobeMulti => (
            "path",
            ["offsets", "ref_ctr_offsets", "cookies"],
            InfoBuffers::UprobeMulti {
                path: &mut name,
                offsets: &mut first,
                ref_ctr_offsets: &mut second,
                cookies: &mut third,
            },
        ),
        LinkKind::TracingMulti => (
            "",
            ["addrs", "cookies", "ids"],
            InfoBuffers::TracingMulti {
                ids: &mut ids,
                addresses: &mut first,
                cookies: &mut second,
            },
        ),
        _ => return Ok(BTreeMap::new()),
    };
    let info = link.info_with(lent)?;
    ensure!(info.as_bytes() == link.info()?.as_bytes(), "{info:?}");
    if known.kind == LinkKind::TracingMulti {
        third = ids.into_iter().map(u64::from).collect();
    }

    let mut buffers = BTreeMap::new();
    if let Some(expected) = &known.name {
        let name = String::from_utf8(name)?;
        ensure!(name == format!("{expected}\0"), "{name:?}");
        buffers.insert(name_field.to_owned(), Buffer::Name(name));
    }
    for (field, content) in fields.into_iter().zip([first, second, third]) {
        let Some(expected) = known.arrays.get(field) else {
            continue;
        };
        let expected = expected.as_ref().unwrap_or(&content);
        ensure!(*expected == content, "{field}: {content:x?}");
        buffers.insert(field.to_owned(), Buffer::Numbers(content));
    }
    Ok(buffers)
}
