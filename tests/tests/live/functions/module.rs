//! Functions of a module of the kernel.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Context as _, Result};
use bpf_link::{BtfId, BtfInfo, BtfTypeId};
use bpf_link_tests::sys::{self, IdSpace};
use bpf_link_tests::{Device, DeviceKind, KernelBtf};

/// The module of pairs of devices, each of which goes through [`FUNCTIONS`] once when
/// [`make_a_pair`] makes two.
const MODULE: &str = "veth";
pub(crate) const FUNCTIONS: [&str; 2] = ["veth_setup", "veth_dev_init"];

/// Has the kernel call the functions, each twice.
pub(crate) fn make_a_pair() -> Result<()> {
    Device::create(DeviceKind::Veth, "pair").map(|_| ())
}

/// The BTF object of the module.
pub(crate) struct ModuleBtf {
    types: KernelBtf,
    fd: OwnedFd,
    pub(crate) id: BtfId,
}

impl AsFd for ModuleBtf {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl ModuleBtf {
    pub(crate) fn open() -> Result<Self> {
        let types = KernelBtf::of_module(MODULE)?;
        let mut last = 0;
        while let Some(id) = sys::next_id(IdSpace::Btf, last)? {
            last = id;
            let id = BtfId::try_from(id)?;
            // Others come and go.
            let Ok(fd) = sys::fd_by_id(IdSpace::Btf, id.get()) else {
                continue;
            };
            let info = BtfInfo::from_id(id)?;
            if info.is_kernel == Some(true)
                && info
                    .name
                    .is_some_and(|name| name.to_bytes() == MODULE.as_bytes())
            {
                return Ok(Self { types, fd, id });
            }
        }
        anyhow::bail!("no BTF object is that of {MODULE}")
    }

    /// The number of the type of its function of this name.
    pub(crate) fn function(&self, name: &str) -> Result<BtfTypeId> {
        let id = self.types.function(name)?;
        id.and_then(BtfTypeId::new)
            .with_context(|| format!("{MODULE} has no function {name}"))
    }
}
