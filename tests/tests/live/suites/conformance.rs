//! What holds for links of every kind: one suite, which each kind's file runs over its own.

use std::os::fd::OwnedFd;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{Error, InfoBuffers, InvalidRequest, LinkInfo, LinkKind, RawLink, Update};
use bpf_link_tests::{KernelBtf, Sandbox, eventually_holds, links};

use crate::fixture::{ensure_refused, refusal};
pub(crate) use crate::suites::counting::Counting;
use crate::typed;

/// A kind of link, as the suite sees it.
pub(crate) struct Subject<'a> {
    pub(crate) sandbox: &'a Sandbox,
    /// What the kind is.
    pub(crate) kind: LinkKind,
    /// What the link is made of.
    pub(crate) first: Counting,
    /// What can take its place, or could if the kind were updated.
    pub(crate) second: Counting,
    /// Makes the link. The hook is free.
    pub(crate) create: &'a dyn Fn(&Counting) -> bpf_link::Result<RawLink>,
    /// Makes what is attached run. The link is given as long as there is one, for what runs by it.
    pub(crate) event: &'a dyn Fn(Option<&RawLink>) -> Result<()>,
    /// The fields of the kind's info.
    pub(crate) fields: Vec<Field>,
    pub(crate) update: Operation,
    pub(crate) detach: Operation,
}

/// Whether the kind has an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Works,
    /// The error number for which it is refused.
    Refused(i32),
}

/// A field of the info, and what it has to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    /// The path to it in the bindings' `bpf_link_info`, from its union on.
    path: &'static str,
    at: usize,
    attached: Value,
    detached: Value,
}

/// The value of a field, in the field's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    U32(u32),
    U64(u64),
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::U32(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::U32(u32::from_ne_bytes(value.to_ne_bytes()))
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::U64(value)
    }
}

impl Value {
    fn zero(self) -> Self {
        match self {
            Self::U32(_) => Self::U32(0),
            Self::U64(_) => Self::U64(0),
        }
    }

    fn size(self) -> usize {
        match self {
            Self::U32(_) => size_of::<u32>(),
            Self::U64(_) => size_of::<u64>(),
        }
    }

    /// What is in the place of such a value.
    fn read(self, bytes: &[u8]) -> Option<Self> {
        match self {
            Self::U32(_) => bytes
                .first_chunk()
                .map(|bytes| Self::U32(u32::from_ne_bytes(*bytes))),
            Self::U64(_) => bytes
                .first_chunk()
                .map(|bytes| Self::U64(u64::from_ne_bytes(*bytes))),
        }
    }
}

impl Field {
    /// What [`field!`] makes.
    pub(crate) fn new(path: &'static str, at: usize, value: impl Into<Value>) -> Self {
        let value = value.into();
        Self {
            path,
            at,
            attached: value,
            detached: value,
        }
    }

    /// Says that it is 0 once the link has been detached.
    pub(crate) fn of_the_hook(self) -> Self {
        Self {
            detached: self.detached.zero(),
            ..self
        }
    }

    /// Fails unless the info of an attached link has the value; 0 in its place where the kernel has
    /// no such field.
    pub(crate) fn check(&self, info: &LinkInfo) -> Result<()> {
        self.check_value(info, self.attached)
    }

    /// Fails unless the info, which was asked for once the kind was known, tells whether the kernel
    /// has such a field.
    fn check_reported(&self, info: &LinkInfo) -> Result<()> {
        let path = self.kernel_path();
        let known = KernelBtf::get()?.member("bpf_link_info", &path)?;
        let reported = info.is_reported(self.at..self.at + self.attached.size());
        ensure!(reported == Some(known.is_some()), "{path}: {reported:?}");
        Ok(())
    }

    fn check_value(&self, info: &LinkInfo, value: Value) -> Result<()> {
        let path = self.kernel_path();
        let known = KernelBtf::get()?.member("bpf_link_info", &path)?;
        if let Some(member) = known {
            ensure!(member.offset == self.at, "{path} is at {}", member.offset);
        }
        let expected = known.map_or(value.zero(), |_| value);
        let bytes = info.as_bytes().get(self.at..).unwrap_or_default();
        let found = value.read(bytes).unwrap_or(value.zero());
        ensure!(
            found == expected,
            "{path} is {found:?} and not {expected:?}"
        );
        Ok(())
    }

    /// What the kernel calls it. Only the bindings have names for unions and structures that have
    /// none.
    fn kernel_path(&self) -> String {
        let path = self.path.replace(char::is_whitespace, "");
        let names = path
            .split('.')
            .filter(|name| !name.ends_with("_union") && !name.ends_with("_struct"))
            .map(|name| name.trim_end_matches('_'));
        names.collect::<Vec<_>>().join(".")
    }
}

/// A field of `bpf_link_info`, by its path from the union on, and its value in the type that it
/// has.
macro_rules! field {
    ($($path:ident).+, $value:expr) => {
        $crate::suites::conformance::Field::new(
            stringify!($($path).+),
            ::std::mem::offset_of!(::bpf_link_sys::bpf_link_info, raw_tracepoint_union.$($path).+),
            $value,
        )
    };
}
pub(crate) use field;

