//! Attaching to a tracepoint.

use std::os::fd::AsFd;

use bpf_link::{AttachType, LinkCreate, ProgramType, RawLink, RawTracepointOpen, TracingArgs};

use super::RawTracepointLink;
use crate::attach::fit;
use crate::attach::name_ref::NameRef;
use crate::error::{Error, Result};

/// Attaches a program to a tracepoint.
///
/// ```no_run
/// use bpf_link_typed::RawTracepointAttach;
///
/// # fn example(raw: std::fs::File, typed: std::fs::File) -> bpf_link_typed::Result<()> {
/// // A raw program, also one that writes to what it is given.
/// let link = RawTracepointAttach::to("sched_switch").cookie(7).attach(&raw)?;
/// // A program with types, on the tracepoint that it was loaded for.
/// let link = RawTracepointAttach::to_load_time_target().attach(&typed)?;
/// println!("{:?}", link.info()?.name);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is attached before the program is given"]
pub struct RawTracepointAttach<'a> {
    pub(super) name: Option<NameRef<'a>>,
    pub(super) cookie: Option<u64>,
}

impl<'a> RawTracepointAttach<'a> {
    /// To the tracepoint of this name, without its category: for a raw or a writable raw program.
    pub fn to(name: impl Into<NameRef<'a>>) -> Self {
        Self {
            name: Some(name.into()),
            cookie: None,
        }
    }

    /// To the tracepoint that the program was loaded for: for a program with types
    /// (`BPF_TRACE_RAW_TP`).
    #[doc(alias = "tp_btf")]
    pub fn to_load_time_target() -> Self {
        Self {
            name: None,
            cookie: None,
        }
    }

    /// What `bpf_get_attach_cookie` gives the program. Since Linux 6.10.
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
    /// - [`Error::NoSuchTracepoint`] (`ENOENT`): the kernel has none of this name; modules are not
    ///   loaded for it.
    /// - [`Error::AlreadyAttached`] (`EEXIST`): before Linux 6.10, the program is on this
    ///   tracepoint already.
    /// - [`Error::AttachTypeMismatch`] (`EINVAL`): the program is of another type.
    /// - [`Error::LoadedForAnotherKind`]: the program was loaded for a target that is not a
    ///   tracepoint. It was attached to that target for a moment.
    /// - [`Error::Link`] with
    ///   - [`NotAProgram`](bpf_link::Error::NotAProgram): what was given is not a program;
    ///   - [`UnsupportedByKernel`](bpf_link::Error::UnsupportedByKernel) (`EINVAL`): this kernel
    ///     has no cookies here;
    ///   - [`InvalidRequest`](bpf_link::Error::InvalidRequest): the name is longer than 127 bytes,
    ///     or has a NUL in it;
    ///   - [`Command`](bpf_link::Error::Command) and `EINVAL`: the program uses arguments that the
    ///     tracepoint does not have; `EFAULT`: the program is a raw one, and no name was given.
    ///
    /// # Kernel
    ///
    /// `BPF_RAW_TRACEPOINT_OPEN`, a link since Linux 5.7; it ends in `bpf_raw_tp_link_attach`
    /// (7.3). A program with types and a cookie: `BPF_LINK_CREATE`.
    ///
    /// Since Linux 7.0 the program can be preempted. Until it continues, it misses what other
    /// processes do on that processor; `recursion_misses` of the program's info counts that.
    pub fn attach(&self, program: impl AsFd) -> Result<RawTracepointLink> {
        let Some(name) = &self.name else {
            return self.attach_typed(&program);
        };
        let name = name.to_c_string()?;
        let request = RawTracepointOpen::named(&program, &name)?.cookie(self.cookie.unwrap_or(0));
        match RawLink::open_raw_tracepoint(&request) {
            Ok(link) => Ok(RawTracepointLink(link)),
            Err(source) => Err(match source.errno() {
                Some(libc::ENOENT) => Error::NoSuchTracepoint {
                    tracepoint: name.to_string_lossy().into_owned(),
                    source: Box::new(source.into()),
                },
                Some(libc::EEXIST) => Error::AlreadyAttached(source),
                _ => fit::by_types(
                    program.as_fd(),
                    AttachType::TraceRawTp,
                    &[
                        ProgramType::RawTracepoint,
                        ProgramType::RawTracepointWritable,
                    ],
                    source,
                ),
            }),
        }
    }

    /// The command for raw tracepoints has taken such programs on every kernel, but not always with
    /// a cookie.
    fn attach_typed(&self, program: &(impl AsFd + ?Sized)) -> Result<RawTracepointLink> {
        let link = match self.cookie.unwrap_or(0) {
            0 => RawLink::open_raw_tracepoint(&RawTracepointOpen::load_time_target(program)),
            cookie => {
                let args = TracingArgs::new().cookie(cookie);
                RawLink::create(&LinkCreate::new(program, AttachType::TraceRawTp).args(args))
            }
        };
        let link =
            link.map_err(|source| fit::by_type(program.as_fd(), AttachType::TraceRawTp, source))?;
        // Programs of other types have a target that they were loaded for as well, and make links
        // of another kind.
        RawTracepointLink::try_from(link).map_err(fit::other_kind(program.as_fd()))
    }
}
