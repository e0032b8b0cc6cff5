//! Attaching to a function or a security hook, and putting extensions in place.

use std::os::fd::{AsFd, BorrowedFd};

use bpf_link::{
    AttachType, BtfTypeId, FirstOf, LinkCreate, LinkKind, ProgramInfo, ProgramType, RawLink,
    RawTracepointOpen, Target, TracingArgs,
};

use super::TracingLink;
use super::hook::TracingHook;
use crate::attach::BtfFunctionRef;
use crate::attach::btf_function;
use crate::attach::fd_ref::FdRef;
use crate::attach::fit;
use crate::attach::holders;
use crate::attach::looked_up::LookedUp;
use crate::error::{Error, HookHolder, Result};
use crate::kinds::trampoline;

/// Attaches a tracing or LSM program to what it was loaded for, or puts an extension in the place
/// of a function.
///
/// ```no_run
/// use bpf_link_typed::{TracingAttach, TracingHook};
///
/// # fn example(program: std::fs::File, extension: std::fs::File, target: std::fs::File)
/// #     -> bpf_link_typed::Result<()> {
/// let link = TracingAttach::to(TracingHook::Fentry).cookie(7).attach(&program)?;
/// println!("function {:?}", link.info()?.target_btf_id);
/// let link = TracingAttach::extension_of(&target, "classify").attach(&extension)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is attached before the program is given"]
pub struct TracingAttach<'a> {
    pub(super) place: Place<'a>,
    pub(super) cookie: Option<u64>,
    pub(super) function: LookedUp<BtfTypeId>,
}

#[derive(Clone, Debug)]
pub(super) enum Place<'a> {
    Hook(TracingHook),
    AsLoaded,
    Extension,
    ExtensionOf(FdRef<'a>, BtfFunctionRef<'a>),
}

/// The kernel compares no attach type for an extension, but before some release wants this number.
pub(super) const OF_EXTENSIONS: AttachType = AttachType::from_raw(0);

/// The attach type that errors name for a program that is attached as it was loaded.
const AS_LOADED: AttachType = AttachType::TraceFentry;

/// The types of programs that can be attached as they were loaded.
const TYPES: [ProgramType; 3] = [ProgramType::Tracing, ProgramType::Lsm, ProgramType::Ext];

impl<'a> TracingAttach<'a> {
    /// To the function, or the hook of the security modules, that the program was loaded for.
    pub fn to(hook: TracingHook) -> Self {
        Self::at(Place::Hook(hook))
    }

    /// As the program was loaded: to its function or security hook, on entry, on return, or
    /// whatever else it was loaded for. The kernel knows, and it need not be said again.
    ///
    /// Without a cookie that is one system call. With one, the hooks are tried in turn until the
    /// kernel takes one; since Linux 5.19.
    ///
    /// The kernel does not tell what another program was loaded for, only where. So a takeover
    /// counts a link with another program as unclear, and replaces it.
    pub fn as_loaded() -> Self {
        Self::at(Place::AsLoaded)
    }

    /// In the place of the function that the extension was loaded for, in the program that it was
    /// loaded for. Only once: for another time, that has to be named with
    /// [`extension_of`](Self::extension_of).
    pub fn extension() -> Self {
        Self::at(Place::Extension)
    }

    /// In the place of this function of this program: by its name, or by its number in the BTF
    /// object of the program ([`BtfTypeId`](crate::BtfTypeId)). It has to be like the one that the
    /// extension was loaded for. Since Linux 5.10.
    ///
    /// A name is looked up when the extension is attached, which takes `CAP_SYS_ADMIN`.
    pub fn extension_of(
        program: impl Into<FdRef<'a>>,
        function: impl Into<BtfFunctionRef<'a>>,
    ) -> Self {
        Self::at(Place::ExtensionOf(program.into(), function.into()))
    }

    fn at(place: Place<'a>) -> Self {
        Self {
            place,
            cookie: None,
            function: LookedUp::default(),
        }
    }

    /// What `bpf_get_attach_cookie` gives the program. Since Linux 5.19.
    pub fn cookie(mut self, cookie: u64) -> Self {
        self.cookie = Some(cookie);
        self
    }

