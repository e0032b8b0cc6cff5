//! Which mirror of Debian this machine's apt is configured with.

use std::fs;

use anyhow::{Context, Result};

use crate::command;

/// The columns that apt is asked for, and [`Target`] reads.
const FORMAT: &str = "$(SITE)|$(ORIGIN)|$(LABEL)|$(RELEASE)|$(COMPONENT)";

/// An index that apt is configured with.
struct Target<'a> {
    site: &'a str,
    origin: &'a str,
    label: &'a str,
    release: &'a str,
    component: &'a str,
}

/// The base URL of the archive that `suite` is in.
pub(super) fn configured(suite: &str) -> Result<String> {
    let known = targets(&[])?;
    if is_security(suite) {
        if let Some(base) = find(&known, |target| target.label == "Debian-Security") {
            return Ok(base);
        }
    }
    let mut main = find(&known, |target| {
        target.origin == "Debian" && target.label == "Debian"
    });
    // Before the first `apt-get update` apt knows no origin. On Debian itself the sources of the
    // machine's own release tell.
    if let (None, Some(codename)) = (&main, codename()) {
        main = find(&targets(&["--no-release-info"])?, |target| {
            target.release == codename && target.component == "main"
        });
    }
    let main = main.context(
        "apt on this machine is configured with no mirror of Debian: give one with `--mirror URL`",
    )?;
    Ok(for_suite(&main, suite))
}

/// The base URL of the archive that `suite` is in, on the mirror whose main archive is at `main`.
pub(super) fn for_suite(main: &str, suite: &str) -> String {
    let main = main.trim_end_matches('/');
    if is_security(suite) {
        format!("{main}-security")
    } else {
        main.to_owned()
    }
}

fn is_security(suite: &str) -> bool {
    suite.ends_with("-security")
}

fn targets(options: &[&str]) -> Result<String> {
    command::run(command::new("apt-get").args(options).args([
        "indextargets",
        "--format",
        FORMAT,
        "Created-By: Packages",
    ]))
}

fn find(targets: &str, accept: impl Fn(&Target<'_>) -> bool) -> Option<String> {
    targets
        .lines()
        .filter_map(parse)
        .find(|target| !target.site.starts_with("cdrom:") && accept(target))
        .map(|target| target.site.to_owned())
}

fn parse(line: &str) -> Option<Target<'_>> {
    let mut columns = line.split('|');
    Some(Target {
        site: columns.next()?,
        origin: columns.next()?,
        label: columns.next()?,
        release: columns.next()?,
        component: columns.next()?,
    })
}

/// The name of this machine's release if it is a release of Debian.
fn codename() -> Option<String> {
    let os = fs::read_to_string("/etc/os-release").ok()?;
    let value = |key: &str| {
        os.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .map(|value| value.trim_matches('"').to_owned())
    };
    (value("ID")? == "debian").then(|| value("VERSION_CODENAME"))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_archive_is_found_among_others() {
        let targets = "http://a/debian-security|Debian|Debian-Security|bookworm-security|main\n\
            cdrom:[Debian]|Debian|Debian|bookworm|main\n\
            http://a/ubuntu|Ubuntu|Ubuntu|noble|main\n\
            http://a/debian|Debian|Debian|bookworm|main\n";
        let found = find(targets, |target| {
            target.origin == "Debian" && target.label == "Debian"
        });
        assert_eq!(found.as_deref(), Some("http://a/debian"));
    }

    #[test]
    fn the_security_archive_is_beside_the_main_one() {
        assert_eq!(for_suite("http://a/debian/", "trixie"), "http://a/debian");
        assert_eq!(
            for_suite("http://a/debian", "bullseye-security"),
            "http://a/debian-security"
        );
    }
}
