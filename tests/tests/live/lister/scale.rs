//! `bpf-links` where there are very many links, and links of very many functions: it takes the
//! memory of what it shows, and not of all that there is, and shows it as it goes.

use std::io::{BufRead as _, BufReader, Read as _};
use std::ops::{Range, RangeInclusive};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{AttachType, KprobeMultiArgs, LinkCreate, LinkId, RawLink, UprobeMultiArgs};
use bpf_link_tests::{Hook, Program, Sandbox, in_form, iterator, traceable};
use rustix::thread::disable_transparent_huge_pages;

use crate::harness::{Need, Test, test};
use crate::lister::{LISTER, PAGE, command, many, start_with_a_short_pipe};

pub(crate) const TESTS: &[Test] = &[
    test!(memory_for_many_links)
        .needs(LISTER)
        .alone()
        .minutes(8),
    test!(memory_for_many_places)
        .needs(LISTER)
        .also_needs(Need::UPROBE_MULTI)
        .also_needs(&[Need::Linux(6, 8)])
        .alone()
        .minutes(4),
    test!(memory_for_many_functions)
        .needs(LISTER)
        .also_needs(Need::KPROBE_MULTI)
        .also_needs(&[Need::Linux(6, 6)])
        .alone()
        .minutes(8),
    test!(the_list_begins_before_the_walk_ends)
        .needs(LISTER)
        .alone()
        .minutes(4),
];

const TABLE: &[&str] = &["list"];
const ARRAY: &[&str] = &["list", "--json"];
const LINES: &[&str] = &["list", "--json-lines"];

/// How many links there are at first, and then: in the short form and in the long one.
const FEW_LINKS: [usize; 2] = [2_000, 10_000];
const LINKS: [usize; 2] = [20_000, 100_000];
const PLACES: u64 = 40_000;
/// As many as there are to trace, which on Linux 6.12 are somewhat fewer, and on s390x fewer still.
const FUNCTIONS: RangeInclusive<usize> = if cfg!(target_arch = "s390x") {
    31_000..=40_000
} else {
    39_000..=40_000
};

/// How much more there may be, in kilobytes: of memory that is taken in large pieces.
const SLACK: u64 = 1024;

