//! Starts drivers, and judges what they say.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::tests_at_a_time;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::answers::{ASKED_AGAIN, Answer};
use crate::at_once::at_once;
use crate::call::{Call, Class, Errno};
use crate::driver::{self, DESCRIPTORS};
use crate::injected::{self, Injection};
use crate::lifecycle;
use crate::observation::Observation;
use crate::operations;
use crate::turn;

/// The calls of the operations that walk, and that hand on what they answer.
const WALKS_CALL: [Call; 8] = [
    Call::Bpf,
    Call::Renameat,
    Call::Newfstatat,
    Call::Statx,
    Call::Openat,
    Call::Ioctl,
    Call::Socket,
    Call::Flock,
];

/// The calls of sets.
const SETS_CALL: [Call; 13] = [
    Call::Bpf,
    Call::Renameat,
    Call::Renameat2,
    Call::Unlinkat,
    Call::Mkdir,
    Call::Rmdir,
    Call::Newfstatat,
    Call::Statx,
    Call::Fstatfs,
    Call::Getdents64,
    Call::Fcntl,
    Call::Openat,
    Call::Flock,
];

/// Runs the tests that the arguments ask for.
pub(crate) fn main() -> ExitCode {
    let mut trials = vec![trial("operations::descriptors".to_owned(), || {
        without_descriptors()
    })];
    let of_sets = |call: &Call| Call::OF_SETS.contains(call);
    for call in Call::ALL.into_iter().filter(|call| !of_sets(call)) {
        let name = call.name();
        trials.push(trial(format!("operations::{name}"), move || {
            operations_under(call, Class::Plain)
        }));
    }
    for call in lifecycle::CALLS {
        trials.push(trial(format!("lifecycle::{}", call.name()), move || {
            lifecycle::under(call)
        }));
    }
    trials.push(trial("lifecycle::find".to_owned(), lifecycle::under_find));
    for call in WALKS_CALL {
        trials.push(trial(format!("walks::{}", call.name()), move || {
            operations_under(call, Class::Walk)
        }));
    }
    for call in SETS_CALL {
        trials.push(trial(format!("sets::{}", call.name()), move || {
            operations_under(call, Class::Set)
        }));
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert_with(tests_at_a_time);
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(name: String, work: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    Trial::ignorable_test(name, || {
        if let Some(missing) = missing()? {
            return if std::env::var_os("BPF_LINK_STRICT").is_some_and(|value| value == "1") {
                Err(Failed::from(missing))
            } else {
                Ok(Completion::ignored_with(missing))
            };
        }
        match work() {
            Ok(()) => Ok(Completion::Completed),
            Err(error) => Err(format!("{error:#}").into()),
        }
    })
}

/// What this machine or user lacks, in words.
fn missing() -> Result<Option<String>> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if !std::env::split_paths(&path).any(|place| Path::new(&place).join("strace").is_file()) {
        return Ok(Some("no command strace".to_owned()));
    }
    let wanted = rustix::thread::CapabilitySet::SYS_ADMIN;
    let has = rustix::thread::capabilities(None)?
        .effective
        .contains(wanted);
    Ok((!has).then(|| "not privileged: no CAP_SYS_ADMIN".to_owned()))
}

/// Every operation, or every walk, with each fault in each of its calls of one sort.
fn operations_under(call: Call, class: Class) -> Result<()> {
    let mut names: BTreeSet<&str> = operations::all()
        .filter(|operation| operation.class == class)
        .map(|operation| operation.name)
        .collect();
    let mut errors = call.errors(class);
    let (first, errno) = errors.next().context("no errors")?;
    let alone = class == Class::Walk;
    let observed = turn::take(alone, || observe(call, class, errno, &names))?;
    let told: BTreeSet<&str> = observed.iter().map(|(one, _)| &*one.operation).collect();
    ensure!(told == names, "not all were done: {told:?}");
    // What makes no such call needs no other fault in it.
    names.retain(|name| {
        let mut hit = observed.iter();
        hit.any(|(one, _)| one.operation == *name && one.was_hit)
    });
    ensure!(!names.is_empty(), "no operation calls {}", call.name());
    let others: Vec<Errno> = errors.collect();
    let mut all = vec![(first, errno, observed)];
    let work = |&(error, errno): &Errno| Ok((error, errno, observe(call, class, errno, &names)?));
    // Drivers that walk open each other's links, which then stay.
    all.extend(turn::take(alone, || {
        if alone {
            others.iter().map(work).collect()
        } else {
            at_once(&others, work)
        }
    })?);
    let mut wrong = Vec::new();
    let mut faults = 0;
    for (error, errno, observed) in &all {
        for (observation, hit) in observed {
            faults += usize::from(observation.was_hit);
            if let Err(why) = judge(observation, hit.as_deref(), *errno) {
                wrong.push(format!(
                    "{} with {error} in its call {} ({}): {why:#}",
                    observation.operation,
                    observation.position,
                    hit.as_deref().unwrap_or("not made"),
                ));
            }
        }
    }
    println!(
        "{} in {} operations: {faults} faults",
        call.name(),
        names.len()
    );
    ensure!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    Ok(())
}

/// What a driver says, each with the call that was made to fail.
fn observe(
    call: Call,
    class: Class,
    errno: i32,
    names: &BTreeSet<&str>,
) -> Result<Vec<(Observation, Option<String>)>> {
    let place = call.place(class);
    let injection = Injection { call, errno, place };
    let mut driver = Command::new(std::env::current_exe()?);
    driver.env(driver::VARIABLE, call.name());
    driver.env(driver::CLASS_VARIABLE, class.name()).args(names);
    let log = format!("{}-{errno}-{}", call.name(), names.len());
    let traced = injected::run(&driver, call, Some(injection), &log)?;
    let output = &traced.output;
    ensure!(
        output.status.success(),
        "the driver ended badly: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&output.stdout),
    );
    let hit = traced.hit();
    observations(&output.stdout)?
        .into_iter()
        .map(|observation| {
            // Each thread has one fault. The log has the call that it was put into.
            let call = hit.get(&observation.thread);
            let call = call.with_context(|| format!("no fault in {observation:?}"))?;
            let call = observation.was_hit.then(|| (*call).to_owned());
            Ok((observation, call))
        })
        .collect()
}

fn observations(output: &[u8]) -> Result<Vec<Observation>> {
    let output = std::str::from_utf8(output)?;
    output.lines().map(Observation::from_line).collect()
}

/// Whether what came of an operation is right.
fn judge(observed: &Observation, hit: Option<&str>, errno: i32) -> Result<()> {
    let Observation {
        operation,
        outcome,
        otherwise,
        wrong,
        ..
    } = observed;
    if let Some(wrong) = wrong {
        anyhow::bail!("{wrong}");
    }
    let Some(hit) = hit else {
        ensure!(outcome.is_like(otherwise), "without a fault: {outcome:?}");
        return Ok(());
    };
    if Answer::is_among(ASKED_AGAIN, operation, hit, errno) {
        ensure!(outcome.is_like(otherwise), "not asked again: {outcome:?}");
        return Ok(());
    }
    // What was refused for its own reason may have had the fault in the call that looks into the
    // reason.
    let has_errno = outcome.errno() == Some(errno);
    let is_own = otherwise.errno().is_some() && outcome.is_like(otherwise);
    ensure!(
        has_errno || is_own || Answer::is_one(operation, hit, errno),
        "the error number is lost: {outcome:?}"
    );
    // No condition is specific to ENOMEM, so an error of bpf(2) has to name its command.
    if has_errno && !is_own && errno == libc::ENOMEM {
        let command = hit
            .strip_prefix("bpf(")
            .and_then(|hit| hit.split(',').next());
        if let Some(command) = command {
            ensure!(
                outcome.words().contains(command),
                "the message does not name {command:?}: {outcome:?}"
            );
        }
    }
    Ok(())
}

/// Every operation, with no descriptor left, with one left, and so on until it works: each time the
/// kernel's own `EMFILE`.
fn without_descriptors() -> Result<()> {
    let mut driver = Command::new(std::env::current_exe()?);
    driver.env(driver::VARIABLE, DESCRIPTORS);
    let output = turn::take(true, || Ok(driver.output()?))?;
    ensure!(
        output.status.success(),
        "the driver ended badly: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let observed = observations(&output.stdout)?;
    let mut wrong = Vec::new();
    let mut refusals = 0;
    for one in &observed {
        let is_refused = one.outcome.errno() == Some(libc::EMFILE);
        refusals += usize::from(is_refused);
        let fits = is_refused || one.outcome.is_like(&one.otherwise);
        if !fits || one.wrong.is_some() {
            wrong.push(format!("{one:?}"));
        }
    }
    let done: BTreeSet<&str> = observed.iter().map(|one| &*one.operation).collect();
    let all: BTreeSet<&str> = operations::all().map(|one| one.name).collect();
    ensure!(done == all, "not all were done: {done:?}");
    ensure!(refusals > 0, "no operation needs a descriptor");
    println!("{} operations: {refusals} times EMFILE", all.len());
    ensure!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    Ok(())
}
