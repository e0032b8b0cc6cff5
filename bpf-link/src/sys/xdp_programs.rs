//! The programs that a network device has for xdp, among what `RTM_GETLINK` says about it.

use super::get_link::DeviceMessage;
use super::netlink::{Attributes, u32_at};

/// The programs of a device, by mode; 0 where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct XdpProgramIds {
    pub(crate) generic: u32,
    pub(crate) driver: u32,
    pub(crate) hardware: u32,
}

const IFLA_XDP: u16 = 43;
const IFLA_XDP_ATTACHED: u16 = 2;
const IFLA_XDP_PROG_ID: u16 = 4;
const IFLA_XDP_DRV_PROG_ID: u16 = 5;
const IFLA_XDP_SKB_PROG_ID: u16 = 6;
const IFLA_XDP_HW_PROG_ID: u16 = 7;
const XDP_ATTACHED_DRV: u8 = 1;
const XDP_ATTACHED_SKB: u8 = 2;
const XDP_ATTACHED_HW: u8 = 3;

/// The programs that this message about a device has.
pub(super) fn of_device(device: DeviceMessage<'_>) -> XdpProgramIds {
    let Some(xdp) = device.attributes().find(|(kind, _)| *kind == IFLA_XDP) else {
        return XdpProgramIds::default();
    };
    let mut programs = XdpProgramIds::default();
    let (mut attached, mut only) = (0, 0);
    for (kind, value) in Attributes(xdp.1) {
        let number = u32_at(value, 0).unwrap_or(0);
        match kind {
            IFLA_XDP_ATTACHED => attached = value.first().copied().unwrap_or(0),
            IFLA_XDP_PROG_ID => only = number,
            IFLA_XDP_DRV_PROG_ID => programs.driver = number,
            IFLA_XDP_SKB_PROG_ID => programs.generic = number,
            IFLA_XDP_HW_PROG_ID => programs.hardware = number,
            _ => {}
        }
    }
    // With programs in several modes, the kernel reports each mode's id instead of this one.
    match attached {
        XDP_ATTACHED_DRV => programs.driver = only,
        XDP_ATTACHED_SKB => programs.generic = only,
        XDP_ATTACHED_HW => programs.hardware = only,
        _ => {}
    }
    programs
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::super::get_link::INFO;
    use super::super::netlink::attribute;
    use super::*;

    /// The programs of a device with these attributes.
    fn parse(attributes: &[u8]) -> io::Result<XdpProgramIds> {
        let body = [&[0; INFO][..], attributes].concat();
        Ok(of_device(DeviceMessage::new(&body)?))
    }

    fn number(kind: u16, number: u32) -> Vec<u8> {
        attribute(kind, &number.to_ne_bytes())
    }

    #[test]
    fn the_mode_of_a_program_is_told() -> io::Result<()> {
        let xdp = [
            attribute(IFLA_XDP_ATTACHED, &[XDP_ATTACHED_SKB]),
            number(IFLA_XDP_PROG_ID, 7),
        ];
        // The name of a device, which comes first, and a nested attribute with its flag.
        let all = [
            attribute(3, b"lo\0"),
            attribute(IFLA_XDP | 1 << 15, &xdp.concat()),
        ];
        let programs = parse(&all.concat())?;
        let expected = XdpProgramIds {
            generic: 7,
            ..XdpProgramIds::default()
        };
        assert_eq!(programs, expected);
        Ok(())
    }

    #[test]
    fn several_modes_have_a_program_each() -> io::Result<()> {
        let xdp = [
            attribute(IFLA_XDP_ATTACHED, &[4]),
            number(IFLA_XDP_DRV_PROG_ID, 5),
            number(IFLA_XDP_HW_PROG_ID, 6),
        ];
        let programs = parse(&attribute(IFLA_XDP, &xdp.concat()))?;
        assert_eq!((programs.driver, programs.hardware), (5, 6));
        Ok(())
    }

    #[test]
    fn a_device_without_xdp_has_none() -> io::Result<()> {
        assert_eq!(parse(&[])?, XdpProgramIds::default());
        Ok(())
    }
}
