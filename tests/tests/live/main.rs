//! The live tests: what the libraries do on the kernel that runs here.
//!
//! Every test runs in a process and a sandbox of its own. What it needs and this kernel, machine or user does not have is reported as the
//! reason for which it was ignored, never passed over. `harness` says how, and how to add a test.
#![forbid(unsafe_code)]

mod abi;
mod allocations;
mod attaching;
mod btf_info;
mod cgroup;
mod conformance;
mod descriptor_zero;
mod ensure;
mod ensure_gaps;
mod ensure_killed;
mod ensure_network;
mod ensure_others;
mod ensure_suite;
mod ensure_tracing;
mod ensure_under_load;
mod ensuring;
mod fixture;
mod golden;
mod harness;
mod hooks;
mod info;
mod iter;
mod kernel_functions;
mod kill;
mod kprobe_multi;
mod lent_array;
mod lent_name;
mod link_types;
mod lister;
mod lister_arguments;
mod lister_bpftool;
mod lister_churn;
mod lister_commands;
mod lister_found;
mod lister_names;
mod lister_sample;
mod lister_scale;
mod module_functions;
mod needs;
mod netfilter;
mod netkit;
mod netns;
mod objects;
mod own_functions;
mod ownership;
mod perf_event;
mod perf_open;
mod pin;
mod pin_at;
mod pin_over;
mod positions;
mod program_pin;
mod query;
mod random;
mod raw_tracepoint;
mod sandbox;
mod selftests;
mod soak;
mod sockmap;
mod struct_ops;
mod sub_kinds;
mod support;
mod tcx;
mod test_functions;
mod tracing;
mod tracing_multi;
mod traffic;
mod typed;
mod typed_attach_device;
mod typed_attach_network;
mod typed_attach_probes;
mod typed_attach_tracing;
mod typed_calls;
mod typed_errors;
mod typed_errors_tracing;
mod typed_info;
mod typed_probes;
mod typed_query;
mod under_load;
mod update;
mod uprobe_multi;
mod walk;
mod xdp;

use std::process::ExitCode;

use harness::{Role, Test};

/// Every file's tests.
const TESTS: &[&[Test]] = &[
    abi::TESTS,
    allocations::TESTS,
    btf_info::TESTS,
    cgroup::TESTS,
    ensure::TESTS,
    ensure_gaps::TESTS,
    ensure_killed::TESTS,
    ensure_network::TESTS,
    ensure_others::TESTS,
    ensure_tracing::TESTS,
    ensure_under_load::TESTS,
    golden::TESTS,
    hooks::TESTS,
    info::TESTS,
    iter::TESTS,
    kill::TESTS,
    kprobe_multi::TESTS,
    lister_arguments::TESTS,
    lister_bpftool::TESTS,
    lister_churn::TESTS,
    lister_commands::TESTS,
    lister_found::TESTS,
    lister_names::TESTS,
    lister_sample::TESTS,
    lister_scale::TESTS,
    needs::TESTS,
    netfilter::TESTS,
    netkit::TESTS,
    netns::TESTS,
    objects::TESTS,
    ownership::TESTS,
    perf_event::TESTS,
    perf_open::TESTS,
    pin::TESTS,
    pin_at::TESTS,
    pin_over::TESTS,
    program_pin::TESTS,
    query::TESTS,
    raw_tracepoint::TESTS,
    sandbox::TESTS,
    selftests::TESTS,
    selftests::cgroups::TESTS,
    selftests::classic_tc::TESTS,
    selftests::network::TESTS,
    selftests::others::TESTS,
    selftests::tracing::TESTS,
    soak::TESTS,
    sockmap::TESTS,
    struct_ops::TESTS,
    support::TESTS,
    sub_kinds::cgroup::TESTS,
    sub_kinds::iter::TESTS,
    sub_kinds::network::TESTS,
    sub_kinds::probes::TESTS,
    sub_kinds::tracing::TESTS,
    tcx::TESTS,
    tracing::TESTS,
    tracing_multi::TESTS,
    typed::TESTS,
    typed_attach_device::TESTS,
    typed_attach_network::TESTS,
    typed_attach_probes::TESTS,
    typed_attach_tracing::TESTS,
    typed_calls::TESTS,
    typed_errors::TESTS,
    typed_errors_tracing::TESTS,
    typed_info::TESTS,
    typed_probes::TESTS,
    typed_query::TESTS,
    under_load::TESTS,
    update::TESTS,
    uprobe_multi::TESTS,
    walk::TESTS,
    xdp::TESTS,
];

/// Every file's roles: what its tests have other processes do.
const ROLES: &[&[Role]] = &[
    ensure_gaps::ROLES,
    ensure_killed::ROLES,
    ensure_others::ROLES,
    ensure_under_load::ROLES,
    kill::ROLES,
    lister_found::ROLES,
    lister_sample::ROLES,
    ownership::ROLES,
    pin_over::ROLES,
    sandbox::ROLES,
    soak::ROLES,
    uprobe_multi::ROLES,
];

fn main() -> ExitCode {
    harness::main(TESTS, ROLES)
}
