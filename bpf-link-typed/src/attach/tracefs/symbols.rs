//! What the kernel's list of symbols says of names and addresses. Any text is read, without a
//! panic.

use super::text;

/// A line of `/proc/kallsyms`.
#[derive(Clone, Copy, Debug)]
struct Symbol<'a> {
    /// 0 where the kernel hides it.
    address: u64,
    is_function: bool,
    name: &'a [u8],
}

/// The symbols of the list: an address, a letter and a name in each line, and in brackets the
/// module.
fn symbols(kallsyms: &[u8]) -> impl Iterator<Item = Symbol<'_>> {
    text::lines(kallsyms).filter_map(|mut words| {
        let address = std::str::from_utf8(words.next()?).ok()?;
        let address = u64::from_str_radix(address, 16).ok()?;
        let is_function = matches!(words.next()?, b"t" | b"T" | b"w" | b"W");
        let name = words.next()?;
        Some(Symbol {
            address,
            is_function,
            name,
        })
    })
}

/// Where the functions with each of these names are: those that several functions have. The list
/// has no addresses of functions that the kernel hides.
pub(crate) fn places<'a>(kallsyms: &[u8], names: &[&'a [u8]]) -> Vec<(&'a [u8], Places)> {
    let mut found: Vec<(&[u8], Places)> = names
        .iter()
        .map(|name| (*name, Places::default()))
        .collect();
    found.sort_by_key(|(name, _)| *name);
    found.dedup_by_key(|(name, _)| *name);
    for symbol in symbols(kallsyms).filter(|symbol| symbol.is_function) {
        let place = found.binary_search_by_key(&symbol.name, |(name, _)| name);
        let Some((_, places)) = place.ok().and_then(|place| found.get_mut(place)) else {
            continue;
        };
        if symbol.address == 0 {
            places.hidden += 1;
        } else if !places.addresses.contains(&symbol.address) {
            places.addresses.push(symbol.address);
        }
    }
    found
}

/// The functions of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places {
    pub(crate) addresses: Vec<u64>,
    /// How many there are whose address is hidden.
    pub(crate) hidden: usize,
}

impl Places {
    pub(crate) fn count(&self) -> usize {
        self.addresses.len() + self.hidden
    }
}

/// How long what begins at this address is: up to the next symbol, as the kernel reckons it.
pub(crate) fn size_at(kallsyms: &[u8], start: u64) -> Option<u64> {
    let after = symbols(kallsyms).map(|symbol| symbol.address);
    let end = after.filter(|address| *address > start).min()?;
    Some(end - start)
}

/// For each of these addresses, the function that has it in it, and how far after its beginning
/// the address is.
pub(crate) fn functions_at<'a>(
    kallsyms: &'a [u8],
    addresses: &[u64],
) -> Vec<Option<(&'a [u8], u64)>> {
    let mut sorted: Vec<Symbol<'_>> = symbols(kallsyms)
        .filter(|symbol| symbol.address != 0)
        .collect();
    // Of several names for one place, the first of the list.
    sorted.sort_by_key(|symbol| symbol.address);
    let at = |address: u64| {
        let after = sorted.partition_point(|symbol| symbol.address <= address);
        // There is an end to it, or it is not certain that it has the address in it.
        sorted.get(after)?;
        let start = sorted.get(after.checked_sub(1)?)?.address;
        let first = sorted.partition_point(|symbol| symbol.address < start);
        let here = sorted.get(first..after)?.iter();
        let mut functions = here.filter(|symbol| symbol.is_function);
        Some((functions.next()?.name, address - start))
    };
    addresses.iter().map(|address| at(*address)).collect()
}

/// The functions that there are instead of one that there is not: as the compiler has renamed it
/// (`name.isra.0`, `name.part.0`, `name.constprop.0`), and for a system call the one of this
/// processor (`__x64_sys_name`).
pub(crate) fn instead_of<'a>(kallsyms: &'a [u8], name: &[u8]) -> Vec<&'a [u8]> {
    let base = base(name);
    let call = system_call(name);
    let mut found = Vec::new();
    for symbol in symbols(kallsyms).filter(|symbol| symbol.is_function) {
        let is_part = !base.is_empty() && self::base(symbol.name) == base && !is_cold(symbol.name);
        let is_call = call.is_some() && system_call(symbol.name) == call;
        if (is_part || is_call) && symbol.name != name && !found.contains(&symbol.name) {
            found.push(symbol.name);
        }
    }
    found
}

