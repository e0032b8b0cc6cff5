//! A place for a link of this kind, with two programs or maps that can be put there.

use anyhow::Result;
use bpf_link::{LinkCreate, LinkKind, RawLink};
use bpf_link_tests::{CongestionControl, Sandbox, names};

use crate::soak::places::{Object, Place};

pub(crate) fn place(_sandbox: &Sandbox, thread: usize) -> Result<Place> {
    let name = names::object_name(&format!("cc{thread}"));
    let load = || Object::map(CongestionControl::new(&name)?);
    Ok(Place {
        kind: LinkKind::StructOps,
        objects: [load()?, load()?],
        make: Box::new(|object| Ok(RawLink::create(&LinkCreate::struct_ops(object))?)),
    })
}
