//! The types of the running kernel and its modules, from `/sys/kernel/btf`.

use std::collections::HashMap;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context as _, Result, bail};
use btf_rs::{Backend, Btf, BtfType, Type};
use rustix::fs::MemfdFlags;

use crate::abi::Abi;

/// The types of the running kernel, or of a module with the kernel's.
pub struct KernelBtf {
    btf: Btf,
    /// What was found by name so far: each look goes over all types.
    ids: Mutex<HashMap<String, Vec<u32>>>,
}

impl std::fmt::Debug for KernelBtf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KernelBtf").finish_non_exhaustive()
    }
}

/// Where the kernel shows types.
const DIRECTORY: &str = "/sys/kernel/btf";
/// And its own.
const PATH: &str = "/sys/kernel/btf/vmlinux";

impl KernelBtf {
    /// The running kernel's types, read once in a process.
    ///
    /// # Errors
    ///
    /// The kernel shows none (it was built without `CONFIG_DEBUG_INFO_BTF`), or they cannot be
    /// parsed.
    pub fn get() -> Result<&'static Self> {
        static KERNEL: OnceLock<Result<KernelBtf, String>> = OnceLock::new();
        match KERNEL.get_or_init(|| Self::read().map_err(|error| format!("{error:#}"))) {
            Ok(btf) => Ok(btf),
            Err(error) => bail!("{error}"),
        }
    }

    /// Maps a copy into memory rather than parsing all of it, which takes a fraction of the time.
    /// The kernel's own file can be mapped since Linux 6.16 only.
    fn read() -> Result<Self> {
        let bytes = std::fs::read(PATH).context(PATH)?;
        let copy = rustix::fs::memfd_create("vmlinux-btf", MemfdFlags::CLOEXEC)?;
        let mut copy = std::fs::File::from(copy);
        copy.write_all(&bytes)?;
        let path = format!("/proc/self/fd/{}", copy.as_raw_fd());
        let btf = Btf::from_file_with_backend(path, Backend::Mmap).context(PATH)?;
        Ok(Self::of(btf))
    }

    fn of(btf: Btf) -> Self {
        Self {
            btf,
            ids: Mutex::default(),
        }
    }

    /// The types of a module that is loaded, since Linux 5.11.
    ///
    /// # Errors
    ///
    /// There is no such module, or it shows no types, or they cannot be parsed.
    pub fn of_module(name: &str) -> Result<Self> {
        let path = Path::new(DIRECTORY).join(name);
        let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
        let btf = Btf::from_split_bytes(&bytes, &Self::get()?.btf)?;
        Ok(Self::of(btf))
    }

    /// The id of the function of this name; none where the kernel has no such function.
    ///
    /// # Errors
    ///
    /// The kernel's types cannot be parsed.
    pub fn function(&self, name: &str) -> Result<Option<u32>> {
        self.find(name, |found| matches!(found, Type::Func(_)))
    }

    /// The ids of all functions of this name, in order.
    ///
    /// # Errors
    ///
    /// The kernel's types cannot be parsed.
    pub fn functions(&self, name: &str) -> Result<Vec<u32>> {
        let mut found = Vec::new();
        for id in self.ids_by_name(name)? {
            if matches!(self.btf.resolve_type_by_id(id)?, Type::Func(_)) {
                found.push(id);
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// The id of the type that stands for the tracepoint of this name; none where the kernel has no
    /// such tracepoint.
    ///
    /// # Errors
    ///
    /// The kernel's types cannot be parsed.
    pub fn tracepoint(&self, name: &str) -> Result<Option<u32>> {
        let name = format!("btf_trace_{name}");
        self.find(&name, |found| matches!(found, Type::Typedef(_)))
    }

    /// The id of the structure of this name; none where the kernel has no such structure.
    ///
    /// # Errors
    ///
    /// The kernel's types cannot be parsed.
    pub fn structure(&self, name: &str) -> Result<Option<u32>> {
        self.find(name, |found| matches!(found, Type::Struct(_)))
    }

    /// How many bytes a structure takes; none where the kernel has no such structure.
    ///
    /// # Errors
    ///
    /// The kernel's types cannot be parsed.
    pub fn size(&self, structure: &str) -> Result<Option<usize>> {
        Ok(self.layout(structure)?.map(|found| found.size()))
    }

    /// A member of a structure; none where the kernel has no such structure, or the structure no
    /// such member.
    ///
    /// Members of anonymous structures and unions inside are found too; for those of a structure
    /// inside that has a name, there is a dot between the two.
    ///
    /// # Errors
    ///
    /// The kernel's types cannot be parsed.
    pub fn member(&self, structure: &str, member: &str) -> Result<Option<Member>> {
        match self.layout(structure)? {
            Some(found) => self.member_in(&found, member),
            None => Ok(None),
        }
    }

    /// The value of a constant of an enumeration; none where the kernel has no such enumeration, or
    /// the enumeration no such constant.
    ///
    /// # Errors
    ///
    /// The kernel's types cannot be parsed.
    pub fn constant(&self, enumeration: &str, constant: &str) -> Result<Option<u32>> {
        let Some(id) = self.find(enumeration, |found| matches!(found, Type::Enum(_)))? else {
            return Ok(None);
        };
        if let Type::Enum(found) = self.btf.resolve_type_by_id(id)? {
            for member in &found.members {
                if self.btf.resolve_name(member)? == constant {
                    return Ok(Some(member.val()));
                }
            }
        }
        Ok(None)
    }

    /// What the kernel has of the interface of the bindings, and what else is in the same
    /// structures, unions and enumerations.
    ///
    /// # Errors
    ///
    /// The kernel's types cannot be parsed, or have two structures of one name.
    pub fn abi(&self, bindings: &Abi) -> Result<Abi> {
        bindings.of_kernel(&self.btf)
    }

    fn find(&self, name: &str, is_wanted: impl Fn(&Type) -> bool) -> Result<Option<u32>> {
        for id in self.ids_by_name(name)? {
            if is_wanted(&self.btf.resolve_type_by_id(id)?) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    fn ids_by_name(&self, name: &str) -> Result<Vec<u32>> {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = ids.get(name) {
            return Ok(found.clone());
        }
        let found = self.btf.resolve_ids_by_name(name)?;
        ids.insert(name.to_owned(), found.clone());
        Ok(found)
    }

    fn layout(&self, structure: &str) -> Result<Option<btf_rs::Struct>> {
        let Some(id) = self.find(structure, |found| matches!(found, Type::Struct(_)))? else {
            return Ok(None);
        };
        match self.btf.resolve_type_by_id(id)? {
            Type::Struct(found) => Ok(Some(found)),
            other => bail!("{structure} is a {}", other.name()),
        }
    }

    fn member_in(&self, structure: &btf_rs::Struct, wanted: &str) -> Result<Option<Member>> {
        let (first, rest) = match wanted.split_once('.') {
            Some((first, rest)) => (first, Some(rest)),
            None => (wanted, None),
        };
        for (index, member) in structure.members.iter().enumerate() {
            let offset = member.bit_offset() as usize / 8;
            let name = self.btf.resolve_name(member).unwrap_or_default();
            let wanted_inside = match rest {
                None if name == first => return Ok(Some(Member { offset, index })),
                Some(rest) if name == first => rest,
                _ if name.is_empty() => wanted,
                _ => continue,
            };
            let (Type::Struct(inner) | Type::Union(inner)) = self.type_of(member)? else {
                continue;
            };
            if let Some(found) = self.member_in(&inner, wanted_inside)? {
                return Ok(Some(Member {
                    offset: offset + found.offset,
                    index,
                }));
            }
        }
        Ok(None)
    }

    fn type_of(&self, member: &btf_rs::Member) -> Result<Type> {
        Ok(self.btf.resolve_chained_type(member as &dyn BtfType)?)
    }
}

/// A member of a structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Where it begins, in bytes.
    pub offset: usize,
    /// Which member of the structure it is, counted from 0.
    pub index: usize,
}
