//! One look at all links.

use std::fs::File;
use std::io::{ErrorKind, Read as _};

use zerocopy::FromBytes as _;

use super::record::Record;
use crate::error::{Command, CommandError, Error, Result, Target};

/// A run of the program: what it writes, record by record.
#[derive(Debug)]
pub(super) struct Run<'a> {
    file: File,
    buf: &'a mut [u8],
    /// In place of a buffer in which no record has room.
    small: [u8; Record::SIZE],
    /// Which bytes of the buffer are read, and not given out yet.
    start: usize,
    end: usize,
}

impl<'a> Run<'a> {
    pub(super) fn new(file: File, buf: &'a mut [u8]) -> Self {
        Self {
            file,
            buf,
            small: [0; Record::SIZE],
            start: 0,
            end: 0,
        }
    }

    /// The next record; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Record>> {
        loop {
            let Self {
                file,
                buf,
                small,
                start,
                end,
            } = self;
            let buf = if buf.len() < Record::SIZE {
                &mut small[..]
            } else {
                &mut buf[..]
            };
            let unread = buf.get(*start..*end).unwrap_or_default();
            if let Ok((record, _)) = Record::read_from_prefix(unread) {
                *start += Record::SIZE;
                return Ok(Some(record));
            }
            // Part of a record may be there.
            let part = unread.len();
            buf.copy_within(*start..*end, 0);
            (*start, *end) = (0, part);
            let room = buf.get_mut(part..).unwrap_or_default();
            match file.read(room) {
                Ok(0) if part == 0 => return Ok(None),
                Ok(0) => return Err(refused(ErrorKind::UnexpectedEof.into())),
                Ok(len) => *end += len,
                // A signal; or the kernel wants to be asked again, as it has passed over many
                // links.
                Err(error)
                    if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
                Err(error) => return Err(refused(error)),
            }
        }
    }
}

fn refused(source: std::io::Error) -> Error {
    CommandError::new(Command::ReadIter, Target::Links, source).classify()
}
