//! Enums over the attach types of one kind.

/// Defines an enum whose every variant stands for an attach type of one kind of links.
macro_rules! hook_enum {
    (
        $(#[$meta:meta])*
        pub enum $Hook:ident: $Kind:ident {
            $( $(#[$variant_meta:meta])* $Variant:ident = $AttachType:ident, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $Hook {
            $( $(#[$variant_meta])* $Variant, )+
            /// Another attach type, which this release knows no hook of this kind for: the kernel
            /// judges it.
            Other(::bpf_link::AttachType),
        }

        impl $Hook {
            /// The hook of this attach type.
            #[inline]
            #[must_use]
            pub const fn from_attach_type(attach_type: ::bpf_link::AttachType) -> Self {
                match attach_type {
                    $( ::bpf_link::AttachType::$AttachType => Self::$Variant, )+
                    other => Self::Other(other),
                }
            }

            /// All that this release has.
            pub const ALL: &'static [Self] = &[$( Self::$Variant, )+];

            /// The attach type.
            #[must_use]
            pub const fn attach_type(self) -> ::bpf_link::AttachType {
                match self {
                    $( Self::$Variant => ::bpf_link::AttachType::$AttachType, )+
                    Self::Other(attach_type) => attach_type,
                }
            }
        }

        /// Writes the attach type.
        impl ::core::fmt::Display for $Hook {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Display::fmt(&self.attach_type(), f)
            }
        }

        impl PartialEq<::bpf_link::AttachType> for $Hook {
            fn eq(&self, other: &::bpf_link::AttachType) -> bool {
                self.attach_type() == *other
            }
        }

        impl PartialEq<$Hook> for ::bpf_link::AttachType {
            fn eq(&self, other: &$Hook) -> bool {
                *self == other.attach_type()
            }
        }

        /// As the attach type.
        #[cfg(feature = "serde")]
        impl ::serde::Serialize for $Hook {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                ::serde::Serialize::serialize(&self.attach_type(), serializer)
            }
        }

        /// As the attach type.
        #[cfg(feature = "serde")]
        impl<'de> ::serde::Deserialize<'de> for $Hook {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let attach_type = ::serde::Deserialize::deserialize(deserializer)?;
                Ok(Self::from_attach_type(attach_type))
            }
        }

        impl From<$Hook> for ::bpf_link::AttachType {
            fn from(hook: $Hook) -> Self {
                hook.attach_type()
            }
        }

        #[cfg(test)]
        mod hook_enum_tests {
            #[test]
            fn all_are_of_this_kind() {
                for hook in super::$Hook::ALL {
                    let attach_type = hook.attach_type();
                    assert_eq!(super::$Hook::from_attach_type(attach_type), *hook);
                    assert_eq!(hook.attach_type().link_kind(), Some(::bpf_link::LinkKind::$Kind), "{hook:?}");
                }
                let unknown = ::bpf_link::AttachType::Unknown(99);
                let other = super::$Hook::from_attach_type(unknown);
                assert_eq!(other, super::$Hook::Other(unknown));
                assert_eq!(other, unknown);
            }
        }
    };
}

pub(crate) use hook_enum;
