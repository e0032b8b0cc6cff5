//! What a run's verdict looks like on the terminal.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::verdict::{Fault, Test, Verdict};

/// All that is to be said of one kernel's run except how many tests passed: a paragraph, empty if
/// there is nothing.
pub(crate) fn details(label: &str, verdict: &Verdict) -> String {
    let mut text = String::new();
    for Test { name, detail } in &verdict.failed {
        let _ = writeln!(text, "  FAILED {name}");
        indent(&mut text, "      ", detail.lines());
    }
    for Fault { what, excerpt } in &verdict.faults {
        let mut lines = what.lines();
        let _ = writeln!(
            text,
            "  FAILED the run itself: {}",
            lines.next().unwrap_or_default()
        );
        indent(&mut text, "      ", lines);
        indent(&mut text, "      | ", excerpt.iter().map(String::as_str));
    }
    for (reason, names) in reasons(&verdict.skipped) {
        let _ = writeln!(
            text,
            "  skipped {}: {reason} ({})",
            names.len(),
            names.join(", ")
        );
    }
    indent(
        &mut text,
        "  note: ",
        verdict.notes.iter().map(String::as_str),
    );
    if text.is_empty() {
        text
    } else {
        format!("{label}:\n{text}")
    }
}

fn indent<'a>(text: &mut String, margin: &str, lines: impl Iterator<Item = &'a str>) {
    for line in lines {
        let _ = writeln!(text, "{margin}{line}");
    }
}

/// Which tests were skipped for each reason.
fn reasons(skipped: &[Test]) -> BTreeMap<&str, Vec<&str>> {
    let mut reasons = BTreeMap::<_, Vec<_>>::new();
    for Test { name, detail } in skipped {
        let reason = if detail.is_empty() {
            "no reason given"
        } else {
            detail.as_str()
        };
        reasons.entry(reason).or_default().push(name.as_str());
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::{Fault, Test, Verdict, details};

    fn test(name: &str, detail: &str) -> Test {
        Test {
            name: name.into(),
            detail: detail.into(),
        }
    }

    #[test]
    fn nothing_is_said_of_a_run_in_which_all_passed() {
        let verdict = Verdict {
            passed: vec![test("xdp::pin", "")],
            ..Verdict::default()
        };
        assert_eq!(details("linux 7.3.4", &verdict), "");
    }

    #[test]
    fn failures_come_with_their_details_and_skips_by_reason() {
        let verdict = Verdict {
            passed: vec![test("xdp::pin", "")],
            failed: vec![test("xdp::update", "left: 1\nright: 2")],
            skipped: vec![
                test("tcx::create", "no TCX"),
                test("netkit::create", ""),
                test("tcx::pin", "no TCX"),
            ],
            faults: vec![Fault {
                what: "the log:\nWARNING: x".into(),
                excerpt: vec!["[ 1.0] x".into()],
            }],
            notes: vec!["veth: missing".into()],
            ..Verdict::default()
        };
        let expected = "\
linux 5.10.262:
  FAILED xdp::update
      left: 1
      right: 2
  FAILED the run itself: the log:
      WARNING: x
      | [ 1.0] x
  skipped 2: no TCX (tcx::create, tcx::pin)
  skipped 1: no reason given (netkit::create)
  note: veth: missing
";
        assert_eq!(details("linux 5.10.262", &verdict), expected);
    }
}
