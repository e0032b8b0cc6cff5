//! The lines of the kernel's lists, one at a time.

use std::io::{self, BufRead, Read as _};

/// Longer than any of the kernel's, whose names have up to 512 bytes.
const LONGEST: usize = 4096;

/// Calls it with the words of each line. A line that is too long for the kernel's is left out.
pub(crate) fn each_line(
    mut list: impl BufRead,
    mut each: impl FnMut(&mut dyn Iterator<Item = &[u8]>),
) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = list
            .by_ref()
            .take(LONGEST as u64)
            .read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        if read == LONGEST && !line.ends_with(b"\n") {
            list.skip_until(b'\n')?;
            continue;
        }
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n');
        each(&mut line.split(is_space).filter(|word| !word.is_empty()));
    }
}
