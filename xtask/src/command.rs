//! Programs that tasks run.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A program whose messages are not translated and that is given no input.
pub(crate) fn new(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    command
}

/// Runs the program and returns what it wrote to its standard output; if it fails, its messages are
/// the error.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        let messages = String::from_utf8_lossy(&output.stderr);
        bail!("{program} failed ({})\n{}", output.status, messages.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{program} did not write UTF-8"))
}

/// The program, or an error that names Debian's package of it.
pub(crate) fn installed(program: String, package: &str) -> Result<String> {
    let mut version = new(&program);
    version.arg("--version").stdout(Stdio::null());
    match version.status() {
        Ok(status) if status.success() => Ok(program),
        Ok(status) => bail!("{program} --version failed ({status})"),
        Err(error) => {
            bail!("cannot run {program}, which is in Debian's package {package}: {error}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        let error = installed("qemu-no-such".to_owned(), "qemu-user").expect_err("it is missing");
        let text = error.to_string();
        assert!(
            text.contains("qemu-no-such") && text.contains("qemu-user"),
            "{text}"
        );
    }
}
