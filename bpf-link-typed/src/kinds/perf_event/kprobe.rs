//! Places in the kernel.

use std::ffi::CStr;

use bpf_link::{FirstOf, PerfEvent, PerfEventConfig, Target};

use crate::attach::kernel_functions::refusal::Forbidden;
use crate::attach::kernel_functions::{KernelFunction, KernelFunctions};
use crate::attach::lockdown;
use crate::attach::name_ref::NameRef;
use crate::attach::path_ref::PathRef;
use crate::attach::tracefs::EventSource;
use crate::error::{Error, Result, SharedName, UntraceableSymbols};

/// A place in the kernel (kprobe), or the return of one of its functions (kretprobe).
#[derive(Clone, Debug)]
#[must_use = "nothing is attached yet"]
pub struct KprobeEvent<'a> {
    pub(super) place: KernelPlace<'a>,
    /// Where the function is, if that is known: several may have its name.
    pub(super) address: Option<u64>,
    pub(super) on_return: bool,
    tracefs: Option<PathRef<'a>>,
}

#[derive(Clone, Debug)]
pub(super) enum KernelPlace<'a> {
    Symbol(NameRef<'a>, u64),
    Address(u64),
}

impl<'a> KprobeEvent<'a> {
    /// So many bytes after the beginning of the function with this symbol; 0 for its entry.
    /// `_text` and `_stext` are where the kernel's code begins, and every place in it comes after
    /// them.
    pub fn at(symbol: impl Into<NameRef<'a>>, offset: u64) -> Self {
        Self::at_place(KernelPlace::Symbol(symbol.into(), offset))
    }

    /// At this address.
    pub fn at_address(address: u64) -> Self {
        Self::at_place(KernelPlace::Address(address))
    }

    /// At the entry of this function of the kernel, such as [`KernelFunctions::function`] and
    /// [`KernelFunctions::syscall`] return: by its name, or by its address if others have the name.
    pub fn at_function(function: &KernelFunction) -> Self {
        Self {
            address: function.address.visible(),
            ..Self::at(function.name.clone(), 0)
        }
    }

    fn at_place(place: KernelPlace<'a>) -> Self {
        Self {
            place,
            address: None,
            on_return: false,
            tracefs: None,
        }
    }

    /// When the function returns. It is then given by its beginning.
    pub fn on_return(mut self) -> Self {
        self.on_return = true;
        self
    }

    /// Where tracefs is mounted, which is asked why the kernel has refused a function. Without this
    /// call, that is `/sys/kernel/tracing` or `/sys/kernel/debug/tracing`.
    pub fn tracefs(mut self, path: impl Into<PathRef<'a>>) -> Self {
        self.tracefs = Some(path.into());
        self
    }

    pub(super) fn target(&self) -> Target {
        match &self.place {
            KernelPlace::Symbol(name, offset) => Target::Function {
                name: name.to_c_string().unwrap_or_default(),
                offset: *offset,
            },
            KernelPlace::Address(address) => Target::Addresses(FirstOf::these([*address])),
        }
    }

    pub(super) fn open(&self) -> Result<PerfEvent> {
        match (self.open_at(&self.place), self.address) {
            (Err(Error::AmbiguousSymbol { .. }), Some(address)) => {
                self.open_at(&KernelPlace::Address(address))
            }
            (opened, _) => opened,
        }
    }

    fn open_at(&self, place: &KernelPlace<'_>) -> Result<PerfEvent> {
        let source = EventSource::find("kprobe", self.target())?;
        let config = PerfEventConfig::new(source.event_type, source.retprobe(self.on_return)?);
        let opened = match place {
            KernelPlace::Symbol(symbol, offset) => {
                let symbol = symbol.to_c_string()?;
                check_place(&symbol, *offset)?;
                PerfEvent::open(&config.probe(&symbol, *offset))
            }
            KernelPlace::Address(address) => PerfEvent::open(&config.probe_address(*address)),
        };
        opened.map_err(|source| self.refused(place, source))
    }

