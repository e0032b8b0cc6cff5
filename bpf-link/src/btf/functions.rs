//! The functions among types, by number and by name.

use std::sync::Arc;

use super::types::{FUNC, Malformed, Types, string};

/// The functions of one description, and those of the base that it refers to.
///
/// Only their numbers and the names are kept, not the types.
#[derive(Debug)]
pub(crate) struct Functions {
    /// The number of each, and where its name is; in the order of the numbers.
    own: Vec<(u32, u32)>,
    strings: Box<[u8]>,
    strings_start: u32,
    /// The number of the first type of this description.
    first_id: u32,
    /// The number of the first type of one that refers to this.
    next_id: u32,
    base: Option<Arc<Self>>,
}

impl Functions {
    /// Goes over all types once.
    pub(crate) fn read(bytes: &[u8], base: Option<Arc<Self>>) -> Result<Self, Malformed> {
        let first_id = base.as_ref().map_or(1, |base| base.next_id);
        let strings_start = match &base {
            Some(base) => base.strings_end().ok_or(Malformed)?,
            None => 0,
        };
        let mut types = Types::after(bytes, first_id, strings_start)?;
        let mut own = Vec::new();
        for found in &mut types {
            let found = found?;
            if found.kind == FUNC {
                own.push((found.id, found.name_at));
            }
        }
        Ok(Self {
            own,
            strings: types.strings.into(),
            strings_start,
            first_id,
            next_id: types.next_id(),
            base,
        })
    }

    /// Those of this description without the base's, in the order of their numbers. Functions
    /// without a name, or with one that is not UTF-8, are left out.
    pub(crate) fn own(&self) -> impl Iterator<Item = (u32, &str)> {
        let named = |(id, name_at): &(u32, u32)| Some((*id, self.name(*name_at)?));
        self.own.iter().filter_map(named)
    }

    /// The name of the function with this number, here or in the base.
    pub(crate) fn name_of(&self, id: u32) -> Option<&str> {
        if id < self.first_id {
            return self.base.as_ref()?.name_of(id);
        }
        let place = self.own.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        let (_, name_at) = self.own.get(place)?;
        self.name(*name_at)
    }

    fn name(&self, at: u32) -> Option<&str> {
        let name = match at.checked_sub(self.strings_start) {
            Some(at) => string(&self.strings, at)?,
            None => return self.base.as_ref()?.name(at),
        };
        let name = std::str::from_utf8(name).ok()?;
        (!name.is_empty()).then_some(name)
    }

    fn strings_end(&self) -> Option<u32> {
        let len = u32::try_from(self.strings.len()).ok()?;
        self.strings_start.checked_add(len)
    }
}

#[cfg(test)]
mod tests {
    use super::super::types::tests::description;
    use super::*;

    /// The same bytes as a module's, on top of those: an integer, a structure, a function.
    #[test]
    fn functions_of_a_module_come_after_those_of_its_base() {
        let bytes = description();
        let base = Arc::new(Functions::read(&bytes, None).expect("it is whole"));
        assert_eq!(base.own().collect::<Vec<_>>(), [(3, "call")]);
        let mut module = bytes;
        // Its names begin after the base's 15 bytes, but for the function's, which is the base's.
        for (at, name) in [(24, 16_u32), (40, 20), (76, 10)] {
            let word = module.get_mut(at..at + 4).expect("it is longer");
            word.copy_from_slice(&name.to_ne_bytes());
        }
        let module = Functions::read(&module, Some(base)).expect("it is whole");
        assert_eq!(module.own().collect::<Vec<_>>(), [(6, "call")]);
        assert_eq!(
            [0, 3, 5, 6, 7, u32::MAX].map(|id| module.name_of(id)),
            [None, Some("call"), None, Some("call"), None, None]
        );
    }

    #[test]
    fn what_is_cut_is_refused() {
        let whole = description();
        for len in 0..whole.len() {
            let cut = whole.get(..len).expect("it is shorter");
            assert_eq!(
                Functions::read(cut, None).err(),
                Some(Malformed),
                "{len} bytes"
            );
        }
    }
}
