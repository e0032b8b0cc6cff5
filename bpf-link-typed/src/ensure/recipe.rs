//! What a kind's attach options have to say, so that a link of it can be taken over.

use std::os::fd::BorrowedFd;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use bpf_link::{LinkId, LinkKind, ProgramId, ProgramInfo, RawLink, UpdateBy};

use crate::attach::file_ref::FileRef;
use crate::attach::fit;
use crate::attach::position::Position;
use crate::ensure::hook_id::HookId;
use crate::ensure::lookups::Lookups;
use crate::ensure::on_hook::OnHook;
use crate::ensure::outcome::Attached;
use crate::error::{Error, Rejected, Result};
use crate::info::buf::InfoBuf;

/// The type of one kind's links.
#[allow(
    unreachable_pub,
    reason = "Rust 1.85 does not see that `Attach` has it in its bounds"
)]
pub trait KindLink:
    TryFrom<RawLink, Error = Rejected<RawLink>> + Into<RawLink> + Send + Sync + 'static
{
    /// The kind.
    const KIND: LinkKind;

    /// What the kernel says about one.
    type Info;

    /// Asks the kernel for it.
    fn ask(&self) -> Result<Self::Info>;

    /// The same, with memory that is lent for names and arrays.
    fn ask_in(&self, buf: &mut InfoBuf) -> Result<Self::Info>;

    /// The id and the program of the link that the info is about.
    fn id_and_program(info: &Self::Info) -> (LinkId, Option<ProgramId>);

    fn raw(&self) -> &RawLink;
    fn raw_mut(&mut self) -> &mut RawLink;
}

/// What the kernel says about a link that is made by these options.
pub(crate) type InfoOf<A> = <<A as Recipe>::Link as KindLink>::Info;

/// The options that a link of one kind is attached with.
pub trait Recipe: Clone {
    /// The type of the links.
    type Link: KindLink;

    /// Whether the info leaves it open that a link is somewhere else than it seems to be, or
    /// nowhere: but the hook takes one program, so an attempt to attach tells.
    const ATTEMPT_TELLS: bool = false;

    /// The same options for the attempts of one run, which look up only once what takes long.
    fn for_one_run(&self) -> Self {
        self.clone()
    }

    /// Attaches the program, or the map. If the hook is taken, the error does not say by whom.
    fn create(&self, object: BorrowedFd<'_>) -> Result<Self::Link>;

    /// Adds to the error that the hook is taken by whom, if that takes a look at all links: while
    /// that looks at a link, nobody else can close it for good.
    fn name_holders(&self, _object: BorrowedFd<'_>, refusal: Error) -> Error {
        refusal
    }

    /// Whether the link, of which this is the info, is on the hook that the options are for, and
    /// with these options. Before, whatever the options are made of is looked up: if that is
    /// missing, that is the error.
    fn compare(&self, link: &Self::Link, info: &InfoOf<Self>, wanted: &Wanted<'_>)
    -> Result<Match>;

    /// Looks up what the options name, so that a plan fails as the attempt to attach would. Names
    /// that only the kernel resolves are left to it.
    fn look_up(&self, _wanted: &Wanted<'_>) -> Result<()> {
        Ok(())
    }

    /// Refuses options that cannot be kept to over restarts and upgrades, for a link that is to be
    /// pinned at this path.
    fn check_options(&self, _pin: &Path) -> Result<()> {
        Ok(())
    }

    /// Refuses a program that does not fit the hook, as far as that can be told without attaching
    /// it.
    fn check(&self, _wanted: &Wanted<'_>) -> Result<()> {
        Ok(())
    }

    /// Whether the old link can be why the hook is taken.
    fn blocks(&self, old: &Old<'_, InfoOf<Self>>) -> Result<Blocks> {
        Ok(Blocks::always_if(old.found.is_here()))
    }

    /// Whether the link, which is on the hook, is in the position that was asked for, as the hook's
    /// list tells; `None` if none was asked for, or it does not tell.
    fn in_place(&self, _link: &Self::Link) -> Result<Option<bool>> {
        Ok(None)
    }

    /// Whether the position that was asked for exists: if it is next to something, that has to be
    /// on the hook.
    fn has_position(&self) -> Result<bool> {
        Ok(true)
    }

    /// The options that the old program was attached with.
    fn way_back(&self, _old: &InfoOf<Self>) -> Result<Self> {
        Ok(self.for_one_run())
    }

    /// The links on the hook, if the hook can be asked for them; otherwise all links of the machine
    /// are gone through.
    fn links_on_hook(&self) -> Result<Option<Vec<LinkId>>> {
        Ok(None)
    }

    /// What is on the hook in its order, if the hook says.
    fn on_hook(&self) -> Result<Option<OnHook>> {
        Ok(self.links_on_hook()?.map(OnHook::Links))
    }

    /// The hook, if it takes one link only, and as far as that can be told.
    fn exclusive_hook(&self, _wanted: &Wanted<'_>) -> Result<Option<HookId>> {
        Ok(None)
    }

    /// The hook, if it takes several, which run in an order.
    fn ordered_hook(&self) -> Result<Option<HookId>> {
        Ok(None)
    }

    /// Whether the options say where on the hook the link is to be.
    fn is_placed(&self) -> bool {
        false
    }

    /// The same options, in this place on the hook; `None` if such hooks have no places.
    fn placed(&self, _place: Position<LinkId>) -> Option<Self> {
        None
    }

    /// What is attached by the link.
    fn attached(info: &InfoOf<Self>) -> Option<Attached> {
        let (_, program) = Self::Link::id_and_program(info);
        program.map(Attached::Program)
    }
}

/// A link beside the options that it is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// The hook has gone, or the link was detached from it.
    Gone,
    /// It is on another hook.
    OtherHook,
    /// It is on this hook with other options.
    OtherOptions,
    /// It is on this hook, but this kernel does not report all of its options.
    OptionsUnclear,
    /// It may be on this hook: this kernel does not report what that takes to tell.
    Unclear,
    /// It is on this hook, and has all the options that the kernel tells about a link of this kind.
    Same,
}

impl Match {
    /// Whether the link is on the hook, as far as can be told.
    pub fn is_here(self) -> bool {
        self.is_surely_here() || self == Self::Unclear
    }

