//! JSON that is safe to print on a terminal: characters that a terminal may act on are escaped.

use std::io::{self, Write};

use serde_json::ser::Formatter;
use serde_json::value::RawValue;

use crate::output::acts_on_a_terminal;

/// Writes the value on one line.
pub(crate) fn write(out: impl Write, value: &impl serde::Serialize) -> serde_json::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(out, Escaping))
}

/// The value as it would be written.
pub(crate) fn raw(value: &impl serde::Serialize) -> serde_json::Result<Box<RawValue>> {
    let mut json = Vec::new();
    write(&mut json, value)?;
    RawValue::from_string(String::from_utf8_lossy(&json).into_owned())
}

/// The compact form, with more escapes than JSON requires.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut written = 0;
        for (at, character) in fragment.char_indices() {
            if !acts_on_a_terminal(character) {
                continue;
            }
            let (plain, end) = (fragment.get(written..at), at + character.len_utf8());
            writer.write_all(plain.unwrap_or_default().as_bytes())?;
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            written = end;
        }
        let rest = fragment.get(written..).unwrap_or_default();
        writer.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> serde_json::Result<String> {
        let mut json = Vec::new();
        write(&mut json, &text)?;
        let read: String = serde_json::from_slice(&json)?;
        assert_eq!(read, text);
        String::from_utf8(json).map_err(serde::ser::Error::custom)
    }

    #[test]
    fn what_a_terminal_may_act_on_is_escaped() -> serde_json::Result<()> {
        assert_eq!(
            written("a\u{202e}b\u{9b}c\u{7f}")?,
            r#""a\u202eb\u009bc\u007f""#
        );
        assert_eq!(
            written("\u{61c}\u{2066}\u{2069}\u{200f}")?,
            r#""\u061c\u2066\u2069\u200f""#
        );
        assert_eq!(written("é \"\n")?, "\"é \\\"\\n\"");
        Ok(())
    }

    #[test]
    fn the_form_is_as_ever() -> serde_json::Result<()> {
        let value = serde_json::json!({"a": [1, {"b": null}], "c": "\u{202e}", "d": []});
        let mut json = Vec::new();
        write(&mut json, &value)?;
        let expected = serde_json::to_string(&value)?.replace('\u{202e}', r"\u202e");
        assert_eq!(json, expected.as_bytes());
        Ok(())
    }
}
