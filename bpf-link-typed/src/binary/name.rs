//! The names that people write: `memcpy`, `memcpy@GLIBC_2.14`, `main+0x10`.

/// A function, perhaps of one version, and how far after its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WrittenName<'a> {
    pub(super) symbol: &'a str,
    pub(super) version: Option<&'a str>,
    /// In bytes.
    pub(super) offset: u64,
}

impl<'a> WrittenName<'a> {
    pub(super) fn parse(text: &'a str) -> Self {
        let with_offset = text.rsplit_once('+').and_then(|(name, offset)| {
            let offset = number(offset)?;
            (!name.is_empty()).then_some((name, offset))
        });
        let (name, offset) = with_offset.unwrap_or((text, 0));
        let (symbol, version) = split_version(name);
        Self {
            symbol,
            version: version.map(|(version, _)| version),
            offset,
        }
    }
}

/// A symbol and its version, with whether that is the default one.
pub(super) fn split_version(name: &str) -> (&str, Option<(&str, bool)>) {
    match name.split_once('@') {
        Some((symbol, version)) if !symbol.is_empty() => {
            let default = version.strip_prefix('@');
            let version = (default.unwrap_or(version), default.is_some());
            (symbol, Some(version))
        }
        _ => (name, None),
    }
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        for (text, symbol, version, offset) in [
            ("memcpy", "memcpy", None, 0),
            ("memcpy@GLIBC_2.14", "memcpy", Some("GLIBC_2.14"), 0),
            ("memcpy@@GLIBC_2.14", "memcpy", Some("GLIBC_2.14"), 0),
            ("main+0x10", "main", None, 16),
            ("main+16", "main", None, 16),
            ("memcpy@V_1+4", "memcpy", Some("V_1"), 4),
            ("+[NSObject new]", "+[NSObject new]", None, 0),
            ("a+b", "a+b", None, 0),
            ("@", "@", None, 0),
        ] {
            let name = WrittenName::parse(text);
            let expected = WrittenName {
                symbol,
                version,
                offset,
            };
            assert_eq!(name, expected, "{text}");
        }
    }
}
