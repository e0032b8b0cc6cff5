//! The commands of `bpf-links`, and how they end.

use std::fs::File;
use std::io::Read as _;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{LinkKind, Support};
use bpf_link_tests::{Hook, Map, Program, Sandbox, eventually_holds, links, names, pins};
use serde_json::Value;

use crate::fixture::{Counted, text, xdp};
use crate::harness::{Need, Test, test};
use crate::kinds::KINDS;
use crate::lister::{LISTER, at, command, list, many, run, show};
use crate::suites::golden::{self, Case};

pub(crate) const TESTS: &[Test] = &[
    test!(usage).needs(LISTER),
    test!(failures_take_one_line).needs(LISTER),
    test!(a_link_is_pinned_and_unpinned).needs(LISTER),
    test!(all_pins_are_removed).needs(LISTER),
    test!(what_is_only_unpinned).needs(LISTER),
    test!(a_link_is_detached).needs(LISTER),
    test!(a_link_is_updated).needs(LISTER),
    test!(a_link_in_lines).needs(LISTER),
    test!(kinds_are_probed).needs(LISTER),
    test!(what_goes_with_the_command).needs(LISTER),
    test!(a_full_disk).needs(LISTER).alone(),
    test!(a_table_of_all_kinds).needs(LISTER).alone(),
    test!(a_broken_pipe_ends_it_quietly).needs(LISTER).alone(),
];

fn usage(_sandbox: &Sandbox) -> Result<()> {
    for wrong in [
        &[][..],
        &["no-such-command"],
        &["list", "--kind", "no-such-kind"],
        &["list", "--prog", "0"],
        &["list", "--sort", "no-such-key"],
        &["show"],
        &["show", "0"],
        &["pin", "1"],
        &["update", "1"],
        &["hooks", "map:0"],
        &["hooks", "--netns", ""],
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
        (&["show", NO_ID][..], "has vanished"),
        (&["show", missing], "does not exist"),
        (&["pin", NO_ID, missing], "has vanished"),
        (&["unpin", missing], "does not exist"),
        (&["detach", NO_ID], "has vanished"),
        (&["update", NO_ID, missing], "has vanished"),
        (&["unpin", NO_ID], "has vanished"),
        (&["list", "--netns", missing], "No such file"),
        (&["list", "--cgroup", "/proc"], "is not a cgroup"),
        (&["man", "/proc/missing"], "No such file"),
    ] {
        let line = run(failing)?.refused()?;
        ensure!(line.contains(why), "{failing:?}: {line}");
    }
    // A path that contains a line break.
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
    let by_pin = run(&["show", text(&path)?, "-j"])?.well()?;
    let by_pin: Value = serde_json::from_str(&by_pin)?;
    ensure!(by_pin == show(id, &[])?, "{by_pin}");

    // What is not a link is left alone.
    let map = sandbox.bpffs().join("map");
    pins::pin(&Map::array(8, 1)?, &map)?;
    let refused = run(&["unpin", text(&map)?])?.refused()?;
    ensure!(refused.contains("is not a bpf_link"), "{refused}");
    std::fs::remove_file(&map)?;

    ensure!(run(&["unpin", text(&path)?])?.well()?.is_empty());
    eventually_holds("the link has gone", || Ok(!links::exists(id.get())?))
}

fn all_pins_are_removed(sandbox: &Sandbox) -> Result<()> {
    let counted = Counted::new()?;
    let id = counted.link.id()?;
    let none = run(&["unpin", &id.to_string()])?.refused()?;
    ensure!(none.contains("is not pinned"), "{none}");
    let paths = ["one", "two"].map(|name| sandbox.bpffs().join(name));
    run(&["pin", &id.to_string(), text(&paths[0])?])?.well()?;
    // By its pin, which stays.
    run(&["pin", text(&paths[0])?, text(&paths[1])?])?.well()?;
    ensure!(sandbox.pinned()? == paths);
    let shown = run(&["unpin", &id.to_string(), "--json"])?.well()?;
    let shown: Value = serde_json::from_str(&shown)?;
    ensure!(*at(&shown, "id") == id.get(), "{shown}");
    ensure!(sandbox.pinned()?.is_empty());
    Ok(())
}