/// The most memory that the lister was seen to have, in kilobytes, and how many bytes it has
/// written.
///
/// That is memory of its own: how much of the program is in memory is the kernel's choice. It is
/// looked at with every page of its output, and it cannot end before all but a page has been read.
fn peak(arguments: &[&str]) -> Result<(u64, u64)> {
    // Some kernels give out memory by 2 MB at a time. It is inherited by what this process starts.
    disable_transparent_huge_pages(true)?;
    let (mut child, mut output) = start_with_a_short_pipe(command(arguments)?)?;
    let status = format!("/proc/{}/status", child.id());
    let (mut most, mut written) = (0, 0);
    let mut piece = [0; PAGE];
    loop {
        let read = output.read(&mut piece)?;
        if read == 0 {
            break;
        }
        written += u64::try_from(read)?;
        // Not before it has written something: until it runs the program, the memory that it has is
        // this process's.
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

/// Pins links in the directory, with their numbers as names: a process may not have as many
/// descriptors.
pub(super) fn pin_many(directory: &Path, numbers: Range<usize>) -> Result<()> {
    let listing = iterator("bpf_map", *b"element\n")?;
    let request = LinkCreate::new(&listing, AttachType::TraceIter);
    for number in numbers {
        RawLink::create(&request)?.pin(directory.join(number.to_string()))?;
    }
    Ok(())
}

fn memory_for_many_links(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("many");
    std::fs::create_dir(&directory)?;
    let ([few, long_few], [links, long_links]) = (FEW_LINKS, LINKS);
    let (few_links, links) = in_form((few, links), (long_few, long_links));
    pin_many(&directory, 0..few_links)?;
    // The array has in it what the lines have.
    let forms = [TABLE, LINES];
    let before = forms.map(peak);
    pin_many(&directory, few_links..links)?;
    for (form, before) in forms.into_iter().zip(before) {
        let ((few, _), (many, written)) = (before?, peak(form)?);
        println!(
            "{form:?}: {few} kB for {few_links} links, {many} kB for {links}, {written} bytes written"
        );
        ensure!(many <= few + SLACK, "{form:?}: {few} kB, {many} kB");
    }
    Ok(std::fs::remove_dir_all(&directory)?)
}

/// The lister takes no more than twice what the numbers take that the kernel has of each place or
/// function.
fn check_proportion(attach: impl Fn(usize) -> Result<RawLink>, count: usize) -> Result<()> {
    const NUMBERS: usize = 3 * size_of::<u64>();
    // There is more than a page to be read in any case. The others come after the link that counts,
    // as the lister goes by ids: so it is looked at while it has all that the link takes, and not
    // once it is about to end.
    let measure = |count| {
        let link = attach(count)?;
        let others = many(100)?;
        let measured = peak(LINES)?;
        drop((link, others));
        anyhow::Ok(measured)
    };
    let (few, _) = measure(1)?;
    let (many, written) = measure(count)?;
    println!("{few} kB for one, {many} kB for {count}, {written} bytes written");
    let in_proportion = u64::try_from(2 * count * NUMBERS / 1024)?;
    ensure!(many <= few + in_proportion + SLACK, "{few} kB, {many} kB");
    ensure!(written > u64::try_from(count * 10)?, "{written}");
    Ok(())
}

fn memory_for_many_places(sandbox: &Sandbox) -> Result<()> {
    // The longest instruction of the architectures whose instructions are aligned.
    const INSTRUCTION: u64 = 4;
    let file = sandbox.directory().join("file");
    let size = usize::try_from(PLACES * INSTRUCTION)?;
    std::fs::write(&file, vec![0x90; size])?;
    let path = std::ffi::CString::new(file.to_str().context("the path is not UTF-8")?)?;
    let offsets: Vec<u64> = (0..PLACES).map(|place| place * INSTRUCTION).collect();
    let program = Program::passing(Hook::UPROBE_MULTI)?;
    check_proportion(
        |count| {
            let args = UprobeMultiArgs::path(&path, offsets.get(..count).context("too few")?);
            let request = LinkCreate::new(&program, AttachType::TraceUprobeMulti).args(args);
            Ok(RawLink::create(&request)?)
        },
        offsets.len(),
    )
}

fn memory_for_many_functions(sandbox: &Sandbox) -> Result<()> {
    let addresses = traceable(sandbox)?;
    let count = addresses.len().min(*FUNCTIONS.end());
    println!("{count} functions");
    ensure!(FUNCTIONS.contains(&count), "{count}");
    let program = Program::passing(Hook::KPROBE_MULTI)?;
    check_proportion(
        |count| {
            let args = KprobeMultiArgs::addresses(addresses.get(..count).context("too few")?);
            let request = LinkCreate::new(&program, AttachType::TraceKprobeMulti).args(args);
            Ok(RawLink::create(&request)?)
        },
        count,
    )
}

/// What is made once the list has begun comes last, as ids grow: it is in the list only if the walk
/// goes on.
fn the_list_begins_before_the_walk_ends(_sandbox: &Sandbox) -> Result<()> {
    let there = many(500)?;
    for form in [TABLE, ARRAY, LINES] {
        let (mut child, output) = start_with_a_short_pipe(command(form)?)?;
        let mut output = BufReader::with_capacity(PAGE, output);
        // The array is one line, but is written in pieces as well.
        ensure!(!output.fill_buf()?.is_empty(), "{form:?}: nothing");
        let late = many(1)?;
        let ids = late
            .iter()
            .map(RawLink::id)
            .collect::<Result<Vec<_>, _>>()?;
        let mut list = String::new();
        output.read_to_string(&mut list)?;
        let status = child.wait()?;
        ensure!(status.success(), "{form:?}: {status}");
        for id in ids {
            ensure!(has(&list, id), "{form:?}: link {id} came too late");
        }
    }
    drop(there);
    Ok(())
}

/// Whether the list, in whatever form, has this link.
fn has(list: &str, link: LinkId) -> bool {
    let (row, object) = (format!("{link} "), format!("{{\"id\":{link},"));
    list.contains(&object) || list.lines().any(|line| line.trim_start().starts_with(&row))
}