    /// Attaches the program: it runs as long as the link has a descriptor or a pin.
    ///
    /// The program stays the caller's.
    ///
    /// # Errors
    ///
    /// - [`Error::HookTaken`]: the function has as many programs as it takes (`E2BIG`), or has an
    ///   extension, or is to have one while it is traced (`EBUSY`). Without `CAP_SYS_ADMIN` the
    ///   latter is [`Error::Link`].
    /// - [`Error::AlreadyAttached`] (`EBUSY`): the program is on its function already; without
    ///   `CAP_SYS_ADMIN` it is [`Error::Link`].
    /// - [`Error::AttachTypeMismatch`] (`EINVAL`): the program is of another type, an iterator, for
    ///   `tracing_multi` links, or for the security hooks of a cgroup; before Linux 5.19, it is for
    ///   any other hook, and was attached to that for a moment.
    /// - [`Error::ProgramRefused`] (`EINVAL`): since Linux 5.19, the program may be for another
    ///   hook, such as for the return of its function; the kernel does not report that. Or it
    ///   traces a function of another program, and was attached once already.
    /// - [`Error::NoSuchBtfFunction`], [`Error::AmbiguousBtfFunction`]: the program that is to be
    ///   extended has no function of this name, or several.
    /// - [`Error::LoadedForAnotherKind`]: a program of [`as_loaded`](Self::as_loaded) was loaded
    ///   for a tracepoint, and was attached to it for a moment: use
    ///   [`RawTracepointAttach`](crate::RawTracepointAttach).
    /// - [`Error::Link`] with
    ///   - [`NotAProgram`](bpf_link::Error::NotAProgram): what was given is not a program;
    ///   - what [`Btf::from_id`](crate::Btf::from_id) returns, where a function was given by name;
    ///   - [`UnsupportedByKernel`](bpf_link::Error::UnsupportedByKernel) (`EINVAL`, `E2BIG`): this
    ///     kernel has no cookies here;
    ///   - [`Command`](bpf_link::Error::Command) and `EINVAL`: the extension does not fit the
    ///     function or was attached before, or the target is not a program; `EBADF`: the target's
    ///     descriptor was opened with `O_PATH`.
    ///
    /// # Kernel
    ///
    /// `BPF_LINK_CREATE`, since Linux 5.19 (extensions 5.10). A kernel that does not take the
    /// program there yet makes the same link with `BPF_RAW_TRACEPOINT_OPEN`, since Linux 5.7,
    /// without a cookie. Both end in `bpf_tracing_prog_attach` (7.3).
    pub fn attach(&self, program: impl AsFd) -> Result<TracingLink> {
        let program = program.as_fd();
        self.create_link(program)
            .map_err(|refusal| self.with_holders(program, refusal))
    }

    pub(super) fn create_link(&self, program: BorrowedFd<'_>) -> Result<TracingLink> {
        let args = TracingArgs::new().cookie(self.cookie.unwrap_or(0));
        match &self.place {
            Place::Hook(hook) => self.attach_to_hook(program, *hook, args),
            Place::AsLoaded => self.attach_as_loaded(program, args),
            Place::Extension => {
                let request = LinkCreate::new(&program, OF_EXTENSIONS).args(args);
                extend(program, request, || Target::ExtensionOf {
                    program: None,
                    function: None,
                    name: None,
                })
            }
            Place::ExtensionOf(target, function) => {
                let id = self.function_in(target.as_fd(), function)?;
                let request = LinkCreate::new(&program, OF_EXTENSIONS)
                    .target_fd(target)
                    .args(args.target_btf_id(id));
                extend(program, request, || Target::ExtensionOf {
                    program: ProgramInfo::of(target).ok().map(|info| info.id),
                    function: Some(id),
                    name: function.name().and_then(|name| name.to_c_string().ok()),
                })
            }
        }
    }

    /// Turns the refusal into `AlreadyAttached` if the program has a link on its function.
    fn or_attached(&self, program: BorrowedFd<'_>, refusal: Error) -> Error {
        let is_as_loaded = matches!(self.place, Place::Hook(_) | Place::AsLoaded);
        let source = match refusal {
            Error::Link(source) if is_as_loaded && is_busy(&source) => source,
            other => return other,
        };
        let own = ProgramInfo::of(&program).ok().map(|info| info.id);
        let holders = holders::by_links(LinkKind::Tracing, |link| {
            let id = TracingLink(link).info().ok()?.program_id;
            id.filter(|_| id == own)
        });
        match holders {
            Some(holders) if !holders.is_empty() => Error::AlreadyAttached(source),
            _ => source.into(),
        }
    }

    /// Adds who has the function, if it is full, or if it is taken: an extension has it, or is to
    /// have it while it is traced.
    pub(super) fn with_holders(&self, program: BorrowedFd<'_>, refusal: Error) -> Error {
        let source = match self.or_attached(program, refusal) {
            Error::HookTaken { source, .. } => source,
            Error::Link(source) if is_busy(&source) => source,
            other => return other,
        };
        match self.holders(program) {
            Some(holders) if !holders.is_empty() => Error::HookTaken { holders, source },
            _ if is_busy(&source) => source.into(),
            _ => holders::unknown(source),
        }
    }

    fn holders(&self, program: BorrowedFd<'_>) -> Option<Vec<HookHolder>> {
        match &self.place {
            Place::ExtensionOf(target, function) => {
                let function = self.function_in(target.as_fd(), function).ok()?;
                trampoline::on_function_of(ProgramInfo::of(target).ok()?.id, function)
            }
            Place::Hook(_) | Place::AsLoaded | Place::Extension => {
                trampoline::on_load_time_target_of(&ProgramInfo::of(&program).ok()?)
            }
        }
    }

    /// The number of the function that is replaced.
    pub(super) fn function_in(
        &self,
        program: BorrowedFd<'_>,
        function: &BtfFunctionRef<'_>,
    ) -> Result<BtfTypeId> {
        self.function
            .get(|| btf_function::in_program(function, program))
    }

