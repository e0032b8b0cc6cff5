//! `bpf-links` on a terminal.

use std::fs::File;
use std::io::Read as _;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{AttachType, LinkCreate, RawLink};
use bpf_link_tests::{Hook, Program, Sandbox, in_form};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::fixture::text;
use crate::harness::{Test, test};
use crate::lister::scale::pin_many;
use crate::lister::{LISTER, command, run};

pub(crate) const TESTS: &[Test] = &[
    test!(no_line_is_too_long).needs(LISTER).alone(),
    test!(many_links).needs(LISTER).alone(),
];

/// Runs the lister on a terminal of this width and returns the output.
pub(super) fn on_a_terminal(arguments: &[&str], width: u16, no_color: &str) -> Result<String> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let here = openpt(flags)?;
    grantpt(&here)?;
    unlockpt(&here)?;
    let path = ptsname(&here, Vec::new())?;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let there = rustix::fs::open(path.as_c_str(), flags, Mode::empty())?;
    let size = Winsize {
        ws_row: 25,
        ws_col: width,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&there, size)?;
    let mut command = command(arguments)?;
    command.env("TERM", "xterm").env("NO_COLOR", no_color);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::from(there))
        .spawn()?;
    // `command` holds the terminal as well.
    drop(command);
    let (mut here, mut shown) = (File::from(here), Vec::new());
    match here.read_to_end(&mut shown) {
        // EIO: nobody has the terminal open any more.
        Err(error) if error.raw_os_error() == Some(libc::EIO) => {}
        read => drop(read?),
    }
    ensure!(child.wait()?.success());
    Ok(String::from_utf8(shown)?)
}

/// The width of the widest line, without colours.
pub(super) fn widest(text: &str) -> usize {
    let lines = text.lines().map(|line| line.trim_end().chars().count());
    lines.max().unwrap_or_default()
}

fn no_line_is_too_long(sandbox: &Sandbox) -> Result<()> {
    const END: &str = "longlong";
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let long = "long".repeat(30);
    let cgroup = sandbox.new_cgroup(&long)?;
    let request = LinkCreate::new(&program, AttachType::CgroupInetEgress);
    let mut link = RawLink::create(&request.target_fd(&cgroup))?;
    let id = link.id()?.to_string();
    let pin = sandbox.bpffs().join(&long);
    link.pin(&pin)?;
    let list = ["list", "--kind", "cgroup", "--pins", "--holders"];
    let coloured = on_a_terminal(&list, 80, "")?;
    ensure!(coloured.contains("\u{1b}["), "{coloured}");
    let us = format!("({})", std::process::id());
    for width in [45, 80, 200] {
        let plain = on_a_terminal(&list, width, "1")?;
        ensure!(!plain.contains('\u{1b}'), "{plain}");
        ensure!(widest(&plain) <= width.into(), "{width}: {plain}");
        // The link, its pin and its holder, each in one line.
        let mut lines = plain.lines().skip_while(|line| !line.starts_with(&id));
        let mut row = lines.next().context("no row")?;
        if width < 80 {
            // The hook has one, too.
            row = lines.next().context("no hook")?;
        }
        ensure!(
            row.contains("cgroup_inet_egress") && row.ends_with(END),
            "{row}"
        );
        let pinned = lines.next().context("no pin")?;
        ensure!(
            pinned.starts_with("        pinned at /") && pinned.ends_with(END),
            "{pinned}"
        );
        let held = lines.next().context("no holder")?;
        ensure!(held.trim_end().ends_with(&us), "{held}");
    }
    // With an unknown width, or on a pipe, nothing is shortened.
    for whole in [on_a_terminal(&list, 0, "1")?, run(&list)?.well()?] {
        ensure!(whole.contains(text(cgroup.path())?), "{whole}");
        ensure!(whole.contains(text(&pin)?), "{whole}");
    }
    Ok(link.unpin()?)
}

/// Pages work on a terminal, too.
fn many_links(sandbox: &Sandbox) -> Result<()> {
    let count = in_form(2_000, 10_000);
    let directory = sandbox.bpffs().join("many");
    std::fs::create_dir(&directory)?;
    pin_many(&directory, 0..count)?;
    let shown = [80, 200].map(|width| {
        let plain = on_a_terminal(&["list", "--kind", "iter"], width, "1")?;
        ensure!(widest(&plain) <= width.into(), "{width}");
        let rows = plain.lines().filter(|line| line.contains("bpf_map"));
        ensure!(rows.count() >= count, "{width}");
        ensure!(plain.lines().filter(|line| line.starts_with("ID ")).count() == 1);
        Ok(())
    });
    std::fs::remove_dir_all(&directory)?;
    shown.into_iter().collect()
}
