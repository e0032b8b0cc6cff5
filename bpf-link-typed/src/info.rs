//! What the kernel says about a link of any kind.

pub(crate) mod answer;
pub(crate) mod buf;
pub(crate) mod facts;
pub(crate) mod hideable;
#[cfg(test)]
pub(crate) mod recorded;
#[cfg(feature = "serde")]
pub(crate) mod serde_name;
pub(crate) mod types;

use bpf_link::{LinkId, LinkKind, ProgramId, RawLink};

use crate::error::Result;
use crate::info::answer::{Answer, RecordedBuffers};
use crate::info::buf::{Asked, InfoBuf};
use crate::info::types::Lend as _;
use crate::other::{OtherInfo, OtherInfoRef, OtherLink};

macro_rules! define {
    ($( $Variant:ident: $Link:ident, $Info:ident, $InfoRef:ident $(<$a:lifetime>)?, $Attach:ident $(<$b:lifetime>)? of $object:ident; )+) => {
        /// What the kernel says about a link, of whichever kind.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[cfg_attr(
            feature = "serde",
            derive(serde::Serialize, serde::Deserialize),
            serde(tag = "type", rename_all = "snake_case")
        )]
        #[non_exhaustive]
        pub enum LinkInfo {
            $(
                #[doc = concat!("Of a [`", stringify!($Link), "`](crate::", stringify!($Link), ").")]
                $Variant(crate::$Info),
            )+
            /// Of a link of a kind that is newer than this release.
            Other(OtherInfo),
        }

        /// A view of what the kernel says about a link, whose names and arrays are in a lent
        /// buffer.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(
            feature = "serde",
            derive(serde::Serialize),
            serde(tag = "type", rename_all = "snake_case")
        )]
        #[non_exhaustive]
        pub enum LinkInfoRef<'a> {
            $(
                #[doc = concat!("Of a [`", stringify!($Link), "`](crate::", stringify!($Link), ").")]
                $Variant(crate::$InfoRef $(<$a>)?),
            )+
            /// Of a link of a kind that is newer than this release.
            Other(OtherInfoRef<'a>),
        }

        accessors!(LinkInfo, $( $Variant )+);
        accessors!(LinkInfoRef<'_>, $( $Variant )+);

        impl<'a> LinkInfoRef<'a> {
            fn of(answer: &Answer<'a>) -> Self {
                match answer.kind() {
                    $( LinkKind::$Variant => Self::$Variant(crate::$InfoRef::parse(answer)), )+
                    _ => Self::Other(OtherInfoRef::parse(answer)),
                }
            }

            /// The same in memory of its own.
            #[must_use]
            pub fn into_owned(self) -> LinkInfo {
                match self {
                    $( Self::$Variant(info) => LinkInfo::$Variant(info.into()), )+
                    Self::Other(info) => LinkInfo::Other(info.into_owned()),
                }
            }
        }

        impl LinkInfo {
            /// A view of the same.
            #[must_use]
            pub fn view(&self) -> LinkInfoRef<'_> {
                match self {
                    $( Self::$Variant(info) => LinkInfoRef::$Variant(info.lend()), )+
                    Self::Other(info) => LinkInfoRef::Other(info.lend()),
                }
            }
        }

        impl InfoBuf {
            /// Asks the kernel for all that it says about a link whose kind need not be known.
            ///
            /// One system call for a kind without names, arrays and fields that not every kernel
            /// reports; two for the others. No allocation if the buffer is large enough from an
            /// earlier use.
            ///
            /// # Errors
            ///
            /// As [`RawLink::info_with`].
            pub fn read(&mut self, link: &RawLink) -> Result<LinkInfoRef<'_>> {
                Ok(match self.kind(link)? {
                    $(
                        LinkKind::$Variant => {
                            let filled = crate::$Link::fill(link, Asked::Already, self)?;
                            LinkInfoRef::$Variant(crate::$InfoRef::parse(&filled.answer()?))
                        }
                    )+
                    _ => {
                        let filled = OtherLink::fill(link, Asked::Already, self)?;
                        LinkInfoRef::Other(OtherInfoRef::parse(&filled.answer()?))
                    }
                })
            }
        }
    };
}

macro_rules! accessors {
    ($Info:ty, $( $Variant:ident )+) => {
        impl $Info {
            /// The kind of the link.
            #[must_use]
            pub fn kind(&self) -> LinkKind {
                match self {
                    $( Self::$Variant(_) => LinkKind::$Variant, )+
                    Self::Other(info) => info.kind,
                }
            }

            /// The id of the link.
            #[must_use]
            pub fn id(&self) -> LinkId {
                match self {
                    $( Self::$Variant(info) => info.id, )+
                    Self::Other(info) => info.id,
                }
            }

            /// The id of the link's program, also after the link was detached. `None` for
            /// `struct_ops`, which attaches a map.
            #[must_use]
            pub fn program_id(&self) -> Option<ProgramId> {
                match self {
                    $( Self::$Variant(info) => info.program_id, )+
                    Self::Other(info) => info.program_id,
                }
            }

            /// Whether the hook has gone, or the link was detached from it. `None` where the kernel
            /// does not say (netfilter), or nothing is known of the kind.
            #[must_use]
            pub fn is_defunct(&self) -> Option<bool> {
                match self {
                    $( Self::$Variant(info) => info.is_defunct(), )+
                    Self::Other(info) => info.is_defunct(),
                }
            }
        }
    };
}

crate::kinds::for_every_kind!(define);

impl<'a> LinkInfoRef<'a> {
    /// What the kernel has said about a link, in the bytes of its info and the buffers that were
    /// lent to it. Nothing is asked of the kernel.
    ///
    /// The bytes may come from [`bpf_link::LinkInfo::from_bytes`], as they were recorded on another
    /// machine. A field that later kernels only report is `None` if it reads 0 there, unless the
    /// info itself knows better.
    ///
    /// ```
    /// use bpf_link_typed::{RecordedBuffers, LinkInfoRef};
    ///
    /// // A link of kind 6, with id 12, a program with id 34, and the device 1.
    /// let fields = [6_u32, 12, 34, 0, 1, 0, 0, 0];
    /// let bytes: Vec<u8> = fields.into_iter().flat_map(u32::to_ne_bytes).collect();
    /// let info = bpf_link::LinkInfo::from_bytes(&bytes).unwrap();
    ///
    /// let info = LinkInfoRef::parse(&info, RecordedBuffers::default())?;
    /// let LinkInfoRef::Xdp(xdp) = info else { panic!("it is of another kind") };
    /// assert_eq!(xdp.ifindex, Some(1));
    /// # Ok::<(), bpf_link_typed::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::ShortInfo`](crate::Error::ShortInfo): the info ends before what every kernel
    /// reports.
    pub fn parse(info: &'a bpf_link::LinkInfo, buffers: RecordedBuffers<'a>) -> Result<Self> {
        Ok(Self::of(&Answer::new(info, buffers)?))
    }
}

impl LinkInfo {
    /// Asks the kernel for all that it says about a link whose kind need not be known.
    ///
    /// As [`InfoBuf::read`], in memory of its own.
    ///
    /// # Errors
    ///
    /// As [`RawLink::info_with`].
    pub fn read(link: &RawLink) -> Result<Self> {
        Ok(InfoBuf::new().read(link)?.into_owned())
    }
}

impl From<LinkInfoRef<'_>> for LinkInfo {
    fn from(info: LinkInfoRef<'_>) -> Self {
        info.into_owned()
    }
}
