//! Events that flow while a set is changed, and how many of them its programs may see.

use std::time::Duration;

use anyhow::{Result, ensure};
use bpf_link_tests::CounterMap;
use bpf_link_typed::IterLink;

use crate::fixture::beside::while_sending;
use crate::fixture::traffic::send_packet;
use crate::functions::own::first;
use crate::set::kinds::{self, Kinds, Way};

/// How many events there were, and how often programs of each hook have run.
#[derive(Debug)]
pub(super) struct Events {
    sent: u64,
    seen: Vec<u64>,
}

impl Events {
    /// Updated in place: every event is seen by exactly one version. Replaced beside the old: by
    /// one at least. On a hook that takes one program: by one at most.
    ///
    /// Where nothing was there, what the killed agent had attached may run a little longer.
    pub(super) fn judge(&self, kinds: Kinds, were_there: bool) -> Result<()> {
        ensure!(self.sent > 0);
        let links = kinds.names().into_iter().zip(kinds.ways());
        let counts = self.seen.iter().zip(kinds.per_event());
        for ((name, way), (&seen, per_event)) in links.zip(counts) {
            let sent = self.sent * per_event;
            let is_right = match way {
                Way::InPlace | Way::InPlaceAlone if were_there => seen == sent,
                Way::Beside if were_there => seen >= sent,
                Way::InPlaceAlone | Way::Gap => seen <= sent,
                Way::InPlace | Way::Beside => true,
            };
            ensure!(is_right, "{name}: {self:?}");
        }
        Ok(())
    }
}

/// Sends events until the work is done.
pub(super) fn while_events_flow(
    counters: &[CounterMap; 5],
    elements: Option<&IterLink>,
    work: impl FnOnce() -> Result<()>,
) -> Result<Events> {
    let read = || -> Result<Vec<u64>> { counters.iter().map(CounterMap::read).collect() };
    let event = || {
        first(1);
        let _parent = rustix::process::getppid();
        elements.map_or(Ok(()), kinds::read)?;
        send_packet()?;
        std::thread::sleep(Duration::from_micros(50));
        Ok(())
    };
    let before = read()?;
    let (sent, ()) = while_sending(event, work)?;
    let seen = read()?
        .iter()
        .zip(&before)
        .map(|(now, before)| now - before)
        .collect();
    Ok(Events { sent, seen })
}
