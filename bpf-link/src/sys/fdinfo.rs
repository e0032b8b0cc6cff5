//! What procfs says about a link whose info the kernel refuses.

use std::fs;
use std::io;
use std::mem::offset_of;
use std::os::fd::{AsRawFd, BorrowedFd};

use bpf_link_sys as c;

use super::info_bytes::InfoBytes;

/// The length of the info built here: that of Linux 5.8, the first with an info, and too short for
/// the fields of a `uprobe_multi` link.
const SHORTEST: u32 = 32;

const _: () = assert!(
    offset_of!(c::bpf_link_info, raw_tracepoint_union.uprobe_multi.count) >= SHORTEST as usize
);

/// Fills the info from procfs if the kernel refused it because a name in it is too long, and
/// returns its length. Any other refusal is returned as it is.
///
/// The kernel refuses every info of a `uprobe_multi` link, and of no other kind, while the path of
/// its file is longer than the kernel writes. Anybody who owns one of the directories can make it
/// so. The fields that all kinds share do not depend on the path.
#[cold]
pub(super) fn info_without_path(
    refusal: io::Error,
    link: BorrowedFd<'_>,
    info: &mut InfoBytes,
) -> io::Result<u32> {
    if refusal.raw_os_error() != Some(libc::ENAMETOOLONG) {
        return Err(refusal);
    }
    // This thread's, as it may have another table of descriptors than its process.
    let path = format!("/proc/thread-self/fdinfo/{}", link.as_raw_fd());
    let Some(said) = fs::read_to_string(path).ok().as_deref().and_then(Said::of) else {
        return Err(refusal);
    };
    *info = InfoBytes::ZERO;
    for (at, number) in [
        (
            offset_of!(c::bpf_link_info, type_),
            c::BPF_LINK_TYPE_UPROBE_MULTI,
        ),
        (offset_of!(c::bpf_link_info, id), said.id),
        (offset_of!(c::bpf_link_info, prog_id), said.program),
    ] {
        info.put(at, number.to_ne_bytes());
    }
    Ok(SHORTEST)
}

/// What procfs says about a `uprobe_multi` link.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    id: u32,
    program: u32,
}

impl Said {
    /// Parses lines of the form `name:\tvalue`. `None` if they are not about a `uprobe_multi` link.
    fn of(lines: &str) -> Option<Self> {
        let value = |name: &str| {
            lines.lines().find_map(|line| {
                let (found, value) = line.split_once(':')?;
                (found == name).then(|| value.trim())
            })
        };
        let kind = value("link_type")?;
        // Later kernels write the second for links whose program runs on return.
        matches!(kind, "uprobe_multi" | "uretprobe_multi").then_some(())?;
        let number = |name| value(name)?.parse::<u32>().ok().filter(|id| *id != 0);
        Some(Self {
            id: number("link_id")?,
            program: number("prog_id")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_procfs_says_is_read() {
        let lines = "pos:\t0\nflags:\t02000000\nlink_type:\tuprobe_multi\nlink_id:\t12\nprog_tag:\ta04f5eef06a7f555\nprog_id:\t34\n";
        let said = Said {
            id: 12,
            program: 34,
        };
        assert_eq!(Said::of(lines), Some(said));
        let on_return = lines.replace("uprobe_multi", "uretprobe_multi");
        assert!(Said::of(&on_return).is_some());
        for (from, to) in [
            ("uprobe_multi", "xdp"),
            ("link_id:\t12\n", ""),
            ("12", "0"),
            ("12", "many"),
            ("prog_id", "prog"),
        ] {
            assert_eq!(Said::of(&lines.replace(from, to)), None, "{from} -> {to}");
        }
    }
}
