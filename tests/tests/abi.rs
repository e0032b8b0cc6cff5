//! The comparison of the bindings with a kernel finds what it has to find: here the place of the
//! kernel is taken by the bindings themselves, and theirs by a text in which something is wrong.

use anyhow::Result;
use bpf_link_tests::abi::{Abi, Comparison, Field, Value};

const BINDINGS: &str = include_str!("../../bpf-link-sys/src/bindings.rs");

/// A text with these replacements, each of which has something to replace.
fn altered(text: &str, replacements: &[(&str, &str)]) -> String {
    let mut text = text.to_owned();
    for (from, to) in replacements {
        assert!(text.contains(from), "there is no {from}");
        text = text.replace(from, to);
    }
    text
}

/// What is found wrong with the bindings after these replacements.
fn compare(replacements: &[(&str, &str)]) -> Result<Comparison> {
    let wrong = Abi::of_bindings(&altered(BINDINGS, replacements))?;
    Ok(wrong.compare(&Abi::of_bindings(BINDINGS)?))
}

fn missing(comparison: &Comparison) -> Vec<&str> {
    let paths = comparison.missing.iter();
    paths.map(|missing| missing.path.as_str()).collect()
}

const NOTHING: [&str; 0] = [];

#[test]
fn fields_are_known_by_their_names_in_c() -> Result<()> {
    let bindings = Abi::of_bindings(BINDINGS)?;
    let value = |offset, size| Field {
        offset,
        size,
        is_aggregate: false,
    };
    for (ty, path, field) in [
        ("bpf_attr", "link_create.prog_fd", value(0, 32)),
        (
            "bpf_attr",
            "link_create.uprobe_multi.path_fd",
            value(480, 32),
        ),
        ("bpf_attr", "prog_name", value(384, 128)),
        ("bpf_link_info", "type", value(0, 32)),
        ("bpf_link_info", "iter.cgroup.order", value(320, 32)),
        ("bpf_link_info", "perf_event.kprobe.cookie", value(448, 64)),
        ("bpf_prog_info", "gpl_compatible", value(672, 1)),
        ("bpf_insn", "src_reg", value(12, 4)),
        ("perf_event_attr", "freq", value(330, 1)),
        ("perf_event_attr", "aux_start_paused", value(928, 1)),
        ("perf_event_query_bpf", "ids", value(64, 0)),
    ] {
        let found = bindings.types.get(ty).and_then(|ty| ty.fields.get(path));
        assert_eq!(found, Some(&field), "{ty}.{path}");
    }
    let inner = bindings.types.keys().find(|name| name.contains("__"));
    assert_eq!(inner, None);
    Ok(())
}

#[test]
fn the_bindings_are_like_themselves() -> Result<()> {
    let Comparison {
        compared,
        differences,
        missing,
        newer,
    } = compare(&[])?;
    assert_eq!(differences, NOTHING);
    assert_eq!(missing, []);
    assert_eq!(newer, NOTHING);
    assert!(compared > 1000, "{compared}");
    Ok(())
}

#[test]
fn a_field_that_has_moved_is_different() -> Result<()> {
    let comparison = compare(&[
        (
            "pub hooknum: __u32,\n    pub priority: __s32,",
            "pub priority: __s32,\n    pub hooknum: __u32,",
        ),
        (
            "_netfilter, hooknum) - 4usize",
            "_netfilter, hooknum) - 8usize",
        ),
        (
            "_netfilter, priority) - 8usize",
            "_netfilter, priority) - 4usize",
        ),
    ])?;
    assert_eq!(
        comparison.differences,
        [
            "bpf_attr.link_create.netfilter.hooknum: 4 bytes at 24 in the bindings, 4 bytes at 20 in the kernel",
            "bpf_attr.link_create.netfilter.priority: 4 bytes at 20 in the bindings, 4 bytes at 24 in the kernel",
            "bpf_link_info.netfilter.hooknum: 4 bytes at 24 in the bindings, 4 bytes at 20 in the kernel",
            "bpf_link_info.netfilter.priority: 4 bytes at 20 in the bindings, 4 bytes at 24 in the kernel",
        ]
    );
    Ok(())
}

#[test]
fn a_field_that_is_not_where_it_is_asserted_to_be_is_refused() {
    let wrong = altered(
        BINDINGS,
        &[(
            "pub hooknum: __u32,\n    pub priority: __s32,",
            "pub priority: __s32,\n    pub hooknum: __u32,",
        )],
    );
    let error = Abi::of_bindings(&wrong).expect_err("it contradicts itself");
    assert_eq!(
        error.to_string(),
        "Offset of field: bpf_attr__link_create__netfilter::hooknum: by the fields it is 8, by the assertion 4"
    );
}

