//! The process in which the operations are done.

use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{Descriptors, Sandbox, eventually_holds, links, names};
use rustix::process::Signal;

use crate::call::{Call, Class};
use crate::observation::Observation;
use crate::operations::{self, Operation};
use crate::run::{Fault, Run};

/// The variable that makes a process a driver: the faulty call's name, or `descriptors`.
pub(crate) const VARIABLE: &str = "BPF_LINK_FAULTS";
/// What a driver is told for no faults but the want of descriptors.
pub(crate) const DESCRIPTORS: &str = "descriptors";

/// The variable with the class of the operations.
pub(crate) const CLASS_VARIABLE: &str = "BPF_LINK_FAULTS_CLASS";

/// What a driver is to do: with the names of the operations as its arguments, or all if there is
/// none.
#[derive(Debug)]
pub(crate) struct Task(String);

impl Task {
    /// What this process was started for, if it is a driver.
    pub(crate) fn from_environment() -> Option<Self> {
        std::env::var(VARIABLE).ok().map(Self)
    }
}

/// Does the operations, and says a line for each time that it did one.
pub(crate) fn main(task: &Task) -> ExitCode {
    match drive(task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the driver of {}: {error:?}", task.0);
            ExitCode::FAILURE
        }
    }
}

fn drive(task: &Task) -> Result<()> {
    // A signal that stops the tracer, or the judge, stops the driver.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let call = match task.0.as_str() {
        DESCRIPTORS => None,
        name => Some(Call::from_name(name).with_context(|| format!("no call {name}"))?),
    };
    let class = std::env::var(CLASS_VARIABLE).ok();
    let class = class.and_then(|name| Class::from_name(&name));
    let class = class.unwrap_or(Class::Plain);
    if let Some(call) = call {
        // This thread has its fault here, and none later.
        let undisturbed = (0..call.place(class)).all(|_| call.make_in_vain());
        ensure!(!undisturbed, "nobody puts faults into {}", call.name());
    }
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let sandbox = Sandbox::enter().context("entering the sandbox")?;
    let all = operations::all();
    for operation in
        all.filter(|one| wanted.is_empty() || wanted.iter().any(|name| name == one.name))
    {
        for position in 1.. {
            let fault = match call {
                Some(call) => Fault::Injected(call, class, position),
                None => Fault::Descriptors(position - 1),
            };
            let observed = observe(&sandbox, operation, fault, position)?;
            // No link outlives its program, and what was pinned goes in the kernel's own time.
            eventually_holds("the programs have gone", || {
                Ok(links::programs_named(names::prefix())?.is_empty())
            })?;
            println!("{}", observed.to_line());
            let is_over = match call {
                _ if observed.wrong.is_some() => true,
                // All of its calls have had their faults.
                Some(_) if !observed.was_hit => true,
                Some(call) => {
                    operation.class == Class::Walk && position + 1 == last_of_a_walk(call)?
                }
                None => observed.outcome.is_like(&observed.otherwise),
            };
            if is_over {
                break;
            }
        }
    }
    Ok(())
}

/// The last call of a walk that has a fault. Where there are many links the calls are the same for
/// each, so a few links will do.
fn last_of_a_walk(call: Call) -> Result<usize> {
    const BEFORE_AND_FOR_A_FEW: usize = 16;
    let most = call.place(Class::Walk);
    let links = links::ids()?.len();
    Ok(if links > most {
        BEFORE_AND_FOR_A_FEW
    } else {
        most
    })
}

/// Does an operation once, and sees what is left of it.
fn observe(
    sandbox: &Sandbox,
    operation: &Operation,
    fault: Fault,
    position: usize,
) -> Result<Observation> {
    if let Fault::Injected(call, _, position) = fault {
        ensure!(
            position < call.place(operation.class),
            "{} makes more calls than there is room for",
            operation.name
        );
    }
    let before = Descriptors::now()?;
    let mut run = Run::new(sandbox, fault);
    let done = (operation.run)(&mut run);
    let attempted = run.attempted.take();
    let mut wrong: Vec<String> = Vec::new();
    wrong.extend(done.err().map(|error| format!("{error:?}")));
    wrong.extend(Descriptors::now()?.changes_since(&before));
    for path in sandbox.pinned()? {
        wrong.push(format!("left pinned: {}", path.display()));
        // So that it is not in the way of the next.
        std::fs::remove_file(path)?;
    }
    let attempted = attempted.with_context(|| format!("{}: {wrong:?}", operation.name))?;
    Ok(Observation {
        operation: operation.name.to_owned(),
        position,
        was_hit: attempted.was_hit,
        thread: attempted.thread,
        outcome: attempted.outcome,
        otherwise: attempted.otherwise,
        wrong: (!wrong.is_empty()).then(|| wrong.join("; ")),
    })
}
