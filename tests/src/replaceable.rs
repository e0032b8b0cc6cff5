//! A program of which an extension can take the place.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Context as _, Result};

use crate::btf_header::btf_header;
use crate::hook::Hook;
use crate::map::CounterMap;
use crate::names;
use crate::program::{Loader, Program};
use crate::sys;

/// An XDP program with BTF that says what its one function takes and returns, as the kernel asks of
/// a program that is to be extended.
#[derive(Debug)]
pub struct Replaceable {
    btf: OwnedFd,
    program: Program,
}

impl Replaceable {
    /// The id, in the program's BTF, of its function.
    pub const FUNCTION: u32 = 5;
    /// The function's name.
    pub const NAME: &str = "replaceable";

    /// Loads a program that counts its runs in `counter`.
    ///
    /// # Errors
    ///
    /// What the kernel answered, with the verifier's words.
    pub fn new(counter: &CounterMap) -> Result<Self> {
        Self::of_so_many(1, counter)
    }

    /// The same, with a second function of its name in its BTF.
    ///
    /// # Errors
    ///
    /// What the kernel answered, with the verifier's words.
    pub fn with_a_namesake(counter: &CounterMap) -> Result<Self> {
        Self::of_so_many(2, counter)
    }

    fn of_so_many(functions: usize, counter: &CounterMap) -> Result<Self> {
        let btf = functions_of_xdp(Self::NAME, functions)?;
        let btf = sys::btf_load(&btf).context("loading BTF")?;
        let program = Loader::new(Hook::XDP)
            .named("target")
            .described(&btf, Self::FUNCTION)
            .counting(counter)
            .passing()?;
        Ok(Self { btf, program })
    }

    /// The program's id.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn id(&self) -> Result<u32> {
        self.program.id()
    }

    /// What loads an extension for this program.
    #[must_use]
    pub fn extension(&self) -> Loader<'_> {
        // The two have to be described alike.
        Loader::new(Hook::EXTENSION)
            .named("extension")
            .btf_id(Self::FUNCTION)
            .target(&self.program)
            .described(&self.btf, Self::FUNCTION)
    }

    /// What loads a program for the entry or exit of this one.
    #[must_use]
    pub fn tracer(&self, hook: Hook) -> Loader<'_> {
        Loader::new(hook)
            .named("tracer")
            .btf_id(Self::FUNCTION)
            .target(&self.program)
    }

    /// Runs the program, or the extension that has taken its place, on a packet.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn run(&self) -> Result<()> {
        sys::prog_test_run(self.program.as_fd(), &[0; 64]).context("running a program")?;
        Ok(())
    }
}

impl AsFd for Replaceable {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.program.as_fd()
    }
}

/// An XDP program that lets packets pass, whose function has this name in its BTF. The kernel keeps
/// the first 15 bytes of it as the program's name.
///
/// # Errors
///
/// What the kernel answered, with the verifier's words.
pub fn described_as(name: &str) -> Result<Program> {
    let whole = format!("{}{name}", names::prefix());
    let btf = sys::btf_load(&functions_of_xdp(&whole, 1)?).context("loading BTF")?;
    Loader::new(Hook::XDP)
        .named(name)
        .described(&btf, Replaceable::FUNCTION)
        .passing()
}

/// BTF of so many functions `int NAME(struct xdp_md *ctx)`.
fn functions_of_xdp(name: &str, functions: usize) -> Result<Vec<u8>> {
    const INTEGER: u32 = 1 << 24;
    const POINTER: u32 = 2 << 24;
    const STRUCTURE: u32 = 4 << 24;
    const FUNCTION: u32 = 12 << 24;
    const PROTOTYPE: u32 = 13 << 24;
    const GLOBAL: u32 = 1;
    const ONE_ARGUMENT: u32 = 1;
    let strings = [b"\0int\0xdp_md\0ctx\0", name.as_bytes(), b"\0"].concat();
    // For each type: the name's place among the strings, the kind, a size or another type, and what
    // its kind has more.
    let types: [&[u32]; 4] = [
        // 1: a signed number of 4 bytes, which are 32 bits.
        &[1, INTEGER, 4, (1 << 24) | 32],
        // 2: with nothing inside.
        &[5, STRUCTURE, 0],
        // 3: to type 2.
        &[0, POINTER, 2],
        // 4: returns type 1; the argument has a name, and type 3.
        &[0, PROTOTYPE | ONE_ARGUMENT, 1, 12, 3],
    ];
    // From 5 on: of type 4.
    let functions = [16, FUNCTION | GLOBAL, 4].repeat(functions);
    let types = [types.concat(), functions].concat();
    let types_length = u32::try_from(size_of_val(&types[..]))?;
    let mut btf = btf_header(types_length, u32::try_from(strings.len())?);
    btf.extend(types.into_iter().flat_map(u32::to_ne_bytes));
    btf.extend_from_slice(&strings);
    Ok(btf)
}
