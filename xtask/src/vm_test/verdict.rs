//! What a run comes to, from what it left: the results, the console and how the machine ended.

use super::kernel_log::{Trouble, tail, trouble};
use super::qemu::Ended;
use super::record::{Counts, Outcome, Record};

/// What is known of a run.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// The version of the kernel that ran, if it came that far.
    pub(crate) kernel: Option<String>,
    /// Each with what it says, which is nothing unless it is a measure.
    pub(crate) passed: Vec<Test>,
    pub(crate) failed: Vec<Test>,
    pub(crate) skipped: Vec<Test>,
    /// Why the run has failed as such, whatever its tests say.
    pub(crate) faults: Vec<Fault>,
    pub(crate) notes: Vec<String>,
    /// What the kernel says of links, for the fixtures.
    pub(crate) golden: Vec<serde_json::Value>,
}

/// A test, and what it says: why it did not pass.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Test {
    pub(crate) name: String,
    pub(crate) detail: String,
}

#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) what: String,
    /// Lines of the console that show it.
    pub(crate) excerpt: Vec<String>,
}

impl Verdict {
    /// Of a run that could not be.
    pub(crate) fn not_run(why: &anyhow::Error) -> Self {
        let mut verdict = Self::default();
        verdict.fault(format!("{why:#}"), &[]);
        verdict
    }

    /// A run that failed as such counts as one failed test, so that no count hides it.
    pub(crate) fn counts(&self) -> Counts {
        Counts {
            passed: self.passed.len(),
            failed: self.failed.len() + usize::from(!self.faults.is_empty()),
            skipped: self.skipped.len(),
        }
    }

    fn fault(&mut self, what: String, excerpt: &[&str]) {
        self.faults.push(Fault {
            what,
            excerpt: excerpt.iter().map(|line| (*line).to_owned()).collect(),
        });
    }
}

/// Judges a run. `messages` is what QEMU itself printed.
pub(crate) fn judge(results: &str, console: &str, ended: &Ended, messages: &str) -> Verdict {
    let mut reading = Reading::default();
    for (number, line) in (1..).zip(results.lines()) {
        match serde_json::from_str(line) {
            Ok(record) => reading.record(record),
            Err(_) => reading.verdict.fault(
                format!("line {number} of the results cannot be read: {line}"),
                &[],
            ),
        }
    }
    let place = reading.place();
    let Reading {
        mut verdict, done, ..
    } = reading;

    let trouble = trouble(console);
    if let Some(Trouble { messages, excerpt }) = &trouble {
        let what = format!(
            "the kernel's log tells of trouble:\n{}",
            messages.join("\n")
        );
        verdict.fault(what, excerpt);
    }
    // Trouble in the kernel tells more of why a run ended than the end of the log.
    let tail = if trouble.is_some() {
        vec![]
    } else {
        tail(console)
    };
    match ended {
        Ended::TimedOut(limit) => {
            let what = format!("killed at the limit of {} s {place}", limit.as_secs());
            verdict.fault(what, &tail);
        }
        Ended::Exited(status) if !status.success() => {
            verdict.fault(format!("QEMU failed ({status}): {}", messages.trim()), &[]);
        }
        Ended::Exited(_) if !done => {
            let what = format!("the guest ended without a verdict {place}");
            verdict.fault(what, &tail);
        }
        Ended::Exited(_) => {
            if verdict.counts() == Counts::default() {
                verdict.fault("no test ran".to_owned(), &[]);
            }
        }
    }
    verdict
}

/// The results up to a line.
#[derive(Default)]
struct Reading {
    verdict: Verdict,
    /// The test binary that is running.
    binary: Option<Binary>,
    last_test: Option<String>,
    done: bool,
}

struct Binary {
    name: String,
    counts: Counts,
    ended: bool,
}

impl Reading {
    fn record(&mut self, record: Record) {
        match record {
            Record::Boot { boot } => self.verdict.kernel = Some(boot.upstream().to_owned()),
            Record::Note { note } => self.verdict.notes.push(note),
            Record::Start { start } => {
                self.binary = Some(Binary {
                    name: start,
                    counts: Counts::default(),
                    ended: false,
                });
            }
            Record::Test {
                test,
                outcome,
                detail,
            } => self.test(test, outcome, detail.unwrap_or_default()),
            Record::Golden { golden } => self.verdict.golden.push(golden),
            Record::End { counts, .. } => self.end(counts),
            Record::Exit { exit, status } => self.exit(&exit, &status),
            Record::Error { error } => self
                .verdict
                .fault(format!("the guest's init failed: {error}"), &[]),
            Record::Done { .. } => self.done = true,
        }
    }

