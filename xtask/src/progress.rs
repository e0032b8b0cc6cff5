//! What a task is doing: on a terminal a moving line for each step that is under way, otherwise a
//! line for each step.

use std::sync::LazyLock;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Draws on standard error, and only where that is a terminal.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Something that is under way until it is dropped.
#[derive(Debug)]
pub(crate) struct Step {
    label: String,
    bar: ProgressBar,
}

/// Begins a step of what `label` names.
pub(crate) fn step(label: &str, text: &str) -> Step {
    let style = ProgressStyle::with_template("{spinner} {prefix}: {wide_msg} {elapsed:>4}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    let bar = BARS.add(
        ProgressBar::new_spinner()
            .with_style(style)
            .with_prefix(label.to_owned()),
    );
    bar.enable_steady_tick(Duration::from_millis(100));
    let step = Step {
        label: label.to_owned(),
        bar,
    };
    step.next(text);
    step
}

/// Prints to standard output without disturbing the steps that are under way.
pub(crate) fn print(text: &str) {
    BARS.suspend(|| print!("{text}"));
}

impl Step {
    /// Goes on to the next step.
    pub(crate) fn next(&self, text: &str) {
        if BARS.is_hidden() {
            eprintln!("{}: {text}", self.label);
        } else {
            self.bar.reset_elapsed();
            self.bar.set_message(text.to_owned());
        }
    }

    /// Says how far the step has come, which is seen on a terminal only.
    pub(crate) fn detail(&self, text: &str) {
        self.bar.set_message(text.to_owned());
    }

    /// Says something that stays, and goes on.
    pub(crate) fn note(&self, text: &str) {
        BARS.suspend(|| eprintln!("{}: {text}", self.label));
    }

    /// Ends it with a line that stays.
    pub(crate) fn end(self, text: &str) {
        self.note(text);
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        BARS.remove(&self.bar);
    }
}
