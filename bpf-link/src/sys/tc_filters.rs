//! The classic filters of the traffic control of a network device: `RTM_GETTFILTER` over netlink.

use std::ffi::{CStr, CString};
use std::io;

use super::get_link::signed;
use super::netlink::{self, Attributes, i32_at, u32_at, unreadable};

/// A filter that is a BPF program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TcFilter {
    /// The class or the discipline that has it, as `TC_H_MAKE` puts it together.
    pub(crate) parent: u32,
    pub(crate) chain: u32,
    pub(crate) priority: u16,
    pub(crate) protocol: u16,
    pub(crate) handle: u32,
    pub(crate) program: u32,
    pub(crate) name: Option<CString>,
    pub(crate) is_direct_action: bool,
    pub(crate) generic_flags: u32,
    pub(crate) class_id: Option<u32>,
}

/// The parent of ingress filters, in `ingress` and in `clsact`.
pub(crate) const INGRESS: u32 = 0xffff_fff2;
/// The parent of egress filters, in `clsact`.
pub(crate) const EGRESS: u32 = 0xffff_fff3;
/// The handle of both disciplines.
const CLSACT: u32 = 0xffff_0000;
/// `TC_H_ROOT`
const ROOT: u32 = u32::MAX;

/// The length of `struct tcmsg`, and where it has what.
const MESSAGE: usize = 20;
const INDEX: usize = 4;
const HANDLE: usize = 8;
const PARENT: usize = 12;
const INFO: usize = 16;

const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_CHAIN: u16 = 11;
const TCA_BPF_CLASSID: u16 = 3;
const TCA_BPF_NAME: u16 = 7;
const TCA_BPF_FLAGS: u16 = 8;
const TCA_BPF_FLAGS_GEN: u16 = 9;
const TCA_BPF_ID: u16 = 11;
/// `TCA_BPF_FLAG_ACT_DIRECT`
const DIRECT_ACTION: u32 = 1;

/// Asks for the filters of the device with this index in the network namespace of the calling
/// thread: those for incoming packets, those for outgoing packets, and those of the other
/// disciplines and their classes, each in the order in which they run.
pub(crate) fn tc_filters(ifindex: u32) -> io::Result<Vec<TcFilter>> {
    let index = signed(ifindex)?;
    let mut filters = Vec::new();
    let disciplines = netlink::dump(libc::RTM_GETQDISC, &message(index, 0))?;
    let classes = netlink::dump(libc::RTM_GETTCLASS, &message(index, 0))?;
    for parent in parents(index, disciplines.iter().chain(&classes))? {
        for body in netlink::dump(libc::RTM_GETTFILTER, &message(index, parent))? {
            filters.extend(read(&body, parent)?);
        }
    }
    Ok(filters)
}

/// Which of these disciplines and classes may have filters.
fn parents<'a>(
    index: i32,
    messages: impl IntoIterator<Item = &'a Vec<u8>>,
) -> io::Result<Vec<u32>> {
    let mut parents = Vec::new();
    for body in messages {
        // The kernel tells about the disciplines of all devices.
        if i32_at(body, INDEX) != Some(index) {
            continue;
        }
        match u32_at(body, HANDLE).ok_or_else(unreadable)? {
            // Parent 0 means the root discipline, which has no handle if the kernel made it. The
            // other disciplines without one cannot be asked for.
            0 if u32_at(body, PARENT) == Some(ROOT) => parents.push(0),
            0 => {}
            // This one would answer with the same filters for either side.
            CLSACT if kind(body) == Some(b"ingress\0") => parents.push(INGRESS),
            CLSACT => parents.extend([INGRESS, EGRESS]),
            handle => parents.push(handle),
        }
    }
    parents.sort_by_key(|parent| (*parent & CLSACT != CLSACT, *parent));
    parents.dedup();
    Ok(parents)
}

/// The name of the sort of discipline, class or filter, with its NUL.
fn kind(body: &[u8]) -> Option<&[u8]> {
    let attributes = Attributes(body.get(MESSAGE..)?);
    let mut kinds = attributes.filter(|(attribute, _)| *attribute == TCA_KIND);
    kinds.next().map(|(_, kind)| kind)
}

fn message(index: i32, parent: u32) -> [u8; MESSAGE] {
    let mut message = [0; MESSAGE];
    let fields = [(INDEX, index.to_ne_bytes()), (PARENT, parent.to_ne_bytes())];
    for (at, bytes) in fields {
        for (to, from) in message.iter_mut().skip(at).zip(bytes) {
            *to = from;
        }
    }
    message
}

