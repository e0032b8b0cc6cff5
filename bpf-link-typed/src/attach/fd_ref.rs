//! Descriptors that builders borrow or own.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// A descriptor that a builder holds besides the program's, borrowed or owned.
///
/// Pass a reference to anything that is [`AsFd`] to lend it. Pass an [`OwnedFd`], a [`File`] or an
/// `Arc` of an [`OwnedFd`] by value to give it away; it stays open as long as the builder or a
/// clone of it.
#[derive(Clone, Debug)]
pub struct FdRef<'a>(Inner<'a>);

#[derive(Clone, Debug)]
enum Inner<'a> {
    Lent(BorrowedFd<'a>),
    Given(Arc<OwnedFd>),
}

impl AsFd for FdRef<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Inner::Lent(fd) => *fd,
            Inner::Given(fd) => fd.as_fd(),
        }
    }
}

impl<'a, T: AsFd + ?Sized> From<&'a T> for FdRef<'a> {
    fn from(lent: &'a T) -> Self {
        Self(Inner::Lent(lent.as_fd()))
    }
}

impl<'a> From<BorrowedFd<'a>> for FdRef<'a> {
    fn from(lent: BorrowedFd<'a>) -> Self {
        Self(Inner::Lent(lent))
    }
}

impl From<Arc<OwnedFd>> for FdRef<'_> {
    fn from(given: Arc<OwnedFd>) -> Self {
        Self(Inner::Given(given))
    }
}

impl From<OwnedFd> for FdRef<'_> {
    fn from(given: OwnedFd) -> Self {
        Arc::new(given).into()
    }
}

impl From<File> for FdRef<'_> {
    fn from(given: File) -> Self {
        OwnedFd::from(given).into()
    }
}
