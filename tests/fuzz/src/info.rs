//! An info and the buffers that go with it, and what is always true of what is read from them.
//!
//! The fuzzer makes inputs of bytes; the property tests in `tests/tests/hostile.rs` make their
//! parts.

use bpf_link::{LinkInfo, LinkKind};
use bpf_link_typed::{Error, Hideable, LinkInfo as TypedInfo, LinkInfoRef, RecordedBuffers};

/// The shortest info that every kernel writes.
const SHORTEST: usize = 32;

/// What is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) info: Vec<u8>,
    pub(crate) name: Vec<u8>,
    pub(crate) ids: Vec<u32>,
    /// Addresses, offsets, offsets of reference counters, cookies.
    pub(crate) arrays: [Vec<u64>; 4],
}

impl Input {
    /// The length of the info and of the name, a byte each, then the two; then as many numbers as
    /// there are bytes for, which the arrays share. Every input is one.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let Some((&[info_len, name_len], rest)) = bytes.split_first_chunk() else {
            return Self::default();
        };
        let (info, rest) = rest.split_at(rest.len().min(info_len.into()));
        let (name, rest) = rest.split_at(rest.len().min(name_len.into()));
        let numbers = rest.chunks_exact(8).filter_map(|bytes| bytes.first_chunk());
        let numbers: Vec<u64> = numbers.copied().map(u64::from_le_bytes).collect();
        let halves = rest.chunks_exact(8).filter_map(|bytes| bytes.first_chunk());
        // Not all of one length.
        let array = |nth: usize| numbers.iter().skip(nth).copied().collect();
        Self {
            info: info.to_vec(),
            name: name.to_vec(),
            ids: halves.copied().map(u32::from_le_bytes).collect(),
            arrays: [array(0), array(1), array(2), array(0)],
        }
    }

    /// Reads it, and panics where something is not as it has to be.
    pub(crate) fn check(&self) {
        let Some(info) = LinkInfo::from_bytes(&self.info) else {
            let id = self.info.get(4..8).filter(|_| self.info.len() >= 12);
            assert!(id.is_none_or(|id| id == [0; 4]), "{self:?}");
            return;
        };
        let len = self.info.len().min(LinkInfo::SIZE);
        assert_eq!(Some(info.as_bytes()), self.info.get(..len));
        assert!(
            info.name_len().is_none()
                || info.count().is_none()
                || info.kind() == LinkKind::UprobeMulti
        );
        for at in 0..LinkInfo::SIZE {
            let reported = info.is_reported(at..at + 4);
            assert!(at + 4 <= len || reported == Some(false), "{at} {self:?}");
        }
        let [addresses, offsets, ref_ctr_offsets, cookies] = &self.arrays;
        let buffers = RecordedBuffers {
            name: &self.name,
            ids: &self.ids,
            addresses,
            offsets,
            ref_ctr_offsets,
            cookies,
        };
        match LinkInfoRef::parse(&info, buffers) {
            Ok(view) => self.check_view(&info, view),
            Err(Error::ShortInfo { len: short }) => assert!(short == len && len < SHORTEST),
            Err(error) => panic!("{error:?} {self:?}"),
        }
    }

    fn check_view(&self, info: &LinkInfo, view: LinkInfoRef<'_>) {
        assert_eq!((view.kind(), view.id()), (info.kind(), info.id()));
        assert_eq!(view.program_id(), info.program_id());
        self.check_parts(&view);
        let owned = view.into_owned();
        assert_eq!((owned.kind(), owned.id()), (view.kind(), view.id()));
        assert_eq!(owned.is_defunct(), view.is_defunct());
        assert!(!format!("{view:?} {owned:#?}").is_empty());

        let text = serde_json::to_string(&owned).expect("it can be written");
        assert_eq!(text, serde_json::to_string(&view).expect("so can the view"));
        let again: TypedInfo = serde_json::from_str(&text).expect("it can be read again");
        assert_eq!(again, owned, "{text}");
    }

    /// Names end at the first NUL, and arrays are as long as the kernel says at most.
    fn check_parts(&self, view: &LinkInfoRef<'_>) {
        let name = match view {
            LinkInfoRef::RawTracepoint(info) => info.name,
            LinkInfoRef::Iter(info) => info.target_name,
            LinkInfoRef::UprobeMulti(info) => info.path,
            _ => None,
        };
        if let Some(name) = name {
            let before_nul = self.name.split(|byte| *byte == 0).next();
            assert_eq!(Some(name.to_bytes()), before_nul);
            assert!(!name.is_empty());
        }
        let (count, lens) = match view {
            LinkInfoRef::KprobeMulti(info) => (
                info.count,
                [
                    visible(info.addresses),
                    info.cookies.map(<[u64]>::len),
                    None,
                ],
            ),
            LinkInfoRef::UprobeMulti(info) => (
                info.count,
                [
                    info.offsets.map(<[u64]>::len),
                    info.ref_ctr_offsets.map(<[u64]>::len),
                    info.cookies.map(<[u64]>::len),
                ],
            ),
            LinkInfoRef::TracingMulti(info) => (
                info.count,
                [
                    visible(info.addresses),
                    info.cookies.map(<[u64]>::len),
                    info.ids.map(<[u32]>::len),
                ],
            ),
            _ => return,
        };
        for len in lens.into_iter().flatten() {
            let count = count.and_then(|count| usize::try_from(count).ok());
            assert!(
                len > 0 && count.is_some_and(|count| len <= count),
                "{view:?}"
            );
        }
    }
}

fn visible(addresses: Option<Hideable<&[u64]>>) -> Option<usize> {
    match addresses? {
        Hideable::Visible(addresses) => Some(addresses.len()),
        Hideable::Hidden => None,
    }
}
