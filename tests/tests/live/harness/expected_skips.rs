//! Which tests may be skipped on which kernel.

/// Tests that some kernels cannot run, for one reason.
#[derive(Debug)]
pub(super) struct ExpectedSkips {
    /// Why.
    pub(super) reason: &'static str,
    /// The series of the kernels, such as `6.12`.
    pub(super) kernels: &'static [&'static str],
    /// The tests. On each of the kernels, each of them has to be skipped.
    pub(super) tests: &'static [&'static str],
}

/// The table.
///
/// Linux 6.18 is the machine that the project is built on; the others are the distribution's kernels that `cargo xtask vm-test` boots.
#[rustfmt::skip]
pub(super) const EXPECTED_SKIPS: &[ExpectedSkips] = &[
    ExpectedSkips {
        reason: "about kernels that lack what this one has",
        kernels: &["6.12", "6.18", "7.3"],
        tests: &[
            "tcx::before_there_was_tcx",
        ],
    },
    ExpectedSkips {
        reason: "about kernels that lack what this one has",
        kernels: &["6.18"],
        tests: &[
            "cgroup::before_there_was_an_order",
            "info::a_cookie_that_the_kernel_does_not_report",
            "iter::before_there_were_tasks",
            "netfilter::before_there_was_netfilter",
            "ownership::all_takes_a_privilege_on_old_kernels",
            "perf_event::before_there_was_info",
            "perf_event::before_there_were_links",
            "pin_at::without_procfs_on_an_old_kernel",
            "query::a_cgroup_has_no_revision",
            "raw_tracepoint::before_there_was_a_cookie",
            "raw_tracepoint::before_typed_ones_were_created",
        ],
    },
    ExpectedSkips {
        reason: "about kernels that lack what this one has",
        kernels: &["6.18", "7.3"],
        tests: &[
            "raw_tracepoint::once_the_same_program_twice",
            "sockmap::before_there_was_sockmap",
            "struct_ops::before_there_were_links",
        ],
    },
    ExpectedSkips {
        reason: "built without fprobe",
        kernels: &["6.18"],
        tests: &[
            "hooks::kprobe_multi",
        ],
    },
    ExpectedSkips {
        reason: "built without kprobes",
        kernels: &["6.18"],
        tests: &[
            "perf_event::conforms_on_a_kprobe",
            "perf_event::conforms_on_a_kretprobe",
            "perf_event::the_name_of_a_kprobe",
            "perf_open::a_function_that_there_is_not",
        ],
    },
    ExpectedSkips {
        reason: "built without netkit",
        kernels: &["6.18"],
        tests: &[
            "hooks::netkit",
        ],
    },
    ExpectedSkips {
        reason: "refuses programs on its functions",
        kernels: &["6.18"],
        tests: &[
            "hooks::lsm",
            "hooks::tracing",
        ],
    },
    ExpectedSkips {
        reason: "since Linux 7.3",
        kernels: &["6.18"],
        tests: &[
            "abi::links_are_those_of_this_kernel",
        ],
    },
    ExpectedSkips {
        reason: "the kernel has had an oops",
        kernels: &["6.18"],
        tests: &[
            "cgroup::a_struct_ops_anchor",
            "sandbox::a_congestion_control_is_linked",
            "struct_ops::a_detached_link_hangs_up",
            "struct_ops::a_map_is_linked_again",
            "struct_ops::a_map_that_is_not_ready",
            "struct_ops::a_map_that_is_not_ready_for_an_update",
            "struct_ops::a_name_that_is_taken",
            "struct_ops::an_update_under_another_name",
            "struct_ops::conforms",
            "struct_ops::what_is_no_struct_ops",
            "tcx::a_struct_ops_anchor",
            "update::a_program_where_a_map_belongs",
            "update::another_map_than_the_expected_one",
        ],
    },
    ExpectedSkips {
        reason: "the security module bpf is not in effect",
        kernels: &["6.18"],
        tests: &[
            "cgroup::a_security_hook",
        ],
    },
    ExpectedSkips {
        reason: "this order of cgroups is since Linux 7.0",
        kernels: &["6.18"],
        tests: &[
            "iter::over_children",
        ],
    },
    ExpectedSkips {
        reason: "tracing_multi is since Linux 7.2",
        kernels: &["6.18"],
        tests: &[
            "hooks::tracing_multi",
        ],
    },
];
