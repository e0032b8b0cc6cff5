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
        let name = CString::new(&*self.0).map_err(|refused| InvalidRequest::NameHasNul {
            name: refused.into_vec().into(),
        });
        Ok(name.map_err(bpf_link::Error::from)?)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn is(&self, name: &CStr) -> bool {
        *self.0 == *name.to_bytes()
    }
}

macro_rules! from_names {
    ($($Borrowed:ty, $Owned:ty, $bytes:ident);+) => {$(
        impl<'a> From<&'a $Borrowed> for NameRef<'a> {
            fn from(name: &'a $Borrowed) -> Self {
                Self(Cow::Borrowed(name.$bytes()))
            }
        }

        /// As lists have it.
        impl<'a> From<&&'a $Borrowed> for NameRef<'a> {
            fn from(name: &&'a $Borrowed) -> Self {
                Self::from(*name)
            }
        }

        impl<'a> From<&'a $Owned> for NameRef<'a> {
            fn from(name: &'a $Owned) -> Self {
                Self(Cow::Borrowed(name.$bytes()))
            }
        }

        impl From<$Owned> for NameRef<'_> {
            fn from(name: $Owned) -> Self {
                Self(Cow::Owned(name.into_bytes()))
            }
        }
    )+};
}

from_names!(CStr, CString, to_bytes; str, String, as_bytes);
