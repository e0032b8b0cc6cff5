//! The functions of a `tracing_multi` link.

use crate::error::{Error, FirstOf, Target, same_length};
use crate::id::BtfTypeId;

/// The functions that a `tracing_multi` link is attached to (`link_create.tracing_multi`, since
/// Linux 7.2).
#[derive(Clone, Copy, Debug)]
pub struct TracingMultiArgs<'a> {
    ids: &'a [BtfTypeId],
    /// As many as there are ids.
    cookies: Option<&'a [u64]>,
}

impl<'a> TracingMultiArgs<'a> {
    /// The functions with these numbers in the BTF object that the program was loaded for.
    #[must_use]
    pub fn new(ids: &'a [BtfTypeId]) -> Self {
        Self { ids, cookies: None }
    }

    /// What `bpf_get_attach_cookie` gives the program for each function, in the order of the ids.
    ///
    /// # Errors
    ///
    /// [`Error::LengthMismatch`] unless there are as many cookies as ids.
    pub fn cookies(mut self, cookies: &'a [u64]) -> Result<Self, Error> {
        let of = || self.target();
        same_length("tracing_multi.cookies", self.ids.len(), cookies.len(), of)?;
        self.cookies = Some(cookies);
        Ok(self)
    }

    pub(crate) fn parts(&self) -> (&'a [BtfTypeId], Option<&'a [u64]>) {
        (self.ids, self.cookies)
    }
}

impl TracingMultiArgs<'_> {
    /// What errors call it.
    pub(crate) fn target(&self) -> Target {
        Target::FunctionTypes(FirstOf::these(self.ids.iter().copied()))
    }
}
