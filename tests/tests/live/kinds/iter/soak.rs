//! A place for a link of this kind, with two programs or maps that can be put there.

use anyhow::Result;
use bpf_link::{LinkKind, RawLink};
use bpf_link_tests::{Hook, Sandbox, iterator};

use crate::soak::places::{Place, request};

pub(crate) fn place(_sandbox: &Sandbox, _thread: usize) -> Result<Place> {
    // Of programs there is one at least, which is this.
    let load = || iterator("bpf_prog", *b"element\n");
    Place::new(LinkKind::Iter, load, |object| {
        Ok(RawLink::create(&request(object, Hook::ITERATOR))?)
    })
}
