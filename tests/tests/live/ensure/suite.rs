//! What holds for every kind of link that is kept over restarts and upgrades: one suite, which is
//! run over each.

use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bpf_link::RawLink;
use bpf_link_tests::{Hook, Loader, Map, Sandbox, eventually_holds, names, pins};
use bpf_link_typed::{
    Attach, AttachProgram, Ensure, Error, Link, LinkId, LinkInfo,
    ensure::{Attached, LeftOver, OldLink, Ours, Outcome, Why},
};

use crate::ensure::end::{Done, ensure_one_link_and_pin, is_pinned, our_links, temporary};
use crate::ensure::planned::run_as_planned;
use crate::fixture::chain::check_refusal;
use crate::suites::conformance::Counting;

/// What the call is told besides the options of the kind.
#[derive(Debug, Clone, Copy)]
pub(crate) enum How<'a> {
    Plain,
    TakeOver(&'a str),
    Report(&'a str),
    ReplaceOther,
}

impl How<'_> {
    pub(crate) fn of<A: Attach>(self, to: A, path: &Path) -> Ensure<A> {
        let by_name = |name: &str| Ours::by_name(CString::new(name).unwrap_or_default());
        let ensure = to.ensure_pinned(path).wait_for_old(Duration::from_secs(2));
        match self {
            Self::Plain => ensure,
            Self::TakeOver(name) => ensure.take_over(by_name(name)),
            Self::Report(name) => ensure.report(by_name(name)),
            Self::ReplaceOther => ensure.replace_other(),
        }
    }

    /// Makes the call, after a plan of it.
    pub(crate) fn run<A: AttachProgram>(
        self,
        to: A,
        path: &Path,
        program: &Counting,
    ) -> bpf_link_typed::Result<Done>
    where
        A::Link: Into<Link>,
    {
        let to = self.of(to, path);
        run_as_planned(path, || to.plan(program), || Ok(to.run(program)?.into()))
    }
}

/// The call for one hook.
pub(crate) type Call<'a> = &'a dyn Fn(How<'_>, &Path, &Counting) -> bpf_link_typed::Result<Done>;

/// A kind, as the suite sees it.
pub(crate) struct Subject<'a> {
    pub(crate) sandbox: &'a Sandbox,
    /// What the programs, or maps, are called.
    pub(crate) name: String,
    pub(crate) first: Counting,
    pub(crate) second: Counting,
    /// What cannot be attached here.
    pub(crate) misfit: Counting,
    pub(crate) here: Call<'a>,
    /// On another hook, or with other options.
    pub(crate) elsewhere: Option<(Call<'a>, Elsewhere)>,
    /// Makes what is attached here run.
    pub(crate) event: &'a dyn Fn(&RawLink) -> Result<()>,
    pub(crate) way: Way,
    /// What is done for the program that is there already.
    pub(crate) again: Again,
}

/// How another program comes to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// On the same link.
    InPlace,
    /// On the same link, which is the only one that the hook takes.
    OnlyInPlace,
    /// On another link, before the old one goes.
    Overlap,
    /// On another link, after the old one has gone.
    OldFirst,
}

/// What is different elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Elsewhere {
    pub(crate) why: Why,
    pub(crate) gap: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    Kept,
    /// This kernel does not tell all options.
    Replaced {
        gap: bool,
    },
}

impl<'a> Subject<'a> {
    pub(crate) fn of_programs(
        sandbox: &'a Sandbox,
        load: impl Fn() -> Result<Counting>,
        here: Call<'a>,
        event: &'a dyn Fn(&RawLink) -> Result<()>,
        way: Way,
    ) -> Result<Self> {
        Ok(Self {
            sandbox,
            name: names::object_name("prog"),
            first: load()?,
            second: load()?,
            misfit: Counting::loaded(Loader::new(Hook::CGROUP_DEVICE).named("misfit"))?,
            here,
            elsewhere: None,
            event,
            way,
            again: Again::Kept,
        })
    }

    fn path(&self) -> PathBuf {
        self.sandbox.bpffs().join("pin")
    }

