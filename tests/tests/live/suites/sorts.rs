//! Every sort of link of every kind, attached through its type with every option that it has.
//!
//! For each, the info is what was asked for, the type is the same by whatever way the link is
//! opened, the program runs and stops, and the operations are those that the kind has. The files of
//! the kinds hold the same against bare system calls.

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{Hook, Loader, Sandbox, eventually_holds, links};
use bpf_link_typed::{Error, KindFacts, Link};
use serde_json::Value;

use crate::harness::Need;
use crate::suites::conformance::Counting;
use crate::typed;

/// A sort of link.
pub(crate) struct SubKind<'a> {
    pub(crate) sandbox: &'a Sandbox,
    /// What is attached, and what takes its place where the kind is updated.
    pub(crate) programs: [Counting; 2],
    /// Attaches it, with every option.
    pub(crate) attach: &'a dyn Fn(&Counting) -> Result<Link>,
    /// What the info has to say, as JSON, with this attached: every field of the kind, by its name.
    /// What this kernel does not report yet is left out of account.
    pub(crate) info: &'a dyn Fn(&Counting) -> Result<Value>,
    /// Makes what is attached run. The link is given as long as there is one, for what runs by it.
    pub(crate) event: &'a dyn Fn(Option<&Link>) -> Result<()>,
}

impl SubKind<'_> {
    pub(crate) fn check(&self) -> Result<()> {
        let [first, second] = &self.programs;
        let link = self.attach(first)?;
        typed::check(self.sandbox, link.as_raw())?;
        self.check_info(&link, first)?;
        self.check_that_only_this_runs(Some(&link), Some(first))?;
        self.check_update(&link)?;
        self.check_end(link)?;

        // The place is free again, for a link that ends attached.
        let link = self.attach(second)?;
        self.check_info(&link, second)?;
        self.check_that_only_this_runs(Some(&link), Some(second))?;
        self.check_drop(link)
    }

    fn attach(&self, program: &Counting) -> Result<Link> {
        (self.attach)(program).context("attaching it")
    }

    fn check_info(&self, link: &Link, attached: &Counting) -> Result<()> {
        let info = link.info()?;
        ensure!(info.program_id().map(u32::from) == attached.program_id());
        let facts = KindFacts::of(link.kind()).context("a kind without facts")?;
        let json = serde_json::to_value(&info)?;
        let expected = (self.info)(attached)?;
        let expected = expected.as_object().context("it is no object")?;
        ensure!(expected.len() == facts.fields.len(), "{json}");
        for (field, since) in facts.fields {
            let expected = expected
                .get(*field)
                .with_context(|| format!("{field}: {json}"))?;
            let is_reported = Need::Linux(since.major.into(), since.minor.into());
            if is_reported.missing()?.is_none() {
                let found = json.get(field);
                ensure!(found == Some(expected), "{field} is not {expected}: {json}");
            }
        }
        Ok(())
    }

    fn check_that_only_this_runs(&self, link: Option<&Link>, one: Option<&Counting>) -> Result<()> {
        let event = || (self.event)(link);
        for program in &self.programs {
            let ran = match one {
                Some(one) if std::ptr::eq(one, program) => continue,
                Some(one) => program.runs(|| {
                    ensure!(one.runs(event)?, "what is attached has not run");
                    Ok(())
                })?,
                None => program.runs(event)?,
            };
            ensure!(!ran, "what is not attached has run");
        }
        Ok(())
    }

    fn check_update(&self, link: &Link) -> Result<()> {
        let [first, second] = &self.programs;
        let facts = KindFacts::of(link.kind()).context("a kind without facts")?;
        if facts.updated_by().is_none() {
            ensure_unsupported(link, link.update(second))?;
            ensure_unsupported(link, link.replace(first, second))?;
            return self.check_that_only_this_runs(Some(link), Some(first));
        }
        let wrong = link.replace(second, second).err();
        ensure!(
            matches!(
                &wrong,
                Some(Error::Link(bpf_link::Error::OldProgramMismatch { .. }))
            ),
            "{wrong:?}"
        );
        self.check_that_only_this_runs(Some(link), Some(first))?;
        link.replace(first, second)?;
        self.check_that_only_this_runs(Some(link), Some(second))?;
        link.update(first)?;
        self.check_info(link, first)?;
        self.check_that_only_this_runs(Some(link), Some(first))
    }

    /// By detaching it where this kernel can, and by letting go of it otherwise.
    fn check_end(&self, link: Link) -> Result<()> {
        let facts = KindFacts::of(link.kind()).context("a kind without facts")?;
        let is_detachable = match facts.detach_since {
            Some(since) => Need::Linux(since.major.into(), since.minor.into())
                .missing()?
                .is_none(),
            None => false,
        };
        if !is_detachable {
            ensure_unsupported(&link, link.detach())?;
            ensure!(link.info()?.is_defunct() != Some(true));
            return self.check_drop(link);
        }
        link.detach()?;
        self.check_that_only_this_runs(Some(&link), None)?;
        let info = link.info()?;
        ensure!(info.is_defunct() == facts.gone.map(|_| true), "{info:?}");
        self.check_drop(link)
    }

    fn check_drop(&self, link: Link) -> Result<()> {
        let id = link.id()?;
        drop(link);
        eventually_holds("the link has gone", || Ok(!links::exists(id.get())?))?;
        self.programs
            .iter()
            .try_for_each(|program| program.stops(|| (self.event)(None)))
    }
}

fn ensure_unsupported(link: &Link, refused: bpf_link_typed::Result<()>) -> Result<()> {
    let error = refused.err().context("it was not refused")?;
    let Error::Link(
        bpf_link::Error::UnsupportedByKind { .. } | bpf_link::Error::UnsupportedByKernel(_),
    ) = &error
    else {
        anyhow::bail!("{}: {error:?}", link.kind());
    };
    Ok(())
}

pub(crate) fn two(hook: Hook) -> Result<[Counting; 2]> {
    Ok([Counting::program(hook)?, Counting::program(hook)?])
}

pub(crate) const COOKIE: u64 = 0xfedc_ba98_7654_3210;

pub(crate) const COOKIES: [u64; 3] = [COOKIE, 0, u64::MAX];

/// A program that counts what happens in this process.
pub(crate) fn counting_here(hook: Hook) -> Result<Counting> {
    Counting::loaded(Loader::new(hook).in_this_process())
}

/// The cookie that is given, where this kernel has any.
pub(crate) fn cookie(need: Need) -> Result<Option<u64>> {
    Ok(need.missing()?.is_none().then_some(COOKIE))
}
