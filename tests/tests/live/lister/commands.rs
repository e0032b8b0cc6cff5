//! The commands of `bpf-links`, and how they end.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, ExitStatus, Stdio};

use anyhow::{Context as _, Result, ensure};
use bpf_link::{AttachType, LinkCreate, RawLink};
use bpf_link_tests::{Hook, Map, Program, Sandbox, eventually_holds, links, names, pins};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::Value;

use crate::fixture::{Counted, xdp};
use crate::harness::{Need, Test, test};
use crate::kinds::KINDS;
use crate::lister::{LISTER, at, command, list, many, run, show, text};
use crate::suites::golden::{self, Case};

pub(crate) const TESTS: &[Test] = &[
    test!(usage).needs(LISTER),
    test!(failures_take_one_line).needs(LISTER),
    test!(a_link_is_pinned_and_unpinned).needs(LISTER),
    test!(a_link_is_detached).needs(LISTER),
    test!(a_link_is_updated).needs(LISTER),
    test!(kinds_and_programs_are_chosen).needs(LISTER).alone(),
    test!(a_table_of_all_kinds).needs(LISTER).alone(),
    test!(a_table_on_a_terminal).needs(LISTER).alone(),
    test!(a_broken_pipe_ends_it_quietly).needs(LISTER).alone(),
    test!(the_watch).needs(LISTER).alone(),
];

fn usage(_sandbox: &Sandbox) -> Result<()> {
    for wrong in [
        &[][..],
        &["no-such-command"],
        &["list", "--json", "--json-lines"],
        &["list", "--kind", "no-such-kind"],
        &["list", "--prog", "0"],
        &["show"],
        &["show", "--id", "1", "--pin", "/sys/fs/bpf/a"],
        &["pin", "1"],
        &["update", "--id", "1"],
        &["watch", "--interval", "-1"],
    ] {
        let ran = run(wrong)?;
        ensure!(ran.status == Some(2), "{wrong:?}: {ran:?}");
        ensure!(!ran.errors.is_empty() && ran.output.is_empty(), "{ran:?}");
    }
    for help in [&["--help"][..], &["list", "--help"], &["help", "update"]] {
        let help = run(help)?.well()?;
        ensure!(help.contains("Usage: bpf-links"), "{help}");
    }
    Ok(())
}

fn failures_take_one_line(sandbox: &Sandbox) -> Result<()> {
    const NO_ID: &str = "2147483647";
    let missing = sandbox.bpffs().join("missing");
    let missing = text(&missing)?;
    for (failing, why) in [
        (&["show", "--id", NO_ID][..], "has vanished"),
        (&["show", "--pin", missing], "does not exist"),
        (&["pin", NO_ID, missing], "has vanished"),
        (&["unpin", missing], "does not exist"),
        (&["detach", "--id", NO_ID], "has vanished"),
        (
            &["update", "--id", NO_ID, "--prog-pin", missing],
            "has vanished",
        ),
    ] {
        let line = run(failing)?.refused()?;
        ensure!(line.contains(why), "{failing:?}: {line}");
    }
    // A path that would be more than one line.
    let line = run(&["unpin", "/sys/fs/bpf/a\nb\u{1b}[31m"])?.refused()?;
    ensure!(!line.contains('\u{1b}'), "{line:?}");
    Ok(())
}

