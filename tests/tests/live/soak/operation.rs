//! What is done, and how often it was.

use std::fmt;

/// Something that is done to a place or its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Create,
    Info,
    TypedInfo,
    Update,
    UpdateExpecting,
    UpdateExpectingAnother,
    Pin,
    Move,
    PinWhereItIs,
    PinWhereSomethingIs,
    Unpin,
    Close,
    OpenFromPin,
    OpenById,
    Clone,
    Detach,
    CreateIter,
    Walk,
}

impl Operation {
    pub(super) const ALL: [Self; 18] = [
        Self::Create,
        Self::Info,
        Self::TypedInfo,
        Self::Update,
        Self::UpdateExpecting,
        Self::UpdateExpectingAnother,
        Self::Pin,
        Self::Move,
        Self::PinWhereItIs,
        Self::PinWhereSomethingIs,
        Self::Unpin,
        Self::Close,
        Self::OpenFromPin,
        Self::OpenById,
        Self::Clone,
        Self::Detach,
        Self::CreateIter,
        Self::Walk,
    ];
}

/// How often each was done, and how often it was refused as it had to be.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    done: [u64; Operation::ALL.len()],
    refused: [u64; Operation::ALL.len()],
}

impl Counts {
    pub(super) fn count(&mut self, operation: Operation, is_refused: bool) {
        let counts = if is_refused {
            &mut self.refused
        } else {
            &mut self.done
        };
        if let Some(count) = counts.get_mut(operation as usize) {
            *count += 1;
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        let here = self.done.iter_mut().chain(&mut self.refused);
        let there = other.done.iter().chain(&other.refused);
        here.zip(there).for_each(|(here, there)| *here += there);
    }

    pub(super) fn total(&self) -> u64 {
        self.done.iter().chain(&self.refused).sum()
    }

    /// What was neither done nor refused.
    pub(super) fn never(&self) -> Vec<Operation> {
        self.each()
            .filter(|(_, done, refused)| done + refused == 0)
            .map(|(operation, ..)| operation)
            .collect()
    }

    fn each(&self) -> impl Iterator<Item = (Operation, u64, u64)> {
        let counts = self.done.iter().zip(&self.refused);
        let all = Operation::ALL.into_iter().zip(counts);
        all.map(|(operation, (done, refused))| (operation, *done, *refused))
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:24}{:>10}{:>10}", "operation", "done", "refused")?;
        for (operation, done, refused) in self.each() {
            let name = format!("{operation:?}");
            write!(f, "\n{name:24}{done:>10}{refused:>10}")?;
        }
        Ok(())
    }
}
