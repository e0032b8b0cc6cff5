//! What a kind of link can do, and since when, as data.

use std::fmt;

use bpf_link::{LinkKind, UpdateBy};

/// A release of Linux.
///
/// It says when something came to the kernel. Whether a kernel that runs has it is another
/// question, as distributions take things back to older kernels: [`LinkKind::probe`] asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinuxVersion {
    /// The first number.
    pub major: u16,
    /// The second number.
    pub minor: u16,
}

impl LinuxVersion {
    pub(crate) const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }
}

/// Writes it as in "5.10".
impl fmt::Display for LinuxVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What a kind of link can do, and since when.
///
/// Whether the kernel that runs can create such links is another question: [`LinkKind::probe`].
///
/// ```
/// use bpf_link_typed::{KindFacts, LinkKind};
///
/// let facts = KindFacts::of(LinkKind::Xdp).unwrap();
/// assert_eq!(facts.since.to_string(), "5.9");
/// assert_eq!(facts.gone, Some("ifindex"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KindFacts {
    /// The kind.
    pub kind: LinkKind,
    /// What its program is attached to, in a few words.
    pub hook: &'static str,
    /// Since when there are links of this kind.
    pub since: LinuxVersion,
    /// Since when a link of this kind can be detached; `None` if it cannot.
    pub detach_since: Option<LinuxVersion>,
    /// The fields of the kind's info, besides those of all kinds, and since when the kernel reports
    /// each.
    pub fields: &'static [(&'static str, LinuxVersion)],
    /// The field that is `None` once the hook has gone, or the link was detached. `None` if there
    /// is no such mark: a link of this kind is never without its hook (it cannot be detached), or
    /// the kernel does not say (netfilter).
    pub gone: Option<&'static str>,
}

impl KindFacts {
    /// By what a link of this kind can be updated, since there are such links; `None` if by
    /// nothing.
    #[must_use]
    pub const fn updated_by(&self) -> Option<UpdateBy> {
        self.kind.updated_by()
    }

    /// What is known of a kind; `None` for a kind without a type of its own.
    #[must_use]
    pub fn of(kind: LinkKind) -> Option<&'static Self> {
        Self::ALL.iter().find(|facts| facts.kind == kind)
    }
}

/// Writes down the facts of one kind, in the file of the kind.
macro_rules! facts {
    (
        $kind:ident: $hook:literal, since $since:literal
        $(, detach since $detach_since:literal)?
        $(, gone without $gone:ident)?;
        $( $field:ident $field_since:literal, )*
    ) => {
        $crate::info::facts::KindFacts {
            kind: ::bpf_link::LinkKind::$kind,
            hook: $hook,
            since: $crate::info::facts::version($since),
            detach_since: $crate::info::facts::facts!(@option $($crate::info::facts::version($detach_since))?),
            fields: &[$( (stringify!($field), $crate::info::facts::version($field_since)), )*],
            gone: $crate::info::facts::facts!(@option $(stringify!($gone))?),
        }
    };
    (@option) => { None };
    (@option $value:expr) => { Some($value) };
}
pub(crate) use facts;

/// Reads "5.10".
pub(crate) const fn version(text: &str) -> LinuxVersion {
    let mut numbers = [0_u16; 2];
    let mut which = 0;
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        match (byte, &mut numbers) {
            (b'.', _) => which += 1,
            (b'0'..=b'9', [major, minor]) => {
                let number = if which == 0 { major } else { minor };
                *number = *number * 10 + (*byte - b'0') as u16;
            }
            _ => panic!("a version is digits and a dot"),
        }
        rest = after;
    }
    let [major, minor] = numbers;
    LinuxVersion::new(major, minor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::info::recorded::{Bytes, NONE};

    #[test]
    fn every_kind_has_facts() {
        let kinds: Vec<LinkKind> = KindFacts::ALL.iter().map(|facts| facts.kind).collect();
        assert_eq!(kinds, LinkKind::KNOWN);
        for facts in KindFacts::ALL {
            assert_eq!(KindFacts::of(facts.kind), Some(facts));
            assert_eq!(facts.detach_since.is_some(), facts.kind.is_detachable());
            assert!(facts.detach_since.is_none_or(|since| since >= facts.since));
            assert!(facts.fields.iter().all(|(_, since)| *since >= facts.since));
        }
        assert_eq!(KindFacts::of(LinkKind::Unknown(99)), None);
    }

    /// The facts of a kind name the fields that its info has.
    #[test]
    fn the_facts_name_the_fields() {
        for facts in KindFacts::ALL {
            Bytes::of(facts.kind).check(NONE, |view| {
                // Written out, a struct is its name and its fields, each followed by a colon.
                let text = format!("{:#?}", view.into_owned());
                let fields: Vec<&str> = text
                    .lines()
                    .filter_map(|line| line.strip_prefix("        "))
                    .filter(|line| !line.starts_with(' '))
                    .filter_map(|line| Some(line.split_once(':')?.0))
                    .collect();
                let mut expected: Vec<&str> = facts.fields.iter().map(|(name, _)| *name).collect();
                let [id, program_id, found @ ..] = fields.as_slice() else {
                    panic!("{fields:?}");
                };
                let mut found = found.to_vec();
                expected.sort_unstable();
                found.sort_unstable();
                assert_eq!((*id, *program_id), ("id", "program_id"));
                assert_eq!(found, expected, "{}", facts.kind);
            });
        }
    }

    #[test]
    fn versions_are_read() {
        let version = version("5.10");
        assert_eq!((version.major, version.minor), (5, 10));
        assert_eq!(version.to_string(), "5.10");
        assert!(version > super::version("5.9"));
    }

    /// The table on the crate's page has a row for each kind, and each says what the data says.
    #[test]
    fn the_table_is_true() {
        let page = include_str!("../../docs/kinds.md");
        let rows: Vec<&str> = page
            .lines()
            .filter(|line| line.starts_with("| ["))
            .collect();
        let expected: Vec<String> = KindFacts::ALL.iter().map(row).collect();
        assert_eq!(rows, expected, "\n{}\n", expected.join("\n"));
    }

    fn row(facts: &KindFacts) -> String {
        let updated = match facts.updated_by() {
            Some(UpdateBy::Program) => "program",
            Some(UpdateBy::Map) => "map",
            _ => "no",
        };
        let detached = facts.detach_since.map(|since| since.to_string());
        let fields = facts.fields.chunk_by(|(_, a), (_, b)| a == b);
        let fields = fields.map(|together| {
            let names = together.iter().map(|(name, _)| format!("`{name}`"));
            let since = together.first().expect("a chunk is never empty").1;
            format!("{since}: {}", names.collect::<Vec<_>>().join(", "))
        });
        format!(
            "| [`{:?}Link`] | {} | {} | {updated} | {} | {} |",
            facts.kind,
            facts.hook,
            facts.since,
            detached.as_deref().unwrap_or("no"),
            fields.collect::<Vec<_>>().join("; ")
        )
    }
}
