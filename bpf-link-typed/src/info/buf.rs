//! Memory that the caller lends for names and arrays, and the calls that fill it.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::OnceLock;

use bpf_link::{InfoBuffers, LinkInfo, LinkKind, RawLink};

use crate::error::Result;
use crate::info::answer::{Answer, RecordedBuffers};

/// Memory for what a link's info refers to: its name, and its arrays.
///
/// One that is used for one link after the other grows to what the largest of them needs, and then takes no more memory
/// from the heap. A new one has none.
///
/// ```no_run
/// use bpf_link_typed::InfoBuf;
///
/// # fn example() -> bpf_link_typed::Result<()> {
/// let mut buf = InfoBuf::new();
/// for link in bpf_link::links() {
///     println!("{:?}", buf.read(&link?)?);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct InfoBuf {
    info: Option<LinkInfo>,
    memory: Memory,
}

/// The memory of a buffer, to be lent by way of [`name_room`], [`room`] and [`marked_room`].
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) name: Vec<u8>,
    pub(crate) ids: Vec<u32>,
    pub(crate) addresses: Vec<u64>,
    pub(crate) offsets: Vec<u64>,
    pub(crate) ref_ctr_offsets: Vec<u64>,
    pub(crate) cookies: Vec<u64>,
}

/// What is asked of the kernel for the info of one kind.
#[derive(Clone, Copy)]
pub(crate) enum Ask {
    /// Fields that every kernel reports which has the kind.
    Fields,
    /// Fields, some of which not every kernel reports: they go in with a mark.
    MarkedFields(fn() -> InfoBuffers<'static>),
    /// A name, and fields with a mark.
    Name(for<'b> fn(&'b mut Memory) -> InfoBuffers<'b>),
    /// Arrays with so many entries, and fields with a mark.
    Arrays(for<'b> fn(&'b mut Memory, usize) -> InfoBuffers<'b>),
}

/// Whether the kernel has said already what it says without buffers. What it has said is where the answer is to be then.
#[derive(Clone, Copy)]
pub(crate) enum Asked {
    NotYet,
    Already,
}

impl Ask {
    /// What the kernel says without names and arrays; asks it unless it has said all of that already.
    #[inline]
    pub(crate) fn fields<'b>(
        self,
        link: &RawLink,
        asked: Asked,
        slot: &'b mut Option<LinkInfo>,
    ) -> Result<&'b LinkInfo> {
        match self {
            Self::MarkedFields(lend) => Ok(link.info_with_in(lend(), slot)?),
            Self::Fields | Self::Name(_) | Self::Arrays(_) => known(link, asked, slot),
        }
    }
}

fn known<'b>(link: &RawLink, asked: Asked, slot: &'b mut Option<LinkInfo>) -> Result<&'b LinkInfo> {
    match (asked, slot) {
        (Asked::Already, Some(info)) => Ok(info),
        (_, slot) => Ok(link.info_in(slot)?),
    }
}

/// A buffer that the kernel has filled.
pub(crate) struct Filled<'b> {
    info: &'b LinkInfo,
    memory: &'b Memory,
    /// How many entries the arrays have.
    count: usize,
}

impl<'b> Filled<'b> {
    #[inline]
    pub(crate) fn answer(&self) -> Result<Answer<'b>> {
        Answer::new(self.info, self.memory.written(self.count))
    }
}

/// No name that the kernel reports is longer, with its NUL: a path may have as many bytes (`PATH_MAX`), a symbol has 512
/// at most. So a name needs no call to find out its length, which some kernels do not tell (perf events, from Linux 6.6 to
/// 6.11), and which may have changed with the next call (a path).
const LONGEST_NAME: usize = 4096;

impl InfoBuf {
    /// A buffer that has no memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the kernel for the info without buffers, which says of what kind the link is.
    #[inline]
    pub(crate) fn kind(&mut self, link: &RawLink) -> Result<LinkKind> {
        Ok(link.info_in(&mut self.info)?.kind())
    }

