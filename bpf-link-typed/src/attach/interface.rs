//! Network devices, by index or by name.

pub(crate) mod device;
mod look_up;

use std::ffi::{OsStr, OsString};
use std::fmt;

use crate::attach::netns::Netns;

/// A network device in the network namespace of the thread that attaches to it, or in another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Interface {
    /// By its index.
    Index(u32),
    /// By its name, which is looked up whenever a program is attached. An alternative name will do.
    Name(OsString),
    /// A device in this network namespace: [`in_netns`](Self::in_netns).
    In(Netns, Box<Interface>),
}

impl Interface {
    /// The device with this index or name in another network namespace.
    ///
    /// ```no_run
    /// use bpf_link_typed::Interface;
    ///
    /// let peer = Interface::from("eth0").in_netns("/run/netns/blue");
    /// assert_eq!(peer.to_string(), "eth0 in network namespace /run/netns/blue");
    /// ```
    #[must_use]
    pub fn in_netns(self, netns: impl Into<Netns>) -> Self {
        let device = match self {
            Self::In(_, device) => device,
            device => Box::new(device),
        };
        Self::In(netns.into(), device)
    }

    /// The network namespace, if it is said.
    pub(crate) fn netns(&self) -> Option<&Netns> {
        match self {
            Self::In(netns, _) => Some(netns),
            Self::Index(_) | Self::Name(_) => None,
        }
    }

    /// The device as it is called inside its network namespace.
    fn there(&self) -> &Self {
        match self {
            Self::In(_, device) => device,
            device => device,
        }
    }
}

impl From<u32> for Interface {
    fn from(index: u32) -> Self {
        Self::Index(index)
    }
}

macro_rules! from_names {
    ($($Name:ty),+) => {$(
        impl From<$Name> for Interface {
            fn from(name: $Name) -> Self {
                Self::Name(name.into())
            }
        }
    )+};
}

from_names!(&str, &String, String, &OsStr, &OsString, OsString);

/// Writes the name, or the index.
impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "{index}"),
            Self::Name(name) => write!(f, "{}", name.to_string_lossy()),
            Self::In(netns, device) => write!(f, "{device} in {netns}"),
        }
    }
}
