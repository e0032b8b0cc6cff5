//! What tests of all kinds need to know of each.

use bpf_link::LinkKind;

use crate::harness::Need;
use crate::soak::places::MakePlace;
use crate::suites::golden::Case;

/// A kind, for tests that go over all of them.
pub(crate) struct KindTests {
    pub(crate) kind: LinkKind,
    /// What a kernel needs to have such links.
    pub(crate) needs: &'static [Need],
    /// The sorts of its links. The first is in the way of no other kind's first.
    pub(crate) cases: &'static [Case],
    /// The operations that its type does not have, of those that not every kind has.
    pub(crate) has_no: &'static [&'static str],
    /// Makes a place for such a link.
    pub(crate) place: MakePlace,
    also_to_soak: &'static [Need],
}

impl KindTests {
    pub(crate) const fn new(
        kind: LinkKind,
        needs: &'static [Need],
        cases: &'static [Case],
        has_no: &'static [&'static str],
        place: MakePlace,
    ) -> Self {
        Self {
            kind,
            needs,
            cases,
            has_no,
            place,
            also_to_soak: &[],
        }
    }

    /// Says what the soak test needs beyond what the kind does.
    pub(crate) const fn soaks_with(self, also_to_soak: &'static [Need]) -> Self {
        Self {
            also_to_soak,
            ..self
        }
    }

    /// All that the soak test needs.
    pub(crate) fn needs_to_soak(&self) -> impl Iterator<Item = &'static Need> {
        self.needs.iter().chain(self.also_to_soak)
    }
}
