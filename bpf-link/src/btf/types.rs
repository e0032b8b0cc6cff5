//! Types in the format in which the kernel describes its own (BTF), one after the other.
//!
//! Any bytes are read without a panic. Bytes that are cut, or have a kind of type that this release
//! does not know, whose length it cannot know either, are an error and not the end.

/// Where the header has what, in bytes (`struct btf_header`).
const HEADER_LEN: usize = 4;
const TYPE_OFF: usize = 8;
const TYPE_LEN: usize = 12;
const STR_OFF: usize = 16;
const STR_LEN: usize = 20;
const MAGIC: u16 = 0xeb9f;
/// A type's name, kind and length, and a size or another type (`struct btf_type`), before what its
/// kind has besides.
pub(super) const TYPE_SIZE: usize = 12;
/// A member's name, type and place (`struct btf_member`).
pub(super) const MEMBER_SIZE: usize = 12;

/// `BTF_KIND_INT`
pub(super) const INTEGER: u32 = 1;
/// `BTF_KIND_PTR`
pub(super) const POINTER: u32 = 2;
/// `BTF_KIND_ARRAY`
pub(super) const ARRAY: u32 = 3;
/// `BTF_KIND_STRUCT`
pub(crate) const STRUCT: u32 = 4;
/// `BTF_KIND_UNION`
pub(super) const UNION: u32 = 5;
/// `BTF_KIND_ENUM`
pub(super) const ENUM: u32 = 6;
/// `BTF_KIND_FUNC`
pub(crate) const FUNC: u32 = 12;
/// `BTF_KIND_FUNC_PROTO`
pub(super) const PROTOTYPE: u32 = 13;
/// `BTF_KIND_ENUM64`
pub(super) const ENUM64: u32 = 19;

/// All types of one description.
#[derive(Clone, Debug)]
pub(crate) struct Types<'a> {
    rest: &'a [u8],
    /// Those of this description; where there is a base, its own are before them.
    pub(super) strings: &'a [u8],
    strings_start: u32,
    /// How many bytes of them end in a NUL: a name that begins in these ends in them.
    names_len: usize,
    next_id: u32,
}

/// A type.
#[derive(Clone, Copy)]
pub(crate) struct Type<'a> {
    /// Its number in this description.
    pub(crate) id: u32,
    /// What sort of type it is (`BTF_KIND_*`).
    pub(crate) kind: u32,
    /// Its name, a NUL, and other names; empty if the name is among those of the base.
    name: &'a [u8],
    /// Where the name is among all names.
    pub(super) name_at: u32,
    /// All of it.
    pub(super) bytes: &'a [u8],
}

/// The bytes are not a description of types, or not one that this release can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("types in a format that this release does not know")]
pub(crate) struct Malformed;

impl<'a> Types<'a> {
    /// Begins with the first. What is wrong with the bytes may show later only.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, Malformed> {
        // 0 is `void`, which is not listed.
        Self::after(bytes, 1, 0)
    }

    /// Types that refer to those of a base, such as a module's: the first of them has this number,
    /// and so many bytes of names are before theirs.
    pub(super) fn after(
        bytes: &'a [u8],
        first_id: u32,
        strings_start: u32,
    ) -> Result<Self, Malformed> {
        let magic = bytes.first_chunk().ok_or(Malformed)?;
        if u16::from_ne_bytes(*magic) != MAGIC {
            return Err(Malformed);
        }
        let part = |offset, len| {
            let (offset, len) = (size(bytes, offset)?, size(bytes, len)?);
            let start = size(bytes, HEADER_LEN)?.checked_add(offset)?;
            bytes.get(start..start.checked_add(len)?)
        };
        let strings = part(STR_OFF, STR_LEN).ok_or(Malformed)?;
        let last = strings.iter().rposition(|byte| *byte == 0);
        Ok(Self {
            rest: part(TYPE_OFF, TYPE_LEN).ok_or(Malformed)?,
            strings,
            strings_start,
            names_len: last.map_or(0, |last| last + 1),
            next_id: first_id,
        })
    }

    fn read(&mut self) -> Option<Type<'a>> {
        let [name_at, info] = [word(self.rest, 0)?, word(self.rest, 4)?];
        let kind = info >> 24 & 0x1f;
        let members = (info & 0xffff) as usize;
        // How many bytes follow, by the number of the kind.
        let more = match kind {
            // An integer, a variable, a tag of a declaration.
            INTEGER | 14 | 17 => 4,
            // An array.
            ARRAY => 12,
            // The members of a structure and of a union, of a section, of an enumeration of 64
            // bits.
            STRUCT | UNION | 15 | ENUM64 => MEMBER_SIZE * members,
            // The members of an enumeration, the arguments of a function.
            ENUM | PROTOTYPE => 8 * members,
            // A pointer, what is declared only, a typedef, three qualifiers, a function, a number,
            // a tag of a type.
            POINTER | 7..=FUNC | 16 | 18 => 0,
            _ => return None,
        };
        let (bytes, rest) = self.rest.split_at_checked(TYPE_SIZE + more)?;
        self.rest = rest;
        let id = self.next_id;
        self.next_id = id.checked_add(1)?;
        let name = match name_at.checked_sub(self.strings_start) {
            Some(at) => self
                .names()
                .get(at as usize..)
                .filter(|name| !name.is_empty())?,
            None => &[],
        };
        Some(Type {
            id,
            kind,
            name,
            name_at,
            bytes,
        })
    }

    /// Names, each of which ends in a NUL.
    pub(super) fn names(&self) -> &'a [u8] {
        self.strings.get(..self.names_len).unwrap_or_default()
    }

    /// The number of the next type: after the last, of the first that is added to these.
    pub(super) fn next_id(&self) -> u32 {
        self.next_id
    }
}

