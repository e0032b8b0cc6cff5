//! Maps.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Context as _, Result};
use bpf_link_sys::{
    BPF_F_NO_PREALLOC, BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_SK_STORAGE,
    BPF_MAP_TYPE_SOCKMAP, bpf_map_type,
};

use crate::names;
use crate::own_btf;
use crate::sys::{self, IdSpace, MapCreate};

/// A map, which the kernel drops with its last descriptor, pin and user.
#[derive(Debug)]
pub struct Map {
    fd: OwnedFd,
}

impl Map {
    /// Makes a map of any type that needs no more than sizes.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn new(
        map_type: bpf_map_type,
        key_size: u32,
        value_size: u32,
        max_entries: u32,
    ) -> Result<Self> {
        let name = names::object_name("map");
        let create = MapCreate {
            map_type,
            name: &name,
            key_size,
            value_size,
            max_entries,
            flags: 0,
            value_type: None,
            element_types: None,
        };
        let fd = sys::map_create(&create).with_context(|| format!("{create:?}"))?;
        Ok(Self { fd })
    }

    /// Makes an array of `max_entries` values of `value_size` bytes.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn array(value_size: u32, max_entries: u32) -> Result<Self> {
        Self::new(BPF_MAP_TYPE_ARRAY, 4, value_size, max_entries)
    }

    /// Makes a hash table.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn hash(key_size: u32, value_size: u32, max_entries: u32) -> Result<Self> {
        Self::new(BPF_MAP_TYPE_HASH, key_size, value_size, max_entries)
    }

    /// Makes an array of sockets.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn sockmap(max_entries: u32) -> Result<Self> {
        Self::new(BPF_MAP_TYPE_SOCKMAP, 4, 4, max_entries)
    }

    /// Makes a map that keeps a number for each socket that a program gives one.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn socket_storage() -> Result<Self> {
        let btf = own_btf::integer()?;
        let create = MapCreate {
            map_type: BPF_MAP_TYPE_SK_STORAGE,
            name: &names::object_name("storage"),
            key_size: 4,
            value_size: 4,
            max_entries: 0,
            flags: BPF_F_NO_PREALLOC,
            value_type: None,
            element_types: Some((btf.as_fd(), [own_btf::INTEGER; 2])),
        };
        let fd = sys::map_create(&create).with_context(|| format!("{create:?}"))?;
        Ok(Self { fd })
    }

    /// Opens the map of this id.
    ///
    /// # Errors
    ///
    /// What the kernel answered; `ENOENT` where there is none.
    pub fn from_id(id: u32) -> Result<Self> {
        let fd = sys::fd_by_id(IdSpace::Map, id).with_context(|| format!("opening map {id}"))?;
        Ok(Self { fd })
    }

    /// Sets an element.
    ///
    /// # Errors
    ///
    /// A key or a value of the wrong length, and what the kernel answered.
    pub fn update(&self, key: &[u8], value: &[u8]) -> Result<()> {
        sys::map_update(self.as_fd(), key, value, 0).context("updating an element of a map")
    }

    /// The value of an element.
    ///
    /// # Errors
    ///
    /// A key of the wrong length, and what the kernel answered.
    pub fn lookup(&self, key: &[u8]) -> Result<Vec<u8>> {
        sys::map_lookup(self.as_fd(), key).context("looking up an element of a map")
    }

    /// The map's id.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn id(&self) -> Result<u32> {
        Ok(sys::map_info(self.as_fd())
            .context("asking for a map's id")?
            .id)
    }
}

impl AsFd for Map {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<Map> for OwnedFd {
    fn from(map: Map) -> Self {
        map.fd
    }
}

impl From<OwnedFd> for Map {
    fn from(fd: OwnedFd) -> Self {
        Self { fd }
    }
}

/// How often the programs ran that count in it.
#[derive(Debug)]
pub struct CounterMap {
    map: Map,
}

impl CounterMap {
    /// Makes a counter that stands at 0.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn new() -> Result<Self> {
        Ok(Self {
            map: Map::array(8, 1)?,
        })
    }

    /// Opens the counter that is the map of this id.
    ///
    /// # Errors
    ///
    /// What the kernel answered; `ENOENT` where there is none.
    pub fn from_id(id: u32) -> Result<Self> {
        Ok(Self {
            map: Map::from_id(id)?,
        })
    }

    /// The map's id.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn id(&self) -> Result<u32> {
        self.map.id()
    }

    /// How often the programs have run so far.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn read(&self) -> Result<u64> {
        let value = self.map.lookup(&0u32.to_ne_bytes())?;
        let bytes = value
            .try_into()
            .ok()
            .context("a counter's value is 8 bytes long")?;
        Ok(u64::from_ne_bytes(bytes))
    }
}

impl From<OwnedFd> for CounterMap {
    fn from(fd: OwnedFd) -> Self {
        Self { map: fd.into() }
    }
}

impl AsFd for CounterMap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.map.as_fd()
    }
}