    fn plain(&self, program: &Counting) -> Result<Done> {
        Ok((self.here)(How::Plain, &self.path(), program)?)
    }

    /// One link, one pin, and of the two programs the right one runs.
    fn ensure_runs(&self, runs: &Counting, rests: &Counting) -> Result<LinkId> {
        let id = ensure_one_link_and_pin(self.sandbox, &self.path())?;
        let link = RawLink::from_pinned(self.path())?;
        rests.stops(|| {
            ensure!(runs.runs(|| (self.event)(&link))?, "it does not run");
            Ok(())
        })?;
        ensure!(!is_pinned(&temporary(&self.path())?));
        Ok(id)
    }

    fn attached(&self) -> Result<Option<Attached>> {
        let info = Link::from_pinned(self.path())?.info()?;
        Ok(match &info {
            LinkInfo::StructOps(info) => info.map_id.map(Attached::Map),
            info => info.program_id().map(Attached::Program),
        })
    }

    fn is_updated(&self) -> bool {
        matches!(self.way, Way::InPlace | Way::OnlyInPlace)
    }

    fn can_detach(&self) -> Result<bool> {
        let kind = Link::from_pinned(self.path())?.kind();
        Ok(kind.is_detachable())
    }

    /// Two links of one version of the kind can be there.
    fn is_shared(&self) -> bool {
        matches!(self.way, Way::InPlace | Way::Overlap)
    }
}

/// Runs as much of the suite as goes where the kernel attaches a program once, and never again.
pub(crate) fn check_once(subject: &Subject<'_>) -> Result<()> {
    subject.creates().context("created")?;
    subject.keeps().context("the same again")?;
    subject.upgrades_once().context("an upgrade")?;
    subject.lets_go().context("letting go")
}

/// Runs the suite.
pub(crate) fn check(subject: &Subject<'_>) -> Result<()> {
    subject.creates().context("created")?;
    subject.keeps().context("the same again")?;
    subject.refuses().context("a program that does not fit")?;
    subject.upgrades().context("an upgrade")?;
    subject.outlives_its_hook().context("the hook has gone")?;
    subject.moves().context("another hook")?;
    subject
        .finishes()
        .context("a run that was killed before its end")?;
    subject
        .cleans_up()
        .context("a run that was killed too early")?;
    subject.finds_its_own().context("the pin has gone")?;
    subject
        .replaces_what_is_allowed()
        .context("something else")?;
    subject.lets_go().context("letting go")
}

