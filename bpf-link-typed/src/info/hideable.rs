//! Addresses of the kernel, which it may hide.

/// A kernel address, or several, which the kernel hides from a caller who may not see them.
///
/// `kernel.kptr_restrict` 0 shows addresses to those with `CAP_SYSLOG`, and to everybody where
/// `kernel.perf_event_paranoid` is 1 or less; 1 shows them to those with `CAP_SYSLOG`; 2 to nobody.
/// The kernel writes 0 for an address that it hides, which no address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Hideable<T> {
    /// The kernel hides it from this caller.
    Hidden,
    /// The caller may see it.
    Visible(T),
}

impl<T> Hideable<T> {
    /// What the caller may see.
    #[must_use]
    pub fn visible(self) -> Option<T> {
        match self {
            Self::Hidden => None,
            Self::Visible(value) => Some(value),
        }
    }

    /// The same, with a reference.
    #[must_use]
    pub const fn as_ref(&self) -> Hideable<&T> {
        match self {
            Self::Hidden => Hideable::Hidden,
            Self::Visible(value) => Hideable::Visible(value),
        }
    }

    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Hideable<U> {
        match self {
            Self::Hidden => Hideable::Hidden,
            Self::Visible(value) => Hideable::Visible(change(value)),
        }
    }
}

impl Hideable<u64> {
    pub(crate) fn address(address: u64) -> Self {
        match address {
            0 => Self::Hidden,
            address => Self::Visible(address),
        }
    }
}

impl<'a> Hideable<&'a [u64]> {
    pub(crate) fn addresses(addresses: &'a [u64]) -> Self {
        if addresses.iter().all(|address| *address == 0) {
            Self::Hidden
        } else {
            Self::Visible(addresses)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_hidden() {
        assert_eq!(Hideable::address(0), Hideable::Hidden);
        assert_eq!(Hideable::address(7).visible(), Some(7));
        assert_eq!(Hideable::addresses(&[0, 0]), Hideable::Hidden);
        assert_eq!(
            Hideable::addresses(&[0, 7]).as_ref().visible(),
            Some(&[0_u64, 7].as_slice())
        );
    }
}
