//! What was added to a set, and the key to what becomes of it.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::attach::position::Position;
use crate::ensure::member::Member;
use crate::error::{Error, Result};
use crate::set::directory::is_temporary;

/// A link of a set.
pub(super) struct Entry<'a> {
    /// The very name that its key has.
    pub(super) name: Arc<str>,
    pub(super) member: Box<dyn Member + 'a>,
    /// Where on the hook it is attached, next to which of the links.
    pub(super) place: Option<Position<usize>>,
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("name", &self.name)
            .field("kind", &self.member.kind())
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// The key to a link that was added to a set: [`Applied::get`](crate::set::Applied::get) takes it
/// once the set is applied.
pub struct SetKey<L> {
    name: Arc<str>,
    link: PhantomData<fn() -> L>,
}

impl<L> SetKey<L> {
    pub(super) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            link: PhantomData,
        }
    }

    /// Whether it is the key to the link with this name; that of another set is not, even if that
    /// has a link of the same name.
    pub(super) fn is_to(&self, name: &Arc<str>) -> bool {
        Arc::ptr_eq(&self.name, name)
    }

    /// The name of the link.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl<L> Clone for SetKey<L> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            link: PhantomData,
        }
    }
}

impl<L> fmt::Debug for SetKey<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SetKey").field(&self.name).finish()
    }
}

/// Refuses what cannot be the name of a pin, or would pass for a temporary one.
pub(super) fn check_name(name: &str) -> Result<()> {
    let is_name = !name.is_empty()
        && !name.contains(['/', '.', '\0'])
        && !is_temporary(name.as_ref())
        // With room for the ends of temporary names.
        && name.len() <= LONGEST;
    if is_name {
        Ok(())
    } else {
        Err(Error::SetName {
            name: name.to_owned(),
        })
    }
}

/// How long a name may be: 255 bytes less what the names of temporary pins have more.
const LONGEST: usize = 232;
