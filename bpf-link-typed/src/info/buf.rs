//! Memory that the caller lends for names and arrays, and the calls that fill it.

use bpf_link::{InfoBuffers, LinkInfo, LinkKind, RawLink};

use crate::error::Result;
use crate::info::answer::{Answer, RecordedBuffers};

/// Memory for what a link's info refers to: its name, and its arrays.
///
/// One that is used for one link after the other grows to what the largest of them needs, and then
/// takes no more memory from the heap. A new one has none.
///
/// ```no_run
/// use bpf_link_typed::InfoBuf;
///
/// # fn example() -> bpf_link_typed::Result<()> {
/// let mut buf = InfoBuf::new();
/// for link in bpf_link_typed::links() {
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

/// The memory of a buffer, to be lent by way of [`name_room`] and [`room`].
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
    /// Fields, and nothing else.
    Fields,
    /// A name.
    Name(for<'b> fn(&'b mut Memory) -> InfoBuffers<'b>),
    /// Arrays with so many entries.
    Arrays(for<'b> fn(&'b mut Memory, usize) -> InfoBuffers<'b>),
}

/// Whether the kernel has said already what it says without buffers. What it has said is where the
/// answer is to be then.
#[derive(Clone, Copy)]
pub(crate) enum Asked {
    NotYet,
    Already,
}

/// What the kernel says without names and arrays; asks it unless it has said all of that already.
#[inline]
pub(crate) fn fields<'b>(
    link: &RawLink,
    asked: Asked,
    slot: &'b mut Option<LinkInfo>,
) -> Result<&'b LinkInfo> {
    let is_conclusive = match (asked, &*slot) {
        (Asked::Already, Some(info)) => info.is_conclusive(),
        _ => link.info_in(slot)?.is_conclusive(),
    };
    match (is_conclusive, slot) {
        (true, Some(info)) => Ok(info),
        // Now that the kind is known, the answer tells which fields this kernel has.
        (_, slot) => Ok(link.info_in(slot)?),
    }
}

/// How many entries the arrays of a link have; `None` if this kernel says nothing that is
/// particular to the kind.
#[inline]
fn count(link: &RawLink, asked: Asked, slot: &mut Option<LinkInfo>) -> Result<Option<usize>> {
    let info = match (asked, slot) {
        (Asked::Already, Some(info)) => info,
        (_, slot) => link.info_in(slot)?,
    };
    Ok(info.count())
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

/// No name that the kernel reports is longer, with its NUL: a path may have as many bytes
/// (`PATH_MAX`), a symbol has 512 at most. So a name needs no call to find out its length, which
/// some kernels do not tell (perf events, from Linux 6.6 to 6.11), and which may have changed with
/// the next call (a path).
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

    /// Asks the kernel for the info of one kind of link. After [`kind`](Self::kind) it has been
    /// asked for one already.
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
            Ask::Fields => (fields(link, asked, info)?, 0),
            Ask::Name(lend) => (link.info_with_in(lend(memory), info)?, 0),
            Ask::Arrays(lend) => match count(link, asked, info)? {
                None => (fields(link, Asked::Already, info)?, 0),
                Some(count) => (link.info_with_in(lend(memory, count), info)?, count),
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
    /// What has been written. The arrays of another kind than was asked for are left from before:
    /// nobody reads them.
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

/// Room for an array with so many entries. The kernel writes all of them, or says that it does not
/// have the array.
#[inline]
pub(crate) fn room<T: Clone + Default>(array: &mut Vec<T>, count: usize) -> &mut [T] {
    if array.len() < count {
        array.resize(count, T::default());
    }
    array.get_mut(..count).unwrap_or_default()
}

#[inline]
fn written<T>(array: &[T], count: usize) -> &[T] {
    array.get(..count).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name of another link is not taken for that of one whose name the kernel does not write.
    #[test]
    fn a_name_that_is_not_written_is_not_there() {
        let mut memory = Memory::default();
        name_room(&mut memory.name).fill(b'x');
        assert_eq!(memory.written(0).name.first(), Some(&b'x'));
        name_room(&mut memory.name);
        assert_eq!(memory.written(0).name.first(), Some(&0));
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