#[test]
fn a_field_that_has_another_size_is_different() -> Result<()> {
    let comparison = compare(&[
        (
            "xdp {\n    pub ifindex: __u32",
            "xdp {\n    pub ifindex: __u64",
        ),
        (
            "of::<bpf_link_info__xdp>() - 4usize",
            "of::<bpf_link_info__xdp>() - 8usize",
        ),
    ])?;
    assert_eq!(
        comparison.differences,
        [
            "bpf_link_info.xdp.ifindex: 8 bytes at 16 in the bindings, 4 bytes at 16 in the kernel",
            "bpf_link_info.xdp: 8 bytes in the bindings, 4 in the kernel",
        ]
    );
    Ok(())
}

#[test]
fn a_bitfield_that_has_moved_is_different() -> Result<()> {
    let comparison = compare(&[("get_const::<4usize, 4u8>", "get_const::<3usize, 5u8>")])?;
    assert_eq!(
        comparison.differences,
        ["bpf_insn.src_reg: 5 bits at bit 11 in the bindings, 4 bits at bit 12 in the kernel"]
    );
    Ok(())
}

#[test]
fn an_arm_that_is_not_there_is_missing() -> Result<()> {
    let comparison = compare(&[
        ("    pub tcx: bpf_link_info__tcx,\n", ""),
        (
            "[::core::mem::offset_of!(bpf_link_info__raw_tracepoint_union, tcx) - 0usize]",
            "[::core::mem::offset_of!(bpf_link_info__raw_tracepoint_union, xdp) - 0usize]",
        ),
        (
            "Offset of field: bpf_link_info__raw_tracepoint_union::tcx",
            "Offset of field: bpf_link_info__raw_tracepoint_union::xdp",
        ),
    ])?;
    assert_eq!(comparison.differences, NOTHING);
    assert_eq!(missing(&comparison), ["bpf_link_info.tcx"]);
    Ok(())
}

#[test]
fn a_field_of_another_name_is_missing_and_said_to_be_there() -> Result<()> {
    let comparison = compare(&[
        ("pub ref_ctr_offset: ", "pub counter: "),
        ("uprobe::ref_ctr_offset\"", "uprobe::counter\""),
        ("uprobe, ref_ctr_offset)", "uprobe, counter)"),
    ])?;
    assert_eq!(comparison.differences, NOTHING);
    let [found] = comparison.missing.as_slice() else {
        panic!("{:?}", comparison.missing);
    };
    assert_eq!(found.path, "bpf_link_info.perf_event.uprobe.ref_ctr_offset");
    let other_name = found.other_name.as_deref();
    assert_eq!(other_name, Some("perf_event.uprobe.counter"));
    Ok(())
}

#[test]
fn another_value_is_different() -> Result<()> {
    let comparison = compare(&[
        (
            "BPF_LINK_TYPE_TCX: bpf_link_type = 11",
            "BPF_LINK_TYPE_TCX: bpf_link_type = 21",
        ),
        (
            "BPF_F_PATH_FD: ::core::ffi::c_uint = 16384",
            "BPF_F_PATH_FD: ::core::ffi::c_uint = 1",
        ),
        (
            "TCX_NEXT: tcx_action_base = -1",
            "TCX_NEXT: tcx_action_base = 1",
        ),
    ])?;
    assert_eq!(
        comparison.differences,
        [
            "enum.BPF_F_PATH_FD: 1 in the bindings, 16384 in the kernel",
            "bpf_link_type.BPF_LINK_TYPE_TCX: 21 in the bindings, 11 in the kernel",
            "tcx_action_base.TCX_NEXT: 1 in the bindings, -1 in the kernel",
        ]
    );
    Ok(())
}

#[test]
fn a_constant_that_is_not_there_is_missing() -> Result<()> {
    let comparison = compare(&[
        (
            "pub const BPF_LINK_TYPE_TRACING_MULTI: bpf_link_type = 15;",
            "",
        ),
        (
            "__MAX_BPF_LINK_TYPE: bpf_link_type = 16",
            "__MAX_BPF_LINK_TYPE: bpf_link_type = 15",
        ),
        ("pub const BPF_F_ALLOW_MULTI", "pub const BPF_F_SEVERAL"),
        ("BPF_XDP_CPUMAP", "BPF_XDP_CPU"),
    ])?;
    assert_eq!(comparison.differences, NOTHING);
    assert_eq!(
        missing(&comparison),
        [
            "enum.BPF_F_ALLOW_MULTI",
            "bpf_attach_type.BPF_XDP_CPUMAP",
            "bpf_link_type.BPF_LINK_TYPE_TRACING_MULTI",
        ]
    );
    let renamed = comparison
        .missing
        .iter()
        .find_map(|missing| missing.other_name.as_deref());
    assert_eq!(renamed, Some("BPF_XDP_CPU"));
    Ok(())
}

