//! The lists and folders that have something for each kind.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::kind::Kind;

/// A list or folder. In its texts, `{Kind}` stands for `RawTracepoint`, `{kind}` for
/// `raw_tracepoint`, and `{KIND}` for `RAW_TRACEPOINT`.
pub(crate) enum List {
    /// A file for each kind.
    File {
        path: &'static str,
        /// What is in the file.
        what: &'static str,
        /// A file and a text: only the kinds of which the one has the other need this.
        only_if: Option<[&'static str; 2]>,
    },
    /// Something in one file for each kind.
    Line {
        path: &'static str,
        /// The text by which it is found.
        text: &'static str,
        /// What is to be added.
        what: &'static str,
    },
    /// What kernels have said of links of this kind.
    Fixture,
}

const fn file(path: &'static str, what: &'static str) -> List {
    List::File {
        path,
        what,
        only_if: None,
    }
}

const fn line(path: &'static str, text: &'static str, what: &'static str) -> List {
    List::Line { path, text, what }
}

impl List {
    /// Says that only the kinds need this of which that file has this text.
    const fn only_if(self, condition: [&'static str; 2]) -> Self {
        match self {
            Self::File { path, what, .. } => Self::File {
                path,
                what,
                only_if: Some(condition),
            },
            _ => panic!("only files are conditional"),
        }
    }

    /// Whether the kind has all that it needs here.
    pub(crate) fn has(&self, kind: &Kind, workspace: &Path) -> Result<bool> {
        if let Self::File {
            only_if: Some([path, text]),
            ..
        } = self
        {
            let path = workspace.join(kind.fill(path));
            // A kind that is nowhere has no file that could have the text.
            let found = std::fs::read_to_string(path).unwrap_or_default();
            if !found.contains(&kind.fill(text)) {
                return Ok(true);
            }
        }
        self.is_in(kind, workspace)
    }

    /// Whether every kind needs this.
    pub(crate) fn is_for_all(&self) -> bool {
        !matches!(
            self,
            Self::File {
                only_if: Some(_),
                ..
            }
        )
    }

    /// Whether the kind is here.
    pub(crate) fn is_in(&self, kind: &Kind, workspace: &Path) -> Result<bool> {
        match self {
            Self::File { path, .. } => Ok(workspace.join(kind.fill(path)).is_file()),
            Self::Line { path, text, .. } => {
                let found = std::fs::read_to_string(workspace.join(path)).context(*path)?;
                Ok(found.contains(&kind.fill(text)))
            }
            Self::Fixture => {
                let kernels = std::fs::read_dir(workspace.join(FIXTURES)).context(FIXTURES)?;
                for kernel in kernels {
                    for fixture in std::fs::read_dir(kernel?.path())? {
                        let name = fixture?.file_name();
                        let sort = Path::new(&name).file_stem().and_then(|name| name.to_str());
                        let of = sort.and_then(|sort| sort.split('-').next());
                        if of == Some(&kind.file) {
                            return Ok(true);
                        }
                    }
                }
                Ok(false)
            }
        }
    }

    /// What to do to have the kind here, in Markdown.
    pub(crate) fn step(&self, kind: &Kind) -> String {
        let (path, what) = match self {
            Self::File { path, what, .. } => (kind.fill(path), format!("a new file: {what}")),
            Self::Line { path, what, .. } => (kind.fill(path), (*what).to_owned()),
            Self::Fixture => (
                format!("{FIXTURES}/"),
                "what kernels say: `cargo xtask vm-test --write-fixtures -- golden`".to_owned(),
            ),
        };
        let when = match self {
            Self::File {
                only_if: Some([path, text]),
                ..
            } => kind.fill(&format!(" (if `{path}` has `{text}`)")),
            _ => String::new(),
        };
        format!("- `{path}`: {}{when}", kind.fill(&what))
    }
}

const FIXTURES: &str = "tests/fixtures";

/// What a kind is listed in, in the order in which a new one is added.
pub(crate) const LISTS: &[List] = &[
    line(
        "bpf-link/src/kind.rs",
        "{Kind} = BPF_LINK_TYPE_{KIND},",
        "a line of `LinkKind`; and by what such links are updated, and whether they are detached",
    ),
    file(
        "bpf-link/src/args/{kind}.rs",
        "what the link is created with",
    )
    .only_if(["bpf-link-typed/src/kinds/{kind}/attach.rs", "{Kind}Args"]),
    line(
        "bpf-link/src/sys/layout.rs",
        "LinkKind::{Kind}",
        "its row: where its info has a name and arrays, and the fields that a kernel may be too old to report",
    ),
    line(
        "bpf-link/src/probe/question.rs",
        "LinkKind::{Kind}",
        "a creation that a kernel with the kind refuses in a way of its own",
    ),
    line(
        "bpf-link/src/snapshot/field.rs",
        "LinkKind::{Kind}",
        "the kernel's structure of such links, and what it has, by name",
    ),
    line(
        "bpf-link-typed/src/kinds.rs",
        "{Kind}: {Kind}Link,",
        "a line of `for_every_kind!`",
    ),
    file(
        "bpf-link-typed/src/kinds/{kind}.rs",
        "its link with `link_type!` and `facts!`, its info with `info!`, the layout of that with `mirror!`",
    ),
    file("bpf-link-typed/src/kinds/{kind}/attach.rs", "its builder"),
    file(
        "bpf-link-typed/src/kinds/{kind}/query.rs",
        "the query of its hook",
    )
    .only_if(["bpf-link/src/query.rs", "LinkKind::{Kind}"]),
    file(
        "bpf-link-typed/src/kinds/{kind}/ensure.rs",
        "whether a link is the one that the options are for",
    ),
    file(
        "bpf-link-typed/src/kinds/{kind}/tests.rs",
        "its info, read from bytes",
    ),
    line(
        "bpf-link-typed/src/kinds.rs",
        "mod {kind};",
        "the module, and what it has that is public",
    ),
    line(
        "bpf-link-typed/docs/kinds.md",
        "| [`{Kind}Link`] |",
        "a row of the table of kinds, which the test in `facts` prints",
    ),
    line(
        "README.md",
        "`{kind}`",
        "the first kernel of the matrix that makes such links",
    ),
    line(
        "bpf-link-typed/docs/tables/ensure-kinds.md",
        "(crate::{Kind}Attach)",
        "a row of the table of kinds",
    ),
    line(
        "bpf-link-typed/src/inspect/json/kinds.rs",
        "LinkInfoRef::{Kind}(info) => {kind}::keys(map, link, info),",
        "its module, and a line of `keys`",
    ),
    file(
        "bpf-link-typed/src/inspect/json/kinds/{kind}.rs",
        "the keys of `bpftool` that its description serializes to",
    ),
    line(
        "bpf-link-typed/docs/json.md",
        "`{kind}`",
        "its keys in the table of keys",
    ),
    line(
        "bpf-link-typed/bpf-links/src/kinds.rs",
        "LinkInfoRef::{Kind}(info) => {kind}::attached_to(link, info),",
        "its module, and a line of `attached_to`",
    ),
    file(
        "bpf-link-typed/bpf-links/src/kinds/{kind}.rs",
        "what the lister says that it is attached to",
    ),
    line(
        "tests/tests/live/kinds.rs",
        "{kind}: {Kind}Link,",
        "its module, and a line of `for_every_kind!`",
    ),
    file(
        "tests/tests/live/kinds/{kind}.rs",
        "the kind through `bpf-link`, held against bare system calls",
    ),
    file(
        "tests/tests/live/kinds/{kind}/typed.rs",
        "the kind through its type, and with `has_no!` the operations that it does not have",
    ),
    file(
        "tests/tests/live/kinds/{kind}/sorts.rs",
        "every sort of its links",
    ),
    file(
        "tests/tests/live/kinds/{kind}/ensure.rs",
        "restarts and upgrades",
    ),
    file(
        "tests/tests/live/kinds/{kind}/golden.rs",
        "what the kernel says of each sort of its links",
    ),
    file(
        "tests/tests/live/kinds/{kind}/soak.rs",
        "a place for such links, for the soak test",
    ),
    List::Fixture,
];
