//! Enums over a set of numbers that later kernels add to.

/// Defines an enum whose every variant is one of the kernel's constants, with an arm that keeps any
/// number the header of this release did not have.
///
/// Each entry is `Variant = CONSTANT, "name"`; the name is the one that `bpftool` prints. Other
/// names that are accepted may follow it.
macro_rules! open_enum {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident {
            $( $(#[$variant_meta:meta])* $variant:ident = $constant:ident, $text:literal $(, $alias:literal)*; )+
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

            /// The value with this number; [`Unknown`](Self::Unknown) if this release has no name
            /// for it.
            #[inline]
            #[must_use]
            pub const fn from_raw(raw: u32) -> Self {
                match raw {
                    $( ::bpf_link_sys::$constant => Self::$variant, )+
                    other => Self::Unknown(other),
                }
            }

            /// The kernel's number.
            #[inline]
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

        /// Reads what [`Display`](::core::fmt::Display) writes: a name or a number.
        impl ::core::str::FromStr for $name {
            type Err = $crate::UnknownName;

            fn from_str(text: &str) -> Result<Self, $crate::UnknownName> {
                match text {
                    $( $text $(| $alias)* => Ok(Self::$variant), )+
                    _ => match text.parse() {
                        Ok(number) => Ok(Self::from_raw(number)),
                        Err(_) => Err($crate::UnknownName::new(stringify!($name), text)),
                    },
                }
            }
        }

        /// A number that this release has a name for is written as the name, any other as the
        /// number.
        #[cfg(feature = "serde")]
        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self.name() {
                    Some(name) => serializer.serialize_str(name),
                    None => serializer.serialize_u32(self.as_raw()),
                }
            }
        }

        /// Reads a name or a number.
        #[cfg(feature = "serde")]
        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any($crate::open_enum::NameOrNumber {
                    what: stringify!($name),
                    of_name: |text| Self::KNOWN.iter().copied().find(|known| known.name() == Some(text)),
                    of_number: Self::from_raw,
                })
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

/// Reads a value of such an enum.
#[cfg(feature = "serde")]
pub(crate) struct NameOrNumber<T> {
    pub(crate) what: &'static str,
    pub(crate) of_name: fn(&str) -> Option<T>,
    pub(crate) of_number: fn(u32) -> T,
}

#[cfg(feature = "serde")]
impl<T> serde::de::Visitor<'_> for NameOrNumber<T> {
    type Value = T;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the name or number of a {}", self.what)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        (self.of_name)(text)
            .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<T, E> {
        match u32::try_from(number) {
            Ok(number) => Ok((self.of_number)(number)),
            Err(_) => Err(E::invalid_value(
                serde::de::Unexpected::Unsigned(number),
                &self,
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{AttachType, LinkKind};

    #[test]
    fn what_is_written_is_read() {
        for kind in LinkKind::KNOWN.iter().chain(&[LinkKind::Unknown(4711)]) {
            assert_eq!(kind.to_string().parse().as_ref(), Ok(kind));
        }
        assert_eq!("xdp".parse(), Ok(AttachType::Xdp));
        for wrong in ["no such kind", "", "-1", "4294967296"] {
            let error = wrong.parse::<LinkKind>().expect_err("it is not a kind");
            assert_eq!(error.name(), wrong);
            assert!(error.to_string().contains("LinkKind"), "{error}");
        }
    }
}

#[cfg(all(test, feature = "serde"))]
mod serde_tests {
    use crate::{AttachType, KprobeMultiFlags, LinkId, LinkKind};

    fn round_trip<T>(value: &T, json: &str)
    where
        T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
    {
        assert_eq!(serde_json::to_string(value).expect("it is written"), json);
        assert_eq!(&serde_json::from_str::<T>(json).expect("it is read"), value);
    }

    #[test]
    fn names_and_numbers() {
        round_trip(&LinkKind::Xdp, r#""xdp""#);
        round_trip(&LinkKind::Unknown(4711), "4711");
        round_trip(&AttachType::CgroupInetEgress, r#""cgroup_inet_egress""#);
        round_trip(&LinkId::new(12).expect("it is not 0"), "12");
        round_trip(&KprobeMultiFlags::RETURN, r#""RETURN""#);
        round_trip(&KprobeMultiFlags::from_bits_retain(5), r#""RETURN | 0x4""#);
        // What an older release wrote as a number.
        let kind: LinkKind = serde_json::from_str("6").expect("it is read");
        assert_eq!(kind, LinkKind::Xdp);
        for wrong in [r#""no such kind""#, "-1", "4294967296", "[]"] {
            assert!(serde_json::from_str::<LinkKind>(wrong).is_err(), "{wrong}");
        }
        assert!(serde_json::from_str::<LinkId>("0").is_err());
    }
}