    fn test(&mut self, name: String, outcome: Outcome, detail: String) {
        if let Some(binary) = &mut self.binary {
            binary.counts.count(outcome);
        }
        self.last_test = Some(name.clone());
        match outcome {
            Outcome::Passed => self.verdict.passed.push(Test { name, detail }),
            Outcome::Failed => self.verdict.failed.push(Test { name, detail }),
            Outcome::Skipped => self.verdict.skipped.push(Test { name, detail }),
        }
    }

    fn end(&mut self, counts: Counts) {
        let Some(binary) = &mut self.binary else {
            return;
        };
        binary.ended = true;
        if binary.counts != counts {
            let what = format!(
                "{} says {counts}, but reported {}",
                binary.name, binary.counts
            );
            self.verdict.fault(what, &[]);
        }
    }

    fn exit(&mut self, name: &str, status: &str) {
        let Some(binary) = self.binary.take() else {
            return;
        };
        if !binary.ended {
            let place = self.place();
            self.verdict.fault(
                format!("{name} ended without a verdict ({status}) {place}"),
                &[],
            );
        } else if binary.counts.failed == 0 && status != "exit status: 0" {
            self.verdict.fault(
                format!("{name} failed ({status}) although none of its tests did"),
                &[],
            );
        }
    }

    /// How far the run has come, in words.
    fn place(&self) -> String {
        match (&self.last_test, &self.binary, &self.verdict.kernel) {
            (Some(test), ..) => format!("after the test {test}"),
            (None, Some(binary), _) => format!("in {}, before its first test ended", binary.name),
            (None, None, Some(_)) => "before the first test".to_owned(),
            (None, None, None) => "before its init ran".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;
    use std::time::Duration;

    use super::{Ended, Test, Verdict, judge};

    const BOOT: &str = r##"{"boot":{"release":"6.12.117+deb13-cloud-amd64","version":"#1 SMP Debian 6.12.117-1 (2026-11-01)"}}
{"note":"tcp_bbr: No such file or directory (os error 2)"}
{"start":"live"}
{"test":"xdp::update","outcome":"passed","detail":""}
{"test":"xdp::pin","outcome":"passed"}
{"test":"tracing_multi::create","outcome":"skipped","detail":"needs Linux 7.2"}
"##;
    const END: &str = r#"{"end":true,"passed":2,"failed":0,"skipped":1}
{"exit":"live","status":"exit status: 0"}
{"done":true}
"#;
    const CONSOLE: &str =
        "[    1.000000] a driver\r\nrunning 3 tests\r\n[   14.000000] reboot: Power down\r\n";

    fn exited() -> Ended {
        Ended::Exited(ExitStatus::from_raw(0))
    }

    fn results(more: &str) -> Verdict {
        judge(&format!("{BOOT}{more}"), CONSOLE, &exited(), "")
    }

    fn excerpt(verdict: &Verdict) -> Vec<&str> {
        let excerpts = verdict.faults.iter().flat_map(|fault| &fault.excerpt);
        excerpts.map(String::as_str).collect()
    }

    fn faults(verdict: &Verdict) -> Vec<&str> {
        verdict
            .faults
            .iter()
            .map(|fault| fault.what.as_str())
            .collect()
    }

    #[test]
    fn a_run_without_fault() {
        let verdict = results(END);
        assert_eq!(faults(&verdict), [""; 0]);
        assert_eq!(verdict.kernel.as_deref(), Some("6.12.117"));
        assert_eq!(
            verdict.counts().to_string(),
            "2 passed, 0 failed, 1 skipped"
        );
        assert_eq!(
            verdict.skipped,
            [Test {
                name: "tracing_multi::create".into(),
                detail: "needs Linux 7.2".into()
            }]
        );
        assert_eq!(verdict.notes.len(), 1);
    }

    #[test]
    fn a_failed_test_is_no_fault_of_the_run() {
        let verdict = results(
            r#"{"test":"netns::detach","outcome":"failed","detail":"left: 1\nright: 2"}
{"end":true,"passed":2,"failed":1,"skipped":1}
{"exit":"live","status":"exit status: 101"}
{"done":true}
"#,
        );
        assert_eq!(faults(&verdict), [""; 0]);
        assert_eq!(
            verdict.failed,
            [Test {
                name: "netns::detach".into(),
                detail: "left: 1\nright: 2".into()
            }]
        );
        assert_eq!(
            verdict.counts().to_string(),
            "2 passed, 1 failed, 1 skipped"
        );
    }

    #[test]
    fn a_hang_fails_the_run_and_says_where_it_was() {
        let verdict = judge(
            BOOT,
            CONSOLE,
            &Ended::TimedOut(Duration::from_secs(900)),
            "",
        );
        assert_eq!(
            faults(&verdict),
            ["killed at the limit of 900 s after the test tracing_multi::create"]
        );
        assert_eq!(
            excerpt(&verdict).last(),
            Some(&"[   14.000000] reboot: Power down")
        );
        assert_eq!(
            verdict.counts().to_string(),
            "2 passed, 1 failed, 1 skipped"
        );
    }

    #[test]
    fn a_guest_that_never_came_up_fails_the_run() {
        let verdict = judge("", "", &exited(), "");
        assert_eq!(
            faults(&verdict),
            ["the guest ended without a verdict before its init ran"]
        );
        assert_eq!(verdict.kernel, None);
    }

    #[test]
    fn results_cut_short_fail_the_run() {
        let verdict = results(r#"{"test":"netns::detach","outco"#);
        assert_eq!(
            faults(&verdict),
            [
                r#"line 7 of the results cannot be read: {"test":"netns::detach","outco"#,
                "the guest ended without a verdict after the test tracing_multi::create",
            ]
        );
    }

    #[test]
    fn a_binary_that_does_not_end_its_report_fails_the_run() {
        let verdict =
            results("{\"exit\":\"live\",\"status\":\"signal: 6 (SIGABRT)\"}\n{\"done\":true}\n");
        assert_eq!(
            faults(&verdict),
            [
                "live ended without a verdict (signal: 6 (SIGABRT)) after the test tracing_multi::create"
            ]
        );
    }

    #[test]
    fn a_binary_that_counts_otherwise_fails_the_run() {
        let verdict = results(&END.replace("\"passed\":2", "\"passed\":3"));
        assert_eq!(
            faults(&verdict),
            ["live says 3 passed, 0 failed, 1 skipped, but reported 2 passed, 0 failed, 1 skipped"]
        );
    }

    #[test]
    fn a_binary_that_fails_without_a_failed_test_fails_the_run() {
        let verdict = results(&END.replace("status: 0", "status: 1"));
        assert_eq!(
            faults(&verdict),
            ["live failed (exit status: 1) although none of its tests did"]
        );
    }

    #[test]
    fn a_run_of_no_test_has_failed() {
        let results = "{\"start\":\"live\"}\n{\"end\":true,\"passed\":0,\"failed\":0,\"skipped\":0}\n\
                       {\"exit\":\"live\",\"status\":\"exit status: 0\"}\n{\"done\":true}\n";
        assert_eq!(
            faults(&judge(results, CONSOLE, &exited(), "")),
            ["no test ran"]
        );
    }

    #[test]
    fn a_warning_of_the_kernel_fails_a_run_whose_tests_passed() {
        let console = "[    9.000001] WARNING: CPU: 0 PID: 71 at kernel/bpf/syscall.c:2987\n[    9.000002] RIP: 0010:x\n";
        let verdict = judge(&format!("{BOOT}{END}"), console, &exited(), "");
        assert_eq!(
            faults(&verdict),
            [
                "the kernel's log tells of trouble:\nWARNING: CPU: 0 PID: 71 at kernel/bpf/syscall.c:2987"
            ]
        );
        assert_eq!(excerpt(&verdict).len(), 2);
        assert_eq!(verdict.counts().failed, 1);
    }

    #[test]
    fn a_panic_fails_the_run_and_shows_the_log_around_it() {
        let console = "[   21.400000] before\n\
                       [   21.500000] BUG: kernel NULL pointer dereference, address: 0000000000000020\n\
                       [   21.500003] Kernel panic - not syncing: Fatal exception\n";
        let verdict = judge(BOOT, console, &exited(), "");
        assert_eq!(
            faults(&verdict),
            [
                "the kernel's log tells of trouble:\n\
                 BUG: kernel NULL pointer dereference, address: 0000000000000020\n\
                 Kernel panic - not syncing: Fatal exception",
                "the guest ended without a verdict after the test tracing_multi::create",
            ]
        );
        assert_eq!(excerpt(&verdict).len(), 3);
        assert_eq!(verdict.counts().failed, 1);
    }

    #[test]
    fn a_qemu_that_fails_says_why() {
        let ended = Ended::Exited(ExitStatus::from_raw(1 << 8));
        let verdict = judge("", "", &ended, "qemu: could not open kernel file\n");
        assert_eq!(
            faults(&verdict),
            ["QEMU failed (exit status: 1): qemu: could not open kernel file"]
        );
    }

    #[test]
    fn an_init_that_fails_says_why() {
        let verdict = judge(
            r#"{"error":"/vm-test/tests: not there"}"#,
            "",
            &exited(),
            "",
        );
        assert_eq!(
            faults(&verdict),
            [
                "the guest's init failed: /vm-test/tests: not there",
                "the guest ended without a verdict before its init ran"
            ]
        );
    }
}
