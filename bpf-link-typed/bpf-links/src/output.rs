//! What is written to standard output, and how it is dressed there.

use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write as _};

use anyhow::Result;

/// Standard output, written in large pieces.
pub(crate) type Output = BufWriter<StdoutLock<'static>>;

pub(crate) fn open() -> Output {
    BufWriter::new(io::stdout().lock())
}

/// Writes out what is left; what cannot be written is an error, and not lost as it would be on the
/// way out.
pub(crate) fn close(mut output: Output) -> Result<()> {
    Ok(output.flush()?)
}

/// Says something on standard error, in one piece: other processes may write there, too.
pub(crate) fn complain(words: &str) {
    let line = format!("bpf-links: {}\n", printable(words));
    // There is nowhere else to say that it cannot be said.
    let _ = io::stderr().write_all(line.as_bytes());
}

/// Whether a person reads it.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// How wide the terminal is, if a person reads it on one that knows.
pub(crate) fn width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|width| *width > 0)
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

/// Whether a terminal may take this for something other than a character in its place: a control,
/// the end of a line, or a mark that turns the direction of the text around.
pub(crate) fn acts_on_a_terminal(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// Makes what comes from others fit for one line of a terminal: what the terminal may act on is
/// escaped as Rust escapes it.
pub(crate) fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        if acts_on_a_terminal(character) {
            printable.extend(character.escape_default());
        } else {
            printable.push(character);
        }
    }
    printable
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
        assert_eq!(printable("a\nb\u{1b}[2J"), r"a\nb\u{1b}[2J");
        assert_eq!(
            printable("a\u{202e}b\u{2066}c\u{61c}"),
            r"a\u{202e}b\u{2066}c\u{61c}"
        );
        // What some terminals take for the beginning of a command.
        assert_eq!(printable("\u{9b}31m"), r"\u{9b}31m");
        assert_eq!(printable("é \u{5d0}"), "é \u{5d0}");
    }
}
