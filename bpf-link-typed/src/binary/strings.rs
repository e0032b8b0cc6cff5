//! Tables of strings, of which only as much is in memory as is being looked at.

use memchr::memmem::Finder;

use super::bytes::{CHUNK, FileBytes, Region};
use crate::error::Result;

/// The longest name that is read. Compilers make some of a few thousand bytes.
const LONGEST: usize = 64 << 10;
/// What is read at first where a name is.
const WINDOW: usize = 8 << 10;
/// More strings that end alike are in no table.
const MOST_PLACES: usize = 1 << 20;

/// A table of strings, and the part of it that was looked at last.
#[derive(Debug)]
pub(super) struct Strings<'a> {
    bytes: &'a FileBytes,
    region: Region,
    window: Vec<u8>,
    /// Where in the table the window begins.
    begin: u64,
}

impl<'a> Strings<'a> {
    pub(super) fn new(bytes: &'a FileBytes, region: Region) -> Self {
        Self {
            bytes,
            region,
            window: Vec::new(),
            begin: 0,
        }
    }

    /// The string that begins there.
    pub(super) fn at(&mut self, place: u32) -> Result<&[u8]> {
        let mut len = self.len_in_window(place);
        let mut window = WINDOW;
        while len.is_none() {
            if window > LONGEST {
                return Err(self.bytes.too_large("a name"));
            }
            self.load(place, window)?;
            len = self.len_in_window(place);
            window *= 8;
        }
        let window = self.rest_of_window(place).unwrap_or_default();
        Ok(window.get(..len.unwrap_or_default()).unwrap_or_default())
    }

    /// The string that begins there, as text.
    pub(super) fn text(&mut self, place: u32) -> Result<String> {
        Ok(String::from_utf8_lossy(self.at(place)?).into_owned())
    }

    fn rest_of_window(&self, place: u32) -> Option<&[u8]> {
        let within = u64::from(place).checked_sub(self.begin)?;
        self.window.get(usize::try_from(within).ok()?..)
    }

    fn len_in_window(&self, place: u32) -> Option<usize> {
        memchr::memchr(0, self.rest_of_window(place)?)
    }

    fn load(&mut self, place: u32, window: usize) -> Result<()> {
        const WHAT: &str = "a name";
        let place = u64::from(place);
        let rest = self.region.len.checked_sub(place);
        let rest = rest.ok_or_else(|| self.bytes.malformed(WHAT))?;
        let len = usize::try_from(rest).map_or(window, |rest| rest.min(window));
        self.window.resize(len, 0);
        let offset = self.region.offset.saturating_add(place);
        self.begin = place;
        if let Err(error) = self.bytes.read_into(offset, &mut self.window) {
            self.window.clear();
            return Err(error);
        }
        if len < window && memchr::memrchr(0, &self.window).is_none() {
            return Err(self.bytes.malformed(WHAT));
        }
        Ok(())
    }

    /// Where strings are that are this name, or begin with it and an `@`, after which a version is;
    /// in order. Several symbols may share the end of one string.
    pub(super) fn places_of(&self, name: &[u8]) -> Result<Vec<u32>> {
        let mut places = Vec::new();
        if name.is_empty() || name.len() >= LONGEST {
            return Ok(places);
        }
        let finder = Finder::new(name);
        let mut piece = vec![0; CHUNK];
        let mut done = 0;
        while done < self.region.len {
            let rest = usize::try_from(self.region.len - done).unwrap_or(usize::MAX);
            let Some(piece) = piece.get_mut(..rest.min(CHUNK)) else {
                break;
            };
            self.bytes
                .read_into(self.region.offset.saturating_add(done), piece)?;
            for within in whole_names(&finder, piece) {
                let Ok(place) = u32::try_from(done + within as u64) else {
                    // No symbol can have a name there.
                    return Ok(places);
                };
                if places.len() == MOST_PLACES {
                    return Err(self.bytes.too_large("the strings that end alike"));
                }
                places.push(place);
            }
            if rest <= CHUNK {
                break;
            }
            // What might go on in the next piece is looked for there.
            done += (CHUNK - name.len()) as u64;
        }
        Ok(places)
    }
}

/// Where in the piece the name is, with what ends it.
fn whole_names(finder: &Finder<'_>, piece: &[u8]) -> impl Iterator<Item = usize> {
    let mut from = 0;
    let len = finder.needle().len();
    let next = move || {
        loop {
            let found = from + finder.find(piece.get(from..)?)?;
            from = found + 1;
            if matches!(piece.get(found + len), Some(0 | b'@')) {
                return Some(found);
            }
        }
    };
    std::iter::from_fn(next)
}
