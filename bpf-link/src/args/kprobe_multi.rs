//! The functions of a `kprobe_multi` link.

use std::ffi::CStr;

use crate::error::{Error, FirstOf, InvalidRequest, Target, same_length};
use crate::flags::KprobeMultiFlags;

/// The kernel functions that a `kprobe_multi` link is attached to (`link_create.kprobe_multi`,
/// since Linux 5.18).
#[derive(Clone, Copy, Debug)]
pub struct KprobeMultiArgs<'a> {
    functions: KprobeMultiFunctions<'a>,
    /// As many as there are functions.
    cookies: Option<&'a [u64]>,
    pub(crate) flags: KprobeMultiFlags,
}

/// How the functions are named.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum KprobeMultiFunctions<'a> {
    /// By symbol; one that is unknown, or given twice, fails the whole link with `ESRCH`.
    Symbols(&'a [&'a CStr]),
    /// By address.
    Addresses(&'a [u64]),
}

impl KprobeMultiFunctions<'_> {
    /// Refuses an empty symbol.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self {
            Self::Symbols(symbols) if symbols.iter().any(|symbol| symbol.is_empty()) => {
                let names = symbols.iter().map(|symbol| (*symbol).to_owned());
                let functions = Target::Functions(FirstOf::these(names));
                Err(InvalidRequest::EmptyName(Box::new(functions)).into())
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Symbols(symbols) => symbols.len(),
            Self::Addresses(addresses) => addresses.len(),
        }
    }
}

impl<'a> KprobeMultiArgs<'a> {
    /// The functions with these symbols.
    #[must_use]
    pub fn symbols(symbols: &'a [&'a CStr]) -> Self {
        Self::new(KprobeMultiFunctions::Symbols(symbols))
    }

    /// The functions at these addresses.
    #[must_use]
    pub fn addresses(addresses: &'a [u64]) -> Self {
        Self::new(KprobeMultiFunctions::Addresses(addresses))
    }

    fn new(functions: KprobeMultiFunctions<'a>) -> Self {
        Self {
            functions,
            cookies: None,
            flags: KprobeMultiFlags::empty(),
        }
    }

    /// What `bpf_get_attach_cookie` gives the program for each function, in the order of the
    /// functions.
    ///
    /// # Errors
    ///
    /// [`Error::LengthMismatch`] unless there are as many cookies as functions.
    pub fn cookies(mut self, cookies: &'a [u64]) -> Result<Self, Error> {
        let of = || self.target();
        same_length(
            "kprobe_multi.cookies",
            self.functions.len(),
            cookies.len(),
            of,
        )?;
        self.cookies = Some(cookies);
        Ok(self)
    }

    /// The flags.
    #[must_use]
    pub fn flags(mut self, flags: KprobeMultiFlags) -> Self {
        self.flags = flags;
        self
    }

    pub(crate) fn parts(&self) -> (KprobeMultiFunctions<'a>, Option<&'a [u64]>) {
        (self.functions, self.cookies)
    }
}

impl KprobeMultiArgs<'_> {
    /// What errors call it.
    pub(crate) fn target(&self) -> Target {
        match self.functions {
            KprobeMultiFunctions::Symbols(symbols) => {
                let symbols = symbols.iter().map(|symbol| (*symbol).to_owned());
                Target::Functions(FirstOf::these(symbols))
            }
            KprobeMultiFunctions::Addresses(addresses) => {
                Target::Addresses(FirstOf::these(addresses.iter().copied()))
            }
        }
    }
}
