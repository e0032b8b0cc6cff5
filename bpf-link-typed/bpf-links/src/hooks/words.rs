//! Words for what is attached, which the table and the JSON share.

use bpf_link::{AttachFlags, TcParent};
use bpf_link_typed::XdpMode;
use bpf_link_typed::inspect::hooks::HookNote;

use crate::failure;

/// Why something could not be found out, with the privilege that would have helped.
pub(super) fn why(note: &HookNote) -> String {
    match &note.error {
        Some(error) => failure::line_of(&**error),
        None => note.about.to_string(),
    }
}

/// How a packet gets to an XDP program, in the words of bpftool.
pub(super) fn xdp_mode(mode: XdpMode) -> &'static str {
    match mode {
        XdpMode::Skb => "generic",
        XdpMode::Drv => "driver",
        _ => "offload",
    }
}

/// How a cgroup's hook is shared, in the words of bpftool.
pub(super) fn sharing(flags: AttachFlags) -> Option<&'static str> {
    /// `BPF_F_ALLOW_OVERRIDE`
    const OVERRIDE: u32 = 1;
    /// `BPF_F_ALLOW_MULTI`
    const MULTI: u32 = 2;
    match flags.bits() & (OVERRIDE | MULTI) {
        MULTI => Some("multi"),
        OVERRIDE => Some("override"),
        _ => None,
    }
}

/// The handle of a class, as `tc` writes it.
pub(super) fn class(parent: TcParent) -> Option<String> {
    match parent {
        TcParent::Class(handle) => Some(handle_text(handle)),
        _ => None,
    }
}

pub(super) fn handle_text(handle: u32) -> String {
    match handle & 0xffff {
        0 => format!("{:x}:", handle >> 16),
        minor => format!("{:x}:{minor:x}", handle >> 16),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_as_tc_writes_them() {
        assert_eq!(handle_text(0x0001_0000), "1:");
        assert_eq!(handle_text(0x0010_000a), "10:a");
    }
}