/// For a link that cannot be detached, the error says what to do, and says each thing once.
fn what_is_only_unpinned(_sandbox: &Sandbox) -> Result<()> {
    let links = many(1)?;
    let link = links.first().context("no link")?;
    let refused = run(&["detach", &link.id()?.to_string()])?.refused()?;
    ensure!(
        refused.contains("iter links cannot be detached"),
        "{refused}"
    );
    ensure!(refused.contains("unpin it"), "{refused}");
    Ok(())
}

fn a_link_is_detached(_sandbox: &Sandbox) -> Result<()> {
    let counted = Counted::new()?;
    let id = counted.link.id()?;
    ensure!(*at(&show(id, &[])?, "defunct") == false);
    ensure!(*at(&show(id, &[])?, "devname") == "lo");
    run(&["detach", &id.to_string()])?.well()?;
    let shown = show(id, &[])?;
    ensure!(*at(&shown, "defunct") == true, "{shown}");
    ensure!(
        *at(&shown, "devname") == "(detached)" && *at(&shown, "ifindex") == 0,
        "{shown}"
    );
    // The hook is free again.
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
    let update = ["update", &id];
    let program = || -> Result<_> { Ok(counted.link.info()?.program_id().map(u32::from)) };

    let expecting = [&update[..], &[text(&new_pin)?, "--expect"]].concat();
    let refused = run(&[&expecting[..], &[text(&new_pin)?]].concat())?.refused()?;
    ensure!(refused.contains("the expected program or map"), "{refused}");
    ensure!(program()? == Some(counted.program.id()?));
    run(&[&expecting[..], &[text(&old_pin)?]].concat())?.well()?;
    ensure!(program()? == Some(new.id()?));
    // By their ids, too.
    let old_id = counted.program.id()?.to_string();
    let answer = run(&[&update[..], &[&old_id, "--json"]].concat())?.well()?;
    let answer: Value = serde_json::from_str(&answer)?;
    ensure!(*at(&answer, "prog_id") == counted.program.id()?, "{answer}");
    ensure!(program()? == Some(counted.program.id()?));
    let refused = run(&[&update[..], &[text(&map_pin)?]].concat())?.refused()?;
    ensure!(refused.contains("is not a BPF program"), "{refused}");
    for pin in [old_pin, new_pin, map_pin] {
        std::fs::remove_file(pin)?;
    }
    Ok(())
}

fn a_table_of_all_kinds(sandbox: &Sandbox) -> Result<()> {
    let cases: Vec<&Case> = KINDS.iter().filter_map(|kind| kind.cases.first()).collect();
    // Older kernels do not report what every link is attached to; Linux 7.2 does not for
    // tracing_multi.
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
        // The columns line up, and each row has its kind and its hook.
        let kinds_at = header.find("KIND").context("no kinds")?;
        let hooks_at = header.find("ATTACHED TO").context("no hooks")?;
        for (row, link) in rows.iter().zip(&links) {
            let kind = row.get(kinds_at..).and_then(|rest| rest.split(' ').next());
            ensure!(kind == at(link, "type").as_str(), "{row}: {link}");
            let hook = row.get(hooks_at..).unwrap_or_default();
            ensure!(!hook.is_empty() && !hook.starts_with(' '), "{row}");
            // The device of a foreign link may be in a namespace that we cannot find.
            let is_ours = row.contains(names::prefix());
            let may_be_unknown = !is_ours || says_little(kind)?;
            ensure!(may_be_unknown || !hook.contains("unknown"), "{row}");
        }
        Ok(())
    })
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

