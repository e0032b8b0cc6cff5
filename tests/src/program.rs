//! Programs.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Context as _, Result, anyhow};
use bpf_link_sys::{BPF_F_XDP_DEV_BOUND_ONLY, BPF_FUNC_get_attach_cookie, bpf_func_id, bpf_insn};

use crate::asm::{self, Register};
use crate::btf::KernelBtf;
use crate::hook::Hook;
use crate::map::CounterMap;
use crate::names;
use crate::prologue;
use crate::sys::{self, IdSpace, ProgramLoad};

/// A loaded program, which the kernel drops with its last descriptor, pin and attachment.
#[derive(Debug)]
pub struct Program {
    fd: OwnedFd,
}

impl Program {
    /// Loads a program that changes nothing.
    ///
    /// # Errors
    ///
    /// What the kernel answered, with the verifier's words.
    pub fn passing(hook: Hook) -> Result<Self> {
        Self::returning(hook, hook.pass)
    }

    /// Loads a program that only returns `value`.
    ///
    /// # Errors
    ///
    /// What the kernel answered, with the verifier's words.
    pub fn returning(hook: Hook, value: i32) -> Result<Self> {
        Loader::new(hook).returning(value)
    }

    /// Loads a program that counts its runs in `counter` and changes nothing.
    ///
    /// # Errors
    ///
    /// What the kernel answered, with the verifier's words.
    pub fn counting(hook: Hook, counter: &CounterMap) -> Result<Self> {
        Loader::new(hook).counting(counter).returning(hook.pass)
    }

    /// Opens the program that has this id.
    ///
    /// # Errors
    ///
    /// What the kernel answered; `ENOENT` where there is none.
    pub fn from_id(id: u32) -> Result<Self> {
        let fd =
            sys::fd_by_id(IdSpace::Program, id).with_context(|| format!("opening program {id}"))?;
        Ok(Self { fd })
    }

    /// The program's id.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn id(&self) -> Result<u32> {
        Ok(sys::prog_info(self.as_fd())
            .context("asking for a program's id")?
            .id)
    }

    /// The program's name.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn name(&self) -> Result<String> {
        let info = sys::prog_info(self.as_fd()).context("asking for a program's name")?;
        Ok(names::from_info(info.name))
    }
}

impl AsFd for Program {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<OwnedFd> for Program {
    fn from(fd: OwnedFd) -> Self {
        Self { fd }
    }
}

impl From<Program> for OwnedFd {
    fn from(program: Program) -> Self {
        program.fd
    }
}

/// What a program is loaded with beyond the type of its hook.
#[derive(Debug, Clone, Copy)]
pub struct Loader<'a> {
    hook: Hook,
    suffix: &'a str,
    attach_btf_id: u32,
    attach_object: Option<BorrowedFd<'a>>,
    flags: u32,
    device: u32,
    function_type: Option<(BorrowedFd<'a>, u32)>,
    in_this_process: bool,
    wanted: Option<(i16, i32)>,
    counter: Option<&'a CounterMap>,
    counted: Option<bpf_func_id>,
}

impl<'a> Loader<'a> {
    /// Starts with the hook.
    #[must_use]
    pub fn new(hook: Hook) -> Self {
        Self {
            hook,
            suffix: "prog",
            attach_btf_id: 0,
            attach_object: None,
            flags: 0,
            device: 0,
            function_type: None,
            in_this_process: false,
            wanted: None,
            counter: None,
            counted: None,
        }
    }

    /// Sets what the program's name ends in.
    #[must_use]
    pub fn named(self, suffix: &'a str) -> Self {
        Self { suffix, ..self }
    }

    /// Sets what it attaches to by its id in BTF.
    #[must_use]
    pub fn btf_id(self, attach_btf_id: u32) -> Self {
        Self {
            attach_btf_id,
            ..self
        }
    }

    /// Sets the function of the kernel that it attaches to.
    ///
    /// # Errors
    ///
    /// The kernel has no such function.
    pub fn function(self, name: &str) -> Result<Self> {
        let id = KernelBtf::get()?.function(name)?;
        Ok(self.btf_id(id.with_context(|| format!("the kernel has no function {name}"))?))
    }

    /// Sets the tracepoint that it attaches to, with typed arguments.
    ///
    /// # Errors
    ///
    /// The kernel has no such tracepoint.
    pub fn tracepoint(self, name: &str) -> Result<Self> {
        let id = KernelBtf::get()?.tracepoint(name)?;
        Ok(self.btf_id(id.with_context(|| format!("the kernel has no tracepoint {name}"))?))
    }