fn a_link_is_pinned_and_unpinned(sandbox: &Sandbox) -> Result<()> {
    let counted = Counted::new()?;
    let id = counted.link.id()?;
    let path = sandbox.bpffs().join("pin");
    let pin = || run(&["pin", &id.to_string(), text(&path)?]);
    ensure!(pin()?.well()?.is_empty());
    drop(counted);
    ensure!(links::exists(id.get())?, "the pin does not hold it");
    ensure!(pin()?.refused()?.contains("exists already"));
    let by_pin = run(&["show", "--pin", text(&path)?])?.well()?;
    let by_pin: Value = serde_json::from_str(&by_pin)?;
    ensure!(by_pin == show(id, &[])?, "{by_pin}");

    // What is no link is left alone.
    let map = sandbox.bpffs().join("map");
    pins::pin(&Map::array(8, 1)?, &map)?;
    let refused = run(&["unpin", text(&map)?])?.refused()?;
    ensure!(refused.contains("is not a bpf_link"), "{refused}");
    std::fs::remove_file(&map)?;

    ensure!(run(&["unpin", text(&path)?])?.well()?.is_empty());
    eventually_holds("the link has gone", || Ok(!links::exists(id.get())?))
}

fn a_link_is_detached(_sandbox: &Sandbox) -> Result<()> {
    let counted = Counted::new()?;
    let id = counted.link.id()?;
    ensure!(*at(&show(id, &[])?, "defunct") == false);
    ensure!(*at(&show(id, &[])?, "devname") == "lo");
    run(&["detach", "--id", &id.to_string()])?.well()?;
    let shown = show(id, &[])?;
    ensure!(*at(&shown, "defunct") == true, "{shown}");
    ensure!(
        *at(&shown, "devname") == "(detached)" && *at(&shown, "ifindex") == 0,
        "{shown}"
    );
    // The hook is free.
    drop(xdp(&Program::passing(Hook::XDP)?)?);
    Ok(())
}

fn a_link_is_updated(sandbox: &Sandbox) -> Result<()> {
    let counted = Counted::new()?;
    let id = counted.link.id()?.to_string();
    let new = Program::passing(Hook::XDP)?;
    let [old_pin, new_pin, map_pin] = ["old", "new", "map"].map(|name| sandbox.bpffs().join(name));
    pins::pin(&counted.program, &old_pin)?;
    pins::pin(&new, &new_pin)?;
    pins::pin(&Map::array(8, 1)?, &map_pin)?;
    let update = ["update", "--id", &id, "--prog-pin"];
    let program = || -> Result<_> { Ok(counted.link.info()?.program_id().map(u32::from)) };

    let expecting = [&update[..], &[text(&new_pin)?, "--old-prog-pin"]].concat();
    let refused = run(&[&expecting[..], &[text(&new_pin)?]].concat())?.refused()?;
    ensure!(refused.contains("was expected on it"), "{refused}");
    ensure!(program()? == Some(counted.program.id()?));
    run(&[&expecting[..], &[text(&old_pin)?]].concat())?.well()?;
    ensure!(program()? == Some(new.id()?));
    run(&[&update[..], &[text(&old_pin)?]].concat())?.well()?;
    ensure!(program()? == Some(counted.program.id()?));
    let refused = run(&[&update[..], &[text(&map_pin)?]].concat())?.refused()?;
    ensure!(refused.contains("is not a BPF program"), "{refused}");
    for pin in [old_pin, new_pin, map_pin] {
        std::fs::remove_file(pin)?;
    }
    Ok(())
}

