//! Types as a kernel describes them, and what is always true of what is read from them.

#[path = "../../../bpf-link/src/btf/functions.rs"]
mod functions;
#[path = "../../../bpf-link/src/btf/index.rs"]
mod index;
#[path = "../../../bpf-link/src/btf/types.rs"]
mod types;

use std::sync::Arc;

use functions::Functions;
use index::Index;
use types::{FUNC, Malformed, Type, Types};

/// No type takes fewer bytes.
const SMALLEST: usize = 12;

/// Reads it, and panics where something is not as it has to be. Says how many functions have been
/// found.
pub(crate) fn check(bytes: &[u8]) -> usize {
    let functions = Functions::read(bytes, None);
    let Ok(types) = Types::new(bytes) else {
        assert_eq!(functions.err(), Some(Malformed), "{bytes:?}");
        return 0;
    };
    let read: Vec<_> = types.collect();
    assert!(read.len() <= bytes.len() / SMALLEST + 1, "{bytes:?}");
    let whole: Vec<Type<'_>> = read.iter().flatten().copied().collect();
    assert!(
        whole.len() + 1 >= read.len(),
        "an error is not the end: {read:?}"
    );
    let is_whole = whole.len() == read.len();
    check_index(bytes, &whole, is_whole);
    let Ok(functions) = functions else {
        assert!(!is_whole, "{bytes:?}");
        return 0;
    };
    assert!(is_whole, "{bytes:?}");
    let mut named = Vec::new();
    for found in &whole {
        let name = std::str::from_utf8(found.name()).ok();
        let name = name.filter(|name| found.kind == FUNC && !name.is_empty());
        assert_eq!(functions.name_of(found.id), name, "{found:?}");
        named.extend(name.map(|name| (found.id, name)));
    }
    assert!(functions.own().eq(named.iter().copied()));
    assert_eq!(functions.name_of(0), None);
    assert_eq!(functions.name_of(u32::MAX), None);
    let count = named.len();
    check_split(bytes, functions, whole.len());
    count
}

/// What is found by number is what was met, and to look into it ends, without a panic.
fn check_index(bytes: &[u8], whole: &[Type<'_>], is_whole: bool) {
    let types = Types::new(bytes).expect("they were read once");
    let mut shown = 0;
    let index = Index::new(types, |_| shown += 1);
    assert_eq!((index.is_ok(), shown), (is_whole, whole.len()));
    let Ok(index) = index else { return };
    for found in whole {
        let same = index.get(found.id).expect("it was met");
        assert_eq!((same.kind, same.name()), (found.kind, found.name()));
        assert!(std::str::from_utf8(found.name()).map_or(true, |name| found.is_named(name)));
        let _ = (index.pointee(found.id), index.scalar_size(found.id));
        let _ = index.bytes_of_array(found.id);
        for path in ["a", "a.b", "flags.flags.flags"] {
            let _ = index.member(found, path);
        }
    }
    let beyond = u32::try_from(whole.len())
        .ok()
        .and_then(|len| len.checked_add(1));
    assert!(
        [Some(0), beyond, Some(u32::MAX)]
            .into_iter()
            .flatten()
            .all(|id| index.get(id).is_none())
    );
}

/// The same bytes once more, as a module's types on top of those: the numbers below are the base's,
/// whatever is above.
fn check_split(bytes: &[u8], base: Functions, len: usize) {
    let base = Arc::new(base);
    // All names are among the base's now.
    let module = Functions::read(bytes, Some(Arc::clone(&base))).expect("they were read once");
    let len = u32::try_from(len).expect("each takes some bytes");
    for id in 0..=len {
        assert_eq!(module.name_of(id), base.name_of(id));
    }
    for (id, name) in module.own() {
        assert!(id > len && id <= 2 * len, "{id}");
        assert_eq!(module.name_of(id), Some(name));
    }
}
