//! Attaching to a function or a security hook, and putting extensions in place.

use std::os::fd::{AsFd, BorrowedFd};

use bpf_link::{
    AttachType, BtfTypeId, LinkCreate, ProgramInfo, ProgramType, RawLink, RawTracepointOpen,
    Target, TracingArgs,
};

use super::TracingLink;
use crate::attach::fit;
use crate::attach::holders;
use crate::attach::hook_enum::hook_enum;
use crate::error::{Error, Result};

/// Attaches a tracing or LSM program to what it was loaded for, or puts an extension in the place
/// of a function.
///
/// ```no_run
/// use bpf_link_typed::{BtfTypeId, TracingAttach, TracingHook};
///
/// # fn example(program: std::fs::File, extension: std::fs::File, target: std::fs::File,
/// #     function: BtfTypeId) -> bpf_link_typed::Result<()> {
/// let link = TracingAttach::to(TracingHook::Fentry).cookie(7).attach(&program)?;
/// println!("function {:?}", link.info()?.target_btf_id);
/// let link = TracingAttach::extension_of(&target, function).attach(&extension)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is attached before the program is given"]
pub struct TracingAttach<'a> {
    pub(super) place: Place<'a>,
    pub(super) cookie: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'a> {
    Hook(TracingHook),
    Extension,
    ExtensionOf(BorrowedFd<'a>, BtfTypeId),
}

/// The kernel compares no attach type for an extension, but before some release wants this number.
const OF_EXTENSIONS: AttachType = AttachType::from_raw(0);

hook_enum! {
    /// How a tracing program is attached to the function that it was loaded for.
    pub enum TracingHook: Tracing {
        /// Runs when the function is entered.
        Fentry = TraceFentry,
        /// Runs when the function returns.
        Fexit = TraceFexit,
        /// Runs before the function, and can return in its place.
        ModifyReturn = ModifyReturn,
        /// Runs on a hook of the security modules. Has an effect only if the security module `bpf`
        /// is in effect.
        LsmMac = LsmMac,
        /// Runs both times. Since Linux 7.0.
        Fsession = TraceFsession,
    }
}

impl<'a> TracingAttach<'a> {
    /// To the function, or the hook of the security modules, that the program was loaded for.
    pub fn to(hook: TracingHook) -> Self {
        Self {
            place: Place::Hook(hook),
            cookie: None,
        }
    }

    /// In the place of the function that the extension was loaded for, in the program that it was
    /// loaded for. Only once: for another time, that has to be named with
    /// [`extension_of`](Self::extension_of).
    pub fn extension() -> Self {
        Self {
            place: Place::Extension,
            cookie: None,
        }
    }

    /// In the place of the function with this number in the BTF object of this program. It has to
    /// be like the one that the extension was loaded for. Since Linux 5.10.
    pub fn extension_of(program: &'a (impl AsFd + ?Sized), function: BtfTypeId) -> Self {
        Self {
            place: Place::ExtensionOf(program.as_fd(), function),
            cookie: None,
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
    /// - [`Error::HookTaken`] (`E2BIG`): the function has as many programs as it takes.
    /// - [`Error::AttachTypeMismatch`] (`EINVAL`): before Linux 5.19, the program is for another
    ///   hook, and was attached to that for a moment.
    /// - [`Error::Link`] with
    ///   - [`UnsupportedByKernel`](bpf_link::Error::UnsupportedByKernel) (`EINVAL`, `E2BIG`): this
    ///     kernel has no cookies here;
    ///   - [`Command`](bpf_link::Error::Command) and `EINVAL`: the program is for another hook, the
    ///     extension does not fit the function, the target is no program, or it or a program on
    ///     another program was attached before; `EBUSY`: the program is attached already, or the
    ///     function has an extension and cannot be traced, or is traced and cannot have an
    ///     extension; `EBADF`: the target's descriptor was opened with `O_PATH`.
    ///
    /// # Kernel
    ///
    /// `BPF_LINK_CREATE`, since Linux 5.19 (extensions 5.10). A kernel that does not take the
    /// program there yet makes the same link with `BPF_RAW_TRACEPOINT_OPEN`, since Linux 5.7,
    /// without a cookie. Both end in `bpf_tracing_prog_attach` (7.3).
    pub fn attach(&self, program: impl AsFd) -> Result<TracingLink> {
        let args = TracingArgs::new().cookie(self.cookie.unwrap_or(0));
        let request = match &self.place {
            Place::Hook(hook) => LinkCreate::new(&program, hook.attach_type()).args(args),
            Place::Extension => LinkCreate::new(&program, OF_EXTENSIONS).args(args),
            Place::ExtensionOf(target, function) => LinkCreate::new(&program, OF_EXTENSIONS)
                .target_fd(target)
                .args(args.target_btf_id(*function)),
        };
        match RawLink::create(&request) {
            Ok(link) => Ok(TracingLink(link)),
            Err(source) => {
                let source = self.naming(source);
                match (source.errno(), self.place) {
                    (Some(libc::EINVAL), Place::Hook(hook)) if self.is_cookieless(request) => {
                        open_older(&program, hook, source)
                    }
                    (Some(libc::E2BIG), _) if matches!(source, bpf_link::Error::Command(_)) => {
                        Err(holders::unknown(source))
                    }
                    _ => Err(self.refused(program.as_fd(), source)),
                }
            }
        }
    }

    /// The refusal, about what the extension was to take the place of: its attach type says
    /// nothing.
    fn naming(&self, source: bpf_link::Error) -> bpf_link::Error {
        match self.place {
            Place::Hook(_) => source,
            Place::Extension => source.naming(Target::ExtensionOf {
                program: None,
                function: None,
            }),
            Place::ExtensionOf(program, function) => source.naming(Target::ExtensionOf {
                program: ProgramInfo::of(&program).ok().map(|info| info.id),
                function: Some(function),
            }),
        }
    }

    fn refused(&self, program: BorrowedFd<'_>, source: bpf_link::Error) -> Error {
        match self.place {
            Place::Hook(hook) => fit::by_type(program, hook.attach_type(), source),
            Place::Extension | Place::ExtensionOf(..) => {
                fit::by_types(program, OF_EXTENSIONS, &[ProgramType::Ext], source)
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

/// By the command that takes tracing programs on every kernel, whatever they are for.
fn open_older(
    program: &(impl AsFd + ?Sized),
    hook: TracingHook,
    source: bpf_link::Error,
) -> Result<TracingLink> {
    let link = RawLink::open_raw_tracepoint(&RawTracepointOpen::load_time_target(program))
        .map_err(|source| {
            // That command names no hook.
            let source = source.naming(Target::Hook {
                attach_type: hook.attach_type(),
                of: None,
            });
            fit::by_type(program.as_fd(), hook.attach_type(), source)
        })?;
    let fits = match TracingLink::try_from(link) {
        Ok(link) if link.info()?.attach_type == hook.attach_type() => Some(link),
        _ => None,
    };
    fits.ok_or_else(|| fit::mismatch(hook.attach_type(), ProgramInfo::of(program).ok(), source))
}
