//! The beginning of BTF that the tests make themselves.

/// `struct btf_header`, in this machine's byte order: of BTF with so many bytes of types, and of
/// strings after them.
#[must_use]
pub fn btf_header(types: u32, strings: u32) -> Vec<u8> {
    const MAGIC: u16 = 0xeb9f;
    const VERSION_AND_FLAGS: [u8; 2] = [1, 0];
    const LENGTH: u32 = 24;
    let start = MAGIC.to_ne_bytes().into_iter().chain(VERSION_AND_FLAGS);
    let places = [LENGTH, 0, types, types, strings];
    start
        .chain(places.into_iter().flat_map(u32::to_ne_bytes))
        .collect()
}