/// The name that begins at this offset, without its NUL.
pub(super) fn string(strings: &[u8], at: u32) -> Option<&[u8]> {
    let rest = strings.get(at as usize..)?;
    rest.get(..rest.iter().position(|byte| *byte == 0)?)
}

/// Ends after an error.
impl<'a> Iterator for Types<'a> {
    type Item = Result<Type<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let read = self.read();
        if read.is_none() {
            self.rest = &[];
        }
        Some(read.ok_or(Malformed))
    }
}

impl<'a> Type<'a> {
    /// The type that a pointer, a typedef or a qualifier refers to; the size of other types.
    pub(super) fn refers_to(&self) -> Option<u32> {
        word(self.bytes, 8)
    }

    /// The type that this only renames or qualifies: it is a typedef, one of three qualifiers, or a
    /// tag of a type.
    pub(super) fn stands_for(&self) -> Option<u32> {
        let is_alias = matches!(self.kind, 8..=11 | 18);
        self.refers_to().filter(|_| is_alias)
    }

    /// Its name, without a NUL; empty for an unnamed type, and for a name that is in the base.
    pub(crate) fn name(&self) -> &'a [u8] {
        let mut names = self.name.split(|byte| *byte == 0);
        names.next().unwrap_or_default()
    }

    /// Whether that is its name.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        is_named(self.name, name)
    }
}

impl std::fmt::Debug for Type<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Type")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("name", &self.name().escape_ascii().to_string())
            .finish_non_exhaustive()
    }
}

/// Whether the first of these names is this one.
pub(super) fn is_named(names: &[u8], name: &str) -> bool {
    let name = name.as_bytes();
    // Nearly all differ in the first byte, which is faster to compare alone.
    let is_alike = name.is_empty() || names.first() == name.first();
    is_alike && names.strip_prefix(name).and_then(<[u8]>::first) == Some(&0)
}

/// The four bytes at this offset.
pub(super) fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    let bytes = bytes.get(offset..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*bytes))
}

fn size(bytes: &[u8], offset: usize) -> Option<usize> {
    Some(word(bytes, offset)? as usize)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An integer, a structure of two members, a function.
    pub(in super::super) fn description() -> Vec<u8> {
        const NAMES: &[u8] = b"\0int\0pair\0call\0";
        let int = [1, 1 << 24, 4, 32];
        let pair = [5, 4 << 24 | 2, 8, 0, 1, 0, 0, 1, 32];
        let call = [10, FUNC << 24, 1];
        describe(&[&int[..], &pair, &call].concat(), NAMES)
    }

    /// A description of these types and names.
    pub(in super::super) fn describe(types: &[u32], names: &[u8]) -> Vec<u8> {
        let len = |bytes: usize| u32::try_from(bytes).expect("some dozens");
        let (type_len, names_len) = (len(size_of_val(types)), len(names.len()));
        let header = [24, 0, type_len, type_len, names_len];
        let mut bytes = MAGIC.to_ne_bytes().to_vec();
        bytes.extend([1, 0]);
        bytes.extend(
            header
                .iter()
                .chain(types)
                .flat_map(|word| word.to_ne_bytes()),
        );
        bytes.extend(names);
        bytes
    }

    #[test]
    fn types_are_read() {
        let bytes = description();
        let types = Types::new(&bytes)
            .expect("a header")
            .map(|found| found.map(|found| (found.id, found.kind, found.name(), found.name_at)));
        let expected = [
            (1, 1, &b"int"[..], 1),
            (2, STRUCT, b"pair", 5),
            (3, FUNC, b"call", 10),
        ];
        assert!(types.eq(expected.map(Ok)));
    }

    #[test]
    fn cut_or_changed_bytes_do_not_panic() {
        let whole = description();
        for len in 0..whole.len() {
            // The strings come last: where they are cut, so is what the header says of them.
            let cut = whole.get(..len).expect("it is shorter");
            assert_eq!(Types::new(cut).err(), Some(Malformed), "{len} bytes");
        }
        for place in 0..whole.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = whole.clone();
                if let Some(byte) = changed.get_mut(place) {
                    *byte = value;
                }
                if let Ok(types) = Types::new(&changed) {
                    assert!(types.count() <= whole.len());
                }
            }
        }
    }

    #[test]
    fn an_unknown_kind_is_an_error_and_the_last() {
        let mut bytes = description();
        // The second type follows the header and the four words of the first; its kind follows its
        // name.
        if let Some(word) = bytes.get_mut(24 + 16 + 4..24 + 16 + 8) {
            word.copy_from_slice(&(31_u32 << 24).to_ne_bytes());
        }
        let types: Vec<_> = Types::new(&bytes).expect("a header").collect();
        assert!(
            matches!(types.as_slice(), [Ok(_), Err(Malformed)]),
            "{types:?}"
        );
    }
}
