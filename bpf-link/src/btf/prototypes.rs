//! Whether a trampoline, which calls tracing programs, can pass on the arguments and the return
//! value of a function.

use super::types::{
    ENUM, ENUM64, FUNC, INTEGER, Malformed, POINTER, PROTOTYPE, STRUCT, TYPE_SIZE, Type, Types,
    UNION, word,
};

/// All types of one description, and of the base that it refers to, by their numbers.
pub(super) struct Prototypes<'a> {
    base: Vec<Type<'a>>,
    own: Vec<Type<'a>>,
}

/// The most words of 8 bytes that a trampoline passes on (`MAX_BPF_FUNC_ARGS`).
const MOST_WORDS: u32 = 12;
/// The size of the largest argument, in bytes.
const LARGEST: u32 = 16;
/// The size of the largest return value, in bytes.
const LARGEST_RETURNED: u32 = 8;
/// The most typedefs and qualifiers before a type.
const NAMES: u32 = 32;

impl<'a> Prototypes<'a> {
    /// Reads all types once.
    pub(super) fn read(bytes: &'a [u8], base: Option<&'a [u8]>) -> Result<Self, Malformed> {
        let (mut first_id, mut strings_start, mut of_base) = (1, 0, Vec::new());
        if let Some(base) = base {
            let mut types = Types::new(base)?;
            of_base = types.by_ref().collect::<Result<_, _>>()?;
            first_id = types.next_id();
            strings_start = u32::try_from(types.strings.len()).map_err(|_| Malformed)?;
        }
        let own = Types::after(bytes, first_id, strings_start)?;
        Ok(Self {
            base: of_base,
            own: own.collect::<Result<_, _>>()?,
        })
    }

    /// The functions of this description whose arguments and value a trampoline can pass on, by
    /// their numbers, in order.
    pub(super) fn passable(&self) -> impl Iterator<Item = u32> {
        let functions = self.own.iter().filter(|found| found.kind == FUNC);
        let passable = functions.filter(|function| self.is_passable(function) == Some(true));
        passable.map(|function| function.id)
    }

    /// As `btf_distill_func_proto` of Linux 7.3 has it, and the trampolines of x86-64.
    fn is_passable(&self, function: &Type<'_>) -> Option<bool> {
        let prototype = self.get(function.refers_to()?)?;
        if prototype.kind != PROTOTYPE {
            return None;
        }
        let returned = match prototype.refers_to()? {
            0 => 0,
            id => self.size(id).filter(|_| !self.is_structure(id))?,
        };
        let mut words = 0;
        for argument in prototype.bytes.get(TYPE_SIZE..)?.chunks_exact(8) {
            // `void` stands for variable arguments.
            let size = self.size(word(argument, 4)?)?;
            if size == 0 || size > LARGEST {
                return Some(false);
            }
            words += size.div_ceil(8);
        }
        Some(words <= MOST_WORDS && returned <= LARGEST_RETURNED)
    }