/// Buffers that ask for nothing, for the kinds that have any.
fn empty_buffers(kind: LinkKind) -> Option<InfoBuffers<'static>> {
    let buffers = match kind {
        LinkKind::RawTracepoint => InfoBuffers::RawTracepoint { name: &mut [] },
        LinkKind::Iter => InfoBuffers::Iter {
            target_name: &mut [],
        },
        LinkKind::PerfEvent => InfoBuffers::PerfEvent { name: &mut [] },
        LinkKind::KprobeMulti => InfoBuffers::KprobeMulti {
            addresses: &mut [],
            cookies: &mut [],
        },
        LinkKind::UprobeMulti => InfoBuffers::UprobeMulti {
            path: &mut [],
            offsets: &mut [],
            ref_ctr_offsets: &mut [],
            cookies: &mut [],
        },
        LinkKind::TracingMulti => InfoBuffers::TracingMulti {
            ids: &mut [],
            addresses: &mut [],
            cookies: &mut [],
        },
        _ => return None,
    };
    Some(buffers)
}

/// Runs the suite.
pub(crate) fn check(subject: &Subject<'_>) -> Result<()> {
    let link = subject.create_one()?;
    subject.check_info(&link, &subject.first)?;
    subject.check_ways_to_open(&link)?;
    typed::check(subject.sandbox, &link)?;
    subject.check_that_it_runs(&link, &subject.first, &subject.second)?;
    subject.check_what_the_kind_has_not(&link)?;
    subject.check_update(&link)?;
    subject.check_detach(&link)?;
    subject.check_drop(link)?;
    // The hook is free again, for a link that ends attached.
    let link = (subject.create)(&subject.second).context("creating another link")?;
    subject.check_that_it_runs(&link, &subject.second, &subject.first)?;
    subject.check_drop(link)
}

