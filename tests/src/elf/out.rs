//! Numbers as a file has them.

/// A file that is being written.
#[derive(Debug)]
pub(super) struct Out {
    pub(super) bytes: Vec<u8>,
    pub(super) is_64: bool,
    is_big: bool,
}

impl Out {
    pub(super) fn new(is_64: bool, is_big: bool) -> Self {
        Self {
            bytes: Vec::new(),
            is_64,
            is_big,
        }
    }

    /// Another one of the same form, for a part.
    pub(super) fn part(&self) -> Self {
        Self::new(self.is_64, self.is_big)
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// With the NUL that ends it.
    pub(super) fn text(&mut self, text: &str) {
        self.raw(text.as_bytes());
        self.raw(&[0]);
    }

    pub(super) fn u8(&mut self, number: u8) {
        self.raw(&[number]);
    }

    pub(super) fn u16(&mut self, number: u16) {
        let bytes = number.to_le_bytes();
        self.ordered(bytes);
    }

    pub(super) fn u32(&mut self, number: u32) {
        self.ordered(number.to_le_bytes());
    }

    pub(super) fn u64(&mut self, number: u64) {
        self.ordered(number.to_le_bytes());
    }

    /// A number as long as an address.
    pub(super) fn word(&mut self, number: u64) {
        if self.is_64 {
            self.u64(number);
        } else {
            self.u32(u32::try_from(number).expect("it is an address of 32 bits"));
        }
    }

    fn ordered<const N: usize>(&mut self, mut little: [u8; N]) {
        if self.is_big {
            little.reverse();
        }
        self.raw(&little);
    }

    /// Zeros up to this place.
    pub(super) fn up_to(&mut self, place: usize) {
        assert!(place >= self.bytes.len(), "the parts overlap");
        self.bytes.resize(place, 0);
    }

    pub(super) fn align(&mut self, to: usize) {
        self.up_to(self.bytes.len().next_multiple_of(to));
    }
}

/// A table of strings.
#[derive(Debug)]
pub(super) struct Strings(pub(super) Vec<u8>);

impl Strings {
    pub(super) fn new() -> Self {
        Self(vec![0])
    }

    /// Where the string is from now on.
    pub(super) fn add(&mut self, text: &str) -> u32 {
        let place = u32::try_from(self.0.len()).expect("it is short");
        self.0.extend(text.as_bytes());
        self.0.push(0);
        place
    }
}