impl Subject<'_> {
    /// The version before is not needed again.
    fn upgrades_once(&self) -> Result<()> {
        self.plain(&self.second)?;
        self.ensure_runs(&self.second, &self.first)?;
        Ok(())
    }

    fn creates(&self) -> Result<()> {
        let done = self.plain(&self.first)?;
        ensure!(done.outcome == Outcome::Created, "{done:?}");
        ensure!(done.link.pin_path() == Some(self.path().as_path()));
        drop(done);
        self.ensure_runs(&self.first, &self.second)?;
        Ok(())
    }

    fn keeps(&self) -> Result<()> {
        let before = self.ensure_runs(&self.first, &self.second)?;
        let done = self.plain(&self.first)?;
        match self.again {
            Again::Kept => ensure!(done.outcome == Outcome::AlreadyRunning, "{done:?}"),
            Again::Replaced { gap } => ensure!(
                matches!(
                    done.outcome,
                    Outcome::Replaced {
                        why: Why::NotReported,
                        gap: found,
                        old_link: OldLink::Gone,
                        ..
                    } if found == gap
                ),
                "{done:?}"
            ),
        }
        drop(done);
        let after = self.ensure_runs(&self.first, &self.second)?;
        ensure!((before == after) == (self.again == Again::Kept));
        Ok(())
    }

    /// What does not fit here leaves everything as it was.
    fn refuses(&self) -> Result<()> {
        let before = self.ensure_runs(&self.first, &self.second)?;
        let refused = (self.here)(How::Plain, &self.path(), &self.misfit);
        ensure!(refused.is_err(), "{refused:?}");
        ensure!(self.ensure_runs(&self.first, &self.second)? == before);
        Ok(())
    }

    /// There and back.
    fn upgrades(&self) -> Result<()> {
        for (old, new) in [(&self.first, &self.second), (&self.second, &self.first)] {
            let before = self.ensure_runs(old, new)?;
            let previous = self.attached()?.context("it runs")?;
            let done = self.plain(new)?;
            if self.is_updated() {
                ensure!(done.outcome == Outcome::Updated { previous }, "{done:?}");
            } else {
                let expected = Outcome::Replaced {
                    why: Why::NotUpdatable,
                    previous: Some(previous),
                    gap: self.way == Way::OldFirst,
                    old_link: OldLink::Gone,
                };
                ensure!(done.outcome == expected, "{done:?}");
            }
            drop(done);
            let after = self.ensure_runs(new, old)?;
            ensure!((before == after) == self.is_updated());
        }
        Ok(())
    }

    fn outlives_its_hook(&self) -> Result<()> {
        if !self.can_detach()? {
            return Ok(());
        }
        Link::from_pinned(self.path())?.detach()?;
        let done = self.plain(&self.second)?;
        ensure!(
            matches!(
                done.outcome,
                Outcome::Replaced {
                    why: Why::HookGone | Why::NotHere,
                    gap: false,
                    old_link: OldLink::Gone,
                    ..
                }
            ),
            "{done:?}"
        );
        drop(done);
        self.ensure_runs(&self.second, &self.first)?;
        self.plain(&self.first)?;
        Ok(())
    }

    /// There and back.
    fn moves(&self) -> Result<()> {
        let Some((elsewhere, expected)) = self.elsewhere else {
            return Ok(());
        };
        for (call, new) in [(elsewhere, &self.second), (self.here, &self.first)] {
            let done = call(How::Plain, &self.path(), new)?;
            let Outcome::Replaced {
                why,
                gap,
                old_link: OldLink::Gone,
                ..
            } = done.outcome
            else {
                anyhow::bail!("{done:?}");
            };
            ensure!(Elsewhere { why, gap } == expected, "{done:?}");
            drop(done);
            ensure_one_link_and_pin(self.sandbox, &self.path())?;
        }
        self.ensure_runs(&self.first, &self.second)?;
        Ok(())
    }

    /// The new link has not yet taken the place of a pin that was of no use.
    fn finishes(&self) -> Result<()> {
        std::fs::rename(self.path(), temporary(&self.path())?)?;
        let done = self.plain(&self.second)?;
        ensure!(done.left_over == Some(LeftOver::Finished), "{done:?}");
        ensure!(done.displaced.is_none(), "{done:?}");
        ensure!(done.outcome != Outcome::Created, "{done:?}");
        drop(done);
        self.ensure_runs(&self.second, &self.first)?;
        Ok(())
    }

    /// The new link is there beside the old one, and neither is what is wanted now.
    fn cleans_up(&self) -> Result<()> {
        if self.is_shared() {
            // Of the version before.
            let beside = self.sandbox.bpffs().join("beside");
            (self.here)(How::Plain, &beside, &self.first)?;
            std::fs::rename(&beside, temporary(&self.path())?)?;
            let done = self.plain(&self.second)?;
            ensure!(done.left_over == Some(LeftOver::Removed), "{done:?}");
            let displaced = done.displaced.context("it was removed")?;
            ensure!(displaced.old_link == OldLink::Gone, "{done:?}");
            drop(done);
        }
        self.ensure_runs(&self.second, &self.first)?;
        // Something that is not a link is not in the way, and stays.
        let map = Map::array(4, 1)?;
        let in_the_way = temporary(&self.path())?;
        pins::pin(&map, &in_the_way)?;
        self.plain(&self.first)?;
        ensure!(self.sandbox.pinned()? == [self.path(), in_the_way.clone()]);
        std::fs::remove_file(in_the_way)?;
        self.ensure_runs(&self.first, &self.second)?;
        self.plain(&self.second)?;
        self.ensure_runs(&self.second, &self.first)?;
        Ok(())
    }

    /// The pin was removed while somebody holds the link.
    fn finds_its_own(&self) -> Result<()> {
        let path = self.path();
        let held = Link::from_pinned(&path)?;
        let id = held.id()?;
        std::fs::remove_file(&path)?;
        let refused = (self.here)(How::Report(&self.name), &path, &self.first);
        let named = format!("{} already has links of ours: {id}", path.display());
        let refused = check_refusal(refused, &[&named])?;
        ensure!(
            matches!(&refused, Error::OursFound { links, .. } if *links == [id]),
            "{refused:?}"
        );
        ensure!(our_links()? == [id.get()] && self.sandbox.pinned()?.is_empty());
        // By another name it is not ours.
        if !self.is_shared() {
            let refused = (self.here)(How::TakeOver("another"), &path, &self.first);
            ensure!(refused.is_err() && self.sandbox.pinned()?.is_empty());
        }
        let done = (self.here)(How::TakeOver(&self.name), &path, &self.first);
        if self.way == Way::OldFirst && !held.kind().is_detachable() {
            // It is in the way as long as it is held, and pinned again.
            let refused = check_refusal(done, &[])?;
            ensure!(
                matches!(refused, Error::OldLinkHeld { link, .. } if link == id),
                "{refused:?}"
            );
            ensure!(self.ensure_runs(&self.second, &self.first)? == id);
            drop(held);
            self.plain(&self.first)?;
            self.ensure_runs(&self.first, &self.second)?;
            return Ok(());
        }
        let done = done?;
        ensure!(done.taken_over == Some(id), "{done:?}");
        match (self.way, done.outcome) {
            (Way::InPlace | Way::OnlyInPlace, Outcome::Updated { .. }) => {
                ensure!(done.link.id()? == id);
            }
            (
                Way::Overlap,
                Outcome::Replaced {
                    old_link: OldLink::Held(old),
                    ..
                },
            ) => {
                ensure!(old == id, "{done:?}");
            }
            (
                Way::OldFirst,
                Outcome::Replaced {
                    old_link: OldLink::Gone,
                    gap: true,
                    ..
                },
            ) => {}
            _ => anyhow::bail!("{done:?}"),
        }
        drop((done, held));
        self.ensure_runs(&self.first, &self.second)?;
        Ok(())
    }

    fn replaces_what_is_allowed(&self) -> Result<()> {
        let path = self.path();
        Link::from_pinned(&path)?.detach_and_unpin()?;
        eventually_holds("the link has gone", || Ok(our_links()?.is_empty()))?;
        let map = Map::array(4, 1)?;
        pins::pin(&map, &path)?;
        let refused = (self.here)(How::Plain, &path, &self.second);
        ensure!(
            matches!(refused, Err(Error::PinTaken { found: None, .. })),
            "{refused:?}"
        );
        ensure!(our_links()?.is_empty() && is_pinned(&path));
        let done = (self.here)(How::ReplaceOther, &path, &self.second)?;
        let expected = Outcome::Replaced {
            why: Why::NotSuchALink,
            previous: None,
            gap: false,
            old_link: OldLink::None,
        };
        ensure!(done.outcome == expected, "{done:?}");
        drop(done);
        self.ensure_runs(&self.second, &self.first)?;
        Ok(())
    }

    fn lets_go(&self) -> Result<()> {
        let held = Link::from_pinned(self.path())?;
        let link = Link::from_pinned(self.path())?;
        let (kind, id) = (link.kind(), link.id()?);
        link.detach_and_unpin()?;
        ensure!(self.sandbox.pinned()?.is_empty());
        if kind.is_detachable() {
            // Though somebody holds it.
            let ran = self.second.runs(|| (self.event)(held.as_raw()))?;
            ensure!(!ran, "it runs still");
        }
        drop(held);
        eventually_holds(
            "the link has gone",
            || Ok(!our_links()?.contains(&id.get())),
        )
    }
}
