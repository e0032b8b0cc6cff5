//! Names that are close to one that is not there.

/// So many are told.
const TOLD: usize = 5;
/// Longer names are not compared letter by letter.
const LONGEST: usize = 256;
/// So many letters may differ.
const FAR: usize = 2;

/// Collects the closest of the names that it is shown.
#[derive(Debug)]
pub(crate) struct Similar<'a> {
    name: &'a str,
    /// As `3bar` in the mangled name of `foo::bar`.
    mangled: String,
    found: Vec<(usize, String)>,
}

impl<'a> Similar<'a> {
    pub(crate) fn to(name: &'a str) -> Self {
        Self {
            name,
            mangled: format!("{}{name}", name.len()),
            found: Vec::new(),
        }
    }

    pub(crate) fn show(&mut self, other: &str) {
        let Some(distance) = self.distance(other) else {
            return;
        };
        let worst = self.found.last().map_or(0, |(distance, _)| *distance);
        if self.found.len() == TOLD && distance >= worst {
            return;
        }
        if self.found.iter().any(|(_, found)| found == other) {
            return;
        }
        let place = self.found.partition_point(|(found, _)| *found <= distance);
        self.found.insert(place, (distance, other.to_owned()));
        self.found.truncate(TOLD);
    }

    /// The closest first.
    pub(crate) fn closest(self) -> Vec<String> {
        self.found.into_iter().map(|(_, name)| name).collect()
    }

    /// How far it is away; `None` if that is too far.
    fn distance(&self, other: &str) -> Option<usize> {
        let name = self.name;
        if name.is_empty() || other.is_empty() || other.len() > LONGEST || name.len() > LONGEST {
            return None;
        }
        // In other letters, or of another version.
        let (other_name, _version) = other.split_once('@').unwrap_or((other, ""));
        if name.eq_ignore_ascii_case(other_name) {
            return Some(0);
        }
        // As a compiler or a library renames it: `name.part.0`, `__name`.
        let renamed = other.strip_prefix(name);
        let prefixed = other.strip_suffix(name);
        if renamed.is_some_and(|rest| rest.starts_with('.'))
            || prefixed.is_some_and(|start| start.bytes().all(|byte| byte == b'_'))
        {
            return Some(1);
        }
        let distance = edits(name.as_bytes(), other.as_bytes());
        // Two letters are much of a short name.
        if distance <= FAR && distance * 3 <= name.len() {
            return Some(distance + 1);
        }
        let is_mangled = other.starts_with("_Z") || other.starts_with("_R");
        (is_mangled && other.contains(&self.mangled)).then_some(FAR + 2)
    }
}

/// How many letters are to be changed, added or removed; more than [`FAR`] if it is many.
fn edits(one: &[u8], other: &[u8]) -> usize {
    if one.len().abs_diff(other.len()) > FAR {
        return FAR + 1;
    }
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, from) in one.iter().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        let mut least = left;
        for (cell, to) in row.iter_mut().skip(1).zip(other) {
            let changed = diagonal + usize::from(from != to);
            diagonal = *cell;
            left = changed.min(left + 1).min(*cell + 1);
            *cell = left;
            least = least.min(left);
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
        if least > FAR {
            return least;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_differ_are_counted() {
        for (one, other, expected) in [
            ("malloc", "malloc", 0),
            ("malloc", "maloc", 1),
            ("malloc", "mallocx", 1),
            ("malloc", "malcol", 2),
            ("ab", "ba", 2),
        ] {
            let found = edits(one.as_bytes(), other.as_bytes());
            assert_eq!(found, expected, "{one} {other}");
        }
        assert!(edits(b"abcdef", b"uvwxyz") > FAR);
        assert!(edits(b"a", b"abcdef") > FAR);
    }

    #[test]
    fn the_closest_come_first() {
        let mut similar = Similar::to("malocc");
        for other in [
            "free",
            "malloc",
            "MALOCC",
            "malocc.part.0",
            "calloc",
            "malloc",
        ] {
            similar.show(other);
        }
        assert_eq!(similar.closest(), ["MALOCC", "malocc.part.0", "malloc"]);
        let mut similar = Similar::to("bar");
        for other in ["_ZN3foo3barEv", "xyz"] {
            similar.show(other);
        }
        assert_eq!(similar.closest(), ["_ZN3foo3barEv"]);
    }
}
