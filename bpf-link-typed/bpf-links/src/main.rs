//! `bpf-links`: the links of this machine, with what they are attached to, by which program, pinned
//! where and held by whom.
//!
//! `cargo run -p bpf-links -- --help` says what it does, and
//! `cargo install --locked --path bpf-link-typed/bpf-links` installs it.
//!
//! | file | what |
//! |---|---|
//! | `args.rs` | the arguments, and the help |
//! | `list.rs`, `show.rs`, `hooks.rs`, `change.rs`, `watch.rs`, `probe.rs`, `help.rs` | the commands |
//! | `which.rs` | the link or program that an argument names |
//! | `filter.rs` | which links are shown |
//! | `found.rs` | what is found out about all links |
//! | `search.rs` | where links are pinned, and who holds them |
//! | `escape.rs`, `text.rs`, `table.rs` | the ways in which it is shown; JSON is the library's |
//! | `kinds.rs` | what is shown of each kind |
//! | `output.rs`, `notes.rs`, `failure.rs` | results, notes and errors |
#![forbid(unsafe_code)]

mod args;
mod change;
mod escape;
mod failure;
mod filter;
mod found;
mod help;
mod hooks;
mod kinds;
mod list;
mod notes;
mod output;
mod probe;
mod search;
mod show;
mod table;
mod text;
mod watch;
mod which;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Command};
use failure::Status;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        // Wrong usage ends here, with status 2.
        Err(error) if error.use_stderr() => {
            output::complain_in_lines(&error.render().to_string());
            return ExitCode::from(2);
        }
        // The help, or the version.
        Err(error) => error.exit(),
    };
    let json = args.json;
    let done = match &args.command {
        Command::List(args) => list::run(args, json),
        Command::Show(args) => show::run(args, json).map(done),
        Command::Hooks(args) => hooks::run(args, json),
        Command::Pin(args) => change::pin(args, json),
        Command::Unpin(args) => change::unpin(args, json),
        Command::Detach(args) => change::detach(args, json),
        Command::Update(args) => change::update(args, json),
        Command::Watch(args) => watch::run(args, json),
        Command::Probe => probe::run(json).map(done),
        Command::Completions(args) => help::completions(args).map(done),
        Command::Man(args) => help::man(args).map(done),
    };
    match done {
        Ok(Status::Done) => ExitCode::SUCCESS,
        Ok(Status::InPart) => ExitCode::FAILURE,
        // The reader closed the pipe.
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            failure::print(&error);
            ExitCode::FAILURE
        }
    }
}

/// A command that does all or nothing.
fn done((): ()) -> Status {
    Status::Done
}
