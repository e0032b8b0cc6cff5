//! Whether the kernel is locked down.

use crate::error::Error;

/// As the error that lockdown forbids this, if the kernel says that it is locked down for
/// confidentiality: then it answers `EPERM` to kprobes, and for files of tracefs, whatever the
/// caller may.
pub(crate) fn or_other(error: Error) -> Error {
    if error.errno() == Some(libc::EPERM) && is_confidential() {
        Error::LockedDown {
            source: Box::new(error),
        }
    } else {
        error
    }
}

fn is_confidential() -> bool {
    const PATH: &str = "/sys/kernel/security/lockdown";
    std::fs::read_to_string(PATH).is_ok_and(|modes| mode(&modes) == Some("confidentiality"))
}

/// The mode that is in effect, of those that the kernel has: the one in brackets.
fn mode(modes: &str) -> Option<&str> {
    let (_, after) = modes.split_once('[')?;
    after.split_once(']').map(|(mode, _)| mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_is_in_brackets() {
        assert_eq!(mode("[none] integrity confidentiality\n"), Some("none"));
        assert_eq!(
            mode("none integrity [confidentiality]\n"),
            Some("confidentiality")
        );
        for wrong in ["", "none", "[none", "none]"] {
            assert_eq!(mode(wrong), None);
        }
    }
}
