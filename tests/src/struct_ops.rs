//! Maps of `struct_ops`: congestion controls for TCP, which every kernel with `struct_ops` links
//! has.

use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use anyhow::{Context as _, Result, ensure};
use bpf_link_sys::{BPF_F_LINK, BPF_MAP_TYPE_STRUCT_OPS, BPF_PROG_TYPE_STRUCT_OPS};

use crate::btf::KernelBtf;
use crate::hook::Hook;
use crate::map::{CounterMap, Map};
use crate::names;
use crate::own_btf;
use crate::program::{Loader, Program};
use crate::sys::{self, MapCreate};

/// The kernel's structure of operations, of which the map's value holds one.
const OPERATIONS: &str = "tcp_congestion_ops";
/// The map's value.
const VALUE: &str = "bpf_struct_ops_tcp_congestion_ops";
/// The operations without which the kernel takes no congestion control, and what ours return. The
/// last returns nothing: its 0 is the verifier's wish.
const MANDATORY: [(&str, i32); 3] = [("ssthresh", 2), ("undo_cwnd", 2), (ON_ACKNOWLEDGEMENT, 0)];
/// The operation that a connection calls whenever its peer has acknowledged something.
const ON_ACKNOWLEDGEMENT: &str = "cong_avoid";

/// The operation that a connection calls once, when it takes the congestion control. It may be
/// missing.
const ON_TAKING: &str = "init";

/// A map that holds a congestion control, ready for a link.
#[derive(Debug)]
pub struct CongestionControl {
    map: Map,
}

impl CongestionControl {
    /// Makes a congestion control of this name, which has at most 15 bytes, and which no other that
    /// is registered may have.
    ///
    /// # Errors
    ///
    /// The kernel has no `struct_ops` with links; and what it answered.
    pub fn new(name: &str) -> Result<Self> {
        let unset = Self::unset()?;
        unset.set(name, None)?;
        Ok(unset)
    }

    /// Makes a congestion control of this name that counts in `counter` how often a connection asks
    /// it for its window.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn counting(name: &str, counter: &CounterMap) -> Result<Self> {
        let unset = Self::unset()?;
        unset.set(name, Some((ON_ACKNOWLEDGEMENT, counter)))?;
        Ok(unset)
    }

    /// Makes a congestion control of this name that counts in `counter` how often a connection
    /// takes it.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn counting_users(name: &str, counter: &CounterMap) -> Result<Self> {
        let unset = Self::unset()?;
        unset.set(name, Some((ON_TAKING, counter)))?;
        Ok(unset)
    }

    /// Makes the map and leaves it without a value, as which it cannot be linked.
    ///
    /// # Errors
    ///
    /// The kernel has no `struct_ops` with links; and what it answered.
    pub fn unset() -> Result<Self> {
        Self::unset_with(BPF_F_LINK)
    }

    /// As [`unset`](Self::unset), but a map that is not for links.
    ///
    /// # Errors
    ///
    /// As [`unset`](Self::unset).
    pub fn unset_and_without_links() -> Result<Self> {
        Self::unset_with(0)
    }

    /// Makes a congestion control of this name that is registered by its map, without a link, until
    /// [`unregister`](Self::unregister).
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and if the name is taken.
    pub fn registered(name: &str) -> Result<Self> {
        let unset = Self::unset_and_without_links()?;
        unset.set(name, None)?;
        Ok(unset)
    }

    /// Takes the value out of a map that is registered without a link.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn unregister(&self) -> Result<()> {
        Ok(sys::map_delete(self.map.as_fd(), &0u32.to_ne_bytes())?)
    }

    fn unset_with(flags: u32) -> Result<Self> {
        let kernel = KernelBtf::get()?;
        let btf = own_btf::integer()?;
        let map = MapCreate {
            map_type: BPF_MAP_TYPE_STRUCT_OPS,
            name: &names::object_name("ops"),
            key_size: 4,
            value_size: u32::try_from(kernel.size(VALUE)?.context(VALUE)?)?,
            max_entries: 1,
            flags,
            value_type: Some((btf.as_fd(), kernel.structure(VALUE)?.context(VALUE)?)),
            element_types: None,
        };
        let map = sys::map_create(&map).with_context(|| format!("{map:?}"))?;
        Ok(Self { map: map.into() })
    }

    /// Loads the programs, one of which may count, and puts them into the map, which holds them
    /// from then on.
    fn set(&self, name: &str, counting: Option<(&str, &CounterMap)>) -> Result<()> {
        ensure!(
            name.len() < 16,
            "a congestion control's name has at most 15 bytes: {name}"
        );
        let kernel = KernelBtf::get()?;
        let mut value = vec![0; kernel.size(VALUE)?.context(VALUE)?];
        let operations = kernel.member(VALUE, "data")?.context(VALUE)?.offset;
        let mut put = |member: &str, bytes: &[u8]| {
            let start = operations
                + kernel
                    .member(OPERATIONS, member)?
                    .context(OPERATIONS)?
                    .offset;
            let place = value.get_mut(start..start + bytes.len()).context(VALUE)?;
            place.copy_from_slice(bytes);
            anyhow::Ok(())
        };

        let mut programs = Vec::new();
        let optional = counting.filter(|(operation, _)| *operation == ON_TAKING);
        let optional = optional.map(|(operation, _)| (operation, 0));
        for (operation, returned) in MANDATORY.into_iter().chain(optional) {
            let counter = counting.filter(|(counted, _)| *counted == operation);
            let counter = counter.map(|(_, counter)| counter);
            let program = operation_program(kernel, (operation, returned), counter)?;
            let fd = u64::try_from(program.as_fd().as_raw_fd())?;
            put(operation, &fd.to_ne_bytes())?;
            programs.push(program);
        }
        put("name", name.as_bytes())?;
        self.map.update(&0u32.to_ne_bytes(), &value)
    }

    /// The map's id.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn id(&self) -> Result<u32> {
        self.map.id()
    }
}

impl From<CongestionControl> for OwnedFd {
    fn from(control: CongestionControl) -> Self {
        control.map.into()
    }
}

impl AsFd for CongestionControl {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.map.as_fd()
    }
}

/// A program for one of the operations: the kernel knows which by its place in the structure.
fn operation_program(
    kernel: &KernelBtf,
    (operation, returned): (&str, i32),
    counter: Option<&CounterMap>,
) -> Result<Program> {
    let place = u32::try_from(
        kernel
            .member(OPERATIONS, operation)?
            .context(OPERATIONS)?
            .index,
    )?;
    let mut loader = Loader::new(Hook::new(BPF_PROG_TYPE_STRUCT_OPS, place, returned))
        .named(operation)
        .btf_id(kernel.structure(OPERATIONS)?.context(OPERATIONS)?);
    if let Some(counter) = counter {
        loader = loader.counting(counter);
    }
    loader.returning(returned)
}