impl Subject<'_> {
    fn create_one(&self) -> Result<RawLink> {
        let link = (self.create)(&self.first).context("creating the link")?;
        ensure!(link.pin_path().is_none());
        Ok(link)
    }

    /// What the info says: what was asked for, and what the bare system call says.
    fn check_info(&self, link: &RawLink, attached: &Counting) -> Result<()> {
        let info = link.info()?;
        self.check_header(link, &info, attached)?;
        for field in &self.fields {
            field.check(&info)?;
        }
        // Now that the kind is known, every answer tells which fields the kernel has.
        let mut answers = vec![link.info()?];
        if let Some(buffers) = empty_buffers(self.kind) {
            answers.push(link.info_with(buffers)?);
        }
        for answer in answers {
            ensure!(answer == info && answer.is_conclusive(), "{answer:?}");
            for field in &self.fields {
                field.check_reported(&answer)?;
            }
        }
        let structure = KernelBtf::get()?.size("bpf_link_info")?;
        let structure = structure.context("the kernel has no bpf_link_info")?;
        let length = structure.min(LinkInfo::SIZE);
        ensure!(info.as_bytes().len() == length, "the info is not whole");
        ensure!(usize::try_from(info.kernel_len())? == structure.min(LinkInfo::SIZE));
        Ok(())
    }

    fn check_header(&self, link: &RawLink, info: &LinkInfo, attached: &Counting) -> Result<()> {
        ensure!(link.kind()? == self.kind, "it is {}", link.kind()?);
        ensure!(info.kind() == self.kind && info.id() == link.id()?);
        let program_id = info.program_id().map(u32::from);
        ensure!(
            program_id == attached.program_id(),
            "the program is {program_id:?} and not {:?}",
            attached.program_id()
        );
        let evidence = links::LinkInfo::of(link)?;
        for (number, word) in info.as_bytes().chunks_exact(4).enumerate() {
            let bare = evidence.u32_at(4 * number);
            ensure!(
                word == bare.to_ne_bytes(),
                "the bare call has {bare:#x} at {}: {info:?}",
                4 * number
            );
        }
        ensure!(links::exists(link.id()?.get())?);
        Ok(())
    }

    /// By whatever way the link is opened, it is the same link and of the same kind.
    fn check_ways_to_open(&self, link: &RawLink) -> Result<()> {
        let path = self.sandbox.bpffs().join("conformance");
        let mut pinned = link.try_clone()?;
        pinned.pin(&path)?;
        let mut ways = [
            ("a clone", link.try_clone()?),
            ("by id", RawLink::from_id(link.id()?)?),
            ("a pin", RawLink::from_pinned(&path)?),
            ("a descriptor", OwnedFd::from(link.try_clone()?).try_into()?),
        ];
        for (way, opened) in &ways {
            self.check_info(opened, &self.first).context(*way)?;
            ensure!(opened.id()? == link.id()?, "{way} is another link");
        }
        let [_, _, (_, from_pin), _] = &mut ways;
        from_pin.unpin()?;
        ensure!(!path.exists());
        Ok(())
    }

    fn check_that_it_runs(&self, link: &RawLink, runs: &Counting, rests: &Counting) -> Result<()> {
        let resting = rests.runs(|| {
            let ran = runs.runs(|| (self.event)(Some(link)))?;
            ensure!(ran, "what is attached has not run");
            Ok(())
        })?;
        ensure!(!resting, "what is not attached has run");
        Ok(())
    }

    /// What only iterators have, and buffers for a kind that this one is not.
    fn check_what_the_kind_has_not(&self, link: &RawLink) -> Result<()> {
        if self.kind != LinkKind::Iter {
            let error = refusal(link.create_iter())?;
            ensure!(error.errno() == Some(libc::EINVAL), "{error:?}");
            self.ensure_unsupported(&error)?;
        }
        let mut name = [0xff; 8];
        let others = if self.kind == LinkKind::Iter {
            InfoBuffers::PerfEvent { name: &mut name }
        } else {
            InfoBuffers::Iter {
                target_name: &mut name,
            }
        };
        let error = refusal(link.info_with(others))?;
        let Error::InvalidRequest(InvalidRequest::Buffers { link: of, kind }) = error else {
            anyhow::bail!("{error:?}");
        };
        ensure!(kind == self.kind && name == [0xff; 8]);
        ensure!(*of == link.target(), "{of:?}");
        Ok(())
    }

    fn ensure_unsupported(&self, error: &Error) -> Result<()> {
        ensure!(
            matches!(error, Error::UnsupportedByKind { kind, .. } if *kind == self.kind),
            "{error:?}"
        );
        Ok(())
    }

    fn to_second(&self) -> Update<'_> {
        self.update_by(&self.second)
    }

    fn update_by<'a>(&self, new: &'a Counting) -> Update<'a> {
        match self.kind {
            LinkKind::StructOps => Update::map(new),
            _ => Update::program(new),
        }
    }

    /// Ends with the first one attached, as it began.
    fn check_update(&self, link: &RawLink) -> Result<()> {
        if let Operation::Refused(errno) = self.update {
            let error = refusal(link.update(self.to_second()))?;
            ensure!(error.errno() == Some(errno), "{error:?}");
            self.ensure_unsupported(&error)?;
            self.check_info(link, &self.first)?;
            return self.check_that_it_runs(link, &self.first, &self.second);
        }
        let wrong = self.to_second().expecting(&self.second);
        let error = refusal(link.update(wrong))?;
        ensure!(error.errno() == Some(libc::EPERM), "{error:?}");
        let Error::OldProgramMismatch { attached, .. } = error else {
            anyhow::bail!("{error:?}");
        };
        ensure!(attached.map(u32::from) == self.first.program_id());
        self.check_that_it_runs(link, &self.first, &self.second)?;

        link.update(self.to_second())?;
        self.check_header(link, &link.info()?, &self.second)?;
        self.check_that_it_runs(link, &self.second, &self.first)?;
        // What is there already may be put there.
        link.update(self.to_second())?;
        self.check_header(link, &link.info()?, &self.second)?;

        link.update(self.update_by(&self.first).expecting(&self.second))?;
        self.check_info(link, &self.first)?;
        self.check_that_it_runs(link, &self.first, &self.second)
    }

    fn check_detach(&self, link: &RawLink) -> Result<()> {
        if let Operation::Refused(errno) = self.detach {
            let error = refusal(link.detach())?;
            ensure!(error.errno() == Some(errno), "{error:?}");
            self.ensure_unsupported(&error)?;
            self.check_info(link, &self.first)?;
            return self.check_that_it_runs(link, &self.first, &self.second);
        }
        let same_link = RawLink::from_id(link.id()?)?;
        link.detach()?;
        self.check_that_nothing_runs(link)?;
        // Once more makes no difference, by whichever descriptor.
        same_link.detach()?;
        self.check_header(link, &link.info()?, &self.first)?;
        for field in &self.fields {
            field.check_value(&link.info()?, field.detached)?;
        }
        match self.update {
            Operation::Refused(errno) => {
                let error = refusal(link.update(self.to_second()))?;
                ensure!(error.errno() == Some(errno), "{error:?}");
                self.ensure_unsupported(&error)
            }
            Operation::Works => {
                ensure_refused!(
                    link.update(self.to_second()),
                    Error::HookGone(_),
                    Some(libc::ENOLINK)
                );
                Ok(())
            }
        }
    }

    fn check_drop(&self, link: RawLink) -> Result<()> {
        let id = link.id()?;
        drop(link);
        eventually_holds("the link has gone", || Ok(!links::exists(id.get())?))?;
        ensure_refused!(RawLink::from_id(id), Error::Vanished(_), Some(libc::ENOENT));
        for counting in [&self.first, &self.second] {
            counting.stops(|| (self.event)(None))?;
        }
        Ok(())
    }

    fn check_that_nothing_runs(&self, detached: &RawLink) -> Result<()> {
        for counting in [&self.first, &self.second] {
            let ran = counting.runs(|| (self.event)(Some(detached)))?;
            ensure!(!ran, "it has run without being attached");
        }
        Ok(())
    }
}
