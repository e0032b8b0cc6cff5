//! USDT probes by provider and name.

use std::fs::File;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::elf::{
    CODE, CODE_ADDRESS, ElfFile, ElfProbe, HOT, HOT_ADDRESS, SEMAPHORES, SEMAPHORES_ADDRESS,
};
use bpf_link_tests::{Hook, Sandbox, eventually_holds};
use bpf_link_typed::attach::When;
use bpf_link_typed::{
    Binary, BinaryPlace, BinaryProblem, PerfEventAttach, UprobeEvent, UprobeMultiAttach,
};

use super::{Made, problem};
use crate::fixture::attaching::{adding, since};
use crate::fixture::chain::check_refusal;
use crate::harness::{Need, Test, test};

pub(crate) const TESTS: &[Test] = &[
    test!(probes_are_found),
    test!(of_a_moved_binary),
    test!(by_uprobe_multi).needs(Need::UPROBE_MULTI),
    test!(by_uprobe).needs(Need::PERF_EVENT),
    test!(a_counter_too_far_for_a_perf_event).needs(Need::PERF_EVENT),
];

/// Where the counter of the probes is in the file.
const COUNTER: u64 = SEMAPHORES + 4;

fn probe(name: &str, address: u64, counter: u64) -> ElfProbe {
    ElfProbe {
        provider: "app".to_owned(),
        name: name.to_owned(),
        address,
        counter,
        arguments: "-4@%edi 8@-16(%rbp)".to_owned(),
    }
}

fn file() -> ElfFile {
    let counter = SEMAPHORES_ADDRESS + 4;
    ElfFile {
        probes: vec![
            probe("start", CODE_ADDRESS + 0x20, counter),
            probe("stop", CODE_ADDRESS + 0x40, 0),
            // Inlined a second time.
            probe("start", HOT_ADDRESS + 0x10, counter),
        ],
        ..ElfFile::native()
    }
}

fn probes_are_found(sandbox: &Sandbox) -> Result<()> {
    for (is_64, is_big) in [(true, false), (true, true), (false, false), (false, true)] {
        let path = sandbox.directory().join("probes");
        let file = ElfFile {
            is_64,
            is_big,
            ..file()
        };
        std::fs::write(&path, file.build())?;
        let binary = Binary::open(&path)?;
        let places = binary.usdt("app", "start")?;
        let found: Vec<_> = places
            .iter()
            .map(|place| (place.offset, place.ref_ctr_offset))
            .collect();
        ensure!(found == [(CODE + 0x20, Some(COUNTER)), (HOT + 0x10, Some(COUNTER))]);
        ensure!(
            places
                .iter()
                .all(|place| place.arguments == "-4@%edi 8@-16(%rbp)")
        );
        let stop = binary.usdt("app", "stop")?;
        ensure!(stop.len() == 1 && stop.iter().all(|place| place.ref_ctr_offset.is_none()));
        ensure!(binary.usdt_places()?.len() == 3);
        let refused = problem(binary.usdt("app", "strat"), &path)?;
        let expected = BinaryProblem::NoSuchProbe {
            probe: "app:strat".to_owned(),
            similar: vec!["app:start".to_owned()],
        };
        ensure!(refused == expected, "{refused:?}");
    }
    Ok(())
}

/// `prelink` moves a binary to other addresses, but leaves the notes as they were.
fn of_a_moved_binary(sandbox: &Sandbox) -> Result<()> {
    const MOVED: u64 = 0x700_0000;
    let probes = file().probes.into_iter().map(|probe| ElfProbe {
        address: probe.address + MOVED,
        counter: match probe.counter {
            0 => 0,
            counter => counter + MOVED,
        },
        ..probe
    });
    let file = ElfFile {
        probes: probes.collect(),
        probe_base: Some((0x1234, 0x1234 + MOVED)),
        ..file()
    };
    let made = Made::new(sandbox, "moved", &file)?;
    let places = |name| {
        let places = made.binary.usdt("app", name)?.into_iter();
        let places = places.map(|place| (place.offset, place.ref_ctr_offset));
        anyhow::Ok(places.collect::<Vec<_>>())
    };
    ensure!(places("start")? == [(CODE + 0x20, Some(COUNTER)), (HOT + 0x10, Some(COUNTER))]);
    ensure!(places("stop")? == [(CODE + 0x40, None)]);
    Ok(())
}

