//! Types by number, and what structures have in them by name.

use super::types::{
    ARRAY, ENUM, ENUM64, INTEGER, MEMBER_SIZE, Malformed, POINTER, STRUCT, TYPE_SIZE, Type, Types,
    UNION, is_named, word,
};

/// Types that are looked up by their numbers, and what structures have in them.
#[derive(Debug)]
pub(crate) struct Index<'a> {
    /// What is left before each `STRIDE`th type.
    every: Vec<Types<'a>>,
}

/// A member of a structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// How many bytes after the beginning of the structure it begins.
    pub(crate) offset: u32,
    /// The number of its type.
    pub(crate) type_id: u32,
}

impl<'a> Index<'a> {
    const STRIDE: u32 = 64;
    /// How many typedefs and qualifiers there are on the way to a type, at most.
    const NAMES: u32 = 32;
    /// How many members are looked at for one name, at most: those of anonymous structures inside
    /// count. The kernel's `task_struct` has some hundreds.
    const MEMBERS: u32 = 10_000;
    /// How deep structures without a name are in each other, at most.
    const DEPTH: u32 = 8;

    /// Goes over all types once, and shows each.
    pub(crate) fn new(
        mut types: Types<'a>,
        mut show: impl FnMut(&Type<'a>),
    ) -> Result<Self, Malformed> {
        let mut every = Vec::new();
        loop {
            if types.next_id() % Self::STRIDE == 1 {
                every.push(types.clone());
            }
            match types.next() {
                Some(found) => show(&found?),
                None => return Ok(Self { every }),
            }
        }
    }

    /// The type with this number.
    pub(crate) fn get(&self, id: u32) -> Option<Type<'a>> {
        let before = id.checked_sub(1)?;
        let mut types = self.every.get((before / Self::STRIDE) as usize)?.clone();
        types.nth((before % Self::STRIDE) as usize)?.ok()
    }

