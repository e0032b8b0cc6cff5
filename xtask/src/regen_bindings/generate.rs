//! The run of bindgen: which headers go in, which of their names come out, and in what form.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Error, Result};
use bindgen::callbacks::{EnumVariantValue, ParseCallbacks};
use bindgen::{Builder, Formatter, RustEdition, RustTarget};

/// The headers that the bindings are generated from, as they are included.
pub(super) const HEADERS: [&str; 6] = [
    "linux/bpf.h",
    "linux/bpf_common.h",
    "linux/btf.h",
    "linux/if_link.h",
    "linux/netfilter.h",
    "linux/perf_event.h",
];

/// The structs and unions that link commands, the loading of programs and maps, and
/// `perf_event_open` take; what they contain comes along.
const TYPES: [&str; 20] = [
    "bpf_attr",
    "bpf_btf_info",
    "bpf_common_attr",
    "bpf_insn",
    "bpf_iter_link_info",
    "bpf_link_info",
    "bpf_map_info",
    "bpf_prog_info",
    "btf_array",
    "btf_decl_tag",
    "btf_enum",
    "btf_enum64",
    "btf_header",
    "btf_member",
    "btf_param",
    "btf_type",
    "btf_var",
    "btf_var_secinfo",
    "perf_event_attr",
    "perf_event_query_bpf",
];

/// The enums, all of whose values come along.
const ENUMS: [&str; 29] = [
    "bpf_addr_space_cast",
    "bpf_attach_type",
    "bpf_cgroup_iter_order",
    "bpf_cmd",
    "bpf_cond_pseudo_jmp",
    "bpf_func_id",
    "bpf_link_type",
    "bpf_map_type",
    "bpf_perf_event_type",
    "bpf_prog_type",
    "bpf_ret_code",
    "bpf_stats_type",
    "bpf_task_fd_type",
    "btf_func_linkage",
    "netkit_action",
    "netkit_mode",
    "nf_dev_hooks",
    "nf_inet_hooks",
    "perf_event_ioc_flags",
    "perf_event_sample_format",
    "perf_hw_cache_id",
    "perf_hw_cache_op_id",
    "perf_hw_cache_op_result_id",
    "perf_hw_id",
    "perf_sw_ids",
    "perf_type_id",
    "sk_action",
    "tcx_action_base",
    "xdp_action",
];

/// The macros, and the values of enums without a name.
const CONSTANTS: [&str; 10] = [
    "BPF_.*",
    "BTF_.*",
    "IFLA_NETKIT_.*",
    "MAX_BPF_.*",
    "NETKIT_.*",
    "NFPROTO_.*",
    "NF_(ACCEPT|DROP)",
    "PERF_ATTR_SIZE_.*",
    "PERF_FLAG_.*",
    "XDP_FLAGS_.*",
];

/// Macros made of other macros or of enum values, which bindgen leaves out: their values are read
/// through an enum.
const COMPUTED: [&str; 13] = [
    "BPF_F_REDIRECT_FLAGS",
    "PERF_EVENT_IOC_DISABLE",
    "PERF_EVENT_IOC_ENABLE",
    "PERF_EVENT_IOC_ID",
    "PERF_EVENT_IOC_MODIFY_ATTRIBUTES",
    "PERF_EVENT_IOC_PAUSE_OUTPUT",
    "PERF_EVENT_IOC_PERIOD",
    "PERF_EVENT_IOC_QUERY_BPF",
    "PERF_EVENT_IOC_REFRESH",
    "PERF_EVENT_IOC_RESET",
    "PERF_EVENT_IOC_SET_BPF",
    "PERF_EVENT_IOC_SET_FILTER",
    "PERF_EVENT_IOC_SET_OUTPUT",
];

/// What the values of that enum are called until [`Callbacks`] gives them the macro's own name.
const COMPUTED_PREFIX: &str = "XTASK_";

/// Runs bindgen on the headers found in `include_dirs`, and in no other directory, for what clang
/// calls `target`.
pub(super) fn generate(include_dirs: &[PathBuf], target: &str) -> Result<String> {
    // bindgen would panic.
    clang_sys::load()
        .map_err(Error::msg)
        .context("libclang cannot be loaded: install the package libclang1")?;
    let mut builder = Builder::default()
        .header_contents("bpf-link-sys.h", &wrapper())
        // A header that the given directories lack is an error, never this machine's.
        .detect_include_paths(false)
        .clang_args(["-nostdinc".to_owned(), format!("--target={target}")]);
    for dir in include_dirs {
        builder = builder.clang_arg(format!("-I{}", dir.display()));
    }
    for pattern in TYPES.iter().chain(&ENUMS) {
        builder = builder.allowlist_type(pattern);
    }
    for pattern in CONSTANTS {
        builder = builder.allowlist_var(pattern);
    }
    builder
        .allowlist_var(format!("{COMPUTED_PREFIX}.*"))
        .use_core()
        .ctypes_prefix("::core::ffi")
        .default_enum_style(bindgen::EnumVariation::Consts)
        .prepend_enum_name(false)
        .layout_tests(true)
        .derive_copy(true)
        .derive_debug(false)
        .derive_default(false)
        .generate_comments(false)
        .disable_header_comment()
        .rust_target(RustTarget::stable(85, 0).map_err(Error::msg)?)
        .rust_edition(RustEdition::Edition2024)
        .formatter(Formatter::None)
        .parse_callbacks(Box::new(Callbacks))
        .generate()
        .map(|bindings| bindings.to_string())
        .context("bindgen failed")
}

/// The header that includes the others. It exists in memory only.
fn wrapper() -> String {
    let mut header = String::new();
    for name in HEADERS {
        let _ = writeln!(header, "#include <{name}>");
    }
    header.push_str("enum {\n");
    for name in COMPUTED {
        let _ = writeln!(header, "{COMPUTED_PREFIX}{name} = {name},");
    }
    header.push_str("};\n");
    header
}

#[derive(Debug)]
struct Callbacks;

impl ParseCallbacks for Callbacks {
    fn enum_variant_name(
        &self,
        _enum_name: Option<&str>,
        variant: &str,
        _value: EnumVariantValue,
    ) -> Option<String> {
        variant.strip_prefix(COMPUTED_PREFIX).map(str::to_owned)
    }
}
