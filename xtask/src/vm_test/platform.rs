//! The machines that guests run on, one for each architecture, and what differs between them.

use anyhow::Result;

use crate::architecture::{AARCH64, Architecture, RISCV64, S390X, X86_64};
use crate::command;

/// An architecture as QEMU emulates it and Debian's kernels know it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Platform {
    pub(crate) architecture: &'static Architecture,
    /// The emulator, and Debian's package of it.
    pub(crate) qemu: (&'static str, &'static str),
    /// What it is given to make the machine.
    pub(crate) machine: &'static [&'static str],
    /// What the kernel calls its console, without `/dev/`.
    pub(crate) console: &'static str,
    /// Where the guest sends its results.
    pub(crate) results: Results,
    /// What the kernel is told besides what it is told everywhere.
    pub(crate) kernel_arguments: &'static str,
    /// The dynamic linker: its name, and where programs with libraries ask the kernel for it.
    pub(crate) loader: (&'static str, &'static str),
    /// Whether Debian's mirrors have a bpftool for it.
    pub(crate) has_bpftool: bool,
}

/// The way that results leave the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Results {
    /// A second serial port, which the guest has under this name.
    Serial(&'static str),
    /// A console of virtio, for machines with one serial port; by the name of its controller in
    /// QEMU.
    Virtio(&'static str),
}

impl Results {
    /// Where the guest has it.
    pub(crate) fn in_guest(self) -> &'static str {
        match self {
            Self::Serial(device) => device,
            Self::Virtio(_) => "/dev/hvc0",
        }
    }

    /// What the guest needs for it, by module name.
    pub(crate) fn modules(self) -> &'static [&'static str] {
        match self {
            Self::Serial(_) => &[],
            Self::Virtio(_) => &["virtio_pci", "virtio_console"],
        }
    }
}

pub(super) static X86_64_MACHINE: Platform = Platform {
    architecture: &X86_64,
    qemu: ("qemu-system-x86_64", "qemu-system-x86"),
    // Page tables of four levels, as a fifth makes each walk longer.
    machine: &["-cpu", "max,la57=off"],
    console: "ttyS0",
    results: Results::Serial("/dev/ttyS1"),
    // No check of the timer: an emulated one may be too slow for it on a loaded machine, and then
    // the kernel does not start.
    kernel_arguments: "no_timer_check",
    loader: ("ld-linux-x86-64.so.2", "lib64/ld-linux-x86-64.so.2"),
    has_bpftool: true,
};

pub(super) static AARCH64_MACHINE: Platform = Platform {
    architecture: &AARCH64,
    qemu: ("qemu-system-aarch64", "qemu-system-arm"),
    // No other model has pages of 16 KiB. To emulate pointer authentication as specified takes as
    // long as everything else.
    machine: &["-machine", "virt", "-cpu", "max,pauth-impdef=on"],
    console: "ttyAMA0",
    results: Results::Virtio("virtio-serial-pci"),
    kernel_arguments: "",
    loader: ("ld-linux-aarch64.so.1", "lib/ld-linux-aarch64.so.1"),
    has_bpftool: true,
};

pub(super) static RISCV64_MACHINE: Platform = Platform {
    architecture: &RISCV64,
    qemu: ("qemu-system-riscv64", "qemu-system-misc"),
    machine: &["-machine", "virt"],
    console: "ttyS0",
    results: Results::Virtio("virtio-serial-pci"),
    // Without this, that kernel interprets BPF programs and does not compile them.
    kernel_arguments: "sysctl.net.core.bpf_jit_enable=1",
    loader: (
        "ld-linux-riscv64-lp64d.so.1",
        "lib/ld-linux-riscv64-lp64d.so.1",
    ),
    has_bpftool: false,
};

pub(super) static S390X_MACHINE: Platform = Platform {
    architecture: &S390X,
    qemu: ("qemu-system-s390x", "qemu-system-misc"),
    machine: &["-machine", "s390-ccw-virtio", "-cpu", "max"],
    console: "ttysclp0",
    results: Results::Virtio("virtio-serial-ccw"),
    kernel_arguments: "",
    loader: ("ld64.so.1", "lib/ld64.so.1"),
    has_bpftool: false,
};

/// All of them.
pub(crate) static PLATFORMS: [&Platform; 4] = [
    &X86_64_MACHINE,
    &AARCH64_MACHINE,
    &RISCV64_MACHINE,
    &S390X_MACHINE,
];

impl Platform {
    /// The one that everything runs on where nobody names another.
    pub(crate) fn own() -> &'static Self {
        &X86_64_MACHINE
    }

    /// Whether it is that one.
    pub(crate) fn is_own(&self) -> bool {
        self == Self::own()
    }

    pub(crate) fn name(&self) -> &'static str {
        self.architecture.name
    }

    /// The one of this architecture, for a command line.
    pub(crate) fn named(name: &str) -> std::result::Result<&'static Self, String> {
        let all = PLATFORMS.map(Self::name).join(", ");
        PLATFORMS
            .into_iter()
            .find(|platform| platform.name() == name)
            .ok_or_else(|| format!("the machines are {all}"))
    }

    /// Fails with the name of the package where the emulator is not installed.
    pub(crate) fn check_emulator(&self) -> Result<()> {
        let (program, package) = self.qemu;
        command::installed(program.to_owned(), package).map(drop)
    }
}
