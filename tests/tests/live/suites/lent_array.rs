//! The buffers that are lent for a link's arrays: what holds for every kind that has some.

use anyhow::{Context as _, Result, ensure};
use bpf_link::{Error, LinkInfo, RawLink};

use crate::fixture::refusal;

/// What a buffer is filled with before it is lent; it fits into 32 bits.
const UNTOUCHED: u64 = 0xa5a5_a5a5;

/// An array of a link.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'a> {
    pub(crate) name: &'static str,
    pub(crate) values: &'a [u64],
    /// Whether the kernel gives it alone, or only together with the first array.
    pub(crate) alone: bool,
}

/// Holds the arrays of a link against what they have to be, with buffers of every length that makes
/// a difference, and with every combination of arrays that is asked for. `ask` lends what it is
/// given.
pub(crate) fn check<const N: usize>(
    link: &RawLink,
    expected: [Expected<'_>; N],
    ask: impl Fn([&mut [u64]; N]) -> bpf_link::Result<LinkInfo>,
) -> Result<()> {
    let info = link.info()?;
    let length = expected.first().context("no arrays")?.values.len();
    ensure!(info.count() == Some(length), "{:?}", info.count());
    for which in 0..1_u32 << N {
        let asked = |index: usize| which & (1 << index) != 0;
        let alone = |(index, array): (usize, &Expected<'_>)| !asked(index) || array.alone;
        let allowed = asked(0) || expected.iter().enumerate().all(alone);
        let names: Vec<_> = (0..N)
            .filter(|&index| asked(index))
            .filter_map(|index| expected.get(index))
            .map(|array| array.name)
            .collect();
        let look = || -> Result<()> {
            if !allowed {
                let mut lent = Lent::<N>::new(length, asked);
                let error = refusal(ask(lent.buffers()))?;
                ensure!(matches!(error, Error::LengthMismatch { .. }), "{error:?}");
                return lent.ensure(&expected, 0);
            }
            for longer in [0, 1, 5] {
                let mut lent = Lent::<N>::new(length + longer, asked);
                let with_arrays = ask(lent.buffers())?;
                lent.ensure(&expected, length)?;
                ensure!(
                    with_arrays.as_bytes() == info.as_bytes(),
                    "{with_arrays:?} and not {info:?}"
                );
            }
            if which == 0 {
                return Ok(());
            }
            let mut lent = Lent::<N>::new(length - 1, asked);
            let error = refusal(ask(lent.buffers()))?;
            ensure!(matches!(error, Error::BufferTooShort(_)), "{error:?}");
            ensure!(error.errno() == Some(libc::ENOSPC), "{error:?}");
            lent.ensure(&expected, length - 1)
        };
        look().with_context(|| format!("asked for {names:?}"))?;
    }
    unequal_lengths(length, ask)
}

/// They are refused before the kernel is asked: it takes one length for all.
fn unequal_lengths<const N: usize>(
    length: usize,
    ask: impl Fn([&mut [u64]; N]) -> bpf_link::Result<LinkInfo>,
) -> Result<()> {
    for odd in 0..N {
        let mut lent = Lent::<N>::new(length, |_| true);
        lent.arrays.get_mut(odd).context("no such array")?.pop();
        let error = refusal(ask(lent.buffers()))?;
        ensure!(error.errno().is_none(), "{error:?}");
        let Error::LengthMismatch {
            expected, found, ..
        } = error
        else {
            anyhow::bail!("{error:?}");
        };
        ensure!(expected != found && expected.max(found) == length);
        let untouched = |array: &Vec<u64>| array.iter().all(|&entry| entry == UNTOUCHED);
        ensure!(lent.arrays.iter().all(untouched));
    }
    Ok(())
}

/// Buffers that are lent.
struct Lent<const N: usize> {
    arrays: [Vec<u64>; N],
}

impl<const N: usize> Lent<N> {
    fn new(length: usize, asked: impl Fn(usize) -> bool) -> Self {
        let array = |index| vec![UNTOUCHED; if asked(index) { length } else { 0 }];
        Self {
            arrays: std::array::from_fn(array),
        }
    }

    fn buffers(&mut self) -> [&mut [u64]; N] {
        self.arrays.each_mut().map(Vec::as_mut_slice)
    }

    /// Fails unless so many entries have been written, and no more.
    fn ensure(&self, expected: &[Expected<'_>; N], written: usize) -> Result<()> {
        for (array, expected) in self.arrays.iter().zip(expected) {
            let values = expected.values.get(..written).context("too long")?;
            let written = written.min(array.len());
            let (found, rest) = array.split_at_checked(written).context("too short")?;
            let name = expected.name;
            ensure!(
                found.is_empty() || found == values,
                "{name} are {found:x?} and not {values:x?}"
            );
            ensure!(
                rest.iter().all(|&entry| entry == UNTOUCHED),
                "after the {name} is {rest:x?}"
            );
        }
        Ok(())
    }
}
