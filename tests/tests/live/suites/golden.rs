//! What this kernel says of a link of every kind and sort, for the files under `fixtures`.
//!
//! With `BPF_LINK_GOLDEN=PATH` it is written there, as `bpf_link_tests::recorded` says. Without,
//! what is to be written is held against what is known of the links all the same. Each sort of link
//! says what it needs: those that this kernel cannot make are listed in the output, and
//! `tests/golden.rs` knows which they are on which kernel.

pub(crate) mod probed;
pub(crate) mod recorder;

use anyhow::{Result, ensure};
use bpf_link::{AttachType, LinkCreate, LinkKind, RawLink, RawTracepointOpen, TracingArgs};
use bpf_link_tests::{Program, Sandbox, eventually};

use crate::fixture::attaching::COOKIE;
use crate::harness::Need;
use recorder::{Known, Look, Recorder};

/// A sort of link.
pub(crate) struct Case {
    /// What it is recorded as.
    name: &'static str,
    needs: [&'static [Need]; 2],
    /// Makes such a link and has it recorded.
    record: fn(&Sandbox, &Recorder<'_>) -> Result<()>,
}

impl Case {
    pub(crate) const fn new(
        name: &'static str,
        needs: &'static [Need],
        record: fn(&Sandbox, &Recorder<'_>) -> Result<()>,
    ) -> Self {
        Self {
            name,
            needs: [needs, &[]],
            record,
        }
    }

    pub(crate) const fn also_needs(self, more: &'static [Need]) -> Self {
        let [needs, _] = self.needs;
        Self {
            needs: [needs, more],
            ..self
        }
    }

    fn missing(&self) -> Result<Option<String>> {
        for need in self.needs.into_iter().flatten() {
            if let Some(missing) = need.missing()? {
                return Ok(Some(missing));
            }
        }
        Ok(None)
    }
}

/// Records every sort that this kernel can make; what went wrong with one does not keep the others
/// from it.
pub(crate) fn run(sandbox: &Sandbox, cases: &[Case]) -> Result<()> {
    go_over(sandbox, cases, Recorder::new)
}

/// Does something with a link of each sort that this kernel can make.
pub(crate) fn each(sandbox: &Sandbox, cases: &[Case], look: &Look<'_>) -> Result<()> {
    go_over(sandbox, cases, |name| Recorder::new(name).instead(look))
}

/// Does something while there is a link of each of these sorts, of those that this kernel can make.
pub(crate) fn together(
    sandbox: &Sandbox,
    cases: &[&Case],
    look: &dyn Fn() -> Result<()>,
) -> Result<()> {
    let Some((first, rest)) = cases.split_first() else {
        return look();
    };
    if first.missing()?.is_some() {
        return together(sandbox, rest, look);
    }
    each(sandbox, std::slice::from_ref(*first), &|_| {
        together(sandbox, rest, look)
    })
}

fn go_over<'a>(
    sandbox: &Sandbox,
    cases: &[Case],
    recorder: impl Fn(&'static str) -> Recorder<'a>,
) -> Result<()> {
    let mut wrong = Vec::new();
    for case in cases {
        if let Some(missing) = case.missing()? {
            println!("no {}: {missing}", case.name);
            continue;
        }
        let recorder = recorder(case.name);
        let done = (case.record)(sandbox, &recorder).and_then(|()| recorder.finish());
        if let Err(error) = done {
            wrong.push(format!("{}: {error:?}", case.name));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// Records a link of this kind, detached or not.
pub(crate) fn record(
    recorder: &Recorder<'_>,
    kind: LinkKind,
    program: &Program,
    request: &LinkCreate<'_>,
    detached: bool,
) -> Result<()> {
    // Another process that lists links may still have the one before open, and some hooks take one.
    let link = eventually("the hook is free", || match RawLink::create(request) {
        Err(error) if error.errno() == Some(libc::EBUSY) => Ok(None),
        created => Ok(Some(created?)),
    })?;
    if detached {
        link.detach()?;
    }
    recorder.record(&link, &Known::of(kind, program)?)
}

/// With a cookie where such links can be made with one, since Linux 5.19.
pub(crate) fn attach(program: &Program, attach_type: AttachType) -> Result<RawLink> {
    if Need::Before(5, 19).missing()?.is_none() {
        let request = RawTracepointOpen::load_time_target(program);
        return Ok(RawLink::open_raw_tracepoint(&request)?);
    }
    let args = TracingArgs::new().cookie(COOKIE);
    Ok(RawLink::create(
        &LinkCreate::new(program, attach_type).args(args),
    )?)
}
