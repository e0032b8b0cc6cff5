//! Names in memory that the kernel has written into.

use std::ffi::CStr;

/// What is before the first NUL; `None` without a NUL.
///
/// The C library finds it faster than the standard library does, and who reads the names of many
/// links notices.
#[inline]
pub(crate) fn until_nul(bytes: &[u8]) -> Option<&CStr> {
    // SAFETY: the bytes are live for the call, and `strnlen` reads no more of them than it is given
    // the length of.
    let len = unsafe { libc::strnlen(bytes.as_ptr().cast(), bytes.len()) };
    let with_nul = bytes.get(..=len)?;
    // SAFETY: there is a byte at `len`, so `strnlen` has found a NUL there, and none before; with
    // it these bytes end.
    Some(unsafe { CStr::from_bytes_with_nul_unchecked(with_nul) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_at_its_first_nul() {
        for bytes in [
            b"".as_slice(),
            b"\0",
            b"a\0",
            b"a",
            b"ab\0c\0",
            b"\0a",
            b"abc",
        ] {
            assert_eq!(until_nul(bytes), CStr::from_bytes_until_nul(bytes).ok());
        }
    }
}
