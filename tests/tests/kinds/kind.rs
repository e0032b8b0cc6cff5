//! The names that a kind has.

use bpf_link::LinkKind;

/// A kind, by its names.
pub(crate) struct Kind {
    /// As the variants and types have it, such as `RawTracepoint`.
    pub(crate) variant: String,
    /// As the files have it, such as `raw_tracepoint`.
    pub(crate) file: String,
    /// The kind itself, if there is one.
    pub(crate) known: Option<LinkKind>,
}

impl Kind {
    pub(crate) fn of(kind: LinkKind) -> Self {
        Self {
            known: Some(kind),
            ..Self::named(&format!("{kind:?}"), &kind.to_string())
        }
    }

    /// A kind that there is not.
    pub(crate) fn named(variant: &str, file: &str) -> Self {
        Self {
            variant: variant.to_owned(),
            file: file.to_owned(),
            known: None,
        }
    }

    /// Puts the names where the text has `{Kind}`, `{kind}` and `{KIND}`.
    pub(crate) fn fill(&self, text: &str) -> String {
        text.replace("{Kind}", &self.variant)
            .replace("{kind}", &self.file)
            .replace("{KIND}", &self.file.to_uppercase())
    }
}
