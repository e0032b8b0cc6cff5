//! What differs between two texts, in short.

use similar::TextDiff;

/// How many lines of a difference are shown.
const SHOWN: usize = 40;

/// The beginning of a unified diff, or `None` if the texts are the same.
pub(super) fn between(old: &str, new: &str) -> Option<String> {
    if old == new {
        return None;
    }
    let diff = TextDiff::from_lines(old, new);
    let diff = diff.unified_diff().context_radius(2).to_string();
    let mut lines = diff.lines();
    let mut shown: Vec<&str> = lines.by_ref().take(SHOWN).collect();
    let rest = lines.count();
    let cut = format!("(and {rest} lines more)");
    if rest > 0 {
        shown.push(&cut);
    }
    Some(shown.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_do_not_differ() {
        assert_eq!(between("a\nb\n", "a\nb\n"), None);
    }

    #[test]
    fn only_what_differs_is_shown() {
        let difference = between("a\nb\nc\nd\n", "a\nb\nC\nd\n");
        assert_eq!(
            difference.as_deref(),
            Some("@@ -1,4 +1,4 @@\n a\n b\n-c\n+C\n d")
        );
    }

    #[test]
    fn a_missing_line_end_is_shown() {
        let difference = between("a", "a\n").expect("they differ");
        assert!(
            difference.contains("No newline at end of file"),
            "{difference}"
        );
    }

    #[test]
    fn a_long_difference_is_cut() {
        let difference = between("", &"x\n".repeat(50)).expect("they differ");
        assert_eq!(difference.lines().count(), SHOWN + 1);
        assert!(
            difference.ends_with("+x\n(and 11 lines more)"),
            "{difference}"
        );
    }
}
