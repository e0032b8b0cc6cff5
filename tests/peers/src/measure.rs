//! A measure: what the sides of a comparison took, and the line that says so.

use std::fmt;
use std::time::Duration;

use criterion::Criterion;

use crate::side::Side;

/// What each side took; the first is this library, and the second the bare system calls where there
/// are any.
#[derive(Debug)]
pub struct Measure {
    name: String,
    sides: Vec<&'static str>,
    samples: Vec<Sample>,
}

#[derive(Debug)]
struct Sample {
    iterations: u64,
    /// Of each side, in their order.
    took: Vec<Duration>,
}

impl Measure {
    /// Measures all sides in turns of `turn` iterations. `None` if the filter on the command line
    /// leaves it out.
    ///
    /// Criterion decides how many samples there are and how many iterations each has. What it
    /// reports itself is the time of the first side.
    pub fn take(
        criterion: &mut Criterion,
        name: &str,
        turn: u64,
        mut sides: Vec<Side<'_>>,
    ) -> Option<Self> {
        let mut samples = Vec::new();
        criterion.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                let took = take_turns(iterations, turn, &mut sides);
                let first = took.first().copied().unwrap_or_default();
                samples.push(Sample { iterations, took });
                first
            });
        });
        (!samples.is_empty()).then(|| Self {
            name: name.to_owned(),
            sides: sides.iter().map(Side::name).collect(),
            samples,
        })
    }

    /// The sides and the nanoseconds that each took for one iteration.
    pub fn nanoseconds(&self) -> impl Iterator<Item = (&'static str, f64)> {
        self.sides.iter().enumerate().map(|(side, name)| {
            let each = |sample: &Sample| sample.of(side) / sample.iterations as f64;
            (*name, median(self.samples.iter().map(each)))
        })
    }

    /// What the first side took in each sample, for what this one took.
    fn ratio_to(&self, side: usize) -> f64 {
        median(
            self.samples
                .iter()
                .map(|sample| sample.of(0) / sample.of(side)),
        )
    }
}

impl Sample {
    fn of(&self, side: usize) -> f64 {
        self.took
            .get(side)
            .map_or(f64::NAN, |took| took.as_secs_f64() * 1e9)
    }
}

/// `walk of 10: ours 31 ns, bare 30 ns, aya 45 ns, to aya 0.689, ratio=1.033`, the ratio being that
/// to the bare system calls.
impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.name)?;
        let mut separator = " ";
        for (side, nanoseconds) in self.nanoseconds() {
            write!(f, "{separator}{side} {nanoseconds:.0} ns")?;
            separator = ", ";
        }
        let others = || self.sides.iter().enumerate().skip(1);
        for (side, name) in others().filter(|(_, name)| **name != "bare") {
            write!(f, ", to {name} {:.3}", self.ratio_to(side))?;
        }
        for (side, _) in others().filter(|(_, name)| **name == "bare") {
            write!(f, ", ratio={:.3}", self.ratio_to(side))?;
        }
        Ok(())
    }
}

/// How long each side took for this many iterations. Who goes first changes from turn to turn.
fn take_turns(iterations: u64, turn: u64, sides: &mut [Side<'_>]) -> Vec<Duration> {
    let mut took = vec![Duration::ZERO; sides.len()];
    let mut done = 0;
    let mut first = 0;
    while done < iterations {
        let now = turn.min(iterations - done);
        for nth in 0..sides.len() {
            let side = (first + nth) % sides.len();
            if let (Some(took), Some(side)) = (took.get_mut(side), sides.get_mut(side)) {
                *took += side.run(now);
            }
        }
        first += 1;
        done += now;
    }
    took
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
