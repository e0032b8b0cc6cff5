//! Whether a link is on the function, or the hook of the security modules, that a program is for.

use std::os::fd::{AsFd as _, BorrowedFd};

use bpf_link::{LinkCreate, LinkKind, ProgramInfo, RawLink, TracingArgs};

use super::attach::{OF_EXTENSIONS, Place};
use super::{TracingAttach, TracingHook, TracingInfo, TracingLink};
use crate::attach::looked_up::LookedUp;
use crate::ensure::hook_id::HookId;
use crate::ensure::{Attached, Blocks, Match, Old, Recipe, Wanted};
use crate::error::{Error, Result};

impl Recipe for TracingAttach<'_> {
    type Link = TracingLink;

    fn for_one_run(&self) -> Self {
        Self {
            function: LookedUp::once(),
            ..self.clone()
        }
    }

    fn create(&self, program: BorrowedFd<'_>) -> Result<TracingLink> {
        self.create_link(program)
    }

    fn name_holders(&self, program: BorrowedFd<'_>, refusal: Error) -> Error {
        self.with_holders(program, refusal)
    }

    fn compare(
        &self,
        link: &TracingLink,
        info: &TracingInfo,
        wanted: &Wanted<'_>,
    ) -> Result<Match> {
        let is_same = match &self.place {
            Place::Hook(hook) if info.attach_type != hook.attach_type() => Some(false),
            Place::Hook(_) | Place::Extension => wanted.has_load_time_target_of(info.program_id)?,
            // The kernel does not tell which attach type a program was loaded for.
            Place::AsLoaded => {
                let is_this = info.program_id == wanted.program.as_ref().map(|program| program.id);
                let is_there = wanted.has_load_time_target_of(info.program_id)?;
                is_there.filter(|is_there| is_this || !is_there)
            }
            Place::ExtensionOf(target, function) => {
                let id = ProgramInfo::of(target)?.id;
                let function = self.function_in(target.as_fd(), function)?;
                info.target_obj_id
                    .zip(info.target_btf_id)
                    .map(|found| found == (id.get(), function))
            }
        };
        Ok(Match::hook(is_same).and(self.has_cookie_of(info, link)))
    }

    fn look_up(&self, wanted: &Wanted<'_>) -> Result<()> {
        self.exclusive_hook(wanted).map(drop)
    }

    /// A function does not take one program twice, nor two extensions, nor more programs than a few
    /// dozens.
    fn blocks(&self, old: &Old<'_, TracingInfo>) -> Result<Blocks> {
        let is_extension = match self.place {
            Place::Hook(_) => false,
            Place::AsLoaded => old.info.attach_type == OF_EXTENSIONS,
            Place::Extension | Place::ExtensionOf(..) => true,
        };
        Ok(
            match (old.found.is_here(), old.same_program || is_extension) {
                (false, _) => Blocks::Never,
                (true, false) => Blocks::WhenFull,
                (true, true) => Blocks::Always,
            },
        )
    }

    /// A function takes one extension. Two extensions that were loaded for one function are told
    /// only if they are one program.
    fn exclusive_hook(&self, wanted: &Wanted<'_>) -> Result<Option<HookId>> {
        let numbers = match (&self.place, wanted.attached) {
            (Place::ExtensionOf(target, function), _) => {
                let function = self.function_in(target.as_fd(), function)?;
                let target = ProgramInfo::of(target)?.id;
                [1, u64::from(target.get()), u64::from(function.get())]
            }
            (Place::Extension, Attached::Program(program)) => [2, u64::from(program.get()), 0],
            _ => return Ok(None),
        };
        Ok(Some(HookId {
            kind: LinkKind::Tracing,
            numbers,
        }))
    }

    fn way_back(&self, old: &TracingInfo) -> Result<Self> {
        let to = Self {
            cookie: old.cookie.or(self.cookie),
            ..self.clone()
        };
        Ok(to)
    }
}

impl TracingAttach<'_> {
    fn has_cookie_of(&self, info: &TracingInfo, link: &TracingLink) -> Option<bool> {
        let cookie = self.cookie.unwrap_or(0);
        match info.cookie {
            Some(found) => Some(found == cookie),
            None if cookie == 0 && !has_cookies(link) => Some(true),
            None => None,
        }
    }
}

/// Whether this kernel has cookies for tracing programs: asked with a descriptor that is not a
/// program.
fn has_cookies(no_program: &TracingLink) -> bool {
    let request = LinkCreate::new(no_program, TracingHook::Fentry.attach_type())
        .args(TracingArgs::new().cookie(u64::MAX));
    !matches!(
        RawLink::create(&request),
        Err(bpf_link::Error::UnsupportedByKernel(_))
    )
}
