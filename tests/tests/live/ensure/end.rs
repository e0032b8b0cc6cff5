//! What the tests of the call that ends with a pinned link share.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::{Sandbox, eventually_holds, links, pins};
use bpf_link_typed::{
    Ensured, Link, LinkId,
    ensure::{Displaced, LeftOver, Outcome},
};

/// What the call did, with the link as one of any kind.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) link: Link,
    pub(crate) outcome: Outcome,
    pub(crate) taken_over: Option<LinkId>,
    pub(crate) left_over: Option<LeftOver>,
    pub(crate) displaced: Option<Displaced>,
}

impl<L: Into<Link>> From<Ensured<L>> for Done {
    fn from(ensured: Ensured<L>) -> Self {
        Self {
            link: ensured.link.into(),
            outcome: ensured.outcome,
            taken_over: ensured.taken_over,
            left_over: ensured.left_over,
            displaced: ensured.displaced,
        }
    }
}

/// The end that every run has: one link of this test on the kernel, and one pin in the sandbox,
/// which is of that link.
pub(crate) fn ensure_one_link_and_pin(sandbox: &Sandbox, path: &Path) -> Result<LinkId> {
    let id = Link::from_pinned(path)?.id()?;
    // What has just gone may be there for a moment.
    eventually_holds("one link", || Ok(our_links()?.len() == 1))?;
    ensure!(our_links()? == [id.get()], "{:?}", our_links());
    let pinned: Vec<PathBuf> = sandbox.pinned()?;
    ensure!(pinned == [path], "{pinned:?}");
    Ok(id)
}

/// The links of the programs and maps of this test.
pub(crate) fn our_links() -> Result<Vec<u32>> {
    Ok(links::ours()?.into_iter().map(|link| link.id).collect())
}

/// No link of this test is there any more, nor a pin.
pub(crate) fn ensure_nothing_left(sandbox: &Sandbox) -> Result<()> {
    let pinned = sandbox.pinned()?;
    ensure!(pinned.is_empty(), "{pinned:?}");
    // What was pinned goes in the kernel's own time.
    eventually_holds("no link", || Ok(our_links()?.is_empty()))
}

/// Where a run that was killed has left a link.
pub(crate) fn temporary(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().context("it has a name")?;
    let name = name.to_str().context("it is UTF-8")?;
    Ok(path.with_file_name(format!("{name}~bpf-link~new")))
}

/// Whether something is pinned there, as a bare system call has it.
pub(crate) fn is_pinned(path: &Path) -> bool {
    pins::open(path).is_ok()
}