    /// Sets the program, or BTF object, whose function [`btf_id`](Self::btf_id) names.
    #[must_use]
    pub fn target(self, object: &'a impl AsFd) -> Self {
        Self {
            attach_object: Some(object.as_fd()),
            ..self
        }
    }

    /// Sets `BPF_F_SLEEPABLE` and its like.
    #[must_use]
    pub fn flags(self, flags: u32) -> Self {
        Self { flags, ..self }
    }

    /// Binds the program to this device.
    #[must_use]
    pub fn device(self, index: u32) -> Self {
        Self {
            flags: self.flags | BPF_F_XDP_DEV_BOUND_ONLY,
            device: index,
            ..self
        }
    }

    /// Sets the BTF that describes the program, and the id in it of the program's function.
    #[must_use]
    pub fn described(self, btf: &'a impl AsFd, function: u32) -> Self {
        Self {
            function_type: Some((btf.as_fd(), function)),
            ..self
        }
    }

    /// Lets the program count its runs in `counter`.
    #[must_use]
    pub fn counting(self, counter: &'a CounterMap) -> Self {
        Self {
            counter: Some(counter),
            counted: None,
            ..self
        }
    }

    /// Lets the program add up in `counter` the cookies that it is run with.
    #[must_use]
    pub fn adding_cookies(self, counter: &'a CounterMap) -> Self {
        Self {
            counter: Some(counter),
            counted: Some(BPF_FUNC_get_attach_cookie),
            ..self
        }
    }

    /// Lets the program do nothing where it runs in another process than this one: for hooks that
    /// are the whole machine's.
    #[must_use]
    pub fn in_this_process(self) -> Self {
        Self {
            in_this_process: true,
            ..self
        }
    }

    /// Lets the program do nothing where the eight bytes at this offset of its context are not this
    /// value: for one system call out of all.
    #[must_use]
    pub fn where_context_has(self, offset: i16, value: i32) -> Self {
        Self {
            wanted: Some((offset, value)),
            ..self
        }
    }

    /// Loads a program that changes nothing.
    ///
    /// # Errors
    ///
    /// What the kernel answered, with the verifier's words.
    pub fn passing(self) -> Result<Program> {
        let pass = self.hook.pass;
        self.returning(pass)
    }

    /// Loads a program that returns `value`.
    ///
    /// # Errors
    ///
    /// What the kernel answered, with the verifier's words.
    pub fn returning(self, value: i32) -> Result<Program> {
        self.running(&[asm::set(Register::R0, value), asm::exit()])
    }

    /// Loads a program of these instructions, which begin with the context in R1 where the program
    /// counts nothing.
    ///
    /// # Errors
    ///
    /// What the kernel answered, with the verifier's words.
    pub fn running(self, instructions: &[bpf_insn]) -> Result<Program> {
        let mut all = Vec::new();
        if self.in_this_process {
            all.extend(prologue::in_this_process(self.hook.pass)?);
        }
        if let Some((offset, value)) = self.wanted {
            all.extend(prologue::where_context_has(offset, value, self.hook.pass));
        }
        if let Some(counter) = self.counter {
            all.extend(prologue::count(counter, self.counted));
        }
        all.extend_from_slice(instructions);

        let name = names::object_name(self.suffix);
        let load = ProgramLoad {
            program_type: self.hook.program_type,
            name: &name,
            expected_attach_type: self.hook.attach_type,
            attach_btf_id: self.attach_btf_id,
            attach_object: self.attach_object,
            flags: self.flags,
            device: self.device,
            function_type: self.function_type,
            instructions: &all,
        };
        match sys::prog_load(&load, &mut []) {
            Ok(fd) => Ok(Program { fd }),
            Err(error) => Err(anyhow!(error).context(self.explain(&load))),
        }
    }

    /// What went wrong, in the words that the verifier has when it is asked again.
    fn explain(&self, load: &ProgramLoad<'_>) -> String {
        let mut log = vec![0; 64 * 1024];
        // It has failed before: this time only its words matter.
        let _ = sys::prog_load(load, &mut log);
        let words: Vec<u8> = log.into_iter().take_while(|&byte| byte != 0).collect();
        let words = String::from_utf8_lossy(&words);
        let Hook {
            program_type,
            attach_type,
            ..
        } = self.hook;
        format!(
            "loading a program of type {program_type} for attach type {attach_type}\n{}",
            words.trim_end()
        )
    }
}
