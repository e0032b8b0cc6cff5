//! `ld.so.cache`, in which the dynamic loader of glibc looks libraries up.

/// `struct cache_file_new`
const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
/// `struct cache_file`, which older versions of glibc have before it.
const OLD_MAGIC: &[u8] = b"ld.so-1.7.0\0";
const HEADER: usize = 48;
const ENTRY: usize = 24;
const OLD_HEADER: usize = 16;
const OLD_ENTRY: usize = 12;

/// The paths of the libraries that a name is of, in the order of the cache. Those for particular
/// processors (`glibc-hwcaps`) are left out.
pub(super) fn paths<'a>(
    cache: &'a [u8],
    is_named: impl Fn(&str) -> bool + 'a,
) -> impl Iterator<Item = &'a str> {
    let entries = entries(cache);
    entries
        .filter(move |(name, _)| is_named(name))
        .map(|(_, path)| path)
}

/// The names and paths.
fn entries(cache: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    let cache = new_part(cache).unwrap_or_default();
    let count = cache.get(20..24).map_or(0, number);
    let entries = cache.get(HEADER..).unwrap_or_default();
    let entries = entries.chunks_exact(ENTRY).take(count as usize);
    entries.filter_map(move |entry| {
        let (_flags, rest) = entry.split_at_checked(4)?;
        let (key, rest) = rest.split_at_checked(4)?;
        let (value, rest) = rest.split_at_checked(4)?;
        let (_os_version, hardware) = rest.split_at_checked(4)?;
        if hardware.iter().any(|byte| *byte != 0) {
            return None;
        }
        Some((text(cache, number(key))?, text(cache, number(value))?))
    })
}

/// The part of the file that has the new form.
fn new_part(cache: &[u8]) -> Option<&[u8]> {
    if cache.starts_with(MAGIC) {
        return Some(cache);
    }
    if !cache.starts_with(OLD_MAGIC) {
        return None;
    }
    let count = number(cache.get(12..OLD_HEADER)?) as usize;
    let len = OLD_HEADER.checked_add(count.checked_mul(OLD_ENTRY)?)?;
    let new = cache.get(len.checked_next_multiple_of(8)?..)?;
    new.starts_with(MAGIC).then_some(new)
}

/// A number in the order of bytes of this machine, whose loader has written it.
fn number(bytes: &[u8]) -> u32 {
    bytes
        .first_chunk()
        .map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

fn text(cache: &[u8], place: u32) -> Option<&str> {
    let text = cache.get(place as usize..)?;
    let text = text.get(..memchr::memchr(0, text)?)?;
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cache with these names and paths; the last is for particular processors.
    fn cache(entries: &[(&str, &str)]) -> Vec<u8> {
        let count = u32::try_from(entries.len()).expect("they are few");
        let mut cache = MAGIC.to_owned();
        cache.extend(count.to_ne_bytes());
        cache.resize(HEADER, 0);
        let mut strings = Vec::new();
        let begin = HEADER + ENTRY * entries.len();
        for (index, (name, path)) in entries.iter().enumerate() {
            cache.extend(3_u32.to_ne_bytes());
            for text in [name, path] {
                let place = u32::try_from(begin + strings.len()).expect("it is short");
                cache.extend(place.to_ne_bytes());
                strings.extend(text.as_bytes());
                strings.push(0);
            }
            cache.extend([0; 4]);
            let is_last = index + 1 == entries.len();
            cache.extend(u64::from(is_last).to_ne_bytes());
        }
        cache.extend(strings);
        cache
    }

    #[test]
    fn libraries_are_found_in_order() {
        let entries = [
            ("libssl.so.3", "/new/libssl.so.3"),
            ("libssl.so.1.1", "/old/libssl.so.1.1"),
            ("libc.so.6", "/lib/libc.so.6"),
            ("libssl.so.3", "/hwcaps/libssl.so.3"),
        ];
        let new = cache(&entries);
        let mut old = OLD_MAGIC.to_owned();
        old.extend(1_u32.to_ne_bytes());
        old.extend([0; OLD_ENTRY]);
        old.resize(old.len().next_multiple_of(8), 0);
        old.extend(&new);
        for cache in [new, old] {
            let found: Vec<_> = paths(&cache, |name| name.starts_with("libssl.so")).collect();
            assert_eq!(found, ["/new/libssl.so.3", "/old/libssl.so.1.1"]);
        }
    }

    #[test]
    fn caches_that_are_cut_have_less() {
        let whole = cache(&[("a", "/a"), ("b", "/b"), ("c", "/c")]);
        for len in 0..whole.len() {
            let cut = whole.get(..len).expect("it is shorter");
            assert!(paths(cut, |_| true).count() <= 2);
        }
    }
}
