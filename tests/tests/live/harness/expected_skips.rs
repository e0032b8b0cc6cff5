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
        kernels: &["6.1", "6.12", "6.18", "7.3"],
        tests: &[
            "iter::before_there_were_tasks", "kprobe_multi::before_there_was_kprobe_multi",
            "ownership::all_takes_a_privilege_on_old_kernels", "perf_event::before_there_were_links",
            "raw_tracepoint::a_capability_is_missing", "raw_tracepoint::before_typed_ones_were_created", "tracing::before_they_were_created",
            "tracing::once_the_same_program_twice", "typed_attach_tracing::tracing_without_cookie",
        ],
    },
    ExpectedSkips {
        reason: "about kernels that lack what this one has",
        kernels: &["6.12", "6.18", "7.3"],
        tests: &[
            "cgroup::before_there_was_an_order", "netfilter::before_there_was_netfilter",
            "netkit::before_there_was_netkit", "perf_event::before_there_was_info",
            "pin_at::without_procfs_on_an_old_kernel", "query::a_cgroup_has_no_revision",
            "raw_tracepoint::before_there_was_a_cookie", "raw_tracepoint::once_the_same_program_twice",
            "sockmap::before_there_was_sockmap", "struct_ops::before_there_were_links", "tcx::before_there_was_tcx",
            "typed_attach_network::cgroup_without_positions", "typed_attach_tracing::raw_tracepoint_without_cookie",
            "uprobe_multi::before_there_was_uprobe_multi",
        ],
    },
    ExpectedSkips {
        reason: "about kernels that lack what this one has",
        kernels: &["6.12", "7.3"],
        tests: &[
            "kprobe_multi::without_fprobe",
        ],
    },
    ExpectedSkips {
        reason: "about kernels that lack what this one has",
        kernels: &["6.18", "7.3"],
        tests: &[
            "info::a_cookie_that_the_kernel_does_not_report",
        ],
    },
    ExpectedSkips {
        reason: "about kernels that lack what this one has",
        kernels: &["7.3"],
        tests: &[
            "tracing_multi::before_there_was_tracing_multi", "uprobe_multi::before_a_file_was_given_by_descriptor",
        ],
    },
    ExpectedSkips {
        reason: "built without fprobe",
        kernels: &["6.1", "6.18"],
        tests: &[
            "hooks::kprobe_multi", "kprobe_multi::addresses_that_do_not_go", "kprobe_multi::conforms",
            "kprobe_multi::conforms_as_session", "kprobe_multi::conforms_by_address_on_return",
            "kprobe_multi::each_cookie_goes_with_its_function", "kprobe_multi::flags_that_there_are_not",
            "kprobe_multi::functions_that_do_not_go", "kprobe_multi::hidden_addresses", "kprobe_multi::the_functions",
            "typed_attach_probes::kprobe_multi", "typed_attach_probes::kprobe_multi_errors",
            "typed_attach_probes::kprobe_multi_session", "typed_probes::kprobe_multi",
        ],
    },
    ExpectedSkips {
        reason: "built without kprobes",
        kernels: &["6.18"],
        tests: &[
            "perf_event::conforms_on_a_kprobe", "perf_event::conforms_on_a_kretprobe",
            "perf_event::the_name_of_a_kprobe", "perf_open::a_function_that_there_is_not",
            "typed_attach_probes::kprobe", "typed_attach_probes::kprobe_errors",
            "typed_probes::perf_event_by_address", "typed_probes::perf_event_of_a_kprobe",
        ],
    },
    ExpectedSkips {
        reason: "built without netkit",
        kernels: &["6.18"],
        tests: &[
            "hooks::netkit", "netkit::a_program_that_does_not_fit", "netkit::a_program_that_is_there_already",
            "netkit::a_struct_ops_anchor", "netkit::an_expected_revision", "netkit::anchors_of_another_kind",
            "netkit::anchors_that_are_not_here", "netkit::around_an_anchor", "netkit::around_descriptor_zero",
            "netkit::conforms", "netkit::conforms_for_the_peer", "netkit::devices_that_do_not_go",
            "netkit::first_and_last", "netkit::the_device_goes", "typed_attach_network::netkit", "typed_info::netkit",
        ],
    },
    ExpectedSkips {
        reason: "info of perf events is since Linux 6.6",
        kernels: &["6.1"],
        tests: &[
            "perf_event::a_counter_has_no_name", "perf_event::the_name_of_a_kprobe",
            "perf_event::the_name_of_a_tracepoint", "perf_event::the_name_of_a_uprobe",
        ],
    },
    ExpectedSkips {
        reason: "iterators over one task or cgroup are since Linux 6.1",
        kernels: &["5.10"],
        tests: &[
            "iter::a_cgroup_is_descriptor_zero", "iter::a_cgroup_that_is_not_there",
            "iter::a_process_is_descriptor_zero", "iter::a_task_that_is_not_there",
            "iter::an_order_that_there_is_not", "iter::over_a_task", "iter::over_cgroups",
            "typed_attach_tracing::iter_of_tasks_and_cgroups", "typed_info::iter_of_tasks_and_cgroups",
        ],
    },
    ExpectedSkips {
        reason: "kprobe_multi is since Linux 5.18",
        kernels: &["5.10"],
        tests: &[
            "hooks::kprobe_multi", "kprobe_multi::addresses_that_do_not_go", "kprobe_multi::conforms",
            "kprobe_multi::conforms_as_session", "kprobe_multi::conforms_by_address_on_return",
            "kprobe_multi::each_cookie_goes_with_its_function", "kprobe_multi::flags_that_there_are_not",
            "kprobe_multi::functions_that_do_not_go", "kprobe_multi::hidden_addresses", "kprobe_multi::the_functions",
            "kprobe_multi::without_fprobe", "typed_attach_probes::kprobe_multi",
            "typed_attach_probes::kprobe_multi_errors", "typed_attach_probes::kprobe_multi_session",
            "typed_probes::kprobe_multi",
        ],
    },
    ExpectedSkips {
        reason: "links of netfilter are since Linux 6.4",
        kernels: &["5.10", "6.1"],
        tests: &[
            "hooks::netfilter", "netfilter::a_program_that_does_not_fit", "netfilter::conforms",
            "netfilter::conforms_for_ipv6", "netfilter::fragments", "netfilter::hooks_that_there_are_not",
            "netfilter::one_program_to_a_priority", "netfilter::the_namespace_is_the_one_of_the_calling_thread",
            "typed_attach_network::netfilter", "typed_info::netfilter",
        ],
    },
    ExpectedSkips {
        reason: "links of perf events are since Linux 5.15",
        kernels: &["5.10"],
        tests: &[
            "hooks::perf_event", "perf_event::a_counter_has_no_name", "perf_event::a_program_that_does_not_fit",
            "perf_event::before_there_was_info", "perf_event::conforms", "perf_event::conforms_on_a_counter",
            "perf_event::conforms_on_a_kprobe", "perf_event::conforms_on_a_kretprobe",
            "perf_event::conforms_on_a_uprobe", "perf_event::conforms_on_a_uretprobe",
            "perf_event::flags_that_there_are_not", "perf_event::one_program_to_an_event",
            "perf_event::the_cookie_gets_to_the_program", "perf_event::the_event_is_descriptor_zero",
            "perf_event::the_link_holds_the_event", "perf_event::the_name_of_a_kprobe",
            "perf_event::the_name_of_a_tracepoint", "perf_event::the_name_of_a_uprobe",
            "perf_event::what_is_no_perf_event", "perf_open::a_counter_runs_its_program_unless_disabled",
            "perf_open::a_tracepoint_runs_its_program_also_if_disabled",
            "perf_open::the_link_outlives_the_descriptor", "sandbox::a_perf_event_runs_its_program",
            "sandbox::a_uprobe_runs_its_program", "typed_attach_probes::counter",
            "typed_attach_probes::events_of_the_caller", "typed_attach_probes::kprobe",
            "typed_attach_probes::kprobe_errors", "typed_attach_probes::tracepoint", "typed_attach_probes::uprobe",
            "typed_calls::a_kind_of_fixed_size", "typed_calls::a_perf_event", "typed_calls::kinds_with_a_name",
            "typed_probes::perf_event", "typed_probes::perf_event_by_address", "typed_probes::perf_event_of_a_kprobe",
            "typed_probes::perf_event_of_a_uprobe",
        ],
    },
    ExpectedSkips {
        reason: "links of sockmaps are since Linux 6.10",
        kernels: &["5.10", "6.1"],
        tests: &[
            "hooks::sockmap", "sockmap::a_program_that_does_not_fit", "sockmap::a_table_of_sockets",
            "sockmap::conforms", "sockmap::conforms_on_parsed_streams", "sockmap::conforms_on_received_packets",
            "sockmap::conforms_on_received_streams",
            "sockmap::flags_that_there_are_not", "sockmap::one_link_to_a_slot", "sockmap::the_link_holds_the_map",
            "sockmap::the_map_is_descriptor_zero", "sockmap::what_is_no_map_of_sockets",
            "sockmap::what_was_attached_without_a_link_is_lost", "typed_attach_network::sockmap",
            "typed_info::sockmap",
        ],
    },
    ExpectedSkips {
        reason: "links of struct_ops are since Linux 6.4",
        kernels: &["5.10", "6.1"],
        tests: &[
            "sandbox::a_congestion_control_is_linked", "struct_ops::a_detached_link_hangs_up",
            "struct_ops::a_map_is_linked_again", "struct_ops::a_map_that_is_not_ready",
            "struct_ops::a_map_that_is_not_ready_for_an_update", "struct_ops::a_name_that_is_taken",
            "struct_ops::an_update_under_another_name", "struct_ops::conforms",
            "struct_ops::the_map_that_is_there_already", "struct_ops::what_is_no_struct_ops",
            "typed::an_update_of_callbacks", "typed_attach_tracing::struct_ops", "typed_info::struct_ops",
            "update::a_program_where_a_map_belongs", "update::another_map_than_the_expected_one",
        ],
    },
    ExpectedSkips {
        reason: "netkit is since Linux 6.7",
        kernels: &["5.10", "6.1"],
        tests: &[
            "hooks::netkit", "netkit::a_program_that_does_not_fit", "netkit::a_program_that_is_there_already",
            "netkit::a_struct_ops_anchor", "netkit::an_expected_revision", "netkit::anchors_of_another_kind",
            "netkit::anchors_that_are_not_here", "netkit::around_an_anchor", "netkit::around_descriptor_zero",
            "netkit::conforms", "netkit::conforms_for_the_peer", "netkit::devices_that_do_not_go",
            "netkit::first_and_last", "netkit::the_device_goes", "typed_attach_network::netkit", "typed_info::netkit",
        ],
    },
    ExpectedSkips {
        reason: "programs that run before those below are since Linux 6.15",
        kernels: &["5.10", "6.1"],
        tests: &[
            "cgroup::parents_first", "typed_attach_network::cgroup_preorder",
        ],
    },
    ExpectedSkips {
        reason: "refuses programs on its functions",
        kernels: &["6.18"],
        tests: &[
            "hooks::lsm", "hooks::tracing", "tracing::a_name_too_much",
            "tracing::an_extension_at_the_place_it_was_loaded_for", "tracing::an_extension_of_another_program",
            "tracing::conforms", "tracing::conforms_as_extension", "tracing::conforms_created",
            "tracing::conforms_on_a_program",
            "tracing::conforms_on_exit", "tracing::conforms_on_the_value_returned",
            "tracing::extensions_that_do_not_go", "tracing::targets_that_do_not_go",
            "tracing::the_cookie_gets_to_the_program", "tracing::the_program_extended_is_descriptor_zero",
            "tracing::the_same_program_twice", "typed_attach_tracing::tracing",
            "typed_attach_tracing::tracing_cookie", "typed_attach_tracing::tracing_extension",
            "typed_probes::tracing",
        ],
    },
    ExpectedSkips {
        reason: "security hooks of cgroups are since Linux 6.0",
        kernels: &["5.10"],
        tests: &[
            "cgroup::a_security_hook",
        ],
    },
    ExpectedSkips {
        reason: "sessions of functions are since Linux 7.0",
        kernels: &["5.10", "6.1", "6.12", "6.18"],
        tests: &[
            "tracing::conforms_as_session",
        ],
    },
    ExpectedSkips {
        reason: "sessions of uprobes are since Linux 6.13",
        kernels: &["6.12"],
        tests: &[
            "typed_attach_probes::uprobe_multi_session", "uprobe_multi::conforms_as_session",
        ],
    },
    ExpectedSkips {
        reason: "since Linux 5.19",
        kernels: &["5.10"],
        tests: &[
            "ownership::a_descriptor_is_enough", "raw_tracepoint::conforms_typed_and_created",
            "tracing::conforms_created", "tracing::targets_that_do_not_go", "tracing::the_cookie_gets_to_the_program",
            "tracing::the_same_program_twice", "typed_attach_tracing::tracing_cookie",
        ],
    },
    ExpectedSkips {
        reason: "since Linux 6.10",
        kernels: &["5.10", "6.1"],
        tests: &[
            "raw_tracepoint::conforms_with_a_cookie", "raw_tracepoint::the_cookie_gets_to_the_program",
            "raw_tracepoint::the_same_program_twice", "typed_attach_tracing::raw_tracepoint_cookie",
        ],
    },
    ExpectedSkips {
        reason: "since Linux 6.17",
        kernels: &["5.10", "6.1", "6.12"],
        tests: &[
            "info::a_cookie_of_zero_is_a_cookie",
        ],
    },
    ExpectedSkips {
        reason: "since Linux 6.5",
        kernels: &["5.10", "6.1"],
        tests: &[
            "pin_at::without_procfs",
        ],
    },
    ExpectedSkips {
        reason: "since Linux 7.2",
        kernels: &["6.12", "6.18"],
        tests: &[
            "typed_attach_probes::uprobe_multi_by_descriptor", "uprobe_multi::conforms_by_descriptor",
            "uprobe_multi::descriptors_that_do_not_go",
        ],
    },
    ExpectedSkips {
        reason: "since Linux 7.3",
        kernels: &["5.10", "6.1", "6.12", "6.18"],
        tests: &[
            "abi::links_are_those_of_this_kernel",
        ],
    },
    ExpectedSkips {
        reason: "tcx is since Linux 6.6",
        kernels: &["5.10", "6.1"],
        tests: &[
            "hooks::tcx", "query::a_device", "query::a_device_that_there_is_not",
            "query::more_programs_than_fit_at_first", "tcx::a_device_that_is_not_there",
            "tcx::a_program_that_does_not_fit", "tcx::a_program_that_is_there_already", "tcx::a_struct_ops_anchor",
            "tcx::an_anchor_by_id_takes_a_privilege", "tcx::an_expected_revision", "tcx::anchors_of_another_kind", "tcx::anchors_that_are_not_here",
            "tcx::around_an_anchor", "tcx::around_descriptor_zero", "tcx::conforms", "tcx::conforms_for_egress",
            "tcx::first_and_last", "tcx::flags_that_do_not_go", "tcx::sixty_three_programs_to_a_hook",
            "tcx::the_device_goes", "tcx::the_revision_counts_changes", "typed_attach_network::tcx",
            "typed_attach_network::tcx_errors", "typed_attach_network::tcx_positions", "typed_info::tcx",
        ],
    },
    ExpectedSkips {
        reason: "the order of cgroup programs is since Linux 6.17, and in later updates of 6.12",
        kernels: &["5.10", "6.1"],
        tests: &[
            "cgroup::a_struct_ops_anchor", "cgroup::an_anchor_by_id_takes_a_privilege", "cgroup::an_expected_revision",
            "cgroup::anchors_of_another_kind",
            "cgroup::anchors_that_are_not_here", "cgroup::around_an_anchor", "cgroup::around_descriptor_zero",
            "cgroup::first_and_last", "query::a_cgroup_has_a_revision", "typed_attach_network::cgroup_positions",
        ],
    },
    ExpectedSkips {
        reason: "the security module bpf is not in effect",
        kernels: &["6.18"],
        tests: &[
            "cgroup::a_security_hook", "tracing::conforms_as_security_hook",
        ],
    },
    ExpectedSkips {
        reason: "this order of cgroups is since Linux 7.0",
        kernels: &["5.10", "6.1", "6.12", "6.18"],
        tests: &[
            "iter::over_children",
        ],
    },
    ExpectedSkips {
        reason: "tracing_multi is since Linux 7.2",
        kernels: &["5.10", "6.1", "6.12", "6.18"],
        tests: &[
            "hooks::tracing_multi", "tracing_multi::a_program_on_the_same_function", "tracing_multi::conforms",
            "tracing_multi::conforms_on_exit", "tracing_multi::each_cookie_goes_with_its_function",
            "tracing_multi::functions_that_do_not_go", "tracing_multi::hidden_addresses",
            "tracing_multi::targets_and_flags", "tracing_multi::the_functions", "typed_attach_tracing::tracing_multi",
            "typed_probes::tracing_multi",
        ],
    },
    ExpectedSkips {
        reason: "uprobe_multi is since Linux 6.6",
        kernels: &["5.10", "6.1"],
        tests: &[
            "hooks::uprobe_multi", "typed_attach_probes::uprobe_multi",
            "typed_attach_probes::uprobe_multi_by_descriptor", "typed_attach_probes::uprobe_multi_errors",
            "typed_attach_probes::uprobe_multi_session", "typed_calls::a_kind_with_arrays",
            "typed_probes::uprobe_multi", "uprobe_multi::before_a_file_was_given_by_descriptor",
            "uprobe_multi::conforms", "uprobe_multi::conforms_as_session", "uprobe_multi::conforms_by_descriptor",
            "uprobe_multi::conforms_on_return", "uprobe_multi::descriptors_that_do_not_go",
            "uprobe_multi::each_cookie_goes_with_its_offset", "uprobe_multi::files_that_do_not_go",
            "uprobe_multi::one_process_and_no_other", "uprobe_multi::probes_that_do_not_go",
            "uprobe_multi::reference_counters_count", "uprobe_multi::the_path", "uprobe_multi::the_probes",
        ],
    },
];