#[test]
fn the_number_of_constants_is_different_only_where_none_is_missing() -> Result<()> {
    let links = (
        "__MAX_BPF_LINK_TYPE: bpf_link_type = 16",
        "__MAX_BPF_LINK_TYPE: bpf_link_type = 17",
    );
    let states = (
        "BPF_TCP_MAX_STATES: ::core::ffi::c_uint = 14",
        "BPF_TCP_MAX_STATES: ::core::ffi::c_uint = 13",
    );
    let comparison = compare(&[links, states])?;
    assert_eq!(
        comparison.differences,
        [
            "enum.BPF_TCP_MAX_STATES: 13 in the bindings, 14 in the kernel",
            "bpf_link_type.__MAX_BPF_LINK_TYPE: 17 in the bindings, 16 in the kernel",
        ]
    );
    let last = (
        "pub const BPF_TCP_BOUND_INACTIVE: ::core::ffi::c_uint = 13;",
        "",
    );
    let comparison = compare(&[states, last])?;
    assert_eq!(comparison.differences, NOTHING);
    assert_eq!(missing(&comparison), ["enum.BPF_TCP_BOUND_INACTIVE"]);
    Ok(())
}

/// A kernel, and a later one.
const EARLIER: &str = r#"
    pub const FIRST: kind = 0;
    pub const __MAX_KIND: kind = 1;
    pub type kind = ::core::ffi::c_uint;
    pub struct info { pub id: u32, pub __reserved_1: u32, pub xdp: info__xdp }
    pub struct info__xdp { pub ifindex: u32 }
    const _: () = {
        ["Size of info"][size_of::<info>() - 12usize];
        ["Size of info__xdp"][size_of::<info__xdp>() - 4usize];
    };
"#;
const LATER: &str = r#"
    pub const FIRST: kind = 0;
    pub const SECOND: kind = 1;
    pub const __MAX_KIND: kind = 2;
    pub type kind = ::core::ffi::c_uint;
    pub struct info { pub id: u32, pub __reserved_1: u16, pub flags: u16, pub xdp_union: info__xdp_union }
    pub union info__xdp_union { pub xdp: info__xdp, pub tcx: info__tcx }
    pub struct info__xdp { pub ifindex_union: info__ifindex_union, pub queue: u32 }
    pub union info__ifindex_union { pub ifindex: u32, pub index: u32 }
    pub struct info__tcx { pub ifindex: u32, pub direction: u32 }
    const _: () = {
        ["Size of info"][size_of::<info>() - 16usize];
        ["Size of info__xdp_union"][size_of::<info__xdp_union>() - 8usize];
        ["Size of info__xdp"][size_of::<info__xdp>() - 8usize];
        ["Size of info__ifindex_union"][size_of::<info__ifindex_union>() - 4usize];
        ["Size of info__tcx"][size_of::<info__tcx>() - 8usize];
    };
"#;

#[test]
fn an_earlier_kernel_is_not_different() -> Result<()> {
    let later = LATER.replace("u16", "__u16");
    let bindings = Abi::of_bindings(&format!("pub type __u16 = c_ushort; {later}"))?;
    let comparison = bindings.compare(&Abi::of_bindings(EARLIER)?);
    assert_eq!(comparison.differences, NOTHING);
    assert_eq!(missing(&comparison), NOTHING);
    assert_eq!(
        comparison.newer,
        [
            "info.flags",
            "info.tcx",
            "info.xdp.index",
            "info.xdp.queue",
            "kind.SECOND"
        ]
    );
    // id, xdp, xdp.ifindex, FIRST and __MAX_KIND.
    assert_eq!(comparison.compared, 5);
    Ok(())
}

#[test]
fn of_a_later_kernel_what_is_missing_is_listed() -> Result<()> {
    let later = LATER.replace("u16", "__u16");
    let kernel = Abi::of_bindings(&format!("pub type __u16 = c_ushort; {later}"))?;
    let comparison = Abi::of_bindings(EARLIER)?.compare(&kernel);
    assert_eq!(comparison.differences, NOTHING);
    assert_eq!(
        missing(&comparison),
        [
            "info.flags",
            "info.tcx",
            "info.xdp.index",
            "info.xdp.queue",
            "kind.SECOND"
        ]
    );
    assert_eq!(comparison.newer, NOTHING);
    Ok(())
}

#[test]
fn a_size_is_different_only_where_no_field_is_missing() -> Result<()> {
    let longer = altered(
        EARLIER,
        &[
            (
                "pub struct info {",
                "pub struct info { pub _bindgen_align: [c_ulong; 0],",
            ),
            ("<info>() - 12usize", "<info>() - 16usize"),
        ],
    );
    let comparison = Abi::of_bindings(&longer)?.compare(&Abi::of_bindings(EARLIER)?);
    assert_eq!(
        comparison.differences,
        ["info: 16 bytes in the bindings, 12 in the kernel"]
    );
    Ok(())
}

#[test]
fn half_of_a_value_is_compared_where_half_is_known() {
    assert!(Value::new(-1).agrees_with(Value::low(u32::MAX)));
    assert!(Value::low(0).agrees_with(Value::new(0xfffff << 32)));
    assert!(!Value::low(1).agrees_with(Value::new(0)));
    assert!(!Value::new(1 << 32).agrees_with(Value::new(0)));
}
