//! Packets that go from a client to a server and back, one at a time.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use bpf_link_tests::{Netns, PATIENCE};

/// The number of a packet: the port that the client sends it from.
pub(crate) type Number = u16;

/// Ports below this one are reserved for privileged services.
const FIRST: Number = 1024;

/// Between two packets, so that their numbers last.
const PAUSE: Duration = Duration::from_micros(500);

/// A client that sends one packet after the other, each once the answer to the one before has come.
pub(crate) struct Traffic {
    shared: Arc<Shared>,
    client: Option<JoinHandle<Result<()>>>,
}

struct Shared {
    server: SocketAddrV4,
    state: Mutex<State>,
    /// A packet has been answered, or something else of the state has changed.
    changed: Condvar,
}

struct State {
    /// The packet that is sent next. Those before have been answered.
    next: Number,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Flowing,
    Paused,
    Over,
}

impl Traffic {
    /// Starts a client in this network namespace.
    pub(crate) fn start(netns: Arc<Netns>, client: Ipv4Addr, server: SocketAddrV4) -> Self {
        let shared = Arc::new(Shared {
            server,
            state: Mutex::new(State {
                next: FIRST,
                phase: Phase::Flowing,
            }),
            changed: Condvar::new(),
        });
        let of_client = shared.clone();
        let client = std::thread::spawn(move || {
            let sent = netns.inside(|| of_client.send_all(client));
            of_client.enter(Phase::Over);
            sent
        });
        Self {
            shared,
            client: Some(client),
        }
    }

    /// The number of the next packet. All before have been answered, and counted where they are
    /// counted.
    pub(crate) fn next(&self) -> Number {
        self.shared.state().next
    }

    /// Waits until so many more packets have been answered, and returns their numbers.
    pub(crate) fn wait_for(&mut self, packets: Number) -> Result<Range<Number>> {
        let first = self.next();
        let last = first.checked_add(packets).context("no numbers are left")?;
        let waits = |state: &mut State| state.next < last && state.phase == Phase::Flowing;
        let state = self.shared.state();
        let (state, _) = self
            .shared
            .changed
            .wait_timeout_while(state, PATIENCE, waits)
            .unwrap_or_else(PoisonError::into_inner);
        let next = state.next;
        drop(state);
        if next < last {
            self.end()?;
        }
        ensure!(next >= last, "the packets have stopped at {next}");
        Ok(first..last)
    }

    /// Holds the packets back, after the one that is on its way.
    pub(crate) fn pause(&self) {
        self.shared.enter(Phase::Paused);
    }

    /// Lets packets flow again.
    pub(crate) fn resume(&self) {
        self.shared.enter(Phase::Flowing);
    }

    /// Ends the client. It fails if a packet was not answered.
    pub(crate) fn end(&mut self) -> Result<()> {
        self.shared.enter(Phase::Over);
        let Some(client) = self.client.take() else {
            return Ok(());
        };
        client
            .join()
            .map_err(|_| anyhow!("the client has panicked"))?
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        // If the test has not ended it, the test has failed already.
        let _ = self.end();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, phase: Phase) {
        let mut state = self.state();
        if state.phase != Phase::Over {
            state.phase = phase;
        }
        self.changed.notify_all();
    }

    fn send_all(&self, client: Ipv4Addr) -> Result<()> {
        loop {
            // The state is locked until the answer has come: `next` never sees a packet under way.
            let mut state = self
                .changed
                .wait_while(self.state(), |state| state.phase == Phase::Paused)
                .unwrap_or_else(PoisonError::into_inner);
            if state.phase == Phase::Over {
                return Ok(());
            }
            let from = SocketAddrV4::new(client, state.next);
            self.send(from)
                .with_context(|| format!("packet {}", state.next))?;
            state.next = state.next.checked_add(1).context("no numbers are left")?;
            drop(state);
            self.changed.notify_all();
            std::thread::sleep(PAUSE);
        }
    }

    fn send(&self, from: SocketAddrV4) -> Result<()> {
        let socket = UdpSocket::bind(from)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let sent = from.port().to_ne_bytes();
        socket.send_to(&sent, self.server)?;
        let mut received = [0; 64];
        let (length, _) = socket.recv_from(&mut received).context("it was lost")?;
        ensure!(received[..length] == sent, "another came back");
        Ok(())
    }
}