/// The name that a function has in the source.
fn base(name: &[u8]) -> &[u8] {
    name.split(|byte| *byte == b'.').next().unwrap_or(name)
}

/// What the compiler has moved out of a function is not one.
fn is_cold(name: &[u8]) -> bool {
    name.split(|byte| *byte == b'.').any(|part| part == b"cold")
}

/// The system call that a function is for: `sys_name`, or `__x64_sys_name` and the like.
fn system_call(function: &[u8]) -> Option<&[u8]> {
    const SYS: &[u8] = b"sys_";
    if let Some(call) = function.strip_prefix(SYS) {
        return Some(call).filter(|call| !call.is_empty());
    }
    let processor = function.strip_prefix(b"__")?;
    let end = processor.iter().position(|byte| *byte == b'_')?;
    let (processor, call) = processor.split_at(end);
    let call = call.strip_prefix(b"_")?.strip_prefix(SYS)?;
    (!processor.is_empty() && !call.is_empty()).then_some(call)
}

/// Whether the kernel's list of functions that are not to be probed has this one: two addresses and
/// a name in each line.
pub(crate) fn is_blacklisted(blacklist: &[u8], name: &[u8]) -> bool {
    text::lines(blacklist).any(|mut words| words.next().is_some() && words.next() == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYMBOLS: &[u8] = b"0 A percpu\n10 T vfs_read\n18 t twice\n20 T alias\n20 T __x64_sys_open\n28 d table\n\
        30 t twice\t[module]\n38 T __ia32_sys_open\n40 t inlined.isra.0\n44 t inlined.part.0.cold\n50 T end\n";

    #[test]
    fn names_of_several_functions() {
        let found = places(SYMBOLS, &[b"twice", b"alias", b"twice", b"table", b"none"]);
        let found: Vec<(&[u8], &[u64])> = found
            .iter()
            .map(|(name, places)| (*name, &*places.addresses))
            .collect();
        let expected: [(&[u8], &[u64]); 4] = [
            (b"alias", &[0x20]),
            (b"none", &[]),
            (b"table", &[]),
            (b"twice", &[0x18, 0x30]),
        ];
        assert_eq!(found, expected);
        let hidden = places(b"0 t twice\n0 t twice\n", &[b"twice"]);
        assert_eq!(hidden.first().map(|(_, places)| places.count()), Some(2));
    }

    #[test]
    fn functions_end_where_the_next_begins() {
        assert_eq!(size_at(SYMBOLS, 0x10), Some(8));
        assert_eq!(size_at(SYMBOLS, 0x20), Some(8));
        assert_eq!(size_at(SYMBOLS, 0x50), None);
        let found = functions_at(SYMBOLS, &[0x17, 0x20, 0, 0x2c, 0x60]);
        let expected = [
            Some((&b"vfs_read"[..], 7)),
            Some((&b"alias"[..], 0)),
            None,
            None,
            None,
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_there_instead() {
        let find = |name: &[u8]| -> Vec<String> {
            let found = instead_of(SYMBOLS, name).into_iter();
            found
                .map(|name| String::from_utf8_lossy(name).into_owned())
                .collect()
        };
        assert_eq!(find(b"inlined"), ["inlined.isra.0"]);
        assert_eq!(find(b"inlined.constprop.0"), ["inlined.isra.0"]);
        for call in [&b"sys_open"[..], b"__arm64_sys_open", b"__s390x_sys_open"] {
            assert_eq!(find(call), ["__x64_sys_open", "__ia32_sys_open"]);
        }
        for nothing in [&b""[..], b"sys_", b"open", b"__sys_open", b".", b"table"] {
            assert!(find(nothing).is_empty(), "{nothing:?}");
        }
    }

    #[test]
    fn functions_that_are_not_to_be_probed() {
        const LIST: &[u8] = b"0x10-0x20\tnotify_die\n0x30-0x40\t\n";
        assert!(is_blacklisted(LIST, b"notify_die"));
        for other in [&b"notify"[..], b"", b"0x10-0x20"] {
            assert!(!is_blacklisted(LIST, other));
        }
    }
}
