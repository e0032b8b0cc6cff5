//! How much memory `bpf-links` takes: that of what it shows, and not of all that there is.

use std::fs::File;
use std::io::Read as _;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{AttachType, LinkCreate, RawLink, UprobeMultiArgs};
use bpf_link_tests::{Hook, Program, Sandbox};
use rustix::pipe::PipeFlags;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::disable_transparent_huge_pages;

use crate::harness::{Need, Test, test};
use crate::lister::{LISTER, command, many};

pub(crate) const TESTS: &[Test] = &[
    test!(of_many_links).needs(LISTER).alone().minutes(4),
    test!(of_a_link_with_many_functions)
        .needs(LISTER)
        .also_needs(Need::UPROBE_MULTI)
        .also_needs(&[Need::Linux(6, 8)])
        .alone()
        .minutes(4),
];

const LINKS: usize = 10_000;
const PLACES: u64 = 40_000;
/// How much more there may be, in kilobytes: of memory that is taken in large pieces.
const SLACK: u64 = 1024;

/// The most memory that the lister was seen to have, in kilobytes, and how many bytes it has written.
///
/// That is memory of its own: how much of the program is in memory is the kernel's choice. It is looked at with every page of
/// its output, and it cannot end before all but a page has been read.
fn peak(arguments: &[&str]) -> Result<(u64, u64)> {
    const PAGE: usize = 4096;
    // Some kernels give out memory by 2 MB at a time. It is inherited by what this process starts.
    disable_transparent_huge_pages(true)?;
    let (output, output_end) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    rustix::pipe::fcntl_setpipe_size(&output, PAGE)?;
    let mut command = command(arguments)?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::from(output_end))
        .spawn()?;
    // It has the writing end, too.
    drop(command);
    let mut output = File::from(output);
    let status = format!("/proc/{}/status", child.id());
    let (mut most, mut written) = (0, 0);
    let mut piece = [0; PAGE];
    loop {
        let read = output.read(&mut piece)?;
        if read == 0 {
            break;
        }
        written += u64::try_from(read)?;
        // Not before it has written something: until it runs the program, the memory that it has is this process's.
        let status = std::fs::read_to_string(&status)?;
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let peak = peak.and_then(|peak| peak.split_ascii_whitespace().next()?.parse().ok());
        most = most.max(peak.unwrap_or(0));
    }
    let status = child.wait()?;
    ensure!(status.success(), "{status}");
    ensure!(most > 0, "it has not said how much memory it had");
    Ok((most, written))
}

/// Lets this process have as many descriptors as it may.
fn lift_descriptor_limit() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let wanted = u64::try_from(LINKS)? + 1000;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(wanted),
            maximum: limit.maximum.map(|maximum| maximum.max(wanted)),
        },
    )
    .context("raising the limit of descriptors")
}

fn of_many_links(_sandbox: &Sandbox) -> Result<()> {
    lift_descriptor_limit()?;
    let few = many(1000)?;
    let forms = [
        &["list"][..],
        &["list", "--json"],
        &["list", "--json-lines"],
    ];
    let before = forms.map(peak);
    let more = many(LINKS - few.len())?;
    for (form, before) in forms.into_iter().zip(before) {
        let ((few, _), (many, written)) = (before?, peak(form)?);
        println!(
            "{form:?}: {few} kB for 1000 links, {many} kB for {LINKS}, {written} bytes written"
        );
        ensure!(many <= few + SLACK, "{form:?}: {few} kB, {many} kB");
    }
    drop(more);
    Ok(())
}

fn of_a_link_with_many_functions(sandbox: &Sandbox) -> Result<()> {
    let file = sandbox.directory().join("file");
    std::fs::write(&file, vec![0x90; usize::try_from(PLACES)?])?;
    let program = Program::passing(Hook::UPROBE_MULTI)?;
    let attach = |count: u64| -> Result<RawLink> {
        let offsets: Vec<u64> = (0..count).collect();
        let path = std::ffi::CString::new(file.to_str().context("the path is not UTF-8")?)?;
        let args = UprobeMultiArgs::path(&path, &offsets);
        let request = LinkCreate::new(&program, AttachType::TraceUprobeMulti).args(args);
        Ok(RawLink::create(&request)?)
    };
    // So that there is more than a page to be read in any case.
    let _others = many(100)?;
    let link = attach(1)?;
    let (few, _) = peak(&["list", "--json-lines"])?;
    drop(link);
    let link = attach(PLACES)?;
    let (many, written) = peak(&["list", "--json-lines"])?;
    println!("{few} kB for one place, {many} kB for {PLACES}, {written} bytes written");
    // Three numbers of eight bytes for each place.
    let in_proportion = PLACES * 3 * 8 / 1024;
    ensure!(
        many <= few + 2 * in_proportion + SLACK,
        "{few} kB, {many} kB"
    );
    ensure!(written > PLACES * 10);
    drop(link);
    Ok(())
}
