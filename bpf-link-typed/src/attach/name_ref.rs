//! Names that the kernel takes, as text or as C has them.

use std::borrow::Cow;
use std::ffi::{CStr, CString};

use bpf_link::InvalidRequest;

use crate::error::Result;

/// The name of a tracepoint or a function of the kernel, as text or as a C string, lent or given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameRef<'a>(Cow<'a, [u8]>);

impl NameRef<'_> {
    /// As the kernel takes it; an error if there is a NUL in it.
    pub(crate) fn to_c_string(&self) -> Result<CString> {
        let name = CString::new(&*self.0);
        name.map_err(|_| bpf_link::Error::InvalidRequest(InvalidRequest::NameHasNul).into())
    }

    pub(crate) fn is(&self, name: &CStr) -> bool {
        *self.0 == *name.to_bytes()
    }
}

impl<'a> From<&'a CStr> for NameRef<'a> {
    fn from(name: &'a CStr) -> Self {
        Self(Cow::Borrowed(name.to_bytes()))
    }
}

impl<'a> From<&'a CString> for NameRef<'a> {
    fn from(name: &'a CString) -> Self {
        Self::from(name.as_c_str())
    }
}

impl From<CString> for NameRef<'_> {
    fn from(name: CString) -> Self {
        Self(Cow::Owned(name.into_bytes()))
    }
}

impl<'a> From<&'a str> for NameRef<'a> {
    fn from(name: &'a str) -> Self {
        Self(Cow::Borrowed(name.as_bytes()))
    }
}

impl<'a> From<&'a String> for NameRef<'a> {
    fn from(name: &'a String) -> Self {
        Self::from(name.as_str())
    }
}

impl From<String> for NameRef<'_> {
    fn from(name: String) -> Self {
        Self(Cow::Owned(name.into_bytes()))
    }
}
