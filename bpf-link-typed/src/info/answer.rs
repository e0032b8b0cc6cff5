//! What the kernel has said about one link: the bytes of its info, and the names and arrays beside
//! them.

use std::ffi::CStr;
use std::mem::offset_of;

use bpf_link::{InfoBuffers, LinkId, ProgramId};
use bpf_link_sys as c;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::error::{Error, Result};
use crate::info::hideable::Hideable;

/// Where the fields of a kind begin.
pub(crate) const ARM: usize = offset_of!(c::bpf_link_info, raw_tracepoint_union);

/// The room that the fields of all kinds share.
pub(crate) const ARM_SIZE: usize = size_of::<c::bpf_link_info__raw_tracepoint_union>();

const _: () = assert!(
    ARM + ARM_SIZE == bpf_link::LinkInfo::SIZE,
    "the fields of a kind are the end"
);

/// Defines the fields of one kind, in the kernel's layout: what [`Answer::arm`] gives is a view of
/// the kernel's bytes.
///
/// The types are zerocopy's `U32`, `I32` and `U64` in the machine's byte order: the bytes may be at
/// any address. Each field is followed by its path in the bindings' `bpf_link_info`, from the union
/// on; padding has no path. The name is followed by the binding that has to have the same size.
macro_rules! mirror {
    (
        $(#[$meta:meta])*
        struct $Mirror:ident: $Binding:ident $(after $start:literal)? {
            $( $field:ident: $type:ty $(= $($path:ident).+)?, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(
            Debug,
            zerocopy::FromBytes,
            zerocopy::Immutable,
            zerocopy::KnownLayout,
            zerocopy::Unaligned,
        )]
        #[repr(C)]
        #[allow(dead_code, reason = "every field has its place, whether anybody reads it or not")]
        struct $Mirror {
            $( $field: $type, )+
        }

        const _: () = {
            use ::core::mem::offset_of;
            assert!(
                size_of::<$Mirror>() == size_of::<::bpf_link_sys::$Binding>() $(+ $start)?,
                "its size is the kernel's"
            );
            $($(
                assert!(
                    $crate::info::answer::ARM + offset_of!($Mirror, $field)
                        == offset_of!(::bpf_link_sys::bpf_link_info, raw_tracepoint_union.$($path).+),
                    "each field is where the kernel has it"
                );
            )?)+
        };
    };
}
pub(crate) use mirror;

/// The value of a field that not every kernel reports.
///
/// `$arm` is the view that `$answer` has given.
macro_rules! reported {
    ($answer:expr, $arm:ident: $Mirror:ty, $field:ident) => {
        ($answer.is_reported(
            ::core::mem::offset_of!($Mirror, $field),
            size_of_val(&$arm.$field),
        ) == Some(true))
        .then(|| $arm.$field.get())
    };
}
pub(crate) use reported;

/// Whether the kernel may have written the array whose address is in this field. It has not if it
/// has left the array alone; of an answer that was recorded, the array tells.
///
/// `$arm` is the view that `$answer` has given.
macro_rules! may_have {
    ($answer:expr, $arm:ident: $Mirror:ty, $field:ident) => {
        $answer.is_reported(
            ::core::mem::offset_of!($Mirror, $field),
            size_of_val(&$arm.$field),
        ) != Some(false)
    };
}
pub(crate) use may_have;

/// The names and arrays that the kernel has written for one info; what was not asked for is empty.
///
/// This is what [`LinkInfoRef::parse`](crate::LinkInfoRef::parse) takes beside the bytes of an info
/// that was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordedBuffers<'a> {
    /// The link's name: a tracepoint, an iterator's target, a function, a file. What follows the
    /// first NUL is not part of it; without a NUL there is no name.
    pub name: &'a [u8],
    /// The functions of a `tracing_multi` link, as numbers of types in a BTF object.
    pub ids: &'a [u32],
    /// The functions of a `kprobe_multi` or `tracing_multi` link.
    pub addresses: &'a [u64],
    /// The probes of a `uprobe_multi` link.
    pub offsets: &'a [u64],
    /// The reference counters of a `uprobe_multi` link.
    pub ref_ctr_offsets: &'a [u64],
    /// The cookies of a link with arrays.
    pub cookies: &'a [u64],
}

/// What the kernel has said about one link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer<'a> {
    info: &'a bpf_link::LinkInfo,
    buffers: RecordedBuffers<'a>,
}

