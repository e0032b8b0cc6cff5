//! One run of a program over all objects.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::marker::PhantomData;

use zerocopy::FromBytes;

use crate::error::{Command, CommandError, Error, Result, Target};

/// A run of a program: what it writes, record by record.
#[derive(Debug)]
pub(crate) struct Run<'a, R> {
    file: File,
    buf: &'a mut [u8],
    /// In place of a buffer in which no record has room.
    small: [u8; SMALL],
    /// Which bytes of the buffer are read, and not given out yet.
    start: usize,
    end: usize,
    records: PhantomData<R>,
}

/// How large a record may be.
pub(crate) const SMALL: usize = 128;

impl<'a, R: FromBytes> Run<'a, R> {
    const FITS: () = assert!(size_of::<R>() > 0 && size_of::<R>() <= SMALL);

    pub(crate) fn new(file: File, buf: &'a mut [u8]) -> Self {
        let () = Self::FITS;
        Self {
            file,
            buf,
            small: [0; SMALL],
            start: 0,
            end: 0,
            records: PhantomData,
        }
    }

    /// The next record; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<R>> {
        loop {
            let Self {
                file,
                buf,
                small,
                start,
                end,
                ..
            } = self;
            let buf = if buf.len() < size_of::<R>() {
                &mut small[..]
            } else {
                &mut buf[..]
            };
            let unread = buf.get(*start..*end).unwrap_or_default();
            if let Ok((record, _)) = R::read_from_prefix(unread) {
                *start += size_of::<R>();
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
                // objects.
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
