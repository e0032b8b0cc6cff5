//! Types as a kernel describes them, and what is always true of what is read from them.
//!
//! There are two readers: one goes over all types once, the other finds functions by number again
//! and again. They are held against each other.

#[path = "../../../bpf-link-typed/examples/bpf-links/resolve/btf/functions.rs"]
mod functions;
#[path = "../../../bpf-link/src/btf.rs"]
mod types;

use types::{FUNC, Type};

/// No type takes fewer bytes.
const SMALLEST: usize = 12;

/// Reads it, and panics where something is not as it has to be. Says how many functions have been
/// found.
pub(crate) fn check(bytes: &[u8]) -> usize {
    let looked_up = functions::Types::parse(bytes.to_vec(), None);
    let Ok(types) = types::Types::new(bytes) else {
        // What has no header for the one has none for the other.
        assert!(looked_up.is_none(), "{bytes:?}");
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
    let Some(looked_up) = looked_up else {
        assert!(!is_whole, "only one of two can read {bytes:?}");
        return 0;
    };
    let mut functions = 0;
    for found in &whole {
        let name = std::str::from_utf8(found.name).ok();
        let name = name.filter(|name| found.kind == FUNC && !name.is_empty());
        assert_eq!(looked_up.function(found.id, None), name, "{found:?}");
        functions += usize::from(name.is_some());
    }
    assert_eq!(looked_up.function(0, None), None);
    assert_eq!(looked_up.function(u32::MAX, None), None);
    check_split(bytes, &looked_up, &whole);
    functions
}

/// The same bytes once more, as a module's types on top of those: the numbers below are the base's,
/// whatever is above.
fn check_split(bytes: &[u8], base: &functions::Types, whole: &[Type<'_>]) {
    let module = functions::Types::parse(bytes.to_vec(), Some(base)).expect("they were read once");
    for found in whole {
        assert_eq!(
            module.function(found.id, Some(base)),
            base.function(found.id, None)
        );
        // Nothing without what it refers to, and no panic above.
        assert_eq!(module.function(found.id, None), None);
        let above = u32::try_from(whole.len()).ok().map(|len| found.id + len);
        let _ = above.and_then(|id| module.function(id, Some(base)));
    }
}
