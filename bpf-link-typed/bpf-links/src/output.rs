//! What is written to standard output, and how it is formatted there.

use std::borrow::Cow;
use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write};

use anyhow::Result;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Standard output, written in large pieces.
pub(crate) struct Output(BufWriter<StdoutLock<'static>>);

pub(crate) fn open() -> Output {
    Output(BufWriter::new(io::stdout().lock()))
}

/// Writes out what is left. When an output is dropped, an error would be lost.
pub(crate) fn close(mut output: Output) -> Result<()> {
    Ok(output.flush()?)
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(|error| of_writing(&error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(|error| of_writing(&error))
    }
}

/// The same error, which says what failed.
fn of_writing(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("writing to standard output: {error}"))
}

/// Whether the reader of standard output has gone.
pub(crate) fn is_unread() -> bool {
    let stdout = io::stdout();
    let mut asked = [PollFd::new(&stdout, PollFlags::empty())];
    let gone = PollFlags::ERR | PollFlags::NVAL;
    let answered = poll(&mut asked, Some(&Timespec::default()));
    answered.is_ok() && asked.iter().any(|asked| asked.revents().intersects(gone))
}

/// Prints a line on standard error in one write, as other processes may write there, too.
pub(crate) fn complain(words: &str) {
    complain_in_lines(&format!("bpf-links: {}\n", printable(words)));
}

/// The same with lines as they are.
pub(crate) fn complain_in_lines(lines: &str) {
    // If even that fails, there is nowhere left to report it.
    let _ = io::stderr().write_all(lines.as_bytes());
}

/// Whether standard output is a terminal.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// On terminals that are narrower than this, nothing is shortened.
const NARROWEST: usize = 40;

/// The width that tables have to fit in; `None` where nothing is shortened: on a pipe, and on a
/// terminal that is too narrow, or does not know its width.
pub(crate) fn room() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|width| *width >= NARROWEST)
}

/// Whether to use colours.
pub(crate) fn has_colours() -> bool {
    let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    is_terminal() && !forbidden && !dumb
}

/// Whether this failed because the reader of standard output has gone.
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

/// Makes foreign text safe for one line of a terminal: what the terminal may act on is escaped as
/// Rust escapes it.
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

/// What stands for the part that is left out.
const CUT: &str = "…";

/// The text, or its start and its end if it is too wide for the room.
pub(crate) fn shortened(text: &str, room: Option<usize>) -> Cow<'_, str> {
    let Some(room) = room.filter(|room| text.width() > *room) else {
        return Cow::Borrowed(text);
    };
    let room = room.saturating_sub(CUT.width());
    let end = room / 2;
    let start: String = within(text.chars(), room - end).collect();
    let mut end: Vec<char> = within(text.chars().rev(), end).collect();
    end.reverse();
    Cow::Owned(format!("{start}{CUT}{}", String::from_iter(end)))
}

/// As many characters as fit.
fn within(characters: impl Iterator<Item = char>, mut room: usize) -> impl Iterator<Item = char> {
    characters.map_while(move |character| {
        room = room.checked_sub(character.width().unwrap_or(0))?;
        Some(character)
    })
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

    #[test]
    fn what_is_too_wide_is_shortened_in_its_middle() {
        for (text, room, expected) in [
            ("/sys/fs/cgroup/a", None, "/sys/fs/cgroup/a"),
            ("/sys/fs/cgroup/a", Some(16), "/sys/fs/cgroup/a"),
            ("/sys/fs/cgroup/a", Some(15), "/sys/fs…group/a"),
            ("/sys/fs/cgroup/a", Some(2), "/…"),
            ("/sys/fs/cgroup/a", Some(0), "…"),
            // These are two columns wide each.
            ("ファイル", Some(8), "ファイル"),
            ("ファイル", Some(7), "フ…ル"),
        ] {
            assert_eq!(shortened(text, room), expected, "{room:?}");
        }
    }
}
