//! Where an agent lives: a server in a cgroup, a client in another network namespace, and a pair of
//! devices between them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsFd as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use bpf_link_clients::Settings;
use bpf_link_tests::{Cgroup, Device, DeviceKind, Netns, Sandbox, device};

use crate::traffic::Traffic;

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// The server's device.
const DEVICE: &str = "server";

/// Fields are dropped in this order: the server has to end before its cgroup.
pub(crate) struct Scene {
    device: Option<Device>,
    server: Server,
    cgroup: Cgroup,
    client: Arc<Netns>,
    sandbox: Sandbox,
}

impl Scene {
    /// Puts the calling thread, and the agents that it starts, into the network namespace of a
    /// server.
    pub(crate) fn enter(name: &str) -> Result<Self> {
        let sandbox = Sandbox::enter()?;
        let cgroup = sandbox.new_cgroup(name)?;
        let mut scene = Self {
            device: None,
            server: Server::start(&cgroup)?,
            cgroup,
            client: Arc::new(Netns::create()?),
            sandbox,
        };
        scene.make_device()?;
        Ok(scene)
    }

    /// Removes the device, and makes another of the same name.
    pub(crate) fn make_device_again(&mut self) -> Result<()> {
        self.device.take().context("there is one")?.delete()?;
        self.make_device()
    }

    fn make_device(&mut self) -> Result<()> {
        let device = Device::create(DeviceKind::Veth, DEVICE)?;
        device::add_address(device.index(), SERVER, 24)?;
        let peer = device::peer_name(DEVICE);
        device::move_to(device::index_of(&peer)?, self.client.as_fd())?;
        self.client.inside(|| {
            let peer = device::index_of(&peer)?;
            device::add_address(peer, CLIENT, 24)?;
            device::bring_up(peer)
        })?;
        self.device = Some(device);
        Ok(())
    }

    /// Starts the client.
    pub(crate) fn start_traffic(&self) -> Traffic {
        let server = SocketAddrV4::new(SERVER, self.server.port);
        Traffic::start(self.client.clone(), CLIENT, server)
    }

    /// What an agent of this version is told.
    pub(crate) fn settings(&self, version: u32) -> Result<Settings> {
        Ok(Settings {
            directory: self.sandbox.bpffs().join("agent"),
            device: DEVICE.to_owned(),
            cgroup: self.cgroup.path().to_owned(),
            tracefs: self.sandbox.tracefs()?.to_owned(),
            port: self.server.port.into(),
            version,
        })
    }
}

/// A server, which ends when this is dropped.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    /// Starts it in this cgroup: its socket is of the cgroup that it is in when it opens it.
    fn start(cgroup: &Cgroup) -> Result<Self> {
        let process = Command::new(env!("CARGO_BIN_EXE_echo"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut server = Self { process, port: 0 };
        let members = cgroup.path().join("cgroup.procs");
        std::fs::write(&members, server.process.id().to_string())
            .with_context(|| members.display().to_string())?;
        let mut input = server.process.stdin.take().context("its input")?;
        writeln!(input, "go")?;
        let output = server.process.stdout.take().context("its output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        server.port = line.trim_end().parse().context("its port")?;
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