fn kinds_and_programs_are_chosen(sandbox: &Sandbox) -> Result<()> {
    let counted = Counted::new()?;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let cgroup = sandbox.new_cgroup("chosen")?;
    let request = LinkCreate::new(&program, AttachType::CgroupInetEgress);
    let on_cgroup = RawLink::create(&request.target_fd(&cgroup))?;
    let ids = [counted.link.id()?.get(), on_cgroup.id()?.get()];
    let listed = |more: &[&str]| -> Result<Vec<bool>> {
        let listed = list(more)?;
        let is_in = |id: &u32| listed.iter().any(|link| *at(link, "id") == *id);
        Ok(ids.iter().map(is_in).collect())
    };
    ensure!(listed(&[])? == [true, true]);
    ensure!(listed(&["--kind", "xdp"])? == [true, false]);
    ensure!(listed(&["--kind", "3"])? == [false, true]);
    ensure!(listed(&["--kind", "xdp", "--kind", "cgroup"])? == [true, true]);
    ensure!(listed(&["--kind", "99"])? == [false, false]);
    let of_program = program.id()?.to_string();
    ensure!(listed(&["--prog", &of_program])? == [false, true]);
    ensure!(listed(&["--prog", &of_program, "--kind", "xdp"])? == [false, false]);

    // The array has the same.
    let array: Vec<Value> = serde_json::from_str(&run(&["list", "--json"])?.well()?)?;
    ensure!(array == list(&[])?);
    let empty = run(&["list", "--json", "--kind", "99"])?.well()?;
    ensure!(empty == "[]\n", "{empty:?}");
    // So has the table, which is plain where nobody looks.
    let table = run(&["list", "--kind", "cgroup"])?.well()?;
    let path = text(cgroup.path())?;
    let row = table.lines().find(|line| line.contains(path));
    let row = row.with_context(|| table.clone())?;
    ensure!(
        !table.contains('\u{1b}') && row.contains("cgroup_inet_egress"),
        "{table}"
    );
    ensure!(row.contains(&program.name()?), "{row}");
    let shown = show(on_cgroup.id()?, &[])?;
    ensure!(*at(&shown, "cgroup_path") == path, "{shown}");
    ensure!(*at(&shown, "cgroup_id") == cgroup.id()?, "{shown}");
    Ok(())
}

fn a_table_of_all_kinds(sandbox: &Sandbox) -> Result<()> {
    let cases: Vec<&Case> = KINDS.iter().filter_map(|kind| kind.cases.first()).collect();
    // Earlier kernels do not say what all links are on, and Linux 7.2 does not of tracing_multi
    // links.
    let says_little = Need::Before(6, 8).missing()?.is_none();
    let tells_functions = Need::Member("bpf_link_info", "tracing_multi");
    let says_little = |kind: Option<&str>| -> Result<bool> {
        let is_multi = kind == Some("tracing_multi");
        Ok(says_little || is_multi && tells_functions.missing()?.is_some())
    };
    golden::together(sandbox, &cases, &|| {
        let links = list(&[])?;
        let table = run(&["list"])?.well()?;
        println!("{table}");
        let mut rows = table.lines();
        let header = rows.next().context("it is empty")?;
        let rows: Vec<&str> = rows.collect();
        ensure!(rows.len() == links.len(), "{table}");
        // The columns are below each other, and each row says of which kind it is and what it is
        // attached to.
        let kinds_at = header.find("KIND").context("no kinds")?;
        let hooks_at = header.find("ATTACHED TO").context("no hooks")?;
        for (row, link) in rows.iter().zip(&links) {
            let kind = row.get(kinds_at..).and_then(|rest| rest.split(' ').next());
            ensure!(kind == at(link, "type").as_str(), "{row}: {link}");
            let hook = row.get(hooks_at..).unwrap_or_default();
            ensure!(!hook.is_empty() && !hook.starts_with(' '), "{row}");
            // The device of somebody else's link may be in a namespace that is not to be found.
            let is_ours = row.contains(names::prefix());
            let may_be_unknown = !is_ours || says_little(kind)?;
            ensure!(may_be_unknown || !hook.contains("unknown"), "{row}");
        }
        Ok(())
    })
}

/// Runs the lister on a terminal of this width, and gives back what is on it then.
fn on_a_terminal(arguments: &[&str], width: u16, no_color: &str) -> Result<String> {
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
    // It has the terminal, too.
    drop(command);
    let (mut here, mut shown) = (File::from(here), Vec::new());
    match here.read_to_end(&mut shown) {
        // That is how a terminal says that nobody has it any more.
        Err(error) if error.raw_os_error() == Some(libc::EIO) => {}
        read => drop(read?),
    }
    ensure!(child.wait()?.success());
    Ok(String::from_utf8(shown)?)
}

