//! Names for the ids, indices and addresses that links have.

#[cfg(feature = "elf")]
mod binaries;
mod btf;
mod cgroups;
mod counters;
mod devices;
mod kept;
mod kernel;
mod links;
mod namespaces;
mod note;
mod objects;

use std::ffi::CString;
use std::path::Path;
use std::sync::Arc;

use bpf_link::{
    BtfId, MapId, MapInfo, ProgramId, ProgramInfo, ProgramType, SnapshotEntry, Snapshotter,
};

#[cfg(feature = "elf")]
use crate::binary::SymbolOffset;
use crate::info::LinkInfoRef;
use crate::kinds::{PerfCounter, TracingInfo};

pub use btf::{TracedFunction, TracingTarget};
pub use counters::CounterName;
pub use devices::LinkDevice;
pub use kernel::KernelFunctionOffset;
pub use note::{NameNote, NamesOf};

/// Names for the ids, indices and addresses that links have.
///
/// Each name is looked up when it is first asked for, and kept. If one cannot be found, only that
/// one is missing, and [`notes`](Self::notes) says why. An object that is gone has no name, and
/// there is no note about it.
///
/// How old a name may be:
///
#[doc = include_str!("../../docs/tables/names-age.md")]
///
/// The kernel reuses an id only after two billion objects of that type.
///
/// All threads that use the same `Names` have to be in the same network namespace.
///
/// ```no_run
/// use bpf_link_typed::InfoBuf;
/// use bpf_link_typed::inspect::Names;
///
/// # fn example() -> bpf_link_typed::Result<()> {
/// let names = Names::new();
/// let mut buf = InfoBuf::new();
/// for link in bpf_link_typed::links() {
///     let info = buf.read(&link?)?;
///     let program = info.program_id().and_then(|id| names.program_name(id));
///     println!("{}: {program:?} on {:?}", info.id(), names.device(&info));
/// }
/// for note in names.notes() {
///     eprintln!("{note}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Names {
    objects: objects::Objects,
    btf: btf::Objects,
    devices: devices::Devices,
    cgroups: cgroups::Cgroups,
    kernel: kernel::Functions,
    counters: counters::Sources,
    #[cfg(feature = "elf")]
    binaries: binaries::Binaries,
    notes: note::Notes,
}

impl Names {
    /// Starts without names.
    ///
    /// Only a snapshot tells which network namespace a device is in. When that is needed, this
    /// loads a [`Snapshotter`] and drops it again, so that its own link does not show up in your
    /// walk. Each time takes a few milliseconds.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with this snapshotter, which is kept: this is faster if you look again and again.
    #[must_use]
    pub fn with(snapshotter: Snapshotter) -> Self {
        Self {
            devices: devices::Devices::with(snapshotter),
            ..Self::default()
        }
    }

    /// Forgets all names that may have changed, those that were not asked for since the last
    /// refresh, and the notes. What could not be found is looked for again when it is asked for.
    pub fn refresh(&mut self) {
        self.objects.refresh();
        self.btf.refresh();
        self.devices.refresh();
        self.cgroups.forget();
        self.kernel.forget();
        self.counters.forget();
        #[cfg(feature = "elf")]
        self.binaries.forget();
        self.notes.forget();
    }

    /// Why names that you asked for since the last refresh are missing: the first reason for each
    /// sort of name.
    #[must_use]
    pub fn notes(&self) -> Vec<NameNote> {
        self.notes.all()
    }

    /// What the kernel says about this program. Its name is cut to 15 bytes:
    /// [`program_name`](Self::program_name) has all of it.
    ///
    /// # Kernel
    ///
    /// As [`ProgramInfo::from_id`]: without `CAP_SYS_ADMIN`, there is a note.
    pub fn program(&self, id: ProgramId) -> Option<Arc<ProgramInfo>> {
        self.objects.program(id, &self.notes)
    }

    /// The whole name of this program, or as much as the kernel keeps if the rest cannot be read.
    ///
    /// # Kernel
    ///
    /// As [`ProgramInfo::from_id`] and [`ProgramInfo::whole_name`].
    pub fn program_name(&self, id: ProgramId) -> Option<Arc<CString>> {
        self.objects.program_name(id, &self.notes)
    }

    /// What the kernel says about this map. Its name is cut to 15 bytes, and the kernel does not
    /// keep the rest anywhere.
    ///
    /// # Kernel
    ///
    /// As [`MapInfo::from_id`]: without `CAP_SYS_ADMIN`, there is a note.
    pub fn map(&self, id: MapId) -> Option<Arc<MapInfo>> {
        self.objects.map(id, &self.notes)
    }

