//! A counter on each processor, as links of a set.

use std::os::fd::AsFd;

use crate::error::Result;
use crate::kinds::{PerfEventAttach, PerfEventLink, processors};
use crate::set::LinkSet;
use crate::set::entry::SetKey;

/// The links of a counter on each processor:
/// [`LinkSet::add_each_processor`](crate::LinkSet::add_each_processor).
#[derive(Clone, Debug)]
pub struct EachProcessor {
    keys: Vec<(u32, SetKey<PerfEventLink>)>,
}

/// Which processors have come and gone: [`EachProcessor::changes`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessorChanges {
    /// Those that are online now, and were not.
    pub came_online: Vec<u32>,
    /// Those that were online, and are not.
    pub went_offline: Vec<u32>,
}

impl EachProcessor {
    /// The processors, by their numbers, and the keys to their links.
    pub fn keys(&self) -> impl Iterator<Item = (u32, &SetKey<PerfEventLink>)> {
        self.keys.iter().map(|(processor, key)| (*processor, key))
    }

    /// Which processors have come online or gone offline since the links were added. To count on
    /// the new ones, build the set again and apply it.
    ///
    /// A processor that went offline and came back in the meantime is not listed, although its link
    /// no longer counts: the kernel ends the events of a processor that goes offline. On machines
    /// where this happens, apply the set without
    /// [`keep_unreported`](crate::LinkSet::keep_unreported).
    ///
    /// # Errors
    ///
    /// [`Error::File`](crate::Error::File): sysfs does not say which processors are online.
    pub fn changes(&self) -> Result<ProcessorChanges> {
        let online = processors()?;
        let has = |processor| self.keys.iter().any(|(number, _)| *number == processor);
        let gone = self.keys().map(|(processor, _)| processor);
        Ok(ProcessorChanges {
            went_offline: gone
                .filter(|processor| !online.contains(processor))
                .collect(),
            came_online: online
                .iter()
                .copied()
                .filter(|number| !has(*number))
                .collect(),
        })
    }
}

impl ProcessorChanges {
    /// Whether no processor has come or gone.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.came_online.is_empty() && self.went_offline.is_empty()
    }
}

impl<'a> LinkSet<'a> {
    /// Adds a link for each processor that is online, all of one counter and with one program. The
    /// name of each is this prefix and the number of the processor: `cpu0`, `cpu1` and so on.
    ///
    /// ```no_run
    /// use bpf_link_typed::set::Stale;
    /// use bpf_link_typed::{CounterEvent, LinkSet, PerfEventAttach, SoftwareEvent};
    ///
    /// # fn example(program: std::fs::File) -> bpf_link_typed::Result<()> {
    /// let profile = CounterEvent::with_frequency(SoftwareEvent::CpuClock, 99);
    /// let mut set = LinkSet::in_dir("/sys/fs/bpf/agent/profile")
    ///     .create_dir(0o700)
    ///     // Those of processors that have gone offline.
    ///     .remove_stale(Stale::all());
    /// let processors = set.add_each_processor("cpu", PerfEventAttach::to(profile), &program)?;
    /// let applied = set.apply()?;
    /// // Later:
    /// if !processors.changes()?.is_empty() {
    ///     println!("put the set together again, and apply it");
    /// }
    /// applied.stop()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [`EachProcessor::changes`] says which processors have come online since. The report of
    /// [`apply`](Self::apply) says the same of the time since the last run: a link of a processor
    /// that came online was created, and that of one that went offline is stale.
    ///
    /// The kernel does not report the processor, period or frequency of a link, so links are taken
    /// over by name. A link that already runs this program is replaced too, without a gap, unless
    /// [`keep_unreported`](Self::keep_unreported) keeps it.
    ///
    /// # Errors
    ///
    /// With these errors, nothing is added:
    ///
    /// - [`Error::NotACounter`](crate::Error::NotACounter): the options are for something else.
    /// - [`Error::File`](crate::Error::File): sysfs does not say which processors are online.
    /// - What [`add`](Self::add) refuses.
    ///
    /// A processor that goes offline before the set is applied is
    /// [`Error::ProcessorOffline`](crate::Error::ProcessorOffline) (`ENODEV`) there.
    pub fn add_each_processor<P>(
        &mut self,
        prefix: impl AsRef<str>,
        to: PerfEventAttach<'a>,
        program: P,
    ) -> Result<EachProcessor>
    where
        P: AsFd + Clone + Send + Sync + 'a,
    {
        let (prefix, before) = (prefix.as_ref(), self.entries.len());
        let mut add = |(processor, to)| {
            let key = self.add(format!("{prefix}{processor}"), to, program.clone())?;
            Ok((processor, key))
        };
        let keys: Result<_> = to.on_each_processor()?.into_iter().map(&mut add).collect();
        if keys.is_err() {
            self.entries.truncate(before);
        }
        Ok(EachProcessor { keys: keys? })
    }
}
