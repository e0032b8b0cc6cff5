//! Sets: all links that an agent wants, pinned in one directory and put in place together.

mod applied;
mod apply;
mod assign;
mod directory;
mod each_processor;
mod entry;
mod fate;
mod foresee;
mod options;
mod order;
mod plan;
mod report;
mod reserve;
mod retire;
mod run;
mod settings;
mod slot;
mod stale;
mod undo;

use std::fmt;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use crate::error::{LinkState, SetFailure};
pub use applied::Applied;
pub use each_processor::{EachProcessor, ProcessorChanges};
pub use entry::SetKey;
pub use plan::{PlannedLink, PlannedOther, SetPlan};
pub use report::{PinLeft, SetLink, SetReport, StaleLink};
pub use stale::Stale;

use crate::attach::position::Position;
use crate::ensure::member::{Known, Member, OfConfiguration, OfMap, OfProgram};
use crate::ensure::{AttachProgram, KindLink, OptionsFrom};
use crate::error::{Error, Result};
use crate::kinds::StructOpsLink;
use entry::{Entry, check_name};
use options::Options;

/// All links that an agent wants: either all of them are put in place, or everything stays as it
/// was.
///
/// A set has a directory of its own on a bpffs, and each link is pinned there under its name. An
/// agent builds its set at every start. It need not know what is there: nothing, its own links from
/// an earlier run, those of an older version under other names, or what a killed run left.
/// [`plan`](Self::plan) says what [`apply`](Self::apply) would do.
///
/// ```no_run
/// use bpf_link_typed::set::{LinkSet, Stale};
/// use bpf_link_typed::{CgroupAttach, CgroupHook, TcxAttach, TcxHook, XdpAttach};
///
/// # fn example(programs: [std::fs::File; 3]) -> bpf_link_typed::Result<()> {
/// let [drop, count, account] = programs;
/// let mut set = LinkSet::in_dir("/sys/fs/bpf/agent")
///     .create_dir(0o700)
///     .remove_stale(Stale::all());
/// let xdp = set.add("eth0_xdp", XdpAttach::to("eth0"), drop)?;
/// set.add("eth0_ingress", TcxAttach::to("eth0", TcxHook::Ingress), count)?;
/// let workload = CgroupAttach::to("/sys/fs/cgroup/workload", CgroupHook::InetEgress);
/// set.add("egress", workload, account)?;
///
/// let applied = set.apply()?;
/// print!("{}", applied.report());
/// if let Some(xdp) = applied.get(&xdp) {
///     println!("device {:?}", xdp.link.info()?.ifindex);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # What is done
///
/// 1. The set looks at everything that is pinned in the directory. For each wanted link, it takes
///    over the link of the same name if that is on the right hook. Otherwise it takes over any
///    other link in the directory that is on this hook. So you can rename pins, and swap hooks and
///    priorities.
/// 2. New links are attached, next to the links that they replace. Every link is pinned beside its
///    path ([`temporary_pin`](bpf_link::temporary_pin)). The programs that will stop running are
///    opened, and a program that does not fit its hook is refused. Up to here, no old program has
///    stopped.
/// 3. Links that can be updated are updated.
/// 4. The pins are renamed over those that they replace.
/// 5. Where a hook takes one program and its link cannot be updated, the old link is detached and
///    then the new one attached. The report says that there was a gap.
/// 6. Replaced links are let go: detached, or closed if their kind cannot be detached. So are links
///    that a killed run left beside a pin. A link that is taken over loses its other names in the
///    directory, and the report lists them. Stale links are let go if you asked for that.
///
/// # What is certain
///
/// - All or nothing. If anything fails before step 6, what was done is undone in reverse order.
///   [`Error::SetNotApplied`] says which link was refused, why, and what state each link is in now.
///   A link that was detached and attached again has another id. The other links keep their ids,
///   but may have a new pin: then the previous run sees
///   [`Standing::PinnedAnew`](crate::ensure::Standing::PinnedAnew), and its `stop` leaves them.
/// - If a run is killed between any two system calls, the next `apply` reaches the same result, and
///   leaves no temporary pin. Where links are updated in place, each event is seen by exactly one
///   version.
/// - Two agents that apply sets in one directory at the same moment take turns: [`PinLock`]. They
///   wait no longer than [`lock_within`] says. The result is one of the sets, whole.
/// - Other users cannot change what is pinned, or where the path leads, unless you allow it:
///   [`allow_shared_directories`], [`allow_other_owner`].
/// - What is not a link, such as an agent's maps and programs, is never touched.
///
/// # What is not certain
///
/// - The change takes more than one instant. A packet that crosses two hooks may meet the new
///   program at one and the old program at the other. If the process is killed, nothing is undone:
///   the next `apply` finishes the work.
/// - The kernel can still refuse to update a link to a program that fits its hook, for example if
///   another tcx or netkit link on the hook already runs it ([`Error::AlreadyAttached`], `EEXIST`).
///   A driver can refuse an XDP program after the old one was detached. Before Linux 5.18, an XDP
///   program that was loaded for the entries of a map is also refused only then. Until the set is
///   undone, its other links may run their new programs for a moment.
/// - Before Linux 6.0, the kernel does not report what an iterator's program was loaded for. So a
///   set finds an iterator's link under another name only if the iterator goes over a map.
/// - A hook that takes one program may stay taken for a moment by a link that nobody holds any
///   more. A set retries for at most a second for all of its hooks together, and for five seconds
///   more where it replaces a link that cannot be detached. It keeps the lock meanwhile. After
///   that, the error says who has the hook ([`Error::OldLinkHeld`] if it is the replaced link).
/// - Links that are not in the set stay attached, and are reported as stale, unless a rule of
///   [`remove_stale`](Self::remove_stale) removes them.
/// - If a replaced link cannot be detached, and another process holds it, its program keeps
///   running. The report says [`OldLink::Released`](crate::ensure::OldLink::Released), unless you
///   called [`wait_for_old`].
/// - Undoing an update needs the old program, and opening that needs `CAP_SYS_ADMIN`. Without that
///   capability, a set that would stop a program is refused, unless you allow it with
///   [`without_rollback`](Self::without_rollback).
/// - What [`Ensure`](crate::Ensure) says about each kind holds for the links of a set as well.
///
/// [`PinLock`]: bpf_link::PinLock
/// [`allow_other_owner`]: Self::allow_other_owner
/// [`allow_shared_directories`]: Self::allow_shared_directories
/// [`lock_within`]: Self::lock_within
/// [`wait_for_old`]: Self::wait_for_old
#[must_use = "nothing is done before `apply`"]
pub struct LinkSet<'a> {
    path: PathBuf,
    options: Options,
    entries: Vec<Entry<'a>>,
}

