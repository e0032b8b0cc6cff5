//! Functions of this program, for probes.

use std::hint::black_box;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::Result;
use bpf_link_tests::own_code;

/// A function that can be probed.
pub(crate) type Function = extern "C" fn(u32) -> u32;

/// Defines functions of which each adds another number, so that no compiler makes one of them.
macro_rules! probed {
    ($($name:ident = $number:literal),*) => {$(
        #[inline(never)]
        pub(crate) extern "C" fn $name(value: u32) -> u32 {
            ::std::hint::black_box(value) + $number
        }
    )*};
}
pub(crate) use probed;

probed!(first = 1, second = 2, third = 3);

/// Not in the order of their places.
pub(crate) const FUNCTIONS: [Function; 3] = [second, third, first];

/// Calls each once.
pub(crate) fn call_each() {
    for function in FUNCTIONS {
        black_box(function(1));
    }
}

/// Where it is in [`own_code::FILE`].
pub(crate) fn offset_of(function: Function) -> Result<u64> {
    own_code::offset_of(function as *const ())
}

/// Where in the code of [`own_code::FILE`] a byte is that no instruction of a 64-bit program begins
/// with.
#[cfg(target_arch = "x86_64")]
pub(crate) fn no_instruction() -> Result<u64> {
    use anyhow::Context as _;

    /// `push %es`
    const INVALID: u8 = 0x06;
    let start = offset_of(first)?;
    let file = std::fs::read(own_code::FILE)?;
    let code = file.get(usize::try_from(start)?..).context("not in it")?;
    let found = code.iter().position(|byte| *byte == INVALID);
    Ok(start + u64::try_from(found.context("no such byte")?)?)
}

/// Where [`FUNCTIONS`] are.
pub(crate) fn offsets() -> Result<[u64; 3]> {
    let [a, b, c] = FUNCTIONS;
    Ok([offset_of(a)?, offset_of(b)?, offset_of(c)?])
}

/// What counts probes, in the file's data because they are not 0.
static COUNTERS: [AtomicU16; 3] = [AtomicU16::new(1), AtomicU16::new(1), AtomicU16::new(1)];

/// Where the counters are in [`own_code::FILE`].
pub(crate) fn counters() -> Result<[u64; 3]> {
    let offset = |counter| own_code::offset_of(std::ptr::from_ref::<AtomicU16>(counter).cast());
    let [a, b, c] = &COUNTERS;
    Ok([offset(a)?, offset(b)?, offset(c)?])
}

/// What the counters say, which is 1 without a probe.
pub(crate) fn counted() -> [u16; 3] {
    COUNTERS
        .each_ref()
        .map(|counter| counter.load(Ordering::SeqCst))
}
