//! What a test has left behind on the kernel.

use anyhow::Result;
use bpf_link_tests::{eventually_holds, links, names, remove_left_over};

/// What is left of the child that had this process number, in words; nothing where nothing is.
///
/// What the kernel drops asynchronously it is given time for. A link is told by its program, which
/// it holds: looking at programs leaves the links of other tests alone.
pub(super) fn of(child: u32) -> Result<Option<String>> {
    let prefix = names::prefix_of(child);
    let mut words = Vec::new();
    let gone = eventually_holds("the test's programs are gone", || {
        Ok(links::programs_named(&prefix)?.is_empty())
    });
    if let Err(error) = gone {
        words.push(format!("{error:#}"));
        words.extend(
            links::named(&prefix)?
                .iter()
                .map(|link| format!("left on the kernel: link {} of {}", link.id, link.name)),
        );
        words.extend(
            links::programs_named(&prefix)?
                .iter()
                .map(|(name, id)| format!("left on the kernel: program {id}, {name}")),
        );
    }
    let cgroups = remove_left_over(&prefix)?;
    words.extend(
        cgroups
            .iter()
            .map(|name| format!("left on the machine: cgroup {name}")),
    );
    Ok((!words.is_empty()).then(|| words.join("\n")))
}
