//! What is written to standard output, and how it is dressed there.

use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write as _};

use anyhow::Result;

/// Standard output, written in large pieces.
pub(crate) type Output = BufWriter<StdoutLock<'static>>;

pub(crate) fn open() -> Output {
    BufWriter::new(io::stdout().lock())
}

/// Writes out what is left; what cannot be written is an error, and not lost as it would be on the way out.
pub(crate) fn close(mut output: Output) -> Result<()> {
    Ok(output.flush()?)
}

/// Whether a person reads it.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether there may be colours.
pub(crate) fn has_colours() -> bool {
    let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    is_terminal() && !forbidden && !dumb
}

/// Whether this failed because nobody reads standard output any more.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let mut causes = error.chain();
    causes.any(|cause| {
        let of_io = cause
            .downcast_ref::<io::Error>()
            .map(io::Error::kind)
            .or_else(|| {
                cause
                    .downcast_ref::<serde_json::Error>()
                    .and_then(serde_json::Error::io_error_kind)
            });
        of_io == Some(io::ErrorKind::BrokenPipe)
    })
}

/// Makes what comes from others fit for one line of a terminal: no line breaks, and nothing that moves the cursor.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                character
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_pipes_are_found_in_every_wrapping() {
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(is_broken_pipe(
            &anyhow::Error::from(broken()).context("writing")
        ));
        assert!(is_broken_pipe(&serde_json::Error::io(broken()).into()));
        assert!(!is_broken_pipe(
            &io::Error::from(io::ErrorKind::NotFound).into()
        ));
    }

    #[test]
    fn a_line_stays_a_line() {
        assert_eq!(printable("a\nb\u{1b}[2J"), "a\u{fffd}b\u{fffd}[2J");
    }
}