    /// The network device of this link; `None` for a kind that is not on a device.
    ///
    /// A device in another network namespace has a name if the namespace is mounted somewhere in
    /// this mount namespace, as by `ip netns`, or a process is in it that the caller may look into.
    /// Entering it takes `CAP_SYS_ADMIN`.
    ///
    /// Without a snapshot, an xdp link's device is the one with its index that runs its program.
    /// If there are several, or several such links, or if it is in a namespace that is not found,
    /// it cannot be told ([`LinkDevice::Unknown`]).
    ///
    /// # Kernel
    ///
    /// `RTM_GETLINK` over netlink, [`TcxHook::query`](crate::TcxHook::query),
    /// [`NetkitHook::query`](crate::NetkitHook::query), [`Snapshotter::read`] and
    /// [`in_netns`](bpf_link::in_netns), as needed.
    pub fn device(&self, info: &LinkInfoRef<'_>) -> Option<LinkDevice> {
        self.devices.of(info, None, &self.notes)
    }

    /// The same for a link of which a snapshot is at hand: no other is taken to find out in which
    /// network namespace the device is.
    pub fn device_in_snapshot(
        &self,
        info: &LinkInfoRef<'_>,
        snapshot: &SnapshotEntry,
    ) -> Option<LinkDevice> {
        let told = snapshot.netns_inode().filter(|inode| *inode != 0);
        self.devices.of(info, told.map(u64::from), &self.notes)
    }

    /// A file of the network namespace with this inode: where it is mounted, or that of a process
    /// which is in it. `None` if there is no such file that the caller may see.
    #[must_use]
    pub fn netns(&self, inode: u64) -> Option<Arc<Path>> {
        self.devices.netns(inode)
    }

    /// Where the cgroup with this id is, on the cgroup2 file systems of this mount namespace: on
    /// the latest mount, if there are several. A cgroup that another file system is mounted on has
    /// no path.
    pub fn cgroup(&self, id: u64) -> Option<Arc<Path>> {
        self.cgroups.path(id, &self.notes)
    }

    /// All cgroups that have a path, in the order of their paths.
    pub fn cgroups(&self) -> Vec<Arc<Path>> {
        self.cgroups.paths(&self.notes)
    }

    /// The function of the kernel or of a module that this address is in.
    pub fn kernel_function(&self, address: u64) -> Option<KernelFunctionOffset> {
        self.kernel.at(address, &self.notes)
    }

    /// The function that is this type of this BTF object.
    ///
    /// # Kernel
    ///
    /// As [`Btf::from_id`](crate::Btf::from_id): without `CAP_SYS_ADMIN`, there is a note.
    pub fn btf_function(&self, object: BtfId, type_id: u32) -> Option<TracedFunction> {
        self.btf.function(object, type_id, &self.notes)
    }

    /// What a tracing link is attached to. The link has the id of a program or of a BTF object
    /// without saying which; the attached program tells.
    ///
    /// `None` before Linux 6.0, except for extensions and LSM programs: there the program does not
    /// say what it was loaded for.
    pub fn tracing_target(&self, info: &TracingInfo) -> Option<TracingTarget> {
        let object = info.target_obj_id?;
        let type_id = info.target_btf_id?.get();
        let program = self.program(info.program_id?)?;
        let of_kernel = program
            .attach_btf_obj_id
            .is_some_and(|id| id.get() == object);
        if of_kernel || program.program_type == ProgramType::Lsm {
            let function = self.btf_function(BtfId::new(object)?, type_id)?;
            return Some(TracingTarget::Kernel(function));
        }
        let of_program =
            program.program_type == ProgramType::Ext || program.attach_btf_id.is_some();
        if !of_program {
            return None;
        }
        let target = self.program(ProgramId::new(object)?);
        let types = target.as_ref().and_then(|target| target.btf_id);
        Some(TracingTarget::Program {
            function: types.and_then(|types| self.btf_function(types, type_id)),
            program: target,
        })
    }

    /// What a counter or a clock counts.
    ///
    /// A software clock reads back as an event of a source that sysfs does not list. It is known by
    /// that, and by its configuration.
    #[must_use]
    pub fn counter(&self, counter: &PerfCounter) -> CounterName {
        self.counters.name(counter.event_type, counter.config)
    }

    /// The functions of this file that these places are in, such as those of
    /// [`UprobeMultiInfoRef::offsets`](crate::UprobeMultiInfoRef::offsets): one for each, and
    /// `None` where no known function is.
    #[cfg(feature = "elf")]
    pub fn binary_functions(
        &self,
        path: impl AsRef<Path>,
        offsets: &[u64],
    ) -> Vec<Option<Arc<SymbolOffset>>> {
        self.binaries.at(path.as_ref(), offsets, &self.notes)
    }
}