/// The filter of this message; `None` if it has no BPF program that has an id.
fn read(body: &[u8], parent: u32) -> io::Result<Option<TcFilter>> {
    let field = |at| u32_at(body, at).ok_or_else(unreadable);
    let info = field(INFO)?;
    let half = |half: u32| u16::try_from(half & 0xffff).unwrap_or_default();
    let mut filter = TcFilter {
        parent,
        chain: 0,
        priority: half(info >> 16),
        // As it is on the wire.
        protocol: u16::from_be(half(info)),
        handle: field(HANDLE)?,
        program: 0,
        name: None,
        is_direct_action: false,
        generic_flags: 0,
        class_id: None,
    };
    for (attribute, value) in Attributes(body.get(MESSAGE..).ok_or_else(unreadable)?) {
        match attribute {
            TCA_CHAIN => filter.chain = u32_at(value, 0).unwrap_or(0),
            TCA_OPTIONS => filter.read_options(value),
            _ => {}
        }
    }
    let is_bpf = kind(body) == Some(b"bpf\0");
    Ok(Some(filter).filter(|filter| is_bpf && filter.program != 0))
}

impl TcFilter {
    fn read_options(&mut self, options: &[u8]) {
        for (kind, value) in Attributes(options) {
            let number = u32_at(value, 0);
            match kind {
                TCA_BPF_CLASSID => self.class_id = number,
                TCA_BPF_NAME => {
                    self.name = CStr::from_bytes_until_nul(value).ok().map(Into::into);
                }
                TCA_BPF_FLAGS => {
                    self.is_direct_action = number.is_some_and(|flags| flags & DIRECT_ACTION != 0);
                }
                TCA_BPF_FLAGS_GEN => self.generic_flags = number.unwrap_or(0),
                TCA_BPF_ID => self.program = number.unwrap_or(0),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::netlink::attribute;
    use super::*;

    /// A filter of priority 3 for packets of IPv4.
    fn filter(kind: &[u8], options: &[Vec<u8>]) -> Vec<u8> {
        let info = 3 << 16 | u32::from(0x0800_u16.to_be());
        let fields = [0, 7, 6, INGRESS, info];
        let mut body: Vec<u8> = fields.into_iter().flat_map(u32::to_ne_bytes).collect();
        body.extend(attribute(TCA_KIND, kind));
        body.extend(attribute(TCA_CHAIN, &9_u32.to_ne_bytes()));
        body.extend(attribute(TCA_OPTIONS, &options.concat()));
        body
    }

    #[test]
    fn a_filter_is_read() -> io::Result<()> {
        let options = [
            attribute(TCA_BPF_NAME, b"classify\0"),
            attribute(TCA_BPF_FLAGS, &1_u32.to_ne_bytes()),
            attribute(TCA_BPF_FLAGS_GEN, &8_u32.to_ne_bytes()),
            attribute(TCA_BPF_CLASSID, &0x1_0002_u32.to_ne_bytes()),
            attribute(TCA_BPF_ID, &5_u32.to_ne_bytes()),
        ];
        let expected = TcFilter {
            parent: INGRESS,
            chain: 9,
            priority: 3,
            protocol: 0x0800,
            handle: 6,
            program: 5,
            name: Some(c"classify".to_owned()),
            is_direct_action: true,
            generic_flags: 8,
            class_id: Some(0x1_0002),
        };
        assert_eq!(read(&filter(b"bpf\0", &options), INGRESS)?, Some(expected));
        Ok(())
    }

    /// A discipline or a class.
    fn parent(kind: &[u8], index: u32, handle: u32, parent: u32) -> Vec<u8> {
        let fields = [0, index, handle, parent, 1];
        let mut body: Vec<u8> = fields.into_iter().flat_map(u32::to_ne_bytes).collect();
        body.extend(attribute(TCA_KIND, kind));
        body
    }

    #[test]
    fn disciplines_and_classes_are_parents() -> io::Result<()> {
        const CLSACT_PARENT: u32 = 0xffff_fff1;
        // As `mq` has it, which the kernel makes for a device with several queues.
        let made_by_the_kernel = [
            parent(b"mq\0", 7, 0, ROOT),
            parent(b"fq_codel\0", 7, 0, 1),
            parent(b"fq_codel\0", 7, 0, 2),
            parent(b"clsact\0", 7, CLSACT, CLSACT_PARENT),
            parent(b"mq\0", 8, 0x3_0000, ROOT),
        ];
        assert_eq!(parents(7, &made_by_the_kernel)?, [INGRESS, EGRESS, 0]);
        let added = [
            parent(b"htb\0", 7, 0x1_0000, ROOT),
            parent(b"ingress\0", 7, CLSACT, CLSACT_PARENT),
            parent(b"htb\0", 7, 0x1_0002, 0x1_0000),
        ];
        assert_eq!(parents(7, &added)?, [INGRESS, 0x1_0000, 0x1_0002]);
        assert!(parents(7, &[vec![0; INDEX]])?.is_empty());
        Ok(())
    }

    #[test]
    fn what_has_no_program_is_left_out() -> io::Result<()> {
        let id = [attribute(TCA_BPF_ID, &5_u32.to_ne_bytes())];
        // The kernel announces each priority before its filters.
        assert_eq!(read(&filter(b"bpf\0", &[]), INGRESS)?, None);
        assert_eq!(read(&filter(b"flower\0", &id), INGRESS)?, None);
        assert!(read(&[0; MESSAGE - 1], INGRESS).is_err());
        Ok(())
    }
}
