//! The functions in the kernel's format for types, as its documentation describes it
//! (`bpf/btf.rst`).
//!
//! Only what is asked for is read: of each type the place where it begins, and the names of
//! functions. Every place is checked against the end of the data.

/// `BTF_KIND_FUNC`
const FUNCTION: u32 = 12;
const MAGIC: u16 = 0xeb9f;
/// A type's name, what it is, and its size or what it refers to.
const TYPE: usize = 12;

/// The types of one BTF object.
pub(super) struct Types {
    data: Vec<u8>,
    /// Where each type begins.
    places: Vec<u32>,
    /// The number of the first one.
    first: u32,
    strings: Strings,
}

#[derive(Clone, Copy)]
struct Strings {
    at: usize,
    len: usize,
    /// What the first one counts as: those of the base are before it.
    first: usize,
}

impl Types {
    /// Reads a BTF object, which may refer to the types of another one. `None` if it is not one, or
    /// of a later format.
    pub(super) fn parse(data: Vec<u8>, base: Option<&Self>) -> Option<Self> {
        if data.get(..2)? != MAGIC.to_ne_bytes() {
            return None;
        }
        let field = |at| u32_at(&data, at).map(|field| field as usize);
        let header_len = field(4)?;
        let types_at = header_len.checked_add(field(8)?)?;
        let types_end = types_at.checked_add(field(12)?)?;
        let strings = Strings {
            at: header_len.checked_add(field(16)?)?,
            len: field(20)?,
            first: base.map_or(0, |base| base.strings.first + base.strings.len),
        };
        data.get(strings.at..strings.at.checked_add(strings.len)?)?;
        let places = places(data.get(..types_end)?, types_at)?;
        let first = match base {
            // The number 0 is that of void, which is not in the data.
            None => 1,
            Some(base) => base
                .first
                .checked_add(u32::try_from(base.places.len()).ok()?)?,
        };
        Some(Self {
            data,
            places,
            first,
            strings,
        })
    }

    /// The name of the function with this number, here or in the base.
    pub(super) fn function<'a>(&'a self, id: u32, base: Option<&'a Self>) -> Option<&'a str> {
        let Some(index) = id.checked_sub(self.first) else {
            return base?.function(id, None);
        };
        let at = *self.places.get(index as usize)? as usize;
        let info = u32_at(&self.data, at.checked_add(4)?)?;
        if kind(info) != FUNCTION {
            return None;
        }
        let name = u32_at(&self.data, at)? as usize;
        let name = match name.checked_sub(self.strings.first) {
            Some(offset) => self.string(offset),
            None => base?.string(name),
        };
        name.filter(|name| !name.is_empty())
    }

    fn string(&self, offset: usize) -> Option<&str> {
        let Strings { at, len, .. } = self.strings;
        let string = self.data.get(at..at + len)?.get(offset..)?;
        let end = string.iter().position(|byte| *byte == 0)?;
        std::str::from_utf8(string.get(..end)?).ok()
    }
}

/// Where the types begin that are from here to the end; `None` if one of them is of no known kind,
/// or cut off.
fn places(data: &[u8], mut at: usize) -> Option<Vec<u32>> {
    let mut places = Vec::new();
    while at < data.len() {
        places.push(u32::try_from(at).ok()?);
        let info = u32_at(data, at.checked_add(4)?)?;
        at = at.checked_add(TYPE)?.checked_add(more(info)?)?;
    }
    (at == data.len()).then_some(places)
}

/// How many bytes a type has behind the part that all have.
fn more(info: u32) -> Option<usize> {
    let members = (info & 0xffff) as usize;
    Some(match kind(info) {
        // Pointers, forward declarations, typedefs and qualifiers, functions, floats, tags of
        // types.
        2 | 7..=12 | 16 | 18 => 0,
        // Integers, variables, tags of declarations.
        1 | 14 | 17 => 4,
        // Arrays.
        3 => 12,
        // Structs, unions, sections and enumerations of 64 bits.
        4 | 5 | 15 | 19 => members * 12,
        // Enumerations and the types of functions.
        6 | 13 => members * 8,
        _ => return None,
    })
}

fn kind(info: u32) -> u32 {
    (info >> 24) & 0x1f
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    let bytes = data.get(at..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A type: its name, kind and number of members, and its bytes behind the part that all have.
    type Type<'a> = (u32, u32, u32, &'a [u8]);

    fn object(types: &[Type<'_>], strings: &str) -> Vec<u8> {
        let mut section = Vec::new();
        for (name, kind, members, more) in types {
            for field in [*name, kind << 24 | members, 0] {
                section.extend(field.to_ne_bytes());
            }
            section.extend(*more);
        }
        let mut data = MAGIC.to_ne_bytes().to_vec();
        data.extend([1, 0]);
        let len = |bytes: &[u8]| u32::try_from(bytes.len()).expect("it is short");
        for field in [24, 0, len(&section), len(&section), len(strings.as_bytes())] {
            data.extend(field.to_ne_bytes());
        }
        data.extend(section);
        data.extend(strings.as_bytes());
        data
    }

    fn base() -> Types {
        let types: &[Type<'_>] = &[
            (0, 13, 1, &[0; 8]),
            (1, FUNCTION, 0, &[]),
            (5, 4, 2, &[0; 24]),
            (7, FUNCTION, 1, &[]),
        ];
        Types::parse(object(types, "\0one\0s\0two\0"), None).expect("it is whole")
    }

    #[test]
    fn functions_are_found() {
        let base = base();
        assert_eq!(base.function(2, None), Some("one"));
        assert_eq!(base.function(4, None), Some("two"));
        // No functions, and no types.
        for id in [0, 1, 3, 5, u32::MAX] {
            assert_eq!(base.function(id, None), None, "{id}");
        }
    }

    #[test]
    fn functions_of_a_module_are_found() {
        let base = base();
        // Its types begin with number 5, and its strings with number 11. One has its name in the
        // base.
        let types: &[Type<'_>] = &[(11, FUNCTION, 0, &[]), (1, FUNCTION, 0, &[])];
        let module = Types::parse(object(types, "here\0"), Some(&base)).expect("it is whole");
        let function = |id| module.function(id, Some(&base));
        assert_eq!(
            [5, 6, 2].map(function),
            [Some("here"), Some("one"), Some("one")]
        );
        assert_eq!(function(7), None);
    }

    #[test]
    fn what_is_cut_or_strange_is_refused() {
        let whole = object(&[(1, FUNCTION, 0, &[])], "\0one\0");
        for len in 0..whole.len() {
            let cut = whole.get(..len).expect("it is shorter").to_vec();
            assert!(Types::parse(cut, None).is_none(), "{len} bytes");
        }
        for (at, byte) in [(0, 0), (4, 0xff), (12, 11), (16, 0xff), (31, 0x1f)] {
            let mut strange = whole.clone();
            *strange.get_mut(at).expect("it is there") = byte;
            let function = Types::parse(strange, None)
                .and_then(|types| types.function(1, None).map(str::to_owned));
            assert_ne!(function.as_deref(), Some("one"), "byte {at}");
        }
    }
}
