//! What the README says to type, but for the command that runs these tests.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use bpf_link_tests::iterator;
use bpf_link_tests::mounted::mount_bpffs;
use bpf_link_typed::IterAttach;
use rustix::mount::{MountFlags, mount};

use crate::typed::{commands, output};

const README: &str = include_str!("../../../README.md");

pub(crate) fn follow() -> Result<()> {
    let commands = commands(README);
    let [lifecycle, tests, install @ ..] = commands.as_slice() else {
        bail!("other commands than were expected: {commands:?}");
    };
    ensure!(tests == "cargo test --workspace");
    mount_bpffs()?;

    let printed = output(lifecycle)?;
    let samples = README.split("```text\n").skip(1);
    let mut samples = samples.filter_map(|sample| sample.split("```").next());
    ensure!(
        samples.any(|sample| without_numbers(sample) == without_numbers(&printed)),
        "the README does not have what the example prints:\n{printed}"
    );

    let [install @ .., list] = install else {
        bail!("nothing is installed: {commands:?}");
    };
    write_elsewhere("/usr/local")?;
    for command in install {
        output(command)?;
    }
    for installed in [
        "man/man1/bpf-links.1",
        "bash-completion/completions/bpf-links",
    ] {
        let path = Path::new("/usr/local/share").join(installed);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        ensure!(text.contains("bpf-links"), "{}: {text:?}", path.display());
    }
    // A link that is on no hook, so that there is one to list.
    let link = IterAttach::over_all().attach(&iterator("task", *b"element\n")?)?;
    let id = link.id()?.to_string();
    let listed = output(list)?;
    let mut first_words = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    ensure!(first_words.any(|word| word == id), "no link {id}: {listed}");
    Ok(())
}

/// Ids differ from run to run.
fn without_numbers(text: &str) -> String {
    let mut words = String::new();
    for part in text.split_inclusive(|c: char| !c.is_ascii_digit()) {
        words.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    words
}

/// From now on, what is written to this directory goes to memory, and ends with the place.
fn write_elsewhere(directory: &str) -> Result<()> {
    let memory = Path::new("/mnt");
    mount("tmpfs", memory, "tmpfs", MountFlags::empty(), None)?;
    let [upper, work] = ["upper", "work"].map(|name| memory.join(name));
    fs::create_dir(&upper)?;
    fs::create_dir(&work)?;
    let layers = format!(
        "lowerdir={directory},upperdir={},workdir={}",
        upper.display(),
        work.display()
    );
    let layers = std::ffi::CString::new(layers)?;
    mount(
        "overlay",
        directory,
        "overlay",
        MountFlags::empty(),
        Some(layers.as_c_str()),
    )?;
    Ok(())
}
