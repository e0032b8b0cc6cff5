//! What one run has looked up already, for several of its links.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;

use crate::attach::file_ref::FileRef;
use crate::error::Result;

/// What one run has looked up already.
#[derive(Debug, Default)]
pub struct Lookups {
    /// The numbers of cgroups, by their paths.
    cgroups: RefCell<HashMap<OsString, Option<u64>>>,
}

impl Lookups {
    /// As [`FileRef::cgroup_id`].
    pub(super) fn cgroup_id(&self, cgroup: &FileRef<'_>) -> Result<Option<u64>> {
        let FileRef::Path(path) = cgroup else {
            return cgroup.cgroup_id();
        };
        if let Some(id) = self.cgroups.borrow().get(path.as_os_str()) {
            return Ok(*id);
        }
        let id = cgroup.cgroup_id()?;
        self.cgroups
            .borrow_mut()
            .insert(path.as_os_str().to_owned(), id);
        Ok(id)
    }
}
