//! The commands that readers are told to type, as they are written, on the kernel that runs here:
//! those of the README and of the guides, and those at the top of each example.
//!
//! They run in mount and network namespaces of their own.
#![forbid(unsafe_code)]

mod agent;
mod examples;
mod guides;
mod place;
mod readme;
mod typed;

use std::process::ExitCode;
use std::{io, thread};

use anyhow::Result;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

use place::Place;

fn main() -> ExitCode {
    // Some attach to what the whole machine has one of, such as its root cgroup.
    let arguments = Arguments {
        test_threads: Some(1),
        ..Arguments::from_args()
    };
    let mut trials = vec![
        trial("failed_attach", guides::failed_attach),
        trial("readme", readme::follow),
        trial("takeover", guides::takeover),
        Trial::test("examples_are_all_here", || Ok(examples::all_are_here()?)),
    ];
    for written in &examples::WRITTEN {
        trials.push(trial(written.name(), || examples::follow(written)));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// What is followed in a place of its own.
fn trial(name: &'static str, follow: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    Trial::ignorable_test(name, move || {
        let in_its_place = move || match Place::enter(name) {
            Ok(_place) => follow().map(|()| Completion::Completed),
            Err(error) if is_refused(&error) => Ok(Completion::ignored_with(format!(
                "not privileged: {error:#}"
            ))),
            Err(error) => Err(error),
        };
        let ended = thread::spawn(in_its_place).join();
        let ended = ended.map_err(|_| Failed::without_message())?;
        ended.map_err(|error| Failed::from(format!("{error:#}")))
    })
}

fn is_refused(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}