    /// Asks the kernel for the info of one kind of link. After [`kind`](Self::kind) it has been asked for one already.
    ///
    /// One call; two if there are arrays, as only an earlier answer says how long they are.
    #[inline]
    pub(crate) fn fill<'b>(
        &'b mut self,
        link: &RawLink,
        ask: Ask,
        asked: Asked,
    ) -> Result<Filled<'b>> {
        let Self { info, memory } = self;
        let (info, count) = match ask {
            Ask::Fields | Ask::MarkedFields(_) => (ask.fields(link, asked, info)?, 0),
            Ask::Name(lend) => (link.info_with_in(lend(memory), info)?, 0),
            Ask::Arrays(lend) => match ask.fields(link, asked, info)?.count() {
                // Nothing of what is particular to the kind is reported by this kernel.
                None => (ask.fields(link, Asked::Already, info)?, 0),
                Some(count) => {
                    let info = link.info_with_in(lend(memory, count), info)?;
                    memory.forget_unwritten();
                    (info, count)
                }
            },
        };
        Ok(Filled {
            info,
            memory,
            count,
        })
    }
}

impl Memory {
    /// What has been written. The arrays of another kind than was asked for are left from before: nobody reads them.
    #[inline]
    fn written(&self, count: usize) -> RecordedBuffers<'_> {
        RecordedBuffers {
            name: &self.name,
            ids: written(&self.ids, count),
            addresses: written(&self.addresses, count),
            offsets: written(&self.offsets, count),
            ref_ctr_offsets: written(&self.ref_ctr_offsets, count),
            cookies: written(&self.cookies, count),
        }
    }

    /// A kernel that has the arrays may not have the cookies yet (`kprobe_multi`, before Linux 6.9).
    #[inline]
    fn forget_unwritten(&mut self) {
        if self.cookies.first() == Some(&mark()) {
            self.cookies.clear();
        }
    }
}

/// Room for a name, which reads as none until the kernel has written one.
#[inline]
pub(crate) fn name_room(name: &mut Vec<u8>) -> &mut [u8] {
    let room = room(name, LONGEST_NAME);
    if let Some(first) = room.first_mut() {
        *first = 0;
    }
    room
}

/// Room for an array with so many entries, all of which the kernel writes if it has the array.
#[inline]
pub(crate) fn room<T: Clone + Default>(array: &mut Vec<T>, count: usize) -> &mut [T] {
    if array.len() < count {
        array.resize(count, T::default());
    }
    array.get_mut(..count).unwrap_or_default()
}

/// Room for an array that the kernel may not have: the first entry has a mark, which is left if nothing was written.
#[inline]
pub(crate) fn marked_room(array: &mut Vec<u64>, count: usize) -> &mut [u64] {
    let room = room(array, count);
    if let Some(first) = room.first_mut() {
        *first = mark();
    }
    room
}

#[inline]
fn written<T>(array: &[T], count: usize) -> &[T] {
    array.get(..count).unwrap_or_default()
}

/// A number that no cookie is but by chance: made up at random for this process.
#[inline]
fn mark() -> u64 {
    static MARK: OnceLock<u64> = OnceLock::new();
    *MARK.get_or_init(|| RandomState::new().hash_one("cookie"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a kernel leaves alone is not what another link has left there.
    #[test]
    fn what_is_not_written_is_not_there() {
        let mut memory = Memory::default();
        marked_room(&mut memory.cookies, 3).fill(7);
        room(&mut memory.addresses, 3).fill(8);
        name_room(&mut memory.name).fill(b'x');
        assert_eq!(memory.written(3).cookies, [7, 7, 7]);
        assert_eq!(memory.written(3).addresses, [8, 8, 8]);

        // A kernel that has the addresses, but not the cookies yet.
        marked_room(&mut memory.cookies, 2);
        room(&mut memory.addresses, 2).fill(9);
        name_room(&mut memory.name);
        memory.forget_unwritten();
        let written = memory.written(2);
        assert_eq!(written.addresses, [9, 9]);
        assert_eq!(written.cookies, [0_u64; 0]);
        assert_eq!(written.name.first(), Some(&0));

        // One that has them, all of which are 0.
        marked_room(&mut memory.cookies, 2).fill(0);
        memory.forget_unwritten();
        assert_eq!(memory.written(2).cookies, [0, 0]);
    }

    #[test]
    fn a_buffer_grows_and_stays() {
        let mut array: Vec<u64> = Vec::new();
        assert_eq!(room(&mut array, 5).len(), 5);
        let at = array.as_ptr();
        assert_eq!(
            (room(&mut array, 2).len(), room(&mut array, 5).len()),
            (2, 5)
        );
        assert_eq!(array.as_ptr(), at);
        assert_eq!(room(&mut array, 0), []);
    }
}
