//! Arguments of the lister, and what is always true of how they are understood. Nothing is done of
//! what they say.

#[path = "../../../bpf-link-typed/bpf-links/src/args.rs"]
mod args;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::time::Duration;

use args::{Args, Command};
use clap::Parser as _;
use clap::error::ErrorKind;

/// The arguments, each up to a NUL.
pub(crate) fn from_bytes(bytes: &[u8]) -> Vec<OsString> {
    let arguments = bytes.split(|byte| *byte == 0);
    arguments
        .map(|argument| OsString::from_vec(argument.to_vec()))
        .collect()
}

/// Understands them, and panics where something is not as it has to be. Says whether they are a
/// command.
pub(crate) fn check(arguments: &[OsString]) -> bool {
    let name = OsString::from("bpf-links");
    match Args::try_parse_from(std::iter::once(&name).chain(arguments)) {
        Ok(args) => {
            if let Command::Watch(watch) = &args.command {
                assert!(watch.interval >= Duration::from_millis(10));
            }
            true
        }
        Err(error) => {
            let is_help = matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            );
            assert_eq!(error.exit_code(), if is_help { 0 } else { 2 }, "{error}");
            assert!(!error.render().to_string().is_empty());
            false
        }
    }
}
