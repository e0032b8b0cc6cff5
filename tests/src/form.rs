//! How thorough the tests are: short for every change, long before a release.

use std::num::NonZeroUsize;

/// The variable that, set to 1, asks for the long form. `.ci/run --long` sets it.
pub const LONG_VARIABLE: &str = "BPF_LINK_LONG";

/// The first value in the short form of the tests, the second one in the long form.
pub fn in_form<T>(short: T, long: T) -> T {
    let is_long = std::env::var_os(LONG_VARIABLE).is_some_and(|value| value == "1");
    if is_long { long } else { short }
}

/// How many tests run at the same time where nobody says otherwise.
///
/// They wait for the kernel most of the time, so a processor has time for several of them.
#[must_use]
pub fn tests_at_a_time() -> usize {
    const FOR_A_PROCESSOR: usize = 4;
    FOR_A_PROCESSOR * std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}
