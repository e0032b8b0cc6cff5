//! The architectures that the libraries are built for, and their names in Debian, Rust and GNU.

use std::process::Command;

use anyhow::Result;

use crate::command;

/// A 64-bit architecture that Debian trixie has a standard library of Rust for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Architecture {
    /// The kernel's name of it, which is QEMU's, too.
    pub(crate) name: &'static str,
    /// Debian's.
    pub(crate) debian: &'static str,
    /// The target of Rust's compiler.
    pub(crate) target: &'static str,
    /// What the programs of GNU's cross compiler begin with.
    pub(crate) gnu: &'static str,
    /// Whether `check-architectures` runs tests on it, under QEMU's user emulation: the most common
    /// architecture besides x86-64, and a big-endian one.
    pub(crate) is_emulated: bool,
}

pub(crate) static X86_64: Architecture = Architecture {
    name: "x86_64",
    debian: "amd64",
    target: "x86_64-unknown-linux-gnu",
    gnu: "x86_64-linux-gnu",
    is_emulated: false,
};

pub(crate) static AARCH64: Architecture = Architecture {
    name: "aarch64",
    debian: "arm64",
    target: "aarch64-unknown-linux-gnu",
    gnu: "aarch64-linux-gnu",
    is_emulated: true,
};

static PPC64LE: Architecture = Architecture {
    name: "ppc64le",
    debian: "ppc64el",
    target: "powerpc64le-unknown-linux-gnu",
    gnu: "powerpc64le-linux-gnu",
    is_emulated: false,
};

pub(crate) static RISCV64: Architecture = Architecture {
    name: "riscv64",
    debian: "riscv64",
    target: "riscv64gc-unknown-linux-gnu",
    gnu: "riscv64-linux-gnu",
    is_emulated: false,
};

pub(crate) static S390X: Architecture = Architecture {
    name: "s390x",
    debian: "s390x",
    target: "s390x-unknown-linux-gnu",
    gnu: "s390x-linux-gnu",
    is_emulated: true,
};

/// Those that this machine's Rust does not build for.
pub(crate) static OTHERS: [&Architecture; 4] = [&AARCH64, &PPC64LE, &RISCV64, &S390X];

impl Architecture {
    /// The compiler that links programs for it, which needs to be installed.
    pub(crate) fn linker(&self) -> Result<String> {
        let gcc = format!("{}-gcc", self.gnu);
        let package = format!("gcc-{}", self.gnu);
        command::installed(gcc, &package)
    }

    /// Where Debian has its libraries, without the leading slash.
    pub(crate) fn libraries(&self) -> String {
        format!("usr/lib/{}", self.gnu)
    }

    /// The program that runs its programs here, which needs to be installed.
    pub(crate) fn emulator(&self) -> Result<String> {
        command::installed(format!("qemu-{}", self.name), "qemu-user")
    }

    /// Has cargo build for it, and link with this.
    pub(crate) fn is_built_by<'a>(&self, cargo: &'a mut Command, linker: &str) -> &'a mut Command {
        cargo
            .args(["--target", self.target])
            .env(self.variable("LINKER"), linker)
    }

    /// What cargo calls a setting of this target, as a variable.
    pub(crate) fn variable(&self, setting: &str) -> String {
        let target = self.target.to_uppercase().replace('-', "_");
        format!("CARGO_TARGET_{target}_{setting}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_a_target_are_variables() {
        let expected = "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER";
        assert_eq!(AARCH64.variable("RUNNER"), expected);
    }
}
