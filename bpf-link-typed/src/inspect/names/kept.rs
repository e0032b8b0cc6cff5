//! Answers that are kept.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// What was asked for, and what was found.
#[derive(Debug)]
pub(super) struct Kept<K, V>(Mutex<Answers<K, V>>);

#[derive(Debug)]
struct Answers<K, V> {
    /// Those that were asked for since the last refresh, found or not.
    current: HashMap<K, Option<V>>,
    /// Those that were found between the two refreshes before.
    previous: HashMap<K, V>,
}

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self(Mutex::new(Answers {
            current: HashMap::new(),
            previous: HashMap::new(),
        }))
    }
}

impl<K: Copy + Eq + Hash, V: Clone> Kept<K, V> {
    /// Returns the answer that was kept for this key, or calls `ask` and keeps what it returns.
    ///
    /// If two threads ask for the same key at once, both get the answer that comes first.
    pub(super) fn get(&self, key: K, ask: impl FnOnce() -> Option<V>) -> Option<V> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let mut answers = lock();
            let Answers { current, previous } = &mut *answers;
            if let Some(known) = current.get(&key) {
                return known.clone();
            }
            if let Some(known) = previous.remove(&key) {
                current.insert(key, Some(known.clone()));
                return Some(known);
            }
        }
        // Nothing is locked while the kernel is asked.
        let answer = ask();
        lock().current.entry(key).or_insert(answer).clone()
    }

    /// Keeps what was found and asked for since the last refresh. Forgets the rest, so that what is
    /// gone does not stay for ever, and what was refused is asked for again.
    pub(super) fn refresh(&mut self) {
        let answers = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        let asked_for = answers.current.drain();
        answers.previous = asked_for
            .filter_map(|(key, answer)| Some((key, answer?)))
            .collect();
    }

    /// Forgets all answers.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(kept: &Kept<u32, u32>, answer: Option<u32>) -> Option<u32> {
        kept.get(1, || answer)
    }

    #[test]
    fn an_answer_is_kept_while_it_is_asked_for() {
        let mut kept = Kept::default();
        assert_eq!(answer(&kept, Some(7)), Some(7));
        for _ in 0..3 {
            assert_eq!(answer(&kept, Some(8)), Some(7));
            kept.refresh();
        }
        assert_eq!(answer(&kept, Some(8)), Some(7));
        kept.refresh();
        kept.refresh();
        assert_eq!(answer(&kept, Some(8)), Some(8));
        kept.forget();
        assert_eq!(answer(&kept, Some(9)), Some(9));
    }

    #[test]
    fn what_was_not_found_is_asked_for_again_after_a_refresh() {
        let mut kept = Kept::default();
        assert_eq!(answer(&kept, None), None);
        assert_eq!(answer(&kept, Some(7)), None);
        kept.refresh();
        assert_eq!(answer(&kept, Some(7)), Some(7));
    }

    /// The inner call is what another thread does while this one asks.
    #[test]
    fn an_answer_that_comes_second_does_not_replace_the_first() {
        let kept = Kept::default();
        let second = kept.get(1, || {
            assert_eq!(answer(&kept, Some(7)), Some(7));
            None
        });
        assert_eq!(second, Some(7));
        assert_eq!(answer(&kept, None), Some(7));
    }
}
