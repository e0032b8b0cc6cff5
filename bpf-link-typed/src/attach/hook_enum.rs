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
        }

        impl $Hook {
            /// All that this release has.
            pub const ALL: &'static [Self] = &[$( Self::$Variant, )+];

            /// The attach type.
            #[must_use]
            pub const fn attach_type(self) -> ::bpf_link::AttachType {
                match self {
                    $( Self::$Variant => ::bpf_link::AttachType::$AttachType, )+
                }
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
                    assert_eq!(hook.attach_type().link_kind(), Some(::bpf_link::LinkKind::$Kind), "{hook:?}");
                }
            }
        }
    };
}

pub(crate) use hook_enum;
