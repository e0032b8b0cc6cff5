//! Attaching to many kernel functions by their BTF.

use std::borrow::Cow;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use bpf_link::{AttachType, BtfTypeId, FirstOf, LinkCreate, RawLink, Target, TracingMultiArgs};

use super::TracingMultiLink;
use crate::attach::btf_function;
use crate::attach::btf_pattern;
use crate::attach::fit;
use crate::attach::looked_up::LookedUp;
use crate::attach::{BtfFunctionRef, When};
use crate::error::Result;

/// Attaches a program to the entry, the exit, or both, of many functions of the kernel or of a
/// module.
///
/// ```no_run
/// use bpf_link_typed::attach::When;
/// use bpf_link_typed::TracingMultiAttach;
///
/// # fn example(program: std::fs::File) -> bpf_link_typed::Result<()> {
/// let link = TracingMultiAttach::to(When::Entry, ["tcp_sendmsg", "tcp_recvmsg"])
///     .cookies(&[1, 2])
///     .attach(&program)?;
/// println!("{:?} functions", link.info()?.count);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is attached before the program is given"]
pub struct TracingMultiAttach<'a> {
    pub(super) when: When,
    pub(super) functions: Vec<BtfFunctionRef<'a>>,
    pub(super) cookies: Option<Cow<'a, [u64]>>,
    pub(super) ids: LookedUp<Arc<[BtfTypeId]>>,
}

