//! Functions of the kernel that a test can call: system calls that do next to nothing.

use std::ffi::CStr;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{getgid, getppid, getuid};

/// Their symbols, which are not in the order of the alphabet.
#[cfg(target_arch = "x86_64")]
pub(crate) const SYMBOLS: [&CStr; 3] = [
    c"__x64_sys_getuid",
    c"__x64_sys_getgid",
    c"__x64_sys_getppid",
];
#[cfg(target_arch = "aarch64")]
pub(crate) const SYMBOLS: [&CStr; 3] = [
    c"__arm64_sys_getuid",
    c"__arm64_sys_getgid",
    c"__arm64_sys_getppid",
];

/// How each of them is called.
pub(crate) const CALLS: [fn(); 3] = [
    || {
        let _user = getuid();
    },
    || {
        let _group = getgid();
    },
    || {
        let _parent = getppid();
    },
];

/// Calls each once.
pub(crate) fn call_all() {
    for call in CALLS {
        call();
    }
}

/// Where the kernel's function of this name is.
pub(crate) fn address_of(symbol: &CStr) -> Result<u64> {
    const LIST: &str = "/proc/kallsyms";
    // An address, a letter, a name.
    let list = std::fs::read_to_string(LIST).context(LIST)?;
    let symbol = symbol.to_str()?;
    let found = list.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let address = fields.next()?;
        (fields.nth(1)? == symbol).then_some(address)
    });
    let found = found.with_context(|| format!("the kernel has no {symbol}"))?;
    let address = u64::from_str_radix(found, 16)?;
    ensure!(address != 0, "the address of {symbol} is hidden");
    Ok(address)
}

/// Hides the kernel's addresses from everyone, as long as `work` takes. This is the whole machine's.
pub(crate) fn with_hidden_addresses<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    const SETTING: &str = "/proc/sys/kernel/kptr_restrict";
    let before = std::fs::read_to_string(SETTING).context(SETTING)?;
    std::fs::write(SETTING, "2").context(SETTING)?;
    let done = work();
    std::fs::write(SETTING, before.trim_end()).context(SETTING)?;
    done
}
