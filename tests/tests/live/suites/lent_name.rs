//! The buffer that is lent for a link's name: what holds for every kind that has one.

use anyhow::{Context as _, Result, ensure};
use bpf_link::{Error, InfoBuffers, RawLink};

use crate::fixture::refusal;

/// What a buffer is filled with before it is lent.
const UNTOUCHED: u8 = 0xa5;

/// How a kernel deals with a buffer that is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TooShort {
    /// It writes as much as there is room for, and a NUL, and answers `ENOSPC`.
    CutOff,
    /// It writes nothing, and answers `ENAMETOOLONG`.
    LeftAlone,
}

/// Holds the name of a link against `name`, which has no NUL, with buffers of every length that
/// makes a difference.
pub(crate) fn check(
    link: &RawLink,
    name: &str,
    too_short: TooShort,
    buffers: for<'b> fn(&'b mut [u8]) -> InfoBuffers<'b>,
) -> Result<()> {
    let with_nul = [name.as_bytes(), b"\0"].concat();
    let length = with_nul.len();
    let info = link.info()?;
    ensure!(info.name_len() == Some(length), "{:?}", info.name_len());

    for longer in [0, 1, 4096] {
        let mut buffer = vec![UNTOUCHED; length + longer];
        let with_name = link.info_with(buffers(&mut buffer))?;
        let written = String::from_utf8_lossy(&buffer);
        let (found, rest) = buffer.split_at_checked(length).context("too short")?;
        ensure!(found == with_nul, "the name is {written}");
        ensure!(rest.iter().all(|&byte| byte == UNTOUCHED), "{written}");
        // The address of the buffer is not part of it.
        ensure!(
            with_name.as_bytes() == info.as_bytes(),
            "{with_name:?} and not {info:?}"
        );
    }
    let without = link.info_with(buffers(&mut []))?;
    ensure!(without.as_bytes() == info.as_bytes(), "{without:?}");

    for shorter in [1, length - 1] {
        let mut buffer = vec![UNTOUCHED; length - shorter];
        let error = refusal(link.info_with(buffers(&mut buffer)))?;
        ensure!(matches!(error, Error::BufferTooShort(_)), "{error:?}");
        let (errno, written) = match too_short {
            TooShort::CutOff => {
                let mut beginning = with_nul.get(..length - shorter).context("longer")?.to_vec();
                *beginning.last_mut().context("no room")? = 0;
                (libc::ENOSPC, beginning)
            }
            TooShort::LeftAlone => (libc::ENAMETOOLONG, vec![UNTOUCHED; length - shorter]),
        };
        ensure!(error.errno() == Some(errno), "{error:?}");
        ensure!(buffer == written, "{buffer:?} and not {written:?}");
    }
    Ok(())
}
