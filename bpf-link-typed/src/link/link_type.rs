//! What the types of the kinds' links have in common.

/// Defines the type of one kind's links, with the operations that all links have, and those of the
/// kind.
///
/// The kind is followed by its info and the view of that info, if there is one. The braces have how
/// the kernel is asked for the info, and what else the kind can do: `program` or `map` if that is
/// what an update replaces, `detach` if it can be detached.
macro_rules! link_type {
    (
        $(#[$meta:meta])*
        pub struct $Link:ident: $Kind:ident, $Info:ident $(/ $InfoRef:ident)?;
        facts: $facts:expr;
        ask: $ask:expr;
        $(has: $($operation:ident),+;)?
    ) => {
        $(#[$meta])*
        #[derive(Debug)]
        #[must_use = "dropping a link detaches its program, unless the link is pinned or held elsewhere"]
        pub struct $Link(pub(crate) ::bpf_link::RawLink);

        impl $Link {
            /// The kind of these links.
            pub const KIND: ::bpf_link::LinkKind = ::bpf_link::LinkKind::$Kind;

            /// What these links can do, and since when.
            pub const FACTS: $crate::KindFacts = $facts;

            const ASK: $crate::info::buf::Ask = $ask;

            /// Asks the kernel whether it can create links of this kind, without attaching
            /// anything: [`LinkKind::probe`](bpf_link::LinkKind::probe).
            #[must_use]
            pub fn probe() -> ::bpf_link::Support {
                Self::KIND.probe()
            }
        }

        $crate::link::link_type::common!($Link);
        $crate::link::link_type::of_kind!($Link: $Kind, $Info);
        $crate::link::link_type::info_methods!($Link, $Info $(/ $InfoRef)?);
        $($( $crate::link::link_type::$operation!($Link); )+)?
    };
}

/// What all types of links have.
macro_rules! common {
    ($Link:ident) => {
        impl $Link {
            /// Opens the link that is pinned at this path, and remembers the path.
            ///
            /// # Errors
            ///
            /// As [`RawLink::from_pinned`](bpf_link::RawLink::from_pinned), and
            ///
            /// - [`Error::WrongKind`](crate::Error::WrongKind): it is a link of another kind.
            pub fn from_pinned(path: impl AsRef<::std::path::Path>) -> $crate::Result<Self> {
                Ok(::bpf_link::RawLink::from_pinned(path)?.try_into()?)
            }

            /// Opens the link that is pinned at this path, relative to an open directory, and
            /// remembers both.
            ///
            /// # Errors
            ///
            /// As [`RawLink::from_pinned_at`](bpf_link::RawLink::from_pinned_at), and
            ///
            /// - [`Error::WrongKind`](crate::Error::WrongKind): it is a link of another kind.
            pub fn from_pinned_at(
                dir: impl ::std::os::fd::AsFd,
                path: impl AsRef<::std::path::Path>,
            ) -> $crate::Result<Self> {
                Ok(::bpf_link::RawLink::from_pinned_at(dir, path)?.try_into()?)
            }

            /// Opens the link with this id.
            ///
            /// # Errors
            ///
            /// As [`RawLink::from_id`](bpf_link::RawLink::from_id), and
            ///
            /// - [`Error::WrongKind`](crate::Error::WrongKind): it is a link of another kind.
            pub fn from_id(id: ::bpf_link::LinkId) -> $crate::Result<Self> {
                Ok(::bpf_link::RawLink::from_id(id)?.try_into()?)
            }

            /// A second descriptor of the same link. It does not remember the pin.
            ///
            /// # Errors
            ///
            /// As [`RawLink::try_clone`](bpf_link::RawLink::try_clone).
            pub fn try_clone(&self) -> $crate::Result<Self> {
                Ok(self.0.try_clone()?.try_into()?)
            }

            /// The id of the link. Asks the kernel once at most; a link's id never changes.
            ///
            /// # Errors
            ///
            /// As [`RawLink::id`](bpf_link::RawLink::id).
            pub fn id(&self) -> $crate::Result<::bpf_link::LinkId> {
                Ok(self.0.id()?)
            }

            /// Pins the link at this path on a bpffs, or moves its pin there, so that it stays
            /// attached without a descriptor.
            ///
            /// # Errors
            ///
            /// As [`RawLink::pin`](bpf_link::RawLink::pin).
            pub fn pin(&mut self, path: impl AsRef<::std::path::Path>) -> $crate::Result<()> {
                Ok(self.0.pin(path)?)
            }

            /// Pins the link at this path, relative to an open directory of a bpffs, or moves its
            /// pin there.
            ///
            /// # Errors
            ///
            /// As [`RawLink::pin_at`](bpf_link::RawLink::pin_at).
            pub fn pin_at(
                &mut self,
                dir: impl ::std::os::fd::AsFd,
                path: impl AsRef<::std::path::Path>,
            ) -> $crate::Result<()> {
                Ok(self.0.pin_at(dir, path)?)
            }

            /// Removes the pin that this link remembers. The descriptor, and so the attachment,
            /// stays.
            ///
            /// # Errors
            ///
            /// As [`RawLink::unpin`](bpf_link::RawLink::unpin).
            pub fn unpin(&mut self) -> $crate::Result<()> {
                Ok(self.0.unpin()?)
            }

            /// The path at which this link was pinned or opened, as it is remembered.
            #[must_use]
            pub fn pin_path(&self) -> Option<&::std::path::Path> {
                self.0.pin_path()
            }

            /// Lets go of the link and of the hook: removes the pin that it remembers, detaches it
            /// if its kind can be detached, and closes it.
            ///
            /// This is the order that leaves nothing behind wherever it ends. If the pin cannot be
            /// removed, nothing has happened, and the link is given back. Once it is removed, the
            /// link goes with this process, however that ends. A link of a kind that cannot be
            /// detached stays as long as somebody else holds it; so does one that is pinned at
            /// another path.
            ///
            /// It takes off whichever program runs there, and no lock. An agent that may have been
            /// taken over stops with [`Ensured::stop`](crate::Ensured::stop). To leave the link to
            /// its pin, just drop it.
            ///
            /// # Errors
            ///
            /// With the link: as [`RawLink::unpin`](bpf_link::RawLink::unpin), and
            /// [`RawLink::detach`](bpf_link::RawLink::detach) where the kind and the kernel can.
            pub fn detach_and_unpin(mut self) -> Result<(), $crate::Rejected<Self>> {
                match $crate::link::let_go::let_go(&mut self.0) {
                    Ok(()) => Ok(()),
                    Err(error) => Err($crate::Rejected::new(self, error.into())),
                }
            }

            /// The link without its kind.
            pub fn as_raw(&self) -> &::bpf_link::RawLink {
                &self.0
            }
        }

        impl ::std::os::fd::AsFd for $Link {
            fn as_fd(&self) -> ::std::os::fd::BorrowedFd<'_> {
                self.0.as_fd()
            }
        }

        impl From<$Link> for ::bpf_link::RawLink {
            fn from(link: $Link) -> Self {
                link.0
            }
        }

        /// Gives the descriptor away; a pin stays where it is.
        impl From<$Link> for ::std::os::fd::OwnedFd {
            fn from(link: $Link) -> Self {
                link.0.into()
            }
        }

        /// Makes sure that the descriptor is a link of this kind. A refused descriptor is given
        /// back.
        impl TryFrom<::std::os::fd::OwnedFd> for $Link {
            type Error = $crate::Rejected<::std::os::fd::OwnedFd>;

            fn try_from(fd: ::std::os::fd::OwnedFd) -> Result<Self, Self::Error> {
                let link = ::bpf_link::RawLink::try_from(fd)?;
                Self::try_from(link).map_err(|rejected| rejected.map(Into::into))
            }
        }
    };
}

/// What makes the type the type of its kind.
macro_rules! of_kind {
    ($Link:ident: $Kind:ident, $Info:ident) => {
        impl $crate::ensure::KindLink for $Link {
            const KIND: ::bpf_link::LinkKind = Self::KIND;

            type Info = $Info;

            fn ask(&self) -> $crate::Result<$Info> {
                self.info()
            }

            fn ask_in(&self, buf: &mut $crate::InfoBuf) -> $crate::Result<$Info> {
                self.owned_info_in(buf)
            }

            fn id_and_program(
                info: &$Info,
            ) -> (
                ::bpf_link::LinkId,
                ::core::option::Option<::bpf_link::ProgramId>,
            ) {
                (info.id, info.program_id)
            }

            fn raw(&self) -> &::bpf_link::RawLink {
                &self.0
            }

            fn raw_mut(&mut self) -> &mut ::bpf_link::RawLink {
                &mut self.0
            }
        }

        /// Asks the kernel for the kind, if it has not said yet. A refused link is given back.
        impl TryFrom<::bpf_link::RawLink> for $Link {
            type Error = $crate::Rejected<::bpf_link::RawLink>;

            fn try_from(link: ::bpf_link::RawLink) -> Result<Self, Self::Error> {
                match link.kind() {
                    Ok(Self::KIND) => Ok(Self(link)),
                    Ok(found) => {
                        let target = link.target();
                        Err($crate::Rejected::wrong_kind(
                            link,
                            target,
                            Some(Self::KIND),
                            found,
                        ))
                    }
                    Err(error) => Err($crate::Rejected::new(link, error.into())),
                }
            }
        }
    };
}

/// Asking for the info.
macro_rules! info_methods {
    ($Link:ident, $Info:ident) => {
        impl $Link {
            /// Asks the kernel for all that it says about this link: one system call, no
            /// allocation.
            ///
            /// The first one may take a second call, if links of this kind have fields that not
            /// every kernel reports.
            ///
            /// # Errors
            ///
            /// As [`RawLink::info`](bpf_link::RawLink::info).
            pub fn info(&self) -> $crate::Result<$Info> {
                let mut info = None;
                let asked = $crate::info::buf::Asked::NotYet;
                let info = $crate::info::buf::fields(&self.0, asked, &mut info)?;
                let nothing = $crate::RecordedBuffers::default();
                Ok($Info::parse(&$crate::info::answer::Answer::new(
                    info, nothing,
                )?))
            }

            /// There is nothing to lend.
            fn owned_info_in(&self, _buf: &mut $crate::InfoBuf) -> $crate::Result<$Info> {
                self.info()
            }
        }

        $crate::link::link_type::fill!($Link);
    };
    ($Link:ident, $Info:ident / $InfoRef:ident) => {
        impl $Link {
            /// Asks the kernel for all that it says about this link.
            ///
            /// One system call, or two if there are arrays. What the answer is put together in is
            /// given back to the heap: [`info_in`](Self::info_in) reuses it.
            ///
            /// # Errors
            ///
            /// As [`RawLink::info_with`](bpf_link::RawLink::info_with).
            pub fn info(&self) -> $crate::Result<$Info> {
                self.owned_info_in(&mut $crate::InfoBuf::new())
            }

            fn owned_info_in(&self, buf: &mut $crate::InfoBuf) -> $crate::Result<$Info> {
                Ok(self.info_in(buf)?.into_owned())
            }

            /// Asks the kernel for all that it says about this link, into a lent buffer.
            ///
            /// As many system calls as [`info`](Self::info), and no allocation if the buffer is
            /// large enough from an earlier use.
            ///
            /// # Errors
            ///
            /// As [`RawLink::info_with`](bpf_link::RawLink::info_with).
            pub fn info_in<'b>(
                &self,
                buf: &'b mut $crate::InfoBuf,
            ) -> $crate::Result<$InfoRef<'b>> {
                Ok($InfoRef::parse(
                    &Self::fill(&self.0, $crate::info::buf::Asked::NotYet, buf)?.answer()?,
                ))
            }
        }

        $crate::link::link_type::fill!($Link);
    };
}

