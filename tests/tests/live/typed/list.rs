//! The types of all kinds of link.

/// Hands the names of the types to a macro, in the order of the kinds' numbers.
macro_rules! link_types {
    ($then:ident) => {
        $then!(
            RawTracepointLink,
            TracingLink,
            CgroupLink,
            IterLink,
            NetnsLink,
            XdpLink,
            PerfEventLink,
            KprobeMultiLink,
            StructOpsLink,
            NetfilterLink,
            TcxLink,
            UprobeMultiLink,
            NetkitLink,
            SockmapLink,
            TracingMultiLink
        )
    };
}
pub(crate) use link_types;