impl<'a> Answer<'a> {
    /// Refuses an info that is shorter than that of any kernel.
    #[inline]
    pub(crate) fn new(info: &'a bpf_link::LinkInfo, buffers: RecordedBuffers<'a>) -> Result<Self> {
        /// That of Linux 5.8, which was the first. What is read without asking whether it is
        /// reported is within.
        const SHORTEST: usize = 32;
        if info.as_bytes().len() < SHORTEST {
            return Err(short(info));
        }
        Ok(Self { info, buffers })
    }

    #[inline]
    pub(crate) fn id(&self) -> LinkId {
        self.info.id()
    }

    #[inline]
    pub(crate) fn program_id(&self) -> Option<ProgramId> {
        self.info.program_id()
    }

    #[inline]
    pub(crate) fn kind(&self) -> bpf_link::LinkKind {
        self.info.kind()
    }

    /// The kernel's bytes, as many as it has.
    #[inline]
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.info.as_bytes()
    }

    /// The bytes of the fields of a kind, as many as the kernel has.
    #[inline]
    pub(crate) fn arm_bytes(&self) -> &'a [u8] {
        self.bytes().get(ARM..).unwrap_or_default()
    }

    /// The kind's fields, as [`mirror!`] defines them, in the kernel's bytes. Fields that this
    /// kernel does not have are zeros.
    #[inline]
    pub(crate) fn arm<T: FromBytes + Immutable + KnownLayout + Unaligned>(&self) -> &'a T {
        const {
            assert!(size_of::<T>() <= ARM_SIZE);
        }
        let arm: &'a [u8; ARM_SIZE] = self
            .info
            .as_struct_bytes()
            .last_chunk()
            .unwrap_or(&[0; ARM_SIZE]);
        match T::ref_from_prefix(arm) {
            Ok((fields, _)) => fields,
            Err(_) => unreachable!("it is no longer than the arm, and any address is right for it"),
        }
    }

    /// Whether the kernel has written a field of a kind; `None` if that cannot be told.
    #[inline]
    pub(crate) fn is_reported(&self, at: usize, len: usize) -> Option<bool> {
        let start = ARM + at;
        self.info.is_reported(start..start + len)
    }

    /// The name that the kernel wrote, up to its NUL; `None` if it is empty or was not asked for.
    #[inline]
    pub(crate) fn name(&self) -> Option<&'a CStr> {
        InfoBuffers::name_in(self.buffers.name)
    }

    #[inline]
    pub(crate) fn ids(&self, count: u32) -> Option<&'a [u32]> {
        entries(self.buffers.ids, count)
    }

    #[inline]
    pub(crate) fn addresses(&self, count: u32) -> Option<Hideable<&'a [u64]>> {
        entries(self.buffers.addresses, count).map(Hideable::addresses)
    }

    #[inline]
    pub(crate) fn offsets(&self, count: u32) -> Option<&'a [u64]> {
        entries(self.buffers.offsets, count)
    }

    #[inline]
    pub(crate) fn ref_ctr_offsets(&self, count: u32) -> Option<&'a [u64]> {
        entries(self.buffers.ref_ctr_offsets, count)
    }

    #[inline]
    pub(crate) fn cookies(&self, count: u32) -> Option<&'a [u64]> {
        entries(self.buffers.cookies, count)
    }
}

#[cold]
fn short(info: &bpf_link::LinkInfo) -> Error {
    Error::ShortInfo {
        len: info.as_bytes().len(),
    }
}

/// As many entries as the kernel says there are; `None` if there are none, or they were not asked
/// for.
#[inline]
fn entries<T>(array: &[T], count: u32) -> Option<&[T]> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let entries = array.get(..count).unwrap_or(array);
    (!entries.is_empty()).then_some(entries)
}
