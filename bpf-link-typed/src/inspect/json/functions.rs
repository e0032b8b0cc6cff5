//! The functions of multi links. There may be tens of thousands, so they are serialized one at a
//! time.

use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};

use crate::info::hideable::Hideable;
use crate::inspect::description::LinkDescription;
use crate::inspect::names::KernelFunctionOffset;
use crate::kinds::{KprobeMultiInfoRef, TracingMultiInfoRef, UprobeMultiInfoRef};

/// `funcs` of a `kprobe_multi` link, by address.
pub(super) struct KprobeFunctions<'a> {
    link: &'a LinkDescription<'a>,
    info: &'a KprobeMultiInfoRef<'a>,
}

/// `funcs` of a `uprobe_multi` link, as it was created.
pub(super) struct UprobePlaces<'a>(pub(super) &'a UprobeMultiInfoRef<'a>);

/// `funcs` of a `tracing_multi` link, with their BTF type ids.
pub(super) struct TracingFunctions<'a> {
    pub(super) link: &'a LinkDescription<'a>,
    pub(super) info: &'a TracingMultiInfoRef<'a>,
}

/// A kernel function. Each has an entry, even if its address or name is hidden.
struct Function<'a> {
    type_id: Option<u32>,
    address: Option<u64>,
    name: Option<&'a str>,
    module: Option<&'a str>,
    cookie: Option<u64>,
}

impl Serialize for Function<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let name = |map: &mut S::SerializeMap| {
            map.serialize_entry("func", &self.name)?;
            map.serialize_entry("module", &self.module)
        };
        if let Some(type_id) = self.type_id {
            map.serialize_entry("id", &type_id)?;
        }
        if let Some(address) = self.address {
            map.serialize_entry("addr", &address)?;
        }
        // bpftool has no names where it has type ids, so ours come last.
        if self.type_id.is_none() {
            name(&mut map)?;
        }
        if let Some(cookie) = self.cookie {
            map.serialize_entry("cookie", &cookie)?;
        }
        if self.type_id.is_some() {
            name(&mut map)?;
        }
        map.end()
    }
}

impl<'a> KprobeFunctions<'a> {
    pub(super) fn new(link: &'a LinkDescription<'a>, info: &'a KprobeMultiInfoRef<'a>) -> Self {
        Self { link, info }
    }
}

impl Serialize for KprobeFunctions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let addresses = visible(self.info.addresses);
        let mut order: Vec<u32> = (0..self.info.count.unwrap_or(0)).collect();
        // Hidden ones stay as the kernel has them.
        order.sort_by_key(|index| at(addresses, *index));
        let mut sequence = serializer.serialize_seq(Some(order.len()))?;
        for index in order {
            let address = at(addresses, index);
            let symbol = address.and_then(|address| self.link.names.kernel_function(address));
            let entry = symbol.filter(KernelFunctionOffset::is_entry);
            let function = entry.map(|symbol| symbol.function);
            let function = function.as_ref();
            let start = function.and_then(|function| function.address.visible());
            sequence.serialize_element(&Function {
                type_id: None,
                // Like bpftool: the function's start, not the probed address.
                address: start.or(address),
                name: function.map(|function| function.name.as_str()),
                module: function.and_then(|function| function.module.as_deref()),
                cookie: at(self.info.cookies, index),
            })?;
        }
        sequence.end()
    }
}

impl Serialize for UprobePlaces<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(info) = self;
        let mut sequence = serializer.serialize_seq(None)?;
        for index in 0..info.count.unwrap_or(0) {
            sequence.serialize_element(&Place {
                offset: at(info.offsets, index),
                ref_ctr_offset: at(info.ref_ctr_offsets, index),
                cookie: at(info.cookies, index),
            })?;
        }
        sequence.end()
    }
}

/// A place in a file.
struct Place {
    offset: Option<u64>,
    ref_ctr_offset: Option<u64>,
    cookie: Option<u64>,
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let fields = [
            ("offset", self.offset),
            ("ref_ctr_offset", self.ref_ctr_offset),
            ("cookie", self.cookie),
        ];
        for (key, value) in fields {
            if let Some(value) = value {
                map.serialize_entry(key, &value)?;
            }
        }
        map.end()
    }
}

impl Serialize for TracingFunctions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { link, info } = self;
        let addresses = visible(info.addresses);
        let mut sequence = serializer.serialize_seq(None)?;
        for index in 0..info.count.unwrap_or(0) {
            let id = info.ids.and_then(|ids| ids.get(index as usize)).copied();
            let function = info
                .btf_obj_id
                .zip(id)
                .and_then(|(object, id)| link.names.btf_function(object, id));
            sequence.serialize_element(&Function {
                type_id: id,
                address: at(addresses, index),
                name: function.as_ref().map(|function| function.name.as_str()),
                module: function
                    .as_ref()
                    .and_then(|function| function.module.as_deref()),
                cookie: at(info.cookies, index),
            })?;
        }
        sequence.end()
    }
}

fn visible(addresses: Option<Hideable<&[u64]>>) -> Option<&[u64]> {
    addresses.and_then(Hideable::visible)
}

/// An entry of an array that the kernel has reported.
fn at(array: Option<&[u64]>, index: u32) -> Option<u64> {
    array?.get(index as usize).copied()
}
