//! Infos that were recorded, for the tests of each kind.
#![expect(clippy::indexing_slicing, reason = "a test that panics has failed")]

use bpf_link::LinkKind;

use crate::info::LinkInfoRef;
use crate::info::answer::RecordedBuffers;

pub(crate) const SIZE: usize = bpf_link::LinkInfo::SIZE;

/// The bytes of an info of this kind, with 12 as the id of the link and 34 as that of the program.
#[derive(Clone, Copy)]
pub(crate) struct Bytes(pub(crate) [u8; SIZE]);

impl Bytes {
    pub(crate) fn of(kind: LinkKind) -> Self {
        Self([0; SIZE]).u32(0, kind.as_raw()).u32(4, 12).u32(8, 34)
    }

    pub(crate) fn u32(mut self, at: usize, value: u32) -> Self {
        self.0[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        self
    }

    pub(crate) fn u64(mut self, at: usize, value: u64) -> Self {
        self.0[at..at + 8].copy_from_slice(&value.to_ne_bytes());
        self
    }

    pub(crate) fn check(&self, buffers: RecordedBuffers<'_>, check: impl FnOnce(LinkInfoRef<'_>)) {
        self.check_len(SIZE, buffers, check);
    }

    /// The same, as a kernel has it whose info is shorter.
    pub(crate) fn check_len(
        &self,
        len: usize,
        buffers: RecordedBuffers<'_>,
        check: impl FnOnce(LinkInfoRef<'_>),
    ) {
        let info = bpf_link::LinkInfo::from_bytes(&self.0[..len]).expect("it has a header");
        let view = LinkInfoRef::parse(&info, buffers).expect("it is long enough");
        assert_eq!((view.kind(), view.id().get()), (info.kind(), 12));
        assert_eq!(view.program_id().map(u32::from), Some(34));
        let owned = view.into_owned();
        assert_eq!(owned.kind(), view.kind());
        assert_eq!(owned.id(), view.id());
        assert_eq!(owned.program_id(), view.program_id());
        assert_eq!(owned.is_defunct(), view.is_defunct());
        check(view);
    }
}

/// No name and no arrays.
pub(crate) const NONE: RecordedBuffers<'_> = RecordedBuffers {
    name: &[],
    ids: &[],
    addresses: &[],
    offsets: &[],
    ref_ctr_offsets: &[],
    cookies: &[],
};

/// A name, and no arrays.
pub(crate) fn named(name: &[u8]) -> RecordedBuffers<'_> {
    RecordedBuffers { name, ..NONE }
}

/// Reads the bytes, which are those of a link of this kind, and looks at what they say.
macro_rules! check {
    ($bytes:expr, $buffers:expr, $Variant:ident($info:ident) => $check:expr) => {
        $bytes.check($buffers, |view| {
            let LinkInfoRef::$Variant($info) = view else {
                panic!("{view:?}")
            };
            $check
        })
    };
}
pub(crate) use check;
