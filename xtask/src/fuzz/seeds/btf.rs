//! What the kernel that runs here describes its types as, cut small.

use std::fs;

use anyhow::{Context as _, Result};

const VMLINUX: &str = "/sys/kernel/btf/vmlinux";
/// The length of a header, and where it has the length of the types and the place and the length of
/// the strings.
const HEADER: usize = 24;
const TYPES_LEN: usize = 12;
const STRINGS_AT: usize = 16;
/// How long the longest cut is, and how long are the strings, which begin with those of the first
/// types.
const LONGEST: usize = 400;
const STRINGS: usize = 600;

/// The first types, cut after each word: some of these places are between two types.
pub(super) fn seeds() -> Result<Vec<Vec<u8>>> {
    let whole = fs::read(VMLINUX).context(VMLINUX)?;
    let seeds = (0..=LONGEST).step_by(4).map(|len| cut(&whole, len));
    seeds
        .collect::<Option<_>>()
        .with_context(|| format!("{VMLINUX} is shorter than it says"))
}

/// The header, so many bytes of the types, and the first strings.
fn cut(whole: &[u8], len: usize) -> Option<Vec<u8>> {
    let word = |at: usize| {
        let bytes = whole.get(at..)?.first_chunk()?;
        usize::try_from(u32::from_ne_bytes(*bytes)).ok()
    };
    let strings = whole.get(HEADER + word(STRINGS_AT)?..)?.get(..STRINGS)?;
    let strings = strings.get(..=strings.iter().rposition(|byte| *byte == 0)?)?;
    let mut seed = whole.get(..TYPES_LEN)?.to_vec();
    for number in [len, len, strings.len()] {
        seed.extend(u32::try_from(number).ok()?.to_ne_bytes());
    }
    seed.extend(whole.get(HEADER..)?.get(..len)?);
    seed.extend(strings);
    Some(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_says_how_long_it_is() {
        let mut whole = vec![0x9f, 0xeb, 1, 0];
        for word in [24_u32, 0, 1000, 1000, 800] {
            whole.extend(word.to_ne_bytes());
        }
        whole.extend([7; 1000]);
        whole.extend(b"\0one\0".repeat(160));
        let seed = cut(&whole, 8).expect("it is long enough");
        assert_eq!(
            seed.get(12..24),
            Some(&[8, 0, 0, 0, 8, 0, 0, 0, 88, 2, 0, 0][..])
        );
        assert_eq!(
            seed.get(24..38),
            Some(&b"\x07\x07\x07\x07\x07\x07\x07\x07\0one\0\0"[..])
        );
        assert_eq!(cut(whole.get(..1100).expect("so it is"), 8), None);
    }
}
