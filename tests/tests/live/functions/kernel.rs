//! Functions of the kernel that a test can call: system calls that do next to nothing.

use std::ffi::CStr;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result};
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
#[cfg(target_arch = "riscv64")]
pub(crate) const SYMBOLS: [&CStr; 3] = [
    c"__riscv_sys_getuid",
    c"__riscv_sys_getgid",
    c"__riscv_sys_getppid",
];
#[cfg(target_arch = "s390x")]
pub(crate) const SYMBOLS: [&CStr; 3] = [
    c"__s390x_sys_getuid",
    c"__s390x_sys_getgid",
    c"__s390x_sys_getppid",
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
    let symbol = symbol.to_str()?;
    let address = shown_address_of(symbol)?;
    address.with_context(|| format!("the address of {symbol} is hidden"))
}

/// Whether the kernel's addresses are hidden, and from whom.
const HIDING: &str = "/proc/sys/kernel/kptr_restrict";

/// Where the kernel's function of this name is; none as long as that is hidden even from root.
///
/// The list is read once, and again when it begins or ends to hide the addresses: on an emulated
/// machine that takes seconds.
pub(crate) fn shown_address_of(symbol: &str) -> Result<Option<u64>> {
    const LIST: &str = "/proc/kallsyms";
    static READ: Mutex<Option<(String, String)>> = Mutex::new(None);
    let hiding = std::fs::read_to_string(HIDING).context(HIDING)?;
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if read.as_ref().is_none_or(|(then, _)| *then != hiding) {
        *read = Some((hiding, std::fs::read_to_string(LIST).context(LIST)?));
    }
    let list = read.as_ref().map_or("", |(_, list)| list.as_str());
    // An address, a letter, a name, and perhaps a module.
    let place = [format!(" {symbol}\n"), format!(" {symbol}\t")];
    let place = place.iter().find_map(|found| list.find(found));
    let line = place.and_then(|place| list.get(..place)?.lines().next_back());
    let address = line.and_then(|line| line.split(' ').next());
    let address = address.with_context(|| format!("the kernel has no {symbol}"))?;
    let address = u64::from_str_radix(address, 16)?;
    Ok(Some(address).filter(|address| *address != 0))
}

/// Hides the kernel's addresses from everyone, as long as `work` takes. This is the whole
/// machine's.
pub(crate) fn with_hidden_addresses<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let before = std::fs::read_to_string(HIDING).context(HIDING)?;
    std::fs::write(HIDING, "2").context(HIDING)?;
    let done = work();
    std::fs::write(HIDING, before.trim_end()).context(HIDING)?;
    done
}
