//! Enums over a set of numbers that later kernels add to.

/// Defines an enum whose every variant is one of the kernel's constants, with an arm that keeps any
/// number the header of this release did not have.
///
/// Each entry is `Variant = CONSTANT, "name"`; the name is the one that `bpftool` prints.
macro_rules! open_enum {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident {
            $( $(#[$variant_meta:meta])* $variant:ident = $constant:ident, $text:literal; )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        $vis enum $name {
            $(
                $(#[$variant_meta])*
                #[doc = concat!("\n\nThe kernel's `", stringify!($constant), "`.")]
                $variant,
            )+
            /// A number that is newer than this release of the crate.
            Unknown(u32),
        }

        impl $name {
            /// Every value that this release names, in the kernel's order.
            pub const KNOWN: &'static [Self] = &[$( Self::$variant, )+];

            /// The value with this number; [`Unknown`](Self::Unknown) if this release has no name for it.
            #[must_use]
            pub const fn from_raw(raw: u32) -> Self {
                match raw {
                    $( ::bpf_link_sys::$constant => Self::$variant, )+
                    other => Self::Unknown(other),
                }
            }

            /// The kernel's number.
            #[must_use]
            pub const fn as_raw(self) -> u32 {
                match self {
                    $( Self::$variant => ::bpf_link_sys::$constant, )+
                    Self::Unknown(raw) => raw,
                }
            }

            /// The name that `bpftool` prints; `None` for a number this release has no name for.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $( Self::$variant => Some($text), )+
                    Self::Unknown(_) => None,
                }
            }
        }

        /// Writes the name, or the number where there is no name.
        impl ::core::fmt::Display for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self.name() {
                    Some(name) => f.pad(name),
                    None => ::core::fmt::Display::fmt(&self.as_raw(), f),
                }
            }
        }
    };
}

pub(crate) use open_enum;