    /// Whether the link is on the hook for certain.
    pub fn is_surely_here(self) -> bool {
        matches!(self, Self::OtherOptions | Self::OptionsUnclear | Self::Same)
    }

    /// The same, if the kernel also says this about an option.
    pub fn and(self, option: Option<bool>) -> Self {
        match (self, option) {
            (Self::Same | Self::OptionsUnclear | Self::Unclear, Some(false)) => Self::OtherOptions,
            (Self::Same, None) => Self::OptionsUnclear,
            _ => self,
        }
    }

    /// On this hook, or on another one; open if it cannot be told.
    pub fn hook(is_same: Option<bool>) -> Self {
        match is_same {
            Some(true) => Self::Same,
            Some(false) => Self::OtherHook,
            None => Self::Unclear,
        }
    }
}

/// Whether an old link can be why the hook is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocks {
    Never,
    /// Where the hook has as many programs as it takes.
    WhenFull,
    Always,
}

impl Blocks {
    pub fn always_if(blocks: bool) -> Self {
        if blocks { Self::Always } else { Self::Never }
    }
}

/// The old link, where it may be why the hook is taken.
#[derive(Debug)]
pub struct Old<'a, I> {
    pub info: &'a I,
    pub found: Match,
    /// Whether it is the same program that is to be attached.
    pub same_program: bool,
}

/// What is to be attached.
#[derive(Debug)]
pub struct Wanted<'a> {
    pub object: BorrowedFd<'a>,
    pub attached: Attached,
    /// What the kernel says about it, if it is a program.
    pub program: Option<Arc<ProgramInfo>>,
    /// What has been looked up for other links of the run; `None` where it is the only one.
    pub lookups: Option<Rc<Lookups>>,
}

impl<'a> Wanted<'a> {
    /// Refuses what is not a program, or not a map.
    pub fn of(object: BorrowedFd<'a>, kind: LinkKind) -> Result<Self> {
        if kind.updated_by() == Some(UpdateBy::Map) {
            return Ok(Self {
                object,
                attached: Attached::Map(fit::map_info(object)?.id),
                program: None,
                lookups: None,
            });
        }
        let program = fit::program_info(object)?;
        Ok(Self {
            object,
            attached: Attached::Program(program.id),
            program: Some(Arc::new(program)),
            lookups: None,
        })
    }

    /// The number of a cgroup.
    pub fn cgroup_id(&self, cgroup: &FileRef<'_>) -> Result<Option<u64>> {
        match &self.lookups {
            Some(lookups) => lookups.cgroup_id(cgroup),
            None => cgroup.cgroup_id(),
        }
    }

    /// Whether this program was loaded for the same function, hook or tracepoint as the wanted one;
    /// `None` if that cannot be told.
    pub fn has_load_time_target_of(&self, program: Option<ProgramId>) -> Result<Option<bool>> {
        let (Some(wanted), Some(id)) = (&self.program, program) else {
            return Ok(None);
        };
        if id == wanted.id {
            return Ok(Some(true));
        }
        let found = match ProgramInfo::from_id(id) {
            Ok(found) => found,
            Err(bpf_link::Error::PermissionDenied(_) | bpf_link::Error::Vanished(_)) => {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let target = |info: &ProgramInfo| Some((info.attach_btf_obj_id, info.attach_btf_id?));
        Ok(target(wanted)
            .zip(target(&found))
            .map(|(wanted, found)| wanted == found))
    }
}