    fn attach_to_hook(
        &self,
        program: BorrowedFd<'_>,
        hook: TracingHook,
        args: TracingArgs,
    ) -> Result<TracingLink> {
        let request = LinkCreate::new(&program, hook.attach_type()).args(args);
        RawLink::create(&request)
            .map(TracingLink)
            .or_else(|source| {
                if source.errno() == Some(libc::EINVAL) && self.is_cookieless(request) {
                    open_older(program, hook, source)
                } else {
                    Err(refused_by(program, hook, source))
                }
            })
    }

    /// That command takes a program without an attach type, but no cookie. Where there is one, the
    /// kernel takes the attach type that the program was loaded for, and no other.
    fn attach_as_loaded(&self, program: BorrowedFd<'_>, args: TracingArgs) -> Result<TracingLink> {
        if self.cookie.unwrap_or(0) == 0 {
            let request = RawTracepointOpen::load_time_target(&program);
            let link = RawLink::open_raw_tracepoint(&request).map_err(|source| {
                refused(source, |source| {
                    fit::by_types(program, AS_LOADED, &TYPES, source)
                })
            })?;
            return TracingLink::try_from(link).map_err(fit::other_kind(program));
        }
        let mut hooks = TracingHook::ALL.iter().copied();
        loop {
            let hook = hooks.next().unwrap_or(TracingHook::Fentry);
            let request = LinkCreate::new(&program, hook.attach_type()).args(args);
            match RawLink::create(&request) {
                Ok(link) => return Ok(TracingLink(link)),
                Err(source) if source.errno() == Some(libc::EINVAL) && hooks.len() > 0 => {}
                // It fits none of them, or for another reason than the hook.
                Err(source) if source.errno() == Some(libc::EINVAL) => {
                    let source = source.naming(Target::Tracepoint(None));
                    return Err(fit::by_types(program, AS_LOADED, &TYPES, source));
                }
                Err(source) => return Err(refused_by(program, hook, source)),
            }
        }
    }

    /// Whether no cookie is asked for, and this kernel has none for tracing programs: then it does
    /// not take them by the command at all. What was refused without a cookie is refused with one.
    fn is_cookieless(&self, request: LinkCreate<'_>) -> bool {
        let with_cookie = request.args(TracingArgs::new().cookie(u64::MAX));
        self.cookie.unwrap_or(0) == 0
            && matches!(
                RawLink::create(&with_cookie),
                Err(bpf_link::Error::UnsupportedByKernel(_))
            )
    }
}

fn is_busy(source: &bpf_link::Error) -> bool {
    matches!(source, bpf_link::Error::Command(_)) && source.errno() == Some(libc::EBUSY)
}

/// What the refusal means, besides that the function may have as many programs as it takes.
fn refused(source: bpf_link::Error, otherwise: impl FnOnce(bpf_link::Error) -> Error) -> Error {
    if source.errno() == Some(libc::E2BIG) && matches!(source, bpf_link::Error::Command(_)) {
        holders::unknown(source)
    } else {
        otherwise(source)
    }
}

fn refused_by(program: BorrowedFd<'_>, hook: TracingHook, source: bpf_link::Error) -> Error {
    // The function that the program was loaded for.
    let info = ProgramInfo::of(&program).ok();
    let source = match info.and_then(|info| info.attach_btf_id) {
        Some(function) => source.naming(Target::FunctionTypes(FirstOf::these([function]))),
        None => source,
    };
    refused(source, |source| {
        fit::or_perhaps_mismatch(program, hook.attach_type(), source)
    })
}

/// Replaces a function by an extension. An extension's attach type means nothing, so a refusal
/// names the function.
fn extend(
    extension: BorrowedFd<'_>,
    request: LinkCreate<'_>,
    of: impl FnOnce() -> Target,
) -> Result<TracingLink> {
    RawLink::create(&request)
        .map(TracingLink)
        .map_err(|source| {
            refused(source.naming(of()), |source| {
                fit::by_types(extension, OF_EXTENSIONS, &[ProgramType::Ext], source)
            })
        })
}

/// By the command that takes tracing programs on every kernel, whatever they are for.
fn open_older(
    program: BorrowedFd<'_>,
    hook: TracingHook,
    source: bpf_link::Error,
) -> Result<TracingLink> {
    let link = RawLink::open_raw_tracepoint(&RawTracepointOpen::load_time_target(&program))
        .map_err(|source| {
            // That command names no hook.
            let source = source.naming(Target::Hook {
                attach_type: hook.attach_type(),
                of: None,
            });
            fit::or_mismatch(program, hook.attach_type(), source)
        })?;
    let fits = match TracingLink::try_from(link) {
        Ok(link) if link.info()?.attach_type == hook.attach_type() => Some(link),
        _ => None,
    };
    fits.ok_or_else(|| fit::mismatch(hook.attach_type(), ProgramInfo::of(&program).ok(), source))
}
