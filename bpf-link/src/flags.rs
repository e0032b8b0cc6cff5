//! Flags of the commands on links; bits that this release has no name for are kept.

use bitflags::bitflags;
use bpf_link_sys as c;

bitflags! {
    /// Flags of a link's creation.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
    pub struct AttachFlags: u32 {
        /// Run before the anchor, or before every other program if there is none (tcx, netkit;
        /// cgroup since Linux 6.17).
        #[doc(alias = "BPF_F_BEFORE")]
        const BEFORE = c::BPF_F_BEFORE;
        /// Run after the anchor, or after every other program if there is none (tcx, netkit; cgroup
        /// since Linux 6.17).
        #[doc(alias = "BPF_F_AFTER")]
        const AFTER = c::BPF_F_AFTER;
        /// Run an ancestor's program before a descendant's (cgroup, since Linux 6.17: 6.15 and 6.16
        /// take it without a link only).
        #[doc(alias = "BPF_F_PREORDER")]
        const PREORDER = c::BPF_F_PREORDER;
        /// Any other bit: the kernel judges it.
        const _ = !0;
    }
}

bitflags! {
    /// Through which path of the driver an XDP program runs; none set lets the kernel choose.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
    pub struct XdpFlags: u32 {
        /// After the kernel has built its socket buffer: works with every device.
        #[doc(alias = "XDP_FLAGS_SKB_MODE")]
        const SKB_MODE = c::XDP_FLAGS_SKB_MODE;
        /// In the driver.
        #[doc(alias = "XDP_FLAGS_DRV_MODE")]
        const DRV_MODE = c::XDP_FLAGS_DRV_MODE;
        /// On the device.
        #[doc(alias = "XDP_FLAGS_HW_MODE")]
        const HW_MODE = c::XDP_FLAGS_HW_MODE;
        /// Any other bit: the kernel judges it.
        const _ = !0;
    }
}

bitflags! {
    /// Flags of an update.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
    pub struct UpdateFlags: u32 {
        /// Only if the link has the program or map that is expected on it; implied by giving that
        /// one, and refused without it.
        #[doc(alias = "BPF_F_REPLACE")]
        const REPLACE = c::BPF_F_REPLACE;
        /// Any other bit: the kernel judges it.
        const _ = !0;
    }
}

bitflags! {
    /// Flags of a `kprobe_multi` link.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
    pub struct KprobeMultiFlags: u32 {
        /// Run when the functions return, not when they are entered.
        #[doc(alias = "BPF_F_KPROBE_MULTI_RETURN")]
        const RETURN = c::BPF_F_KPROBE_MULTI_RETURN;
        /// Any other bit: the kernel judges it.
        const _ = !0;
    }
}

bitflags! {
    /// Flags of a `uprobe_multi` link.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
    pub struct UprobeMultiFlags: u32 {
        /// Run when the functions return, not when they are entered.
        #[doc(alias = "BPF_F_UPROBE_MULTI_RETURN")]
        const RETURN = c::BPF_F_UPROBE_MULTI_RETURN;
        /// The file was given by its descriptor. The kernel says so of a link; of one that is to be
        /// made, [`UprobeMultiArgs::path_fd`](crate::UprobeMultiArgs::path_fd) does. Since Linux
        /// 7.2.
        #[doc(alias = "BPF_F_UPROBE_MULTI_PATH_FD")]
        const PATH_FD = c::BPF_F_UPROBE_MULTI_PATH_FD;
        /// Any other bit: the kernel judges it.
        const _ = !0;
    }
}

bitflags! {
    /// Flags of a netfilter link.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
    pub struct NetfilterFlags: u32 {
        /// Put the fragments of a packet together before the program sees it (since Linux 6.6).
        #[doc(alias = "BPF_F_NETFILTER_IP_DEFRAG")]
        const IP_DEFRAG = c::BPF_F_NETFILTER_IP_DEFRAG;
        /// Any other bit: the kernel judges it.
        const _ = !0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_without_a_name_are_kept() {
        assert_eq!(AttachFlags::from_bits_retain(1 << 30).bits(), 1 << 30);
        assert_eq!(
            AttachFlags::from_bits(1 << 30).map(|flags| flags.bits()),
            Some(1 << 30)
        );
        assert_eq!(
            (UpdateFlags::REPLACE | UpdateFlags::from_bits_retain(1)).bits(),
            5
        );
    }
}