    /// What the type with this number is, whatever it is called, and however it is qualified.
    pub(crate) fn resolve(&self, id: u32) -> Option<Type<'a>> {
        let mut found = self.get(id)?;
        for _ in 0..Self::NAMES {
            match found.stands_for() {
                Some(id) => found = self.get(id)?,
                None => return Some(found),
            }
        }
        None
    }

    /// The length of an array of characters, in bytes; `None` for any other type.
    pub(crate) fn bytes_of_array(&self, id: u32) -> Option<u32> {
        let array = self.resolve(id).filter(|found| found.kind == ARRAY)?;
        let element = self.resolve(word(array.bytes, TYPE_SIZE)?)?;
        let is_byte = element.kind == INTEGER && element.refers_to() == Some(1);
        word(array.bytes, TYPE_SIZE + 8).filter(|_| is_byte)
    }

    /// What a pointer points to; `None` if the type with this number is not a pointer.
    #[allow(dead_code, reason = "only snapshots ask")]
    pub(crate) fn pointee(&self, id: u32) -> Option<Type<'a>> {
        let pointer = self.resolve(id).filter(|found| found.kind == POINTER)?;
        self.resolve(pointer.refers_to()?)
    }

    /// How many bytes a number or a pointer takes; `None` for any other type.
    #[allow(dead_code, reason = "only snapshots ask")]
    pub(crate) fn scalar_size(&self, id: u32) -> Option<u32> {
        let found = self.resolve(id)?;
        match found.kind {
            POINTER => Some(8),
            // An integer: which of its bits count comes after its size, beside whether it has a
            // sign.
            INTEGER => {
                let bits = word(found.bytes, TYPE_SIZE)? & 0x00ff_ffff;
                found
                    .refers_to()
                    .filter(|size| size.checked_mul(8) == Some(bits))
            }
            // Enumerations.
            ENUM | ENUM64 => found.refers_to(),
            _ => None,
        }
    }

    /// A member of a structure, by its name; with dots, a member of a member. Members of anonymous
    /// structures and unions inside are found, too; parts of bytes are not.
    pub(crate) fn member(&self, structure: &Type<'a>, path: &str) -> Option<Member> {
        let mut inside = *structure;
        let mut offset = 0_u32;
        let mut found = None;
        for name in path.split('.') {
            if let Some(Member { type_id, .. }) = found {
                inside = self.resolve(type_id)?;
            }
            let mut left = Self::MEMBERS;
            let member = self.member_named(&inside, name, &mut left, Self::DEPTH)?;
            offset = offset.checked_add(member.offset)?;
            found = Some(Member { offset, ..member });
        }
        found
    }

    fn member_named(
        &self,
        structure: &Type<'a>,
        name: &str,
        left: &mut u32,
        depth: u32,
    ) -> Option<Member> {
        if !matches!(structure.kind, STRUCT | UNION) || depth == 0 {
            return None;
        }
        let names = self.every.first()?.names();
        let has_sizes = word(structure.bytes, 4)? >> 31 == 1;
        for member in structure.bytes.get(TYPE_SIZE..)?.chunks_exact(MEMBER_SIZE) {
            *left = left.checked_sub(1)?;
            let [at, type_id, place] = [word(member, 0)?, word(member, 4)?, word(member, 8)?];
            let found = names.get(at as usize..)?;
            let is_anonymous = found.first() == Some(&0);
            if !is_anonymous && !is_named(found, name) {
                continue;
            }
            let (bits, bits_taken) = if has_sizes {
                (place & 0x00ff_ffff, place >> 24)
            } else {
                (place, 0)
            };
            let is_whole = bits_taken == 0 && bits % 8 == 0;
            let member = Member {
                offset: bits / 8,
                type_id,
            };
            if !is_anonymous {
                return is_whole.then_some(member);
            }
            let Some(inner) = self.resolve(type_id).filter(|_| is_whole) else {
                continue;
            };
            if let Some(found) = self.member_named(&inner, name, left, depth - 1) {
                return Some(Member {
                    offset: member.offset.checked_add(found.offset)?,
                    ..found
                });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::types::tests::describe;
    use super::*;

    #[test]
    fn members_are_found_where_they_are() {
        const NAMES: &[u8] = b"\0a\0b\0c\0d\0e\0";
        /// The offsets have the sizes of parts of bytes with them.
        const SIZES: u32 = 1 << 31;
        const A: u32 = 1;
        const B: u32 = 3;
        const C: u32 = 5;
        const D: u32 = 7;
        const E: u32 = 9;
        let types: Vec<u32> = [
            // 1: a signed integer of 4 bytes. 2: a byte, of which 7 bits count.
            &[0, 1 << 24, 4, 1 << 24 | 32][..],
            &[0, 1 << 24, 1, 7],
            // 3: a pointer to 6. 4: a typedef of 5. 5: what is constant, of 1.
            &[0, 2 << 24, 6],
            &[A, 8 << 24, 5],
            &[0, 10 << 24, 1],
            // 6: a structure of a, a part of a byte b, and without a name, 7.
            &[B, SIZES | STRUCT << 24 | 3, 24],
            &[A, 4, 0, B, 1, 3 << 24 | 32, 0, 7, 64],
            // 7: a union of c, and d, which is 8.
            &[0, UNION << 24 | 2, 16, C, 3, 0, D, 8, 64],
            // 8: a structure of e, and of itself without a name.
            &[0, STRUCT << 24 | 2, 8, E, 1, 32, 0, 8, 0],
        ]
        .concat();
        let bytes = describe(&types, NAMES);
        let index = Index::new(Types::new(&bytes).expect("a header"), |_| {}).expect("types");
        let structure = index.get(6).expect("the sixth");
        let member = |path| {
            let member = index.member(&structure, path)?;
            Some((member.offset, member.type_id))
        };
        assert_eq!(member("a"), Some((0, 4)));
        assert_eq!(member("c"), Some((8, 3)));
        assert_eq!(member("d"), Some((16, 8)));
        assert_eq!(member("d.e"), Some((20, 1)));
        for path in ["b", "e", "a.b", "d.d", "d.", "", "."] {
            assert_eq!(member(path), None, "{path}");
        }
        let sizes = [1, 2, 3, 4, 5, 6, 9].map(|id| index.scalar_size(id));
        assert_eq!(
            sizes,
            [Some(4), None, Some(8), Some(4), Some(4), None, None]
        );
        assert_eq!(index.pointee(3).map(|found| found.id), Some(6));
        assert!(index.pointee(1).is_none() && index.get(0).is_none());
    }

    #[test]
    fn what_refers_to_itself_has_an_end() {
        // A typedef of itself, and a structure of many of itself.
        let mut types = vec![0, 8 << 24, 1, 0, STRUCT << 24 | 0xffff, 0];
        types.extend(std::iter::repeat_n([0, 2, 0], 0xffff).flatten());
        let bytes = describe(&types, b"\0");
        let index = Index::new(Types::new(&bytes).expect("a header"), |_| {}).expect("types");
        assert!(index.resolve(1).is_none() && index.scalar_size(1).is_none());
        let structure = index.get(2).expect("the second");
        assert!(index.member(&structure, "a").is_none());
    }
}
