//! Patterns as shells have them.

/// Whether the name matches: `*` stands for any characters, `?` for one, and every other character
/// for itself.
pub(crate) fn matches(pattern: &str, name: impl AsRef<[u8]>) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_ref());
    let (mut at, mut place) = (0, 0);
    // After the last `*`, and where in the name it stands for no more.
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = name.get(place) {
        match (pattern.get(at), star) {
            (Some(b'*'), _) => {
                at += 1;
                star = Some((at, place));
            }
            (Some(wanted), _) if wanted == byte || *wanted == b'?' => {
                at += 1;
                place += 1;
            }
            (_, Some((after, until))) => {
                star = Some((after, until + 1));
                (at, place) = (after, until + 1);
            }
            (_, None) => return false,
        }
    }
    let rest = pattern.get(at..).unwrap_or_default();
    rest.iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn names_match_patterns() {
        for (pattern, name, expected) in [
            ("malloc", "malloc", true),
            ("malloc", "mallocx", false),
            ("SSL_*", "SSL_write", true),
            ("SSL_*", "SSL_", true),
            ("SSL_*", "BIO_write", false),
            ("*write", "SSL_write", true),
            ("*_w*e", "SSL_write_xwe", true),
            ("S?L_*", "SSL_read", true),
            ("?", "", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
