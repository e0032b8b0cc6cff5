//! Which packets were counted, and by whom.

use std::ops::Range;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use bpf_link_clients::hooks::{HOOKS, Packet, Way};
use bpf_link_tests::{Map, pins};

use crate::traffic::Number;

/// A hook: its name, and how its link comes to run another program.
pub(crate) type Hook = (&'static str, Way);

/// How often a packet was counted on a hook, by each version of the agent.
pub(crate) type Times = [u32; 2];

/// The map that the programs count in.
pub(crate) struct Counted(Map);

impl Counted {
    /// Opens the one that the agents pin in this directory.
    pub(crate) fn open(maps: &Path) -> Result<Self> {
        Ok(Self(pins::open(&maps.join("packets"))?.into()))
    }

    /// On each hook, each packet was counted as it has to be.
    pub(crate) fn ensure(
        &self,
        packets: Range<Number>,
        rule: impl Fn(Hook, Times) -> bool,
    ) -> Result<()> {
        ensure!(!packets.is_empty(), "no packets");
        for number in packets.clone() {
            for (hook, times) in HOOKS.into_iter().zip(self.packet(number)?) {
                ensure!(
                    rule(hook, times),
                    "{}: packet {number} of {packets:?} was counted {times:?} times, by each version",
                    hook.0
                );
            }
        }
        Ok(())
    }

    /// On each hook, the new version has taken over from the old one once and for all.
    pub(crate) fn ensure_upgraded(&self, packets: Range<Number>) -> Result<()> {
        for (index, (hook, _)) in HOOKS.into_iter().enumerate() {
            let mut taken_over = None;
            for number in packets.clone() {
                let [_, new] = self.packet(number)?[index];
                if new > 0 {
                    taken_over = taken_over.or(Some(number));
                } else {
                    ensure!(
                        taken_over.is_none(),
                        "{hook}: the old version has counted {number}, and the new one {taken_over:?}"
                    );
                }
            }
            ensure!(
                taken_over.is_some(),
                "{hook}: the new version counts nothing"
            );
        }
        Ok(())
    }

    fn packet(&self, number: Number) -> Result<Packet> {
        let bytes = self.0.lookup(&u32::from(number).to_ne_bytes())?;
        let (counts, rest) = bytes.as_chunks::<4>();
        ensure!(rest.is_empty(), "{} bytes", bytes.len());
        let mut counts = counts.iter().map(|count| u32::from_ne_bytes(*count));
        let mut packet = Packet::default();
        for count in packet.as_flattened_mut() {
            *count = counts.next().context("too few counters")?;
        }
        ensure!(counts.next().is_none(), "too many counters");
        Ok(packet)
    }
}

/// Once, by this version, and not by the other.
pub(crate) fn once(version: usize) -> impl Fn(Hook, Times) -> bool {
    move |_, times| times[version] == 1 && times[1 - version] == 0
}

/// Never.
pub(crate) fn never(_: Hook, times: Times) -> bool {
    times == [0, 0]
}

/// At most once: the programs come or go meanwhile.
pub(crate) fn at_most_once(_: Hook, times: Times) -> bool {
    times.iter().sum::<u32>() <= 1
}

/// One agent takes over from another meanwhile, in these versions: once where a link is updated; by
/// one of the two or by both where one link takes the place of another.
pub(crate) fn handed_over([from, to]: [usize; 2]) -> impl Fn(Hook, Times) -> bool {
    move |(_, way), times| {
        let [sum, most] = [times.iter().sum(), times.iter().copied().max().unwrap_or(0)];
        let is_of_these = from != to || times[1 - to] == 0;
        is_of_these
            && match way {
                Way::InPlace => sum == 1,
                // Neither counts it twice.
                Way::Overlap if from != to => sum >= 1 && most == 1,
                Way::Overlap => sum == 1 || sum == 2,
            }
    }
}
