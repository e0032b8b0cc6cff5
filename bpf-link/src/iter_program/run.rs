//! One run of a program over all objects.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::marker::PhantomData;

use zerocopy::FromBytes;

use super::load::Loaded;
use crate::error::{Command, CommandError, Error, Result, Target};
use crate::id::LinkId;

/// What a program writes for each object.
pub(crate) trait Record: FromBytes {
    /// The link's id, or 0 while the kernel has not given it one.
    fn link(&self) -> u32;
}

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
    /// The id of the program's own link, which is left out.
    own: LinkId,
    records: PhantomData<R>,
}

/// How large a record may be.
pub(crate) const SMALL: usize = 128;

impl<'a, R: Record> Run<'a, R> {
    const FITS: () = assert!(size_of::<R>() > 0 && size_of::<R>() <= SMALL);

    pub(crate) fn new(loaded: &Loaded, buf: &'a mut [u8]) -> Result<Self> {
        let () = Self::FITS;
        Ok(Self {
            file: loaded.link.create_iter()?,
            buf,
            small: [0; SMALL],
            start: 0,
            end: 0,
            own: loaded.id,
            records: PhantomData,
        })
    }

    /// The next link, with its record; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(LinkId, R)>> {
        while let Some(record) = self.record()? {
            // A link that is still being attached has no id yet.
            let id = LinkId::new(record.link());
            if let Some(id) = id.filter(|id| *id != self.own) {
                return Ok(Some((id, record)));
            }
        }
        Ok(None)
    }

    /// The next record; `None` at the end.
    fn record(&mut self) -> Result<Option<R>> {
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
