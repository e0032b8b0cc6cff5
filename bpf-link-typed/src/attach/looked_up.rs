//! Names that attempts to attach look up.

use std::sync::OnceLock;

use crate::error::Result;

/// Something that an attempt to attach looks up, either in each attempt or once for all attempts of
/// a run.
///
/// A run may try many times until a hook is free, and nothing is attached in the meantime. So slow
/// lookups must not be repeated.
#[derive(Clone, Debug)]
pub(crate) struct LookedUp<T>(Option<OnceLock<T>>);

impl<T> Default for LookedUp<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Clone> LookedUp<T> {
    pub(crate) fn once() -> Self {
        Self(Some(OnceLock::new()))
    }

    /// The result, which is looked up if it is not known yet. Errors are not kept.
    pub(crate) fn get(&self, look_up: impl FnOnce() -> Result<T>) -> Result<T> {
        let Some(once) = &self.0 else {
            return look_up();
        };
        if let Some(found) = once.get() {
            return Ok(found.clone());
        }
        let found = look_up()?;
        Ok(once.get_or_init(|| found).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn a_run_looks_up_once() {
        for (looked_up, expected) in [(LookedUp::default(), [1, 2]), (LookedUp::once(), [1, 1])] {
            let mut count = 0;
            let refused = looked_up.get(|| Err(Error::ShortInfo { len: 0 }));
            assert!(refused.is_err());
            let found = [(); 2].map(|()| {
                looked_up
                    .get(|| {
                        count += 1;
                        Ok(count)
                    })
                    .expect("it is found")
            });
            assert_eq!(found, expected);
        }
    }
}