fn a_table_on_a_terminal(sandbox: &Sandbox) -> Result<()> {
    const WIDTH: u16 = 80;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let cgroup = sandbox.new_cgroup(&"long".repeat(30))?;
    let request = LinkCreate::new(&program, AttachType::CgroupInetEgress);
    let link = RawLink::create(&request.target_fd(&cgroup))?;
    let list = ["list", "--kind", "cgroup"];
    let coloured = on_a_terminal(&list, WIDTH, "")?;
    ensure!(coloured.contains("\u{1b}["), "{coloured}");
    let plain = on_a_terminal(&list, WIDTH, "1")?;
    ensure!(!plain.contains('\u{1b}'), "{plain}");
    ensure!(plain.contains(&link.id()?.to_string()), "{plain}");
    let widest = plain.lines().map(|line| line.trim_end().len()).max();
    ensure!(widest <= Some(WIDTH.into()), "{widest:?}: {plain}");
    // Where the width is not known, a line is as long as it will.
    let endless = on_a_terminal(&list, 0, "1")?;
    ensure!(endless.contains(text(cgroup.path())?), "{endless}");
    Ok(())
}

fn a_broken_pipe_ends_it_quietly(_sandbox: &Sandbox) -> Result<()> {
    let links = many(1000)?;
    for form in [
        &["list"][..],
        &["list", "--json"],
        &["list", "--json-lines"],
    ] {
        let mut child = command(form)?
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut output = child.stdout.take().context("no output")?;
        output.read_exact(&mut [0; 16])?;
        drop(output);
        let ended = child.wait_with_output()?;
        let errors = String::from_utf8(ended.stderr)?;
        ensure!(errors.is_empty(), "{form:?}: {errors}");
        ensure!(ended.status.success(), "{form:?}: {}", ended.status);
    }
    drop(links);
    Ok(())
}

/// A `watch` that is running.
pub(crate) struct Watching {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Watching {
    pub(crate) fn start() -> Result<Self> {
        let mut child = command(&["watch", "--interval", "0.02"])?
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = BufReader::new(child.stdout.take().context("no output")?);
        Ok(Self { child, lines })
    }

    /// Waits for the line that begins like this.
    pub(crate) fn hear(&mut self, start: &str) -> Result<String> {
        let mut line = String::new();
        loop {
            line.clear();
            ensure!(
                self.lines.read_line(&mut line)? > 0,
                "it ended without {start}"
            );
            if line.starts_with(start) {
                return Ok(line);
            }
        }
    }

    pub(crate) fn interrupt(mut self) -> Result<ExitStatus> {
        rustix::process::kill_process(Pid::from_child(&self.child), Signal::INT)?;
        Ok(self.child.wait()?)
    }
}

fn the_watch(_sandbox: &Sandbox) -> Result<()> {
    let there = Counted::new()?;
    let there_id = there.link.id()?;
    let mut watching = Watching::start()?;
    watching.hear(&format!("  {there_id} xdp: program "))?;

    let links = many(1)?;
    let [link] = &links[..] else {
        anyhow::bail!("not one link");
    };
    let id = link.id()?;
    let came = watching.hear(&format!("+ {id} "))?;
    ensure!(
        came.contains("iter: program") && came.contains("bpf_map"),
        "{came}"
    );
    drop(links);
    watching.hear(&format!("- {id} iter"))?;

    let new = Program::passing(Hook::XDP)?;
    there.link.update(&new)?;
    let changed = watching.hear(&format!("~ {there_id} xdp: "))?;
    let expected = format!("program {} ", there.program.id()?);
    ensure!(changed.contains(&expected), "{changed}");
    ensure!(changed.contains(&format!("-> {} ", new.id()?)), "{changed}");
    there.link.detach()?;
    let changed = watching.hear(&format!("~ {there_id} xdp: "))?;
    ensure!(changed.contains("lo (1) -> (detached)"), "{changed}");
    let status = watching.interrupt()?;
    ensure!(status.success(), "{status}");
    Ok(())
}
