//! Getting a program into the kernel.

use bpf_link_sys::bpf_insn;

use super::refusal::IterRefusal;
use crate::args::LinkCreate;
use crate::attach_type::AttachType;
use crate::error::{Command, CommandError, Error, Target};
use crate::id::LinkId;
use crate::link::RawLink;
use crate::object::program_type::ProgramType;
use crate::sys::{self, ProgramUse};

/// An iterator with a program, which runs only when it is read.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) link: RawLink,
    /// The id of that link, which is left out of the results.
    pub(crate) id: LinkId,
}

impl Loaded {
    /// Loads a program of this name, which ends in a NUL, for the iterator whose function has this
    /// number in the kernel's types.
    pub(crate) fn new(
        name: [u8; 16],
        target: u32,
        instructions: &[bpf_insn],
    ) -> Result<Self, IterRefusal> {
        let program = ProgramUse {
            program_type: ProgramType::Tracing,
            attach_type: Some(AttachType::TraceIter),
            attach_btf_id: target,
        };
        let load = |log: &mut [u8]| sys::prog_load(&program, name, instructions, log);
        let program = load(&mut []).map_err(|source| {
            // Writing a log takes time, so the verifier is asked for one only after a refusal.
            let mut log = vec![0; LOG];
            let _ = load(&mut log);
            let end = log.iter().position(|byte| *byte == 0).unwrap_or(LOG);
            log.truncate(end);
            let error = CommandError::new(Command::ProgLoad, Target::Links, source);
            let error = match error.errno() {
                // What the verifier does not take is refused with EACCES, among others.
                Some(libc::EACCES | libc::EINVAL) => Error::UnsupportedByKernel(error),
                _ => error.classify(),
            };
            IterRefusal {
                error,
                verifier_log: String::from_utf8_lossy(&log).into_owned(),
            }
        })?;
        let request = LinkCreate::new(&program, AttachType::TraceIter);
        let link = RawLink::create(&request)?;
        let id = link.id()?;
        Ok(Self { link, id })
    }
}

/// How much the verifier may say.
const LOG: usize = 1 << 20;