    fn get(&self, id: u32) -> Option<&Type<'a>> {
        let index = id.checked_sub(1)? as usize;
        match index.checked_sub(self.base.len()) {
            None => self.base.get(index),
            Some(index) => self.own.get(index),
        }
    }

    /// The type without its typedefs and qualifiers.
    fn resolve(&self, id: u32) -> Option<&Type<'a>> {
        let mut found = self.get(id)?;
        for _ in 0..NAMES {
            match found.stands_for() {
                Some(id) => found = self.get(id)?,
                None => return Some(found),
            }
        }
        None
    }

    fn is_structure(&self, id: u32) -> bool {
        self.resolve(id)
            .is_some_and(|found| matches!(found.kind, STRUCT | UNION))
    }

    /// Its size in bytes; `None` for types that trampolines do not pass, such as floating-point
    /// numbers.
    fn size(&self, id: u32) -> Option<u32> {
        let found = self.resolve(id)?;
        match found.kind {
            POINTER => Some(8),
            INTEGER | STRUCT | UNION | ENUM | ENUM64 => found.refers_to(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::types::tests::describe;
    use super::*;

    const NAMES: &[u8] = b"\0name\0";

    fn prototype(returned: u32, arguments: &[u32]) -> Vec<u32> {
        let count = u32::try_from(arguments.len()).expect("they are few");
        let arguments = arguments.iter().flat_map(|id| [0, *id]);
        let head = [0, PROTOTYPE << 24 | count, returned];
        head.into_iter().chain(arguments).collect()
    }

    /// Types 1 to 7: numbers of 4 and 16 bytes, a structure of 16 and one of 24, a pointer, a
    /// typedef of the large number, a number with a fraction.
    fn types() -> Vec<u32> {
        let int = [1, 1 << 24, 4, 32];
        let large = [1, 1 << 24, 16, 128];
        let pair = [1, STRUCT << 24, 16];
        let triple = [1, STRUCT << 24, 24];
        let pointer = [0, POINTER << 24, 1];
        let named = [1, 8 << 24, 2];
        let fraction = [1, 16 << 24, 8];
        let first = [
            &int[..],
            &large,
            &pair,
            &triple,
            &pointer,
            &named,
            &fraction,
        ];
        first.concat()
    }

    /// Whether functions with these prototypes can be passed on.
    fn passable(prototypes: &[(u32, &[u32])]) -> Vec<bool> {
        let mut description = types();
        let mut id = 8;
        let mut functions = Vec::new();
        for (returned, arguments) in prototypes {
            description.extend(prototype(*returned, arguments));
            description.extend([1, FUNC << 24, id]);
            functions.push(id + 1);
            id += 2;
        }
        let bytes = describe(&description, NAMES);
        let types = Prototypes::read(&bytes, None).expect("it is whole");
        let passable: Vec<u32> = types.passable().collect();
        functions.iter().map(|id| passable.contains(id)).collect()
    }

    #[test]
    fn what_trampolines_pass_on() {
        let all = passable(&[
            (0, &[]),
            (1, &[1, 5, 3, 2, 6]),
            (5, &[1; 12]),
            (0, &[3; 6]),
            (0, &[5, 2, 2, 2, 2, 2, 1]),
        ]);
        assert_eq!(all, [true; 5]);
        let none = passable(&[
            // More than 12 words.
            (0, &[1; 13]),
            (0, &[3, 3, 3, 3, 3, 3, 1]),
            // A large structure, a fraction, arguments that vary.
            (0, &[4]),
            (0, &[7]),
            (0, &[1, 0]),
            // A structure, a large number by another name, a fraction.
            (3, &[]),
            (6, &[]),
            (7, &[]),
            // No such type.
            (0, &[99]),
        ]);
        assert_eq!(none, [false; 9]);
    }

    /// The module's function takes a structure of the base.
    #[test]
    fn a_module_has_the_types_of_its_base() {
        let base = describe(&types(), NAMES);
        for (argument, expected) in [(3, &[9_u32][..]), (4, &[])] {
            let mut own = prototype(1, &[argument]);
            own.extend([1, FUNC << 24, 8]);
            let own = describe(&own, b"");
            let types = Prototypes::read(&own, Some(&base)).expect("it is whole");
            assert_eq!(types.passable().collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn cut_or_changed_bytes_do_not_panic() {
        let mut types = types();
        types.extend(prototype(1, &[1, 6]));
        types.extend([1, FUNC << 24, 8]);
        let whole = describe(&types, NAMES);
        for len in 0..whole.len() {
            let cut = whole.get(..len).expect("it is shorter");
            assert!(Prototypes::read(cut, None).is_err(), "{len} bytes");
        }
        for place in 0..whole.len() {
            for value in [0, 1, 8, 0x7f, 0xff] {
                let mut changed = whole.clone();
                changed.splice(place..=place, [value]);
                if let Ok(types) = Prototypes::read(&changed, None) {
                    assert!(types.passable().count() <= whole.len());
                }
            }
        }
    }
}
