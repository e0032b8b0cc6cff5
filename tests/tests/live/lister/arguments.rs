//! Whatever is typed after `bpf-links` by somebody without privilege: it ends as it says that it
//! ends, and nothing is changed.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::Sandbox;
use bpf_link_tests::lister_words::{COMMANDS, OPTIONS, VALUES};

use crate::fixture::ran::Ran;
use crate::fixture::random::Random;
use crate::fixture::{Counted, text};
use crate::harness::{Test, test};
use crate::lister::{LISTER, Nobody, at, show};

pub(crate) const TESTS: &[Test] = &[test!(any_arguments).needs(LISTER)];

/// How many command lines are typed at random.
const TYPED: usize = 64;

fn any_arguments(sandbox: &Sandbox) -> Result<()> {
    let mut counted = Counted::new()?;
    let path = sandbox.bpffs().join("pin");
    counted.link.pin(&path)?;
    let id = counted.link.id()?;
    let before = show(id, &["--pins"])?;
    let nobody = Nobody::new(sandbox)?;
    // Words that would do something, if they were allowed to.
    let id_text = id.to_string();
    let words = [OPTIONS, VALUES, &[&id_text, text(&path)?]].concat();

    let seed = Random::any_seed()?;
    let mut random = Random::new(seed, 0);
    let pages = sandbox.directory().join("pages");
    let sure: [&[&str]; 5] = [
        &["detach", &id_text],
        &["unpin", text(&path)?],
        &["help"],
        &["man", text(&pages)?],
        &["no"],
    ];
    let sure = sure.map(|words| words.iter().map(OsString::from).collect());
    let random = std::iter::repeat_with(|| arguments(&mut random, &words));
    let mut statuses = [0; 3];
    for typed in sure.into_iter().chain(random.take(TYPED)) {
        let ran = nobody.run(&typed)?;
        // It writes files.
        let silent = typed.first().is_some_and(|command| command == "man");
        // It goes on past what it cannot find out.
        let goes_on = typed.iter().any(|word| word == "hooks");
        let status = check(&ran, silent, goes_on)
            .with_context(|| format!("seed {seed}: {typed:?}: {ran:?}"))?;
        if let Some(count) = statuses.get_mut(status) {
            *count += 1;
        }
    }
    let [done, refused, wrong] = statuses;
    ensure!(done >= 2 && refused >= 2 && wrong >= 1, "{statuses:?}");
    ensure!(*at(&before, "defunct") == false, "{before}");
    ensure!(show(id, &["--pins"])? == before);
    ensure!(sandbox.pinned()? == [path]);
    counted.link.unpin()?;
    Ok(())
}

/// A command, as a rule, and what it is given: words, or bytes that are not words.
fn arguments(random: &mut Random, words: &[&str]) -> Vec<OsString> {
    let mut typed = vec![];
    typed.extend(random.choose(COMMANDS).map(OsString::from));
    for _ in 0..random.below(5) {
        typed.extend(match random.below(8) {
            0 => {
                let noise = random.next().to_ne_bytes().into_iter();
                Some(OsString::from_vec(
                    noise.filter(|byte| *byte != 0).collect(),
                ))
            }
            _ => random.choose(words).map(OsString::from),
        });
    }
    typed
}

/// Its status, if that and what it has said go together. A command is `silent` if it says nothing
/// when it succeeds, and `goes_on` if it says what it knows when it does not know all.
fn check(ran: &Ran, silent: bool, goes_on: bool) -> Result<usize> {
    let [says, complains] = [&ran.output, &ran.errors].map(|text| !text.is_empty());
    match ran.status {
        Some(0) => ensure!((says || silent) && !complains),
        Some(1) => ensure!((!says || goes_on) && ran.errors.starts_with("bpf-links: ")),
        Some(2) => ensure!(!says && complains),
        status => anyhow::bail!("it ended with {status:?}"),
    }
    ensure!(!ran.errors.contains("panicked"));
    Ok(ran.status.unwrap_or_default().try_into()?)
}
