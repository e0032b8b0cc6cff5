//! What the types for a kind's info have in common.

use std::ffi::{CStr, CString};

use crate::info::hideable::Hideable;

/// Defines the info of one kind.
///
/// With one name, it is a type that holds all there is. With two names, the second one is a view of
/// what is in a lent buffer; a field then has the type in the first one, and after `=>` that in the
/// view, where it is another.
macro_rules! info {
    (
        $(#[$meta:meta])*
        pub struct $Info:ident {
            $( $(#[$field_meta:meta])* $field:ident: $type:ty, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[non_exhaustive]
        pub struct $Info {
            /// The id of the link.
            pub id: ::bpf_link::LinkId,
            /// The id of the program that is attached, or was until the link was detached.
            pub program_id: ::core::option::Option<::bpf_link::ProgramId>,
            $( $(#[$field_meta])* pub $field: $type, )*
        }

        impl $crate::info::types::Lend for $Info {
            type Lent<'b> = Self;

            fn lend(&self) -> Self {
                *self
            }
        }
    };
    (
        $(#[$meta:meta])*
        pub struct $Info:ident / $InfoRef:ident {
            $( $(#[$field_meta:meta])* $field:ident: $type:ty $(=> $ref_type:ty)?, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[non_exhaustive]
        pub struct $Info {
            /// The id of the link.
            pub id: ::bpf_link::LinkId,
            /// The id of the program that is attached, or was until the link was detached.
            pub program_id: ::core::option::Option<::bpf_link::ProgramId>,
            $( $(#[$field_meta])* pub $field: $type, )*
        }

        #[doc = concat!("A view of a [`", stringify!($Info), "`], whose names and arrays are in a lent buffer.")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        #[non_exhaustive]
        pub struct $InfoRef<'a> {
            /// The id of the link.
            pub id: ::bpf_link::LinkId,
            /// The id of the program that is attached, or was until the link was detached.
            pub program_id: ::core::option::Option<::bpf_link::ProgramId>,
            $( $(#[$field_meta])* pub $field: $crate::info::types::in_view!($type $(=> $ref_type)?), )*
        }

        impl $InfoRef<'_> {
            /// The same in memory of its own.
            #[must_use]
            pub fn into_owned(self) -> $Info {
                $Info {
                    id: self.id,
                    program_id: self.program_id,
                    $( $field: $crate::info::types::owned!(self.$field $(=> $ref_type)?), )*
                }
            }
        }

        impl $crate::info::types::Lend for $Info {
            type Lent<'b> = $InfoRef<'b>;

            fn lend(&self) -> $InfoRef<'_> {
                $InfoRef {
                    id: self.id,
                    program_id: self.program_id,
                    $( $field: $crate::info::types::lent!(self.$field $(=> $ref_type)?), )*
                }
            }
        }

        impl From<$InfoRef<'_>> for $Info {
            fn from(info: $InfoRef<'_>) -> Self {
                info.into_owned()
            }
        }
    };
}

/// Says of the info of a kind that its links are never without their hook.
macro_rules! always_attached {
    ($($Info:ty),+) => {
        $(
            impl $Info {
                /// Whether the link is without its hook: `Some(false)`, as a link of this kind is
                /// attached for as long as it exists.
                #[must_use]
                pub const fn is_defunct(&self) -> Option<bool> {
                    Some(false)
                }
            }
        )+
    };
}

macro_rules! in_view {
    ($type:ty) => {
        $type
    };
    ($type:ty => $ref_type:ty) => {
        $ref_type
    };
}

macro_rules! owned {
    ($value:expr) => {
        $value
    };
    ($value:expr => $ref_type:ty) => {
        $crate::info::types::Own::own($value)
    };
}

macro_rules! lent {
    ($value:expr) => {
        $value
    };
    ($value:expr => $ref_type:ty) => {
        $crate::info::types::Lend::lend(&$value)
    };
}

pub(crate) use {always_attached, in_view, info, lent, owned};

/// What a view has in a lent buffer.
pub(crate) trait Own {
    type Owned;

    /// The same in memory of its own.
    fn own(self) -> Self::Owned;
}

impl Own for &CStr {
    type Owned = CString;

    fn own(self) -> CString {
        self.to_owned()
    }
}

impl<T: Clone> Own for &[T] {
    type Owned = Vec<T>;

    fn own(self) -> Vec<T> {
        self.to_vec()
    }
}

impl<T: Own> Own for Option<T> {
    type Owned = Option<T::Owned>;

    fn own(self) -> Self::Owned {
        self.map(T::own)
    }
}

impl<T: Own> Own for Hideable<T> {
    type Owned = Hideable<T::Owned>;

    fn own(self) -> Self::Owned {
        self.map(T::own)
    }
}

/// What a view can be of.
pub(crate) trait Lend {
    type Lent<'a>
    where
        Self: 'a;

    /// A view of it.
    fn lend(&self) -> Self::Lent<'_>;
}

impl Lend for CString {
    type Lent<'a> = &'a CStr;

    fn lend(&self) -> &CStr {
        self
    }
}

impl<T> Lend for Vec<T> {
    type Lent<'a>
        = &'a [T]
    where
        T: 'a;

    fn lend(&self) -> &[T] {
        self
    }
}

impl<T: Lend> Lend for Option<T> {
    type Lent<'a>
        = Option<T::Lent<'a>>
    where
        T: 'a;

    fn lend(&self) -> Self::Lent<'_> {
        Some(self.as_ref()?.lend())
    }
}

impl<T: Lend> Lend for Hideable<T> {
    type Lent<'a>
        = Hideable<T::Lent<'a>>
    where
        T: 'a;

    fn lend(&self) -> Self::Lent<'_> {
        match self {
            Self::Hidden => Hideable::Hidden,
            Self::Visible(value) => Hideable::Visible(value.lend()),
        }
    }
}
