//! The code with a loader that the guides and the README show, run twice as an agent is: the first
//! run attaches and pins, and the second finds what the first has left.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use bpf_link_clients::GUIDE_OBJECT;
use bpf_link_tests::{Device, DeviceKind, Sandbox};
use bpf_link_typed::{Link, ProgramInfo};
use rustix::mount::{MountFlags, mount};

/// A block of code, and what it does.
struct Block {
    name: &'static str,
    /// Where it pins its link.
    pin: &'static str,
    /// The program, by its name in C.
    program: &'static str,
    /// Whether its next run takes the link over, and does not fail because of the pin.
    takes_over: bool,
}

impl Block {
    /// Runs it twice, where the guides expect to be.
    fn play(&self) -> Result<()> {
        let _sandbox = Sandbox::enter()?;
        mount("bpf", "/sys/fs/bpf", "bpf", MountFlags::empty(), None)?;
        let _device = Device::create(DeviceKind::Veth, "eth0")?;

        let first = self.run()?;
        ensure!(first.status.success(), "{first:?}");
        let said = String::from_utf8_lossy(&first.stdout);
        ensure!(said.contains("created") == self.takes_over, "{said}");
        let link = self.link()?;

        let second = self.run()?;
        ensure!(second.status.success() == self.takes_over, "{second:?}");
        let said = String::from_utf8_lossy(&second.stdout);
        let is_updated = said.contains("updated, replacing program ");
        ensure!(is_updated == self.takes_over, "{said}");
        ensure!(self.link()? == link);
        Ok(())
    }

    fn run(&self) -> Result<Output> {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(self.name);
        fs::create_dir_all(&directory)?;
        fs::write(directory.join("agent.bpf.o"), GUIDE_OBJECT)?;
        let guide = Command::new(env!("CARGO_BIN_EXE_guide"))
            .arg(self.name)
            .current_dir(directory)
            .output()?;
        Ok(guide)
    }

    /// The id of the link that is pinned, which has to run the program.
    fn link(&self) -> Result<u32> {
        let link = Link::from_pinned(self.pin)?;
        let program = link.info()?.program_id().context("it runs none")?;
        let name = ProgramInfo::from_id(program)?.name;
        ensure!(name.to_bytes() == self.program.as_bytes(), "{name:?}");
        Ok(link.id()?.get())
    }
}

#[test]
fn readme_attach() -> Result<()> {
    let block = Block {
        name: "readme_attach",
        pin: "/sys/fs/bpf/eth0_ingress",
        program: "classify",
        takes_over: false,
    };
    block.play()
}

#[test]
fn readme_start() -> Result<()> {
    let block = Block {
        name: "readme_start",
        pin: "/sys/fs/bpf/agent/eth0_ingress",
        program: "classify",
        takes_over: true,
    };
    block.play()
}

#[test]
fn takeover_aya() -> Result<()> {
    let block = Block {
        name: "takeover_aya",
        pin: "/sys/fs/bpf/agent/eth0_xdp",
        program: "count",
        takes_over: true,
    };
    block.play()
}

#[test]
fn takeover_libbpf_rs() -> Result<()> {
    let block = Block {
        name: "takeover_libbpf_rs",
        pin: "/sys/fs/bpf/agent/eth0_xdp",
        program: "count",
        takes_over: true,
    };
    block.play()
}

#[test]
fn from_aya() -> Result<()> {
    let block = Block {
        name: "from_aya",
        pin: "/sys/fs/bpf/agent/eth0",
        program: "classify",
        takes_over: true,
    };
    block.play()
}

#[test]
fn from_libbpf_rs() -> Result<()> {
    let block = Block {
        name: "from_libbpf_rs",
        pin: "/sys/fs/bpf/agent/eth0",
        program: "classify",
        takes_over: true,
    };
    block.play()
}
