//! An open cgroup, and the way up from it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bpf_link::{AttachFlags, AttachType, Hook, Target};
use bpf_link_sys as c;

use crate::attach::file_ref::{FileRef, by_descriptor};
use crate::error::{Error, Result};

/// `BPF_F_ALLOW_MULTI`: what is attached shares its hook, with what is attached above and below it
/// as well. A link always does.
pub(crate) const ALLOW_MULTI: AttachFlags = AttachFlags::from_bits_retain(c::BPF_F_ALLOW_MULTI);

/// `BPF_F_ALLOW_OVERRIDE`: what is attached gives way to what is attached below it.
pub(crate) const ALLOW_OVERRIDE: AttachFlags =
    AttachFlags::from_bits_retain(c::BPF_F_ALLOW_OVERRIDE);

/// A cgroup of version 2, which is open.
#[derive(Debug)]
pub(crate) struct OpenCgroup {
    pub(crate) id: u64,
    file: OwnedFd,
}

impl OpenCgroup {
    /// Opens a cgroup; `None` if the file is not one of version 2.
    pub(crate) fn of(cgroup: &FileRef<'_>) -> Result<Option<Self>> {
        let file = cgroup.open()?.into_owned()?;
        let id = bpf_link::cgroup_id(&file);
        let id = id.map_err(|source| source.naming(cgroup.target(Target::Cgroup)))?;
        Ok(id.map(|id| Self { id, file }))
    }

    /// The parent cgroup. `None` for the root, and for the top of what is mounted here.
    pub(crate) fn parent(&self) -> Result<Option<Self>> {
        let path = by_descriptor(&self.file).join("..");
        let file = File::open(&path).map_err(|source| Error::File { path, source })?;
        let id = bpf_link::cgroup_id(&file)?.filter(|id| *id != self.id);
        let file = file.into();
        Ok(id.map(|id| Self { id, file }))
    }
}

impl AsFd for OpenCgroup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The number by which the kernel knows the cgroup.
pub(crate) fn id_of(cgroup: &FileRef<'_>) -> Result<u64> {
    cgroup.cgroup_id()?.ok_or_else(|| not_a_cgroup(cgroup))
}

/// The error for a file that is not a cgroup, in the kernel's own words.
pub(crate) fn not_a_cgroup(cgroup: &FileRef<'_>) -> Error {
    let file = match cgroup.open() {
        Ok(file) => file,
        Err(error) => return error,
    };
    match Hook::of_fd(AttachType::CgroupInetIngress, &file).query() {
        Err(source) => cgroup.refused_as_cgroup(source),
        Ok(_) => Error::File {
            path: cgroup.path_in_words(),
            source: io::Error::from_raw_os_error(libc::EBADF),
        },
    }
}