    /// What the kernel's refusal means.
    fn refused(&self, place: &KernelPlace<'_>, source: bpf_link::Error) -> Error {
        let errno = source.errno();
        if errno == Some(libc::EPERM) {
            return lockdown::or_other(source.into());
        }
        let is_about_the_place = matches!(
            errno,
            Some(libc::ENOENT | libc::EADDRNOTAVAIL | libc::EILSEQ | libc::EINVAL)
        );
        let functions = is_about_the_place
            .then(KernelFunctions::all)
            .and_then(Result::ok);
        let is_symbol = matches!(place, KernelPlace::Symbol(..));
        let place = match place {
            KernelPlace::Symbol(symbol, offset) => {
                symbol.to_c_string().ok().map(|symbol| (symbol, *offset))
            }
            KernelPlace::Address(address) => functions.as_ref().and_then(|all| all.at(*address)),
        };
        let Some((function, offset)) = place else {
            return source.into();
        };
        match errno {
            Some(libc::ENOENT) if is_symbol => {
                let symbols = match &functions {
                    Some(functions) => functions.unknown(&function),
                    None => UntraceableSymbols::unknown(function),
                };
                Error::SymbolNotFound {
                    symbols: Box::new(symbols),
                    source,
                }
            }
            Some(libc::EADDRNOTAVAIL) => {
                let shared = match &functions {
                    Some(functions) => functions.with_name(&function),
                    None => SharedName::hidden(function),
                };
                Error::AmbiguousSymbol {
                    symbols: Box::new([shared]),
                    source: Some(source),
                }
            }
            Some(libc::EILSEQ) => Error::InsideInstruction {
                function,
                offset,
                source,
            },
            Some(libc::EINVAL) => {
                let tracefs = self.tracefs.as_ref().map(AsRef::as_ref);
                let forbidden = functions.and_then(|all| all.forbids(&function, tracefs));
                match forbidden {
                    Some(forbidden) => Error::NotToBeProbed {
                        function,
                        is_blacklisted: forbidden == Forbidden::ByBlacklist,
                        source,
                    },
                    None if !is_aligned(offset) => Error::InsideInstruction {
                        function,
                        offset,
                        source,
                    },
                    None => source.into(),
                }
            }
            _ => source.into(),
        }
    }
}

/// Whether instructions begin at such places of a function. Where they are aligned, the kernel does
/// not look for one anywhere else: `arch_prepare_kprobe` says `EINVAL`.
fn is_aligned(offset: u64) -> bool {
    if cfg!(target_arch = "aarch64") {
        offset % 4 == 0
    } else if cfg!(target_arch = "s390x") {
        offset % 2 == 0
    } else {
        true
    }
}

/// Refuses what the kernel would take for another place than was meant: one beyond the end of the
/// function, where that is known, and before Linux 6.7 a name that several functions have.
fn check_place(symbol: &CStr, offset: u64) -> Result<()> {
    const STARTS: [&CStr; 2] = [c"_text", c"_stext"];
    if STARTS.contains(&symbol) || (offset == 0 && refuses_shared_names()) {
        return Ok(());
    }
    // What cannot be looked up is left to the kernel.
    let Ok(functions) = KernelFunctions::all() else {
        return Ok(());
    };
    let shared = functions.shared_among(&[symbol]);
    if !shared.is_empty() && !refuses_shared_names() {
        return Err(Error::AmbiguousSymbol {
            symbols: shared.into(),
            source: None,
        });
    }
    match functions.size_of(symbol) {
        Some(size) if offset >= size => Err(Error::BeyondFunction {
            function: symbol.to_owned(),
            offset,
            size,
        }),
        _ => Ok(()),
    }
}

/// Whether the kernel refuses a name that several functions have. Nothing tells but its version.
fn refuses_shared_names() -> bool {
    const SINCE: (u32, u32) = (6, 7);
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    version(&release).is_some_and(|version| version >= SINCE)
}

/// The first two numbers of a kernel's release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn releases_begin_with_two_numbers() {
        assert_eq!(version("6.12.118+deb13-cloud-amd64\n"), Some((6, 12)));
        assert_eq!(version("7.3-rc1\n"), Some((7, 3)));
        for wrong in ["", "6", "linux", "6.x"] {
            assert_eq!(version(wrong), None, "{wrong}");
        }
    }
}
