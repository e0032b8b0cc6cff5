//! Paths, lent or given.

use std::borrow::Cow;
use std::path::Path;

/// A path, lent or given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRef<'a>(Cow<'a, Path>);

impl AsRef<Path> for PathRef<'_> {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

/// Makes a type of every spelling of a path.
macro_rules! from_paths {
    ($To:ident, $path:ident -> $to:expr) => {
        $crate::attach::path_ref::from_paths! {
            $To, $path -> $to;
            borrowed: std::path::Path, std::path::PathBuf, str, String, std::ffi::OsStr, std::ffi::OsString;
            owned: std::path::PathBuf, String, std::ffi::OsString
        }
    };
    (
        $To:ident, $path:ident -> $to:expr;
        borrowed: $($Borrowed:ty),+;
        owned: $($Owned:ty),+
    ) => {
        $(impl<'a> From<&'a $Borrowed> for $To<'a> {
            fn from(path: &'a $Borrowed) -> Self {
                let $path = std::borrow::Cow::Borrowed(std::path::Path::new(path));
                $to
            }
        })+

        $(impl From<$Owned> for $To<'_> {
            fn from(path: $Owned) -> Self {
                let $path = std::borrow::Cow::Owned(std::path::PathBuf::from(path));
                $to
            }
        })+

        impl<'a> From<std::borrow::Cow<'a, std::path::Path>> for $To<'a> {
            fn from($path: std::borrow::Cow<'a, std::path::Path>) -> Self {
                $to
            }
        }
    };
}

pub(crate) use from_paths;

from_paths!(PathRef, path -> PathRef(path));
