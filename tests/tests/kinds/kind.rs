//! The names that a kind has.

use bpf_link::LinkKind;

/// A kind, by its names.
pub(crate) struct Kind {
    /// As the variants and types have it, such as `RawTracepoint`.
    pub(crate) variant: String,
    /// As the files have it, such as `raw_tracepoint`.
    pub(crate) file: String,
}

impl Kind {
    pub(crate) fn of(kind: LinkKind) -> Self {
        Self::named(&format!("{kind:?}"), &kind.to_string())
    }

    /// A kind that there is not.
    pub(crate) fn named(variant: &str, file: &str) -> Self {
        Self {
            variant: variant.to_owned(),
            file: file.to_owned(),
        }
    }

    /// Puts the names where the text has `{Kind}`, `{kind}` and `{KIND}`.
    pub(crate) fn fill(&self, text: &str) -> String {
        text.replace("{Kind}", &self.variant)
            .replace("{kind}", &self.file)
            .replace("{KIND}", &self.file.to_uppercase())
    }
}
