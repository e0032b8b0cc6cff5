//! The code with a loader that the guides and the README show, run twice as an agent is: the first
//! run attaches and pins, and the second finds what the first has left.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use bpf_link_tests::mounted::mount_bpffs;
use bpf_link_tests::{Device, DeviceKind, Sandbox};
use bpf_link_typed::{Link, ProgramInfo};

/// `bpf/guide.bpf.c`, compiled.
const OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/guide.bpf.o"));

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
        mount_bpffs()?;
        let _device = Device::create(DeviceKind::Veth, "eth0")?;

        let first = self.run()?;
        ensure!(first.status.success(), "{first:?}");
        let said = String::from_utf8_lossy(&first.stdout);
        ensure!(said.contains("created") == self.takes_over, "{said}");
        let link = self.link()?;

        let second = self.run()?;
        if self.takes_over {
            ensure!(second.status.success(), "{second:?}");
        } else {
            let refused = format!("{} exists already", self.pin);
            let said = String::from_utf8_lossy(&second.stderr);
            ensure!(
                second.status.code() == Some(1) && said.contains(&refused),
                "{second:?}"
            );
        }
        let said = String::from_utf8_lossy(&second.stdout);
        let is_updated = said.contains("updated, replacing program ");
        ensure!(is_updated == self.takes_over, "{said}");
        ensure!(self.link()? == link);
        Ok(())
    }

    fn run(&self) -> Result<Output> {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(self.name);
        fs::create_dir_all(&directory)?;
        fs::write(directory.join("agent.bpf.o"), OBJECT)?;
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

/// A test of each block.
macro_rules! blocks {
    ($($name:ident: $program:literal at $pin:literal, $takes_over:literal;)*) => {$(
        #[test]
        fn $name() -> Result<()> {
            let block = Block {
                name: stringify!($name),
                pin: $pin,
                program: $program,
                takes_over: $takes_over,
            };
            block.play()
        }
    )*};
}

blocks! {
    readme_attach: "classify" at "/sys/fs/bpf/eth0_ingress", false;
    readme_start: "classify" at "/sys/fs/bpf/agent/eth0_ingress", true;
    takeover_aya: "count" at "/sys/fs/bpf/agent/eth0_xdp", true;
    takeover_libbpf_rs: "count" at "/sys/fs/bpf/agent/eth0_xdp", true;
    from_aya: "classify" at "/sys/fs/bpf/agent/eth0", true;
    from_libbpf_rs: "classify" at "/sys/fs/bpf/agent/eth0", true;
}
