//! Which test here is the equivalent of which of the kernel's.

/// What one of the kernel's tests asserts.
#[derive(Debug)]
pub(super) struct Selftest {
    /// Its file, and the part of it.
    pub(super) file: &'static str,
    /// In few words.
    pub(super) asserts: &'static str,
    /// The tests here that assert the same.
    pub(super) tests: &'static [&'static str],
    /// What the libraries have no words for, so that it cannot be asserted through them, and why that is so.
    #[expect(dead_code, reason = "it is for whoever reads the table")]
    pub(super) beyond: &'static str,
}

const fn row(
    file: &'static str,
    asserts: &'static str,
    tests: &'static [&'static str],
) -> Selftest {
    Selftest {
        file,
        asserts,
        tests,
        beyond: "",
    }
}

impl Selftest {
    const fn beyond(self, beyond: &'static str) -> Self {
        Self { beyond, ..self }
    }
}

/// A buffer is a slice: it has an address and a length, or neither.
const SLICES: &str = "an address without a length, a length without an address, an address that is none: a buffer is a slice";
/// A descriptor is borrowed from its owner.
const DESCRIPTORS: &str =
    "the descriptor -1: a descriptor is borrowed from whoever owns it, and so is open";

/// The table.
#[rustfmt::skip]
pub(super) const SELFTESTS: &[Selftest] = &[
    row("fill_link_info: kprobe, kretprobe", "type, offset, address, cookie, name and its length", &[
        "sub_kinds::probes::kprobe", "sub_kinds::probes::kretprobe", "sub_kinds::probes::kprobe_at_an_address", "typed_probes::perf_event_of_a_kprobe",
        "perf_event::the_name_of_a_kprobe", "typed_probes::perf_event_by_address",
    ]),
    row("fill_link_info: kprobe_invalid_ubuff", "wrong buffers are refused, and nothing is written back", &[
        "perf_event::the_name_of_a_kprobe",
    ]).beyond(SLICES),
    row("fill_link_info: tracepoint, event, uprobe, uretprobe", "name and its length, type, config, offset, reference counter, file, cookie", &[
        "sub_kinds::probes::tracepoint", "sub_kinds::probes::counter", "sub_kinds::probes::uprobe", "sub_kinds::probes::uretprobe",
        "perf_event::the_name_of_a_tracepoint", "perf_event::the_name_of_a_uprobe", "perf_event::a_counter_has_no_name",
        "typed_probes::perf_event", "typed_probes::perf_event_of_a_uprobe",
    ]),
    row("fill_link_info: kprobe_multi, kretprobe_multi", "count, flags, addresses in order, cookies along with them", &[
        "kprobe_multi::the_functions", "kprobe_multi::hidden_addresses", "sub_kinds::probes::kprobes", "sub_kinds::probes::kretprobes",
        "typed_probes::kprobe_multi",
    ]),
    row("fill_link_info: kprobe_multi_invalid_ubuff", "too short is ENOSPC with what fits, too long is no error, cookies only with addresses", &[
        "kprobe_multi::the_functions",
    ]).beyond(SLICES),
    row("fill_link_info: tracing_multi", "attach type, count, BTF object, sorted ids, cookies along with them; too short, too long", &[
        "tracing_multi::the_functions", "tracing_multi::hidden_addresses", "sub_kinds::tracing::entry_of_many", "sub_kinds::tracing::exit_of_many",
        "sub_kinds::tracing::session_of_many", "typed_probes::tracing_multi",
    ]).beyond(SLICES),
    row("fill_link_info: uprobe_multi, uretprobe_multi", "count, path, every combination of arrays, process, flags", &[
        "uprobe_multi::the_path", "uprobe_multi::the_probes", "sub_kinds::probes::uprobes", "sub_kinds::probes::uretprobes", "typed_probes::uprobe_multi",
    ]),
    row("fill_link_info: uprobe_multi_invalid", "a short path is ENAMETOOLONG, short arrays are ENOSPC", &[
        "uprobe_multi::the_path", "uprobe_multi::the_probes",
    ]).beyond(SLICES),
    row("bpf_obj_id", "info of programs and links by id, and a walk that leaves out what has gone", &[
        "walk::ids_ascend_and_have_each_link_once", "walk::links_are_the_ones_with_these_ids", "walk::a_stable_link_is_met_every_time_under_churn",
        "info::the_header", "raw_tracepoint::the_name_of_the_tracepoint", "ownership::an_id_that_has_gone",
    ]),
    row("bpf_cookie", "the cookie gets to the program and into the info, for every sort of link that has one", &[
        "selftests::tracing::cookies_get_to_programs", "selftests::tracing::cookies_get_to_security_hooks", "tracing::the_cookie_gets_to_the_program",
        "raw_tracepoint::the_cookie_gets_to_the_program", "perf_event::the_cookie_gets_to_the_program", "kprobe_multi::each_cookie_goes_with_its_function",
        "uprobe_multi::each_cookie_goes_with_its_offset", "tracing_multi::each_cookie_goes_with_its_function", "typed_attach_probes::kprobe",
        "typed_attach_probes::uprobe", "sub_kinds::tracing::entry", "sub_kinds::tracing::exit", "sub_kinds::tracing::value_returned",
        "sub_kinds::tracing::security_hook", "sub_kinds::tracing::raw_tracepoint", "sub_kinds::tracing::typed_tracepoint",
        "raw_tracepoint::conforms_typed_and_created",
    ]),
    row("missed", "the info of a kprobe counts what it missed", &["selftests::tracing::a_probe_that_is_missed"]),
    row("bpf_iter: check_bpf_link_info", "the info of a task iterator has the task", &["iter::over_a_task", "sub_kinds::iter::tasks_of_a_process"]),
    row("cgroup_link", "four nested cgroups, programs without links, updates, detaching, cgroups that go", &[
        "selftests::cgroups::each_of_four_cgroups_adds_a_run", "selftests::cgroups::exclusive_programs_and_links", "cgroup::conforms",
        "cgroup::a_program_that_does_not_share", "cgroup::the_cgroup_goes",
    ]),
    row("cgroup_mprog_opts", "revisions, order, and combinations that are refused", &[
        "selftests::cgroups::revisions_and_order", "selftests::cgroups::combinations_that_do_not_go", "cgroup::around_an_anchor",
        "cgroup::anchors_that_are_not_here", "cgroup::an_expected_revision",
    ]),
    row("cgroup_mprog_ordering, cgroup_preorder", "before is first, with and without an anchor; preorder runs from the parent down", &[
        "selftests::cgroups::positions_run_in_their_order", "selftests::cgroups::preorder_runs_from_the_parent_down", "cgroup::first_and_last",
        "cgroup::parents_first",
    ]),
    row("flow_dissector_reattach", "one in a namespace, with and without links, each wrong update, the first namespace and others", &[
        "selftests::network::flow_dissector_in_a_namespace", "selftests::network::flow_dissector_in_the_first_namespace", "netns::one_flow_dissector",
        "netns::the_namespace_goes",
    ]).beyond("an old program without BPF_F_REPLACE: to expect one sets it; and the descriptor -1"),
    row("sk_lookup: query_lookup_prog", "three links in their order; a detached one keeps its program", &[
        "netns::sixty_four_lookups_in_order", "netns::conforms", "query::a_network_namespace",
    ]),
    row("xdp_link", "links and netlink exclude each other; update, info, detaching", &[
        "selftests::network::xdp_links_and_netlink", "xdp::conforms", "xdp::one_link_to_a_device", "xdp::a_program_of_another_type",
    ]),
    row("xdp_bonding", "a bond and its devices exclude each other", &["selftests::network::a_bond_and_its_devices"]),
    row("perf_link", "info, runs, and stops with the last descriptor", &[
        "selftests::others::an_event_runs_until_its_link_is_let_go", "perf_event::conforms_on_a_counter", "perf_event::the_link_holds_the_event",
    ]),
    row("link_pinning", "a pin keeps the program attached, and its end takes it off", &[
        "pin::a_pin_keeps_the_program_attached", "pin::unpinning_keeps_the_link", "ownership::the_last_pin_takes_the_program_off",
        "sub_kinds::tracing::raw_tracepoint", "sub_kinds::tracing::typed_tracepoint",
    ]),
    row("bpf_obj_pinning", "relative to a directory, to the working directory, to a mount that is nowhere", &[
        "pin_at::relative_to_a_directory", "pin_at::relative_to_the_working_directory", "pin_at::on_a_bpffs_that_is_mounted_nowhere",
        "pin_at::an_absolute_path_makes_the_directory_irrelevant",
    ]),
    row("kprobe_multi_test", "symbols and addresses, limits, sleeping, sessions, writing registers", &[
        "kprobe_multi::conforms", "kprobe_multi::conforms_by_address_on_return", "kprobe_multi::conforms_as_session",
        "kprobe_multi::functions_that_do_not_go", "kprobe_multi::addresses_that_do_not_go", "kprobe_multi::flags_that_there_are_not",
        "selftests::tracing::a_program_that_sleeps",
        "selftests::tracing::sessions_that_end_at_the_entry", "selftests::tracing::a_program_that_writes_registers",
    ]).beyond("symbols together with addresses: the arguments are one or the other; and overriding what a function returns, for which no kernel of the matrix was built"),
    row("uprobe_multi_test", "limits, each wrong argument, files by descriptor, one process, sessions, breakpoints, reference counters", &[
        "uprobe_multi::probes_that_do_not_go", "uprobe_multi::files_that_do_not_go", "uprobe_multi::descriptors_that_do_not_go",
        "uprobe_multi::conforms_by_descriptor", "uprobe_multi::one_process_and_no_other", "uprobe_multi::conforms_as_session",
        "uprobe_multi::reference_counters_count", "selftests::tracing::sessions_of_a_file_that_end_at_the_entry",
        "selftests::tracing::a_breakpoint_is_no_place_for_a_probe", "selftests::tracing::one_counter_to_a_place",
    ]).beyond("addresses that are none, no offsets, a path together with a descriptor, the descriptor -1: the arguments are slices, and the file one of the two"),
    row("tracing_multi", "ids, cookies, sessions, limits, sleeping, duplicates; one that fails undoes the others", &[
        "tracing_multi::conforms", "tracing_multi::conforms_on_exit", "sub_kinds::tracing::session_of_many", "tracing_multi::functions_that_do_not_go",
        "tracing_multi::a_program_on_the_same_function", "selftests::tracing::a_program_that_sleeps_on_many", "selftests::tracing::functions_of_a_module",
        "selftests::tracing::a_function_of_a_module",
        "selftests::tracing::a_full_function_takes_no_more", "selftests::tracing::a_full_function_undoes_the_rest",
    ]),
    row("fsession_test", "attached, let go, attached again", &["tracing::conforms_as_session", "sub_kinds::tracing::session"]),
    row("fexit_bpf2bpf", "the info has the target program; an extension of another program than it was loaded for", &[
        "tracing::conforms_on_a_program", "tracing::conforms_as_extension", "tracing::an_extension_of_another_program",
        "sub_kinds::tracing::exit_of_a_program", "sub_kinds::tracing::extension",
    ]),
    row("lsm_cgroup", "runs of each hook, an update within the hook only, a cgroup that goes", &[
        "selftests::cgroups::security_hooks", "cgroup::a_security_hook", "sub_kinds::cgroup::security_hook",
    ]),
    row("netfilter_link_attach", "seven wrong sets, the info, a priority that is taken and free again", &[
        "netfilter::hooks_that_there_are_not", "netfilter::fragments", "netfilter::one_program_to_a_priority", "netfilter::conforms",
        "netfilter::conforms_for_ipv6", "sub_kinds::network::netfilter_defragmented",
    ]),
    row("tc_links", "positions, revisions, updates, combinations that are refused, devices that go, programs without links", &[
        "tcx::first_and_last", "tcx::around_an_anchor", "tcx::an_expected_revision", "tcx::the_revision_counts_changes", "tcx::anchors_that_are_not_here",
        "tcx::the_device_goes", "selftests::network::tcx_combinations_that_do_not_go", "selftests::network::tcx_with_and_without_links",
        "typed_attach_network::tcx_positions",
    ]),
    row("tc_links: mixing with classic tc", "filters run after links that let them, and stay when those go; they are on no list", &[
        "selftests::classic_tc::links_run_before_filters", "selftests::classic_tc::links_and_filters_come_and_go",
    ]),
    row("tc_opts: max", "63 programs to a hook", &["tcx::sixty_three_programs_to_a_hook"]),
    row("tc_netkit", "both ends by the primary one, order, revision", &[
        "selftests::network::netkit_is_asked_by_its_primary_end", "selftests::network::netkit_combinations_that_do_not_go", "netkit::conforms",
        "netkit::conforms_for_the_peer", "netkit::devices_that_do_not_go", "netkit::around_an_anchor",
    ]),
    row("sockmap_basic: with_link", "links and programs without links, updates, slots that exclude each other", &[
        "selftests::network::sockmap_with_and_without_links", "sockmap::conforms", "sockmap::one_link_to_a_slot", "sockmap::a_program_that_does_not_fit",
    ]),
    row("test_struct_ops_module: detach_link", "whoever waits is told of the end", &[
        "selftests::others::a_detached_link_is_told_to_who_waits", "struct_ops::a_detached_link_hangs_up",
    ]),
    row("bpf_tcp_ca", "updates under the same name, no other, by a map for links, from the expected map", &[
        "struct_ops::conforms", "struct_ops::an_update_under_another_name", "struct_ops::a_map_is_linked_again",
        "selftests::others::a_map_that_is_not_for_links", "update::another_map_than_the_expected_one",
    ]).beyond("the map that is there already: the kernel crashes on it, so that the library does not ask"),
    row("unpriv_bpf_disabled", "who has the descriptors attaches and asks; ids and queries take a privilege", &[
        "selftests::others::a_descriptor_takes_no_privilege", "ownership::ids_take_a_privilege", "walk::lack_of_privilege_is_an_error",
        "query::it_takes_a_privilege",
    ]),
    row("cgroup_iter", "the orders, what is no cgroup, a dead cgroup", &[
        "iter::over_cgroups", "iter::over_children", "iter::a_cgroup_that_is_not_there", "iter::an_order_that_there_is_not",
        "selftests::cgroups::a_dead_cgroup_is_not_gone_over",
    ]).beyond(DESCRIPTORS),
];
