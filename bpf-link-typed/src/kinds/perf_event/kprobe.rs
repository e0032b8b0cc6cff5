//! Places in the kernel.

use std::ffi::CStr;

use bpf_link::{FirstOf, PerfEvent, PerfEventConfig, Target};

use crate::attach::kernel_functions::{Forbidden, KernelFunctions};
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

    fn at_place(place: KernelPlace<'a>) -> Self {
        Self {
            place,
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
        let source = EventSource::find("kprobe")?;
        let config = PerfEventConfig::new(source.event_type, source.retprobe(self.on_return)?);
        let opened = match &self.place {
            KernelPlace::Symbol(symbol, offset) => {
                let symbol = symbol.to_c_string()?;
                check_end(&symbol, *offset)?;
                PerfEvent::open(&config.probe(&symbol, *offset))
            }
            KernelPlace::Address(address) => PerfEvent::open(&config.probe_address(*address)),
        };
        opened.map_err(|source| self.refused(source))
    }

    /// What the kernel's refusal means.
    fn refused(&self, source: bpf_link::Error) -> Error {
        let errno = source.errno();
        if errno == Some(libc::EPERM) {
            return lockdown::or_other(source.into());
        }
        let is_about_the_place = matches!(
            errno,
            Some(libc::ENOENT | libc::EADDRNOTAVAIL | libc::EILSEQ | libc::EINVAL)
        );
        let functions = is_about_the_place.then(KernelFunctions::read).flatten();
        let place = match &self.place {
            KernelPlace::Symbol(symbol, offset) => {
                symbol.to_c_string().ok().map(|symbol| (symbol, *offset))
            }
            KernelPlace::Address(address) => functions.as_ref().and_then(|all| all.at(*address)),
        };
        let Some((function, offset)) = place else {
            return source.into();
        };
        match errno {
            Some(libc::ENOENT) if matches!(self.place, KernelPlace::Symbol(..)) => {
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
                    None => source.into(),
                }
            }
            _ => source.into(),
        }
    }
}

/// Refuses a place beyond the end of the function, where that is known: the kernel takes what is
/// there instead.
fn check_end(symbol: &CStr, offset: u64) -> Result<()> {
    const STARTS: [&CStr; 2] = [c"_text", c"_stext"];
    if offset == 0 || STARTS.contains(&symbol) {
        return Ok(());
    }
    let size = KernelFunctions::read().and_then(|functions| functions.size_of(symbol));
    match size {
        Some(size) if offset >= size => Err(Error::BeyondFunction {
            function: symbol.to_owned(),
            offset,
            size,
        }),
        _ => Ok(()),
    }
}