/// Without JSON, `show` prints one labelled line per fact.
fn a_link_in_lines(sandbox: &Sandbox) -> Result<()> {
    let mut counted = Counted::new()?;
    let id = counted.link.id()?;
    let path = sandbox.bpffs().join("pin");
    counted.link.pin(&path)?;
    let shown = run(&["show", text(&path)?, "--pins", "--holders"])?.well()?;
    let mut lines = shown.lines();
    ensure!(lines.next() == Some(&*format!("link {id}")), "{shown}");
    let lines: Vec<(&str, &str)> = lines
        .map(|line| {
            line.trim_start()
                .split_at_checked(19)
                .context(shown.clone())
        })
        .collect::<Result<_>>()?;
    let program = format!("{} {}", counted.program.id()?, counted.program.name()?);
    let us = format!("({})", std::process::id());
    for (label, value) in [
        ("kind", "xdp"),
        ("program", &program),
        ("attached to", "lo (1)"),
        ("pinned at", text(&path)?),
        ("held by", &us),
        ("devname", "lo"),
        ("ifindex", "1"),
        ("defunct", "no"),
    ] {
        let is_it = |line: &&(&str, &str)| line.0.trim_end() == label && line.1.ends_with(value);
        ensure!(lines.iter().filter(is_it).count() == 1, "{label}: {shown}");
    }
    Ok(counted.link.unpin()?)
}

/// The same answers as the library gets.
fn kinds_are_probed(_sandbox: &Sandbox) -> Result<()> {
    let probed = run(&["probe", "--json"])?.well()?;
    let probed: Vec<Value> = serde_json::from_str(&probed)?;
    let lines = run(&["probe"])?.well()?;
    ensure!(probed.len() == LinkKind::KNOWN.len() && lines.lines().count() == probed.len());
    for ((kind, probed), line) in LinkKind::KNOWN.iter().zip(&probed).zip(lines.lines()) {
        let expected = match kind.probe() {
            Support::Yes => "yes",
            Support::No(_) => "no",
            _ => "unknown",
        };
        ensure!(*at(probed, "kind") == kind.to_string(), "{probed}");
        ensure!(*at(probed, "support") == expected, "{probed}");
        ensure!(
            probed.get("why").is_none() == (expected == "yes"),
            "{probed}"
        );
        let words: Vec<&str> = line.split_ascii_whitespace().take(2).collect();
        ensure!(words == [&kind.to_string(), expected], "{line}");
    }
    Ok(())
}

/// A failed write is reported as one, and so is that the change was made.
fn a_full_disk(_sandbox: &Sandbox) -> Result<()> {
    let counted = Counted::new()?;
    let id = counted.link.id()?.to_string();
    for (arguments, is_change) in [
        (&["list"][..], false),
        (&["show", &id], false),
        (&["completions", "bash"], false),
        (&["probe"], false),
        (&["detach", &id, "--json"], true),
    ] {
        let full = File::options().write(true).open("/dev/full")?;
        let ran = command(arguments)?.stdout(full).output()?;
        let errors = String::from_utf8(ran.stderr)?;
        ensure!(ran.status.code() == Some(1), "{arguments:?}: {errors}");
        ensure!(
            errors.contains("writing to standard output: No space left"),
            "{errors}"
        );
        ensure!(
            errors.contains("the change was made") == is_change,
            "{errors}"
        );
    }
    Ok(())
}

fn what_goes_with_the_command(sandbox: &Sandbox) -> Result<()> {
    for shell in ["bash", "fish", "zsh"] {
        let completions = run(&["completions", shell])?.well()?;
        ensure!(
            completions.contains("changes-only"),
            "{shell}: {completions}"
        );
    }
    let directory = sandbox.directory().join("man/man1");
    run(&["man", text(&directory)?])?.well()?;
    for (page, word) in [
        ("bpf-links.1", "Exit status"),
        ("bpf-links-list.1", "holders"),
        ("bpf-links-hooks.1", "PLACE"),
        ("bpf-links-watch.1", "changes"),
    ] {
        let page = std::fs::read_to_string(directory.join(page))?;
        ensure!(page.starts_with(".ie") || page.starts_with(".TH"), "{page}");
        ensure!(page.contains(word), "{page}");
    }
    Ok(())
}
