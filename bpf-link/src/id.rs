//! Ids that the kernel gives to its BPF objects.

use core::fmt;
use core::num::{NonZeroU32, TryFromIntError};

macro_rules! id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[repr(transparent)]
        pub struct $name(NonZeroU32);

        impl $name {
            /// The id with this number; `None` for 0, which the kernel gives to nothing.
            #[inline]
            #[must_use]
            pub const fn new(raw: u32) -> Option<Self> {
                match NonZeroU32::new(raw) {
                    Some(raw) => Some(Self(raw)),
                    None => None,
                }
            }

            /// The kernel's number.
            #[inline]
            #[must_use]
            pub const fn get(self) -> u32 {
                self.0.get()
            }
        }

        impl From<NonZeroU32> for $name {
            fn from(raw: NonZeroU32) -> Self {
                Self(raw)
            }
        }

        impl From<$name> for u32 {
            fn from(id: $name) -> Self {
                id.get()
            }
        }

        impl TryFrom<u32> for $name {
            type Error = TryFromIntError;

            fn try_from(raw: u32) -> Result<Self, Self::Error> {
                NonZeroU32::try_from(raw).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

id! {
    /// The id of a link: from 1 to 2^31 - 1, given in a cycle, unique among the links that exist on
    /// this machine.
    LinkId
}
id! {
    /// The id of a program.
    ProgramId
}
id! {
    /// The id of a map.
    MapId
}
id! {
    /// The id of a BTF object: the kernel's own types, a module's, or a program's.
    BtfId
}
id! {
    /// The number of a type within one BTF object, such as a function that a tracing program is
    /// attached to.
    BtfTypeId
}

impl LinkId {
    /// The smallest.
    pub(crate) const FIRST: Self = Self(NonZeroU32::MIN);
}
