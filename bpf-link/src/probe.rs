//! Whether this kernel can create links of a kind: asked of the kernel, and never told from its
//! version.

mod answer;
mod kernel_types;
mod program;
mod question;
mod struct_ops;
mod tracing;

use std::io;
use std::sync::OnceLock;

use crate::error::{Command, CommandError, Error, InvalidRequest, Result, Target};
use crate::kind::LinkKind;
use answer::{Answer, refusal};
use question::Question;

/// Whether this kernel can create links of a kind.
#[derive(Debug)]
#[non_exhaustive]
pub enum Support {
    /// It can.
    Yes,
    /// It cannot. What proves it is what the kernel answered.
    No(CommandError),
    /// It could not be told, and why: most often [`Error::PermissionDenied`].
    Unknown(Error),
}

impl Support {
    /// Whether it is certain that it can.
    #[must_use]
    pub const fn is_yes(&self) -> bool {
        matches!(self, Self::Yes)
    }

    /// Whether it is certain that it cannot.
    #[must_use]
    pub const fn is_no(&self) -> bool {
        matches!(self, Self::No(_))
    }
}

impl LinkKind {
    /// Asks the kernel whether it can create links of this kind.
    ///
    /// It is asked for something that it must refuse: a kernel that has the kind refuses it for
    /// another reason than one that does not. Nothing is attached, except for
    /// [`Tracing`](Self::Tracing) on processors other than x86-64: there a program is attached for
    /// a moment to `bpf_fentry_test1`, which the kernel calls only to test programs. A program, or
    /// for `struct_ops` a map, exists for a moment; nothing is left. A certain answer is kept as
    /// long as the process runs. Without one, the next call asks again.
    ///
    /// [`Yes`](Support::Yes) is about the kind. A hook, a function or an option of it may be
    /// missing all the same: the error of the creation tells.
    ///
    /// # Errors
    ///
    /// None is returned. [`No`](Support::No) has
    ///
    /// - `EINVAL`: the kernel does not know the kind, or the type of program that goes with it;
    /// - `EOPNOTSUPP`: the kernel was built without the kind;
    /// - 524, the kernel's `ENOTSUPP`, for [`Tracing`](Self::Tracing): the kernel has no code for
    ///   this processor that calls a program from a function;
    /// - `ENOMEM` for [`Tracing`](Self::Tracing): the kernel has no BPF JIT, which its source says
    ///   in words. If a program that needs no JIT cannot be loaded either, or is compiled, the
    ///   answer is [`Unknown`](Support::Unknown) with this number.
    ///
    /// [`Unknown`](Support::Unknown) has
    ///
    /// - [`Error::PermissionDenied`] (`EPERM`): the caller lacks `CAP_BPF`, `CAP_PERFMON` or
    ///   `CAP_NET_ADMIN`, or something on this machine is against such programs;
    /// - [`Error::InvalidRequest`] for a kind that this release does not know;
    /// - [`Error::Command`] with what else the kernel answered, such as `EMFILE`: the process has
    ///   no descriptor left. For [`Tracing`](Self::Tracing) and [`Iter`](Self::Iter) it may have
    ///   [`Command::ReadKernelTypes`](crate::Command::ReadKernelTypes), as they are asked for with
    ///   a function of the kernel: with `ENOENT` the kernel's types, or the function, are not
    ///   there, and without a number they are in a format that this release does not know.
    ///
    /// # Kernel
    ///
    /// `BPF_PROG_LOAD` and then `BPF_LINK_CREATE` or `BPF_RAW_TRACEPOINT_OPEN`; for `struct_ops`
    /// `BPF_MAP_CREATE` and `BPF_PROG_LOAD`. On x86-64, a tracing program that can be loaded for a
    /// function can also be attached, so nothing is attached. Other architectures learned to attach
    /// them later than to load them: on arm64, Linux 6.1 cannot attach them.
    #[must_use]
    pub fn probe(self) -> Support {
        static ANSWERS: [OnceLock<Answer>; LinkKind::KNOWN.len() + 1] =
            [const { OnceLock::new() }; LinkKind::KNOWN.len() + 1];
        let kept = usize::try_from(self.as_raw()).ok();
        let kept = kept.and_then(|number| ANSWERS.get(number));
        let answer = match kept.and_then(OnceLock::get) {
            Some(answer) => Ok(*answer),
            None => self.ask(),
        };
        match answer {
            Ok(answer) => {
                if let Some(kept) = kept {
                    // Another thread has the same answer.
                    let _ = kept.set(answer);
                }
                match answer {
                    Answer::Yes => Support::Yes,
                    Answer::No(command, errno) => {
                        Support::No(refusal(self, command, io::Error::from_raw_os_error(errno)))
                    }
                    Answer::NoJit => {
                        let target = Target::Probe(self);
                        Support::No(CommandError::without_jit(Command::ProgLoad, target))
                    }
                }
            }
            Err(error) => Support::Unknown(error),
        }
    }

    fn ask(self) -> Result<Answer> {
        match self {
            Self::Tracing => tracing::ask(),
            Self::StructOps => struct_ops::ask(),
            _ => match Question::about(self) {
                Some(question) => question.ask(self),
                None => Err(InvalidRequest::Probe(self).into()),
            },
        }
    }
}