/// Asking for the info of whatever type. The answer is read by the caller, who knows where it is to
/// stay.
macro_rules! fill {
    ($Link:ident) => {
        impl $Link {
            pub(crate) fn fill<'b>(
                link: &::bpf_link::RawLink,
                asked: $crate::info::buf::Asked,
                buf: &'b mut $crate::InfoBuf,
            ) -> $crate::Result<$crate::info::buf::Filled<'b>> {
                buf.fill(link, Self::ASK, asked)
            }
        }
    };
}

/// Updating by a program.
macro_rules! update {
    ($Link:ident) => {
        impl $Link {
            /// Replaces the link's program in one step: every event is seen by
            /// the one or the other, none by both or neither.
            ///
            /// # Errors
            ///
            /// As [`RawLink::update`](bpf_link::RawLink::update).
            pub fn update(&self, program: impl ::std::os::fd::AsFd) -> $crate::Result<()> {
                Ok(self.0.update(::bpf_link::Update::program(&program))?)
            }

            /// The same, if `old` is the program that the link has.
            ///
            /// # Errors
            ///
            /// As [`RawLink::update`](bpf_link::RawLink::update):
            /// [`OldProgramMismatch`](bpf_link::Error::OldProgramMismatch) if it has another.
            pub fn replace(
                &self,
                old: impl ::std::os::fd::AsFd,
                new: impl ::std::os::fd::AsFd,
            ) -> $crate::Result<()> {
                Ok(self
                    .0
                    .update(::bpf_link::Update::program(&new).expecting(&old))?)
            }
        }
    };
}

/// Detaching.
macro_rules! detach {
    ($Link:ident) => {
        impl $Link {
            /// Detaches the link from its hook at once, even if others hold it. The link stays, but
            /// does nothing any more.
            ///
            /// # Errors
            ///
            /// As [`RawLink::detach`](bpf_link::RawLink::detach).
            pub fn detach(&self) -> $crate::Result<()> {
                Ok(self.0.detach()?)
            }
        }
    };
}

pub(crate) use {common, detach, fill, info_methods, link_type, of_kind, update};
