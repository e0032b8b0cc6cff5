//! Programs of the traffic control that there was before tcx: filters of a queueing discipline.

use std::os::fd::{AsFd as _, AsRawFd as _};

use anyhow::{Context as _, Result};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{
    TcAttribute, TcBpfFlags, TcFilterBpf, TcFilterBpfOption, TcHandle, TcMessage, TcOption,
};

use crate::netlink;
use crate::program::Program;

/// The queueing discipline `clsact` or `ingress` of a device, which only has filters. It is removed
/// when this is dropped, and they with it.
#[derive(Debug)]
pub struct ClassicTc {
    index: u32,
}

impl ClassicTc {
    /// Makes one for the device of this number, in the network namespace of the calling thread.
    ///
    /// # Errors
    ///
    /// The device has one (`EEXIST`), and what else the kernel answered.
    pub fn create(index: u32) -> Result<Self> {
        Self::create_kind(index, "clsact")
    }

    /// Makes the older discipline `ingress`, which only has filters of what comes in.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn create_for_ingress(index: u32) -> Result<Self> {
        Self::create_kind(index, "ingress")
    }

    fn create_kind(index: u32, kind: &str) -> Result<Self> {
        let mut message = discipline(index)?;
        message.attributes = vec![TcAttribute::Kind(kind.to_owned())];
        netlink::order(
            RouteNetlinkMessage::NewQueueDiscipline(message),
            NLM_F_CREATE | NLM_F_EXCL,
        )
        .with_context(|| format!("making the discipline {kind} for the device {index}"))?;
        Ok(Self { index })
    }

    /// Has packets that come in go through this program, which says what becomes of them.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn filter_ingress(&self, program: &Program) -> Result<()> {
        self.filter(TcHandle::MIN_INGRESS, 1, program)
    }

    /// As [`filter_ingress`](Self::filter_ingress), with a priority other than 1.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn filter_ingress_at(&self, priority: u16, program: &Program) -> Result<()> {
        self.filter(TcHandle::MIN_INGRESS, priority, program)
    }

    /// As [`filter_ingress`](Self::filter_ingress), for those that go out.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn filter_egress(&self, program: &Program) -> Result<()> {
        self.filter(TcHandle::MIN_EGRESS, 1, program)
    }

    fn filter(&self, minor: u16, priority: u16, program: &Program) -> Result<()> {
        // Packets of every protocol, which is a number of 16 bits with the high byte first.
        let protocol = u16::try_from(libc::ETH_P_ALL)?.to_be();
        let mut message = TcMessage::with_index(i32::try_from(self.index)?);
        message.header.parent = TcHandle {
            major: TcHandle::CLSACT.major,
            minor,
        };
        message.header.info = (u32::from(priority) << 16) | u32::from(protocol);
        let number = u32::try_from(program.as_fd().as_raw_fd())?;
        message.attributes = vec![
            TcAttribute::Kind(TcFilterBpf::KIND.to_owned()),
            TcAttribute::Options(vec![
                TcOption::Bpf(TcFilterBpfOption::ProgFd(number)),
                TcOption::Bpf(TcFilterBpfOption::ProgName("classic".to_owned())),
                TcOption::Bpf(TcFilterBpfOption::Flags(TcBpfFlags::DirectAction)),
            ]),
        ];
        netlink::order(
            RouteNetlinkMessage::NewTrafficFilter(message),
            NLM_F_CREATE | NLM_F_EXCL,
        )
        .with_context(|| format!("adding a filter to the device {}", self.index))
    }

    /// Removes it, and the filters with it.
    ///
    /// # Errors
    ///
    /// What the kernel answered.
    pub fn delete(self) -> Result<()> {
        delete(self.index)
    }
}

impl Drop for ClassicTc {
    fn drop(&mut self) {
        // It may be gone already. The sandbox removes it in any case.
        let _ = delete(self.index);
    }
}

/// A message about the discipline of the device of this number, of whatever kind it is.
fn discipline(index: u32) -> Result<TcMessage> {
    let mut message = TcMessage::with_index(i32::try_from(index)?);
    message.header.parent = TcHandle::CLSACT;
    message.header.handle = TcHandle {
        major: TcHandle::CLSACT.major,
        minor: 0,
    };
    Ok(message)
}

fn delete(index: u32) -> Result<()> {
    netlink::order(
        RouteNetlinkMessage::DelQueueDiscipline(discipline(index)?),
        0,
    )
    .with_context(|| format!("removing the discipline of the device {index}"))
}
