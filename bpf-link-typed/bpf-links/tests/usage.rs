//! What the command says of itself, and of what it does not understand.

use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bpf-links"));
    command.args(arguments).output().expect("it can be run")
}

#[test]
fn its_version_is_that_of_the_package() {
    let output = run(&["--version"]);
    assert!(output.status.success());
    let expected = format!("bpf-links {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    assert!(output.stderr.is_empty());
}

#[test]
fn wrong_usage_is_explained_on_standard_error() {
    for (arguments, word) in [
        (&["lst"][..], "lst"),
        (&["show"], "Usage: bpf-links show"),
        (&["list", "--no-such-option"], "--no-such-option"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(word), "{arguments:?}: {said}");
    }
}
