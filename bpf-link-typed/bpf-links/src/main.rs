//! `bpf-links`: the links of this machine, with what they are attached to, by which program, pinned
//! where and held by whom.
//!
//! `cargo run -p bpf-links -- --help` says what it does, and
//! `cargo install --locked --path bpf-link-typed/bpf-links` installs it.
//!
//! | file | what |
//! |---|---|
//! | `args.rs` | the arguments, and the help |
//! | `list.rs`, `show.rs`, `change.rs`, `watch.rs` | the commands |
//! | `which.rs` | the link that an argument names |
//! | `view.rs` | a link as it is shown |
//! | `json.rs`, `text.rs`, `table.rs` | the ways in which it is shown |
//! | `kinds.rs` | what is shown of each kind |
//! | `resolve.rs` | the names of what a link has numbers of |
//! | `pinned.rs`, `holders.rs`, `mounts.rs` | where links are pinned, and who holds them |
//! | `output.rs`, `notes.rs`, `failure.rs` | what is written where: results, what could not be found out, what went wrong |
#![forbid(unsafe_code)]

mod args;
mod change;
mod failure;
mod holders;
mod json;
mod kinds;
mod list;
mod mounts;
mod notes;
mod output;
mod pinned;
mod resolve;
mod show;
mod table;
mod text;
mod view;
mod watch;
mod which;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Command};

fn main() -> ExitCode {
    // Wrong usage ends here, with status 2.
    let args = Args::parse();
    let done = match &args.command {
        Command::List(args) => list::run(args),
        Command::Show(args) => show::run(args),
        Command::Pin(args) => change::pin(args),
        Command::Unpin(args) => change::unpin(args),
        Command::Detach(args) => change::detach(args),
        Command::Update(args) => change::update(args),
        Command::Watch(args) => watch::run(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // The reader of our output has seen enough.
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            failure::print(&error);
            ExitCode::FAILURE
        }
    }
}