/// The segment with the counter is moved by 4 GiB in the file, which is a hole before it.
fn a_counter_too_far_for_a_perf_event(sandbox: &Sandbox) -> Result<()> {
    const FAR: u64 = 1 << 32;
    let mut bytes = file().build();
    // The first such word is where its segment begins.
    let mut words = bytes.chunks_exact_mut(size_of::<u64>());
    let offset = words.find(|word| **word == SEMAPHORES.to_ne_bytes());
    let moved = (SEMAPHORES + FAR).to_ne_bytes();
    offset
        .context("it has a segment there")?
        .copy_from_slice(&moved);
    let path = sandbox.directory().join("far");
    std::fs::write(&path, &bytes)?;
    File::options()
        .write(true)
        .open(&path)?
        .set_len(FAR + SEMAPHORES + 0x1000)?;
    let binary = Binary::open(&path)?;
    let places = binary.usdt("app", "start")?;
    let place = places.first().context("it has one")?;
    ensure!(place.ref_ctr_offset == Some(COUNTER + FAR), "{place:?}");
    let (program, _sum) = adding(Hook::KPROBE)?;
    let event = UprobeEvent::in_binary(&binary, place);
    let words = [
        &path.display().to_string()[..],
        &format!("{:#x}", COUNTER + FAR),
    ];
    let refused = check_refusal(PerfEventAttach::to(event).attach(&program), &words)?;
    let expected = BinaryProblem::FarCounter {
        offset: COUNTER + FAR,
    };
    ensure!(problem(Err::<(), _>(refused), &path)? == expected);
    Ok(())
}

fn by_uprobe_multi(sandbox: &Sandbox) -> Result<()> {
    let made = Made::new(sandbox, "multi", &file())?;
    let (program, sum) = adding(Hook::UPROBE_MULTI)?;
    let places = made.binary.usdt("app", "start")?;
    let places = places
        .iter()
        .map(|place| BinaryPlace::from(place).cookie(3));
    let stop = made.binary.usdt("app", "stop")?;
    let all = places.chain(stop.iter().map(BinaryPlace::from));
    ensure!(made.mapped.counter(COUNTER) == 0);
    let link = UprobeMultiAttach::in_binary(&made.binary, When::Entry, all).attach(&program)?;
    ensure!(made.mapped.counter(COUNTER) == 2);
    for offset in [CODE + 0x20, HOT + 0x10, CODE + 0x40] {
        made.mapped.call(offset);
    }
    ensure!(sum.read()? == 6, "{}", sum.read()?);
    let info = link.info()?;
    ensure!(info.ref_ctr_offsets == since(6, 8, vec![COUNTER, COUNTER, 0])?);
    drop(link);
    eventually_holds(
        "it counts no more",
        || Ok(made.mapped.counter(COUNTER) == 0),
    )
}

fn by_uprobe(sandbox: &Sandbox) -> Result<()> {
    let made = Made::new(sandbox, "single", &file())?;
    let (program, sum) = adding(Hook::KPROBE)?;
    let mut links = Vec::new();
    for place in made.binary.usdt("app", "start")? {
        let event = UprobeEvent::in_binary(&made.binary, &place);
        links.push(PerfEventAttach::to(event).cookie(4).attach(&program)?);
    }
    ensure!(made.mapped.counter(COUNTER) == 2);
    made.mapped.call(CODE + 0x20);
    made.mapped.call(HOT + 0x10);
    ensure!(sum.read()? == 8, "{}", sum.read()?);
    drop(links);
    eventually_holds(
        "it counts no more",
        || Ok(made.mapped.counter(COUNTER) == 0),
    )
}