impl<'a> TracingMultiAttach<'a> {
    /// To these functions, each of which is given once: by name ([`str`], [`String`] or
    /// [`CStr`](std::ffi::CStr)), or by its number in the BTF object that the program was loaded
    /// for ([`BtfTypeId`](crate::BtfTypeId)).
    ///
    /// Names are looked up when the program is attached, among the functions of the kernel or of
    /// the module that the program was loaded for: that takes `CAP_SYS_ADMIN`.
    /// [`Btf`](crate::Btf) has the functions to choose from.
    pub fn to<F: Into<BtfFunctionRef<'a>>>(
        when: When,
        functions: impl IntoIterator<Item = F>,
    ) -> Self {
        Self {
            when,
            functions: functions.into_iter().map(Into::into).collect(),
            cookies: None,
            ids: LookedUp::default(),
        }
    }

    /// To all functions of the kernel that programs can be attached to and whose names match a
    /// pattern: `tcp_*`, or `ext4:ext4_*` for those of one module. The program must then have been
    /// loaded for that module. In the pattern, `*` stands for any characters, and `?` for one.
    ///
    /// The functions are looked up now. Left out are functions that cannot be traced, that
    /// take or return what tracing programs cannot be passed
    /// ([`Btf::passable_functions`](crate::Btf::passable_functions)), that never return (unless the
    /// program runs on entry alone), and those whose name several functions have, as the kernel
    /// would take one of them. A program that may sleep (`BPF_F_SLEEPABLE`) is refused for
    /// functions in which it must not.
    ///
    /// Choose a narrow pattern: some functions run whenever a program does. Linux 7.3 has crashed
    /// with a program on the return of every function whose name begins with an underscore.
    ///
    /// # Errors
    ///
    /// - [`Error::KernelFunction`](crate::Error::KernelFunction) with
    ///   [`NothingMatches`](crate::KernelFunctionProblem::NothingMatches).
    /// - As [`KernelFunctions::traceable`](crate::KernelFunctions::traceable),
    ///   [`Btf::of_kernel`](crate::Btf::of_kernel) and [`Btf::of_module`](crate::Btf::of_module).
    pub fn matching(when: When, pattern: impl AsRef<str>) -> Result<Self> {
        let functions = btf_pattern::matching(when, pattern.as_ref())?;
        Ok(Self::to(when, functions))
    }

    /// What `bpf_get_attach_cookie` gives the program for each function, in the order of the
    /// functions.
    pub fn cookies(mut self, cookies: impl Into<Cow<'a, [u64]>>) -> Self {
        self.cookies = Some(cookies.into());
        self
    }

    /// Attaches the program to all of the functions, or to none: it runs as long as the link has a
    /// descriptor or a pin.
    ///
    /// The program stays the caller's, and has to be loaded for `BPF_TRACE_FENTRY_MULTI`,
    /// `BPF_TRACE_FEXIT_MULTI` or `BPF_TRACE_FSESSION_MULTI`.
    ///
    /// # Errors
    ///
    /// - [`Error::NoSuchBtfFunction`](crate::Error::NoSuchBtfFunction): there are no functions of
    ///   these names. [`Error::AmbiguousBtfFunction`](crate::Error::AmbiguousBtfFunction): there
    ///   are several of one name.
    /// - [`Error::AttachTypeMismatch`](crate::Error::AttachTypeMismatch) (`EINVAL`): the program
    ///   was loaded for something else.
    /// - [`Error::AlreadyAttached`](crate::Error::AlreadyAttached) (`EBUSY`): the program is on one
    ///   of the functions already. Without `CAP_SYS_ADMIN`, and before Linux 7.3, it is
    ///   [`Error::Link`](crate::Error::Link).
    /// - [`Error::HookTaken`](crate::Error::HookTaken) (`E2BIG`): one of the functions has as many
    ///   programs as it takes.
    ///
    /// [`Error::Link`](crate::Error::Link) with
    ///
    /// - [`NotAProgram`](bpf_link::Error::NotAProgram): what was given is not a program;
    /// - where functions were given by name, what [`Btf::from_id`](crate::Btf::from_id) returns;
    /// - [`UnsupportedByKernel`](bpf_link::Error::UnsupportedByKernel) (`EINVAL`, `E2BIG`);
    /// - [`LengthMismatch`](bpf_link::Error::LengthMismatch): not as many cookies as functions;
    /// - [`Command`](bpf_link::Error::Command) and
    ///   - `EINVAL`: there are no functions, or one is given twice, is not a function or returns a
    ///     structure;
    ///   - `ENOENT`: a function cannot be traced;
    ///   - `E2BIG`: there are more than 2^20 functions;
    ///   - `EOPNOTSUPP`: the machine is not an x86-64.
    ///
    /// # Kernel
    ///
    /// `BPF_LINK_CREATE`, since Linux 7.2; it ends in `bpf_tracing_multi_attach` (7.3).
    pub fn attach(&self, program: impl AsFd) -> Result<TracingMultiLink> {
        let program = program.as_fd();
        self.create_link(program)
            .map_err(|refusal| self.with_holders(program, refusal))
    }

    pub(super) fn create_link(&self, program: BorrowedFd<'_>) -> Result<TracingMultiLink> {
        let ids = self.ids(program)?;
        let args = TracingMultiArgs::new(&ids);
        let args = match &self.cookies {
            Some(cookies) => args
                .cookies(cookies)
                .map_err(|refused| self.naming(refused))?,
            None => args,
        };
        let request = LinkCreate::new(&program, self.attach_type()).args(args);
        RawLink::create(&request)
            .map(TracingMultiLink)
            .map_err(|source| fit::or_mismatch(program, self.attach_type(), self.naming(source)))
    }

    /// The numbers of the functions, in the order in which they were given.
    pub(super) fn ids(&self, program: BorrowedFd<'_>) -> Result<Arc<[BtfTypeId]>> {
        let look_up = || btf_function::in_kernel(&self.functions, program);
        self.ids.get(|| look_up().map(Arc::from))
    }

    /// The refusal, about the functions by the names that they were given by.
    fn naming(&self, source: bpf_link::Error) -> bpf_link::Error {
        let names = self
            .functions
            .iter()
            .map(|function| function.name()?.to_c_string().ok());
        match names.collect::<Option<Vec<_>>>() {
            Some(names) if !names.is_empty() => {
                source.naming(Target::Functions(FirstOf::these(names)))
            }
            _ => source,
        }
    }

    pub(super) fn attach_type(&self) -> AttachType {
        match self.when {
            When::Entry => AttachType::TraceFentryMulti,
            When::Return => AttachType::TraceFexitMulti,
            When::Session => AttachType::TraceFsessionMulti,
        }
    }
}
