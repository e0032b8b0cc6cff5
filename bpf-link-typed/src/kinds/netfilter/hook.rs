//! The families and the hooks of netfilter.

use bpf_link_sys as c;

macro_rules! number_enum {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $( $(#[$variant_meta:meta])* $variant:ident = $constant:ident, )+ }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $(
                $(#[$variant_meta])*
                #[doc = concat!("\n\nThe kernel's `", stringify!($constant), "`.")]
                $variant,
            )+
            /// Another number: the kernel judges it.
            Other(u32),
        }

        /// Writes the number.
        #[cfg(feature = "serde")]
        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_u32(self.as_raw())
            }
        }

        /// Reads the number.
        #[cfg(feature = "serde")]
        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                ::serde::Deserialize::deserialize(deserializer).map(Self::from_raw)
            }
        }

        impl $name {
            /// The value with this number.
            #[must_use]
            pub const fn from_raw(raw: u32) -> Self {
                match raw {
                    $( c::$constant => Self::$variant, )+
                    other => Self::Other(other),
                }
            }

            /// The kernel's number.
            #[must_use]
            pub const fn as_raw(self) -> u32 {
                match self {
                    $( Self::$variant => c::$constant, )+
                    Self::Other(raw) => raw,
                }
            }
        }
    };
}

number_enum! {
    /// A family of protocols of netfilter.
    pub enum NetfilterFamily {
        /// IPv4.
        Ipv4 = NFPROTO_IPV4,
        /// IPv6.
        Ipv6 = NFPROTO_IPV6,
    }
}

number_enum! {
    /// A place on a packet's way through netfilter.
    pub enum NetfilterHook {
        /// Whatever comes in, before it is known whose it is.
        PreRouting = NF_INET_PRE_ROUTING,
        /// What comes in for this machine.
        LocalIn = NF_INET_LOCAL_IN,
        /// What comes in for another machine.
        Forward = NF_INET_FORWARD,
        /// What this machine sends.
        LocalOut = NF_INET_LOCAL_OUT,
        /// Whatever goes out.
        PostRouting = NF_INET_POST_ROUTING,
    }
}

impl NetfilterFamily {
    /// The name that `nft` has for the family, such as `ip`; `None` for a number without one.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        bpf_link::netfilter_family_name(self.as_raw())
    }
}

impl NetfilterHook {
    /// The name that `nft` has for the hook, such as `prerouting`. The numbers of hooks are those
    /// of their family. `None` for a number without a name.
    #[must_use]
    pub const fn name_in(self, family: NetfilterFamily) -> Option<&'static str> {
        bpf_link::netfilter_hook_name(family.as_raw(), self.as_raw())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_and_hooks_have_names() {
        let (ip, arp) = (NetfilterFamily::Ipv4, NetfilterFamily::from_raw(3));
        let none = NetfilterFamily::from_raw(99);
        assert_eq!((ip.name(), none.name()), (Some("ip"), None));
        assert_eq!(NetfilterHook::LocalOut.name_in(ip), Some("output"));
        assert_eq!(NetfilterHook::PreRouting.name_in(arp), Some("input"));
        assert_eq!(NetfilterHook::PreRouting.name_in(none), None);
        assert_eq!(NetfilterHook::Other(99).name_in(ip), None);
    }
}