impl fmt::Debug for LinkSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkSet")
            .field("path", &self.path)
            .field("options", &self.options)
            .field("entries", &self.entries)
            .finish()
    }
}

impl<'a> LinkSet<'a> {
    /// An empty set in this directory. The directory belongs to the set: other links in it are
    /// stale.
    pub fn in_dir(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            options: Options::default(),
            entries: Vec::new(),
        }
    }

    /// Adds a link: its name, which is also the name of its pin, its options, and the program.
    ///
    /// The set borrows what the options and the program borrow. A set that owns everything is
    /// `'static`, and can be moved to another thread: `program` may be an `OwnedFd`, or an `Arc` of
    /// one. For options that borrow, use [`add_from`](Self::add_from).
    ///
    /// On tcx and netkit hooks, and since Linux 6.17 in cgroups, a new link is attached before the
    /// existing links that were added to the set later. A set never moves an existing link, even if
    /// you add the links in another order. The report says which links are out of place:
    /// [`SetLink::is_in_place`](crate::set::SetLink::is_in_place).
    /// [`Ensure::restore_position`](crate::Ensure::restore_position) moves a single link.
    ///
    /// # Errors
    ///
    /// With these errors, nothing is added:
    ///
    /// - [`Error::SetName`]: the name is empty or longer than 232 bytes, has a slash or a dot in
    ///   it, or ends like the name of a temporary pin.
    /// - [`Error::NameInSet`]: the set already has a link with this name.
    pub fn add<A, P>(&mut self, name: impl AsRef<str>, to: A, program: P) -> Result<SetKey<A::Link>>
    where
        A: AttachProgram + Send + Sync + 'a,
        P: AsFd + Send + Sync + 'a,
    {
        self.add_member(name.as_ref(), of_program(to, program), None)
    }

    /// Like [`add`](Self::add), but a new link is attached at this place on the hook: before or
    /// after a link that was added earlier (tcx, netkit, and since Linux 6.17 cgroups).
    ///
    /// An existing link keeps its place, and
    /// [`SetLink::is_in_place`](crate::set::SetLink::is_in_place) says whether it is the right one.
    ///
    /// # Errors
    ///
    /// Those of [`add`](Self::add), and [`Error::NotInSet`]: the key belongs to another set.
    pub fn add_placed<A, P, L>(
        &mut self,
        name: impl AsRef<str>,
        to: A,
        program: P,
        place: Position<&SetKey<L>>,
    ) -> Result<SetKey<A::Link>>
    where
        A: AttachProgram + Send + Sync + 'a,
        P: AsFd + Send + Sync + 'a,
    {
        let place = place.try_of(|key| self.index_of(key))?;
        self.add_member(name.as_ref(), of_program(to, program), Some(place))
    }

    /// Adds a link whose options borrow from something that the set owns: a path, names or arrays
    /// of the agent's configuration, or a descriptor of a namespace.
    ///
    /// ```no_run
    /// use bpf_link_typed::{CgroupAttach, CgroupHook, LinkSet};
    ///
    /// struct Workload {
    ///     cgroup: std::path::PathBuf,
    /// }
    ///
    /// fn egress(workload: &Workload) -> CgroupAttach<'_> {
    ///     CgroupAttach::to(workload.cgroup.as_path(), CgroupHook::InetEgress)
    /// }
    ///
    /// fn set(workload: Workload, program: std::fs::File) -> bpf_link_typed::Result<LinkSet<'static>> {
    ///     let mut set = LinkSet::in_dir("/sys/fs/bpf/agent");
    ///     set.add_from("egress", workload, egress, program)?;
    ///     Ok(set)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub fn add_from<C, B, P, L>(
        &mut self,
        name: impl AsRef<str>,
        configuration: C,
        options: B,
        program: P,
    ) -> Result<SetKey<L>>
    where
        C: Send + Sync + 'a,
        B: for<'x> OptionsFrom<'x, C, Link = L> + Send + Sync + 'a,
        P: AsFd + Send + Sync + 'a,
        L: KindLink,
    {
        let member = OfConfiguration {
            configuration,
            options,
            program,
            known: Known::default(),
        };
        self.add_member(name.as_ref(), member, None)
    }

    /// Adds a link of a map with callbacks (`struct_ops`).
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub fn add_struct_ops<M>(
        &mut self,
        name: impl AsRef<str>,
        map: M,
    ) -> Result<SetKey<StructOpsLink>>
    where
        M: AsFd + Send + Sync + 'a,
    {
        let known = Known::default();
        self.add_member(name.as_ref(), OfMap { map, known }, None)
    }

    fn add_member<L>(
        &mut self,
        name: &str,
        member: impl Member + 'a,
        place: Option<Position<usize>>,
    ) -> Result<SetKey<L>> {
        check_name(name)?;
        if self.entries.iter().any(|entry| *entry.name == *name) {
            return Err(Error::NameInSet {
                name: name.to_owned(),
            });
        }
        let name: Arc<str> = name.into();
        self.entries.push(Entry {
            name: name.clone(),
            member: Box::new(member),
            place,
        });
        Ok(SetKey::new(name))
    }

    fn index_of<L>(&self, key: &SetKey<L>) -> Result<usize> {
        let index = self.entries.iter().position(|entry| key.is_to(&entry.name));
        index.ok_or_else(|| Error::NotInSet {
            name: key.name().to_owned(),
        })
    }
}

fn of_program<A, P>(to: A, program: P) -> OfProgram<A, P> {
    OfProgram {
        to,
        program,
        known: Known::default(),
    }
}
