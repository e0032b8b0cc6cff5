//! The names of programs and maps, which tell whose they are.
//!
//! The kernel keeps 15 bytes of a name. The first of them are the test's, so that whatever is left
//! behind on the kernel can be put down to the test that made it: a link by its program, or by its
//! map.

use std::sync::OnceLock;

/// The variable that hands a test's prefix on to the processes that it starts.
pub const PREFIX_VARIABLE: &str = "BPF_LINK_NAME_PREFIX";

/// What the names of all the programs and maps that this process makes begin with.
///
/// It is `t`, the number of the process and `_`, unless [`PREFIX_VARIABLE`] says otherwise.
pub fn prefix() -> &'static str {
    static PREFIX: OnceLock<String> = OnceLock::new();
    PREFIX.get_or_init(|| {
        std::env::var(PREFIX_VARIABLE).unwrap_or_else(|_| prefix_of(std::process::id()))
    })
}

/// What the names of the programs and maps of the process of this number begin with.
#[must_use]
pub fn prefix_of(process: u32) -> String {
    format!("t{process}_")
}

/// A name for a program or a map of this process: the prefix, then as much of `suffix` as the
/// kernel keeps.
#[must_use]
pub fn object_name(suffix: &str) -> String {
    let mut name = format!("{}{suffix}", prefix());
    name.truncate(bpf_link_sys::BPF_OBJ_NAME_LEN as usize - 1);
    name
}

/// The name in an information structure, up to its NUL.
pub(crate) fn from_info(name: [std::ffi::c_char; 16]) -> String {
    name.into_iter()
        .take_while(|&character| character != 0)
        .map(|character| char::from(u8::from_ne_bytes(character.to_ne_bytes())))
        .collect()
}
