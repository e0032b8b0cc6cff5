//! Getting the program into the kernel.

use bpf_link_sys::bpf_insn;

use super::method::{SnapshotMethod, SnapshotRefusal};
use super::plan::Plan;
use super::program::assemble;
use crate::args::LinkCreate;
use crate::attach_type::AttachType;
use crate::error::{Command, CommandError, Error, Target};
use crate::id::LinkId;
use crate::link::RawLink;
use crate::object::program_type::ProgramType;
use crate::sys::{self, ProgramUse};

/// An iterator over links.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) link: RawLink,
    /// Its own id, which no snapshot has.
    pub(super) id: LinkId,
}

impl Loaded {
    pub(super) fn new(plan: &Plan, method: SnapshotMethod) -> Result<Self, SnapshotRefusal> {
        let refusal = |(error, verifier_log)| SnapshotRefusal {
            method,
            error,
            verifier_log,
        };
        let Some(instructions) = assemble(plan, method) else {
            let error = Plan::without_cast();
            return Err(refusal((error, String::new())));
        };
        load(plan.target, &instructions).map_err(refusal)
    }
}

/// What was refused, and what the verifier said of it.
type Refused = (Error, String);

fn load(target: u32, instructions: &[bpf_insn]) -> Result<Loaded, Refused> {
    let program = ProgramUse {
        program_type: ProgramType::Tracing,
        attach_type: Some(AttachType::TraceIter),
        attach_btf_id: target,
    };
    let load =
        |log: &mut [u8]| sys::prog_load(&program, *b"bpf_link_snap\0\0\0", instructions, log);
    let program = load(&mut []).map_err(|source| {
        // Writing a log takes time, so the verifier is asked for one only after a refusal.
        let mut log = vec![0; LOG];
        let _ = load(&mut log);
        let end = log.iter().position(|byte| *byte == 0).unwrap_or(LOG);
        log.truncate(end);
        let log = String::from_utf8_lossy(&log).into_owned();
        let error = CommandError::new(Command::ProgLoad, Target::Links, source);
        let error = match error.errno() {
            // What the verifier does not take is refused with EACCES, among others.
            Some(libc::EACCES | libc::EINVAL) => Error::UnsupportedByKernel(error),
            _ => error.classify(),
        };
        (error, log)
    })?;
    let silent = |error| (error, String::new());
    let request = LinkCreate::new(&program, AttachType::TraceIter);
    let link = RawLink::create(&request).map_err(silent)?;
    let id = link.id().map_err(silent)?;
    Ok(Loaded { link, id })
}

/// How much the verifier may say.
const LOG: usize = 1 << 20;
