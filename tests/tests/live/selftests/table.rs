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
    /// What the libraries have no words for, so that it cannot be asserted through them, and why
    /// that is so.
    #[expect(dead_code, reason = "it is for readers of the table")]
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
const SLICES: &str = "an address without a length, a length without an address, an address of nothing: a buffer is a slice";
/// A descriptor is borrowed from its owner.
const DESCRIPTORS: &str =
    "the descriptor -1: a descriptor is borrowed from its owner, and so is open";

/// The table.
#[rustfmt::skip]
pub(super) const SELFTESTS: &[Selftest] = &[
    row("fill_link_info: kprobe, kretprobe", "type, offset, address, cookie, name and its length", &[
        "kinds::perf_event::sorts::kprobe", "kinds::perf_event::sorts::kretprobe", "kinds::perf_event::sorts::kprobe_at_an_address", "kinds::perf_event::typed::info_of_a_kprobe",
        "kinds::perf_event::the_name_of_a_kprobe", "kinds::perf_event::typed::info_by_address",
    ]),
    row("fill_link_info: kprobe_invalid_ubuff", "wrong buffers are refused, and nothing is written back", &[
        "kinds::perf_event::the_name_of_a_kprobe",
    ]).beyond(SLICES),
    row("fill_link_info: tracepoint, event, uprobe, uretprobe", "name and its length, type, config, offset, reference counter, file, cookie", &[
        "kinds::perf_event::sorts::tracepoint", "kinds::perf_event::sorts::counter", "kinds::perf_event::sorts::uprobe", "kinds::perf_event::sorts::uretprobe",
        "kinds::perf_event::the_name_of_a_tracepoint", "kinds::perf_event::the_name_of_a_uprobe", "kinds::perf_event::a_counter_has_no_name",
        "kinds::perf_event::typed::info", "kinds::perf_event::typed::info_of_a_uprobe",
    ]),
    row("fill_link_info: kprobe_multi, kretprobe_multi", "count, flags, addresses in order, cookies along with them", &[
        "kinds::kprobe_multi::the_functions", "kinds::kprobe_multi::hidden_addresses", "kinds::kprobe_multi::sorts::kprobes", "kinds::kprobe_multi::sorts::kretprobes",
        "kinds::kprobe_multi::typed::info",
    ]),
    row("fill_link_info: kprobe_multi_invalid_ubuff", "too short is ENOSPC with what fits, too long is no error, cookies only with addresses", &[
        "kinds::kprobe_multi::the_functions",
    ]).beyond(SLICES),
    row("fill_link_info: tracing_multi", "attach type, count, BTF object, sorted ids, cookies along with them; too short, too long", &[
        "kinds::tracing_multi::the_functions", "kinds::tracing_multi::hidden_addresses", "kinds::tracing_multi::sorts::entry", "kinds::tracing_multi::sorts::exit",
        "kinds::tracing_multi::sorts::session", "kinds::tracing_multi::typed::info",
    ]).beyond(SLICES),
    row("fill_link_info: uprobe_multi, uretprobe_multi", "count, path, every combination of arrays, process, flags", &[
        "kinds::uprobe_multi::the_path", "kinds::uprobe_multi::the_probes", "kinds::uprobe_multi::sorts::uprobes", "kinds::uprobe_multi::sorts::uretprobes", "kinds::uprobe_multi::typed::info",
    ]),
    row("fill_link_info: uprobe_multi_invalid", "a short path is ENAMETOOLONG, short arrays are ENOSPC", &[
        "kinds::uprobe_multi::the_path", "kinds::uprobe_multi::the_probes",
    ]).beyond(SLICES),
    row("bpf_obj_id", "info of programs and links by id, and a walk that leaves out what has gone", &[
        "commands::walk::ids_ascend_and_have_each_link_once", "commands::walk::links_are_the_ones_with_these_ids", "commands::walk::a_stable_link_is_met_every_time_under_churn",
        "commands::info::the_header", "kinds::raw_tracepoint::the_name_of_the_tracepoint", "lifetime::ownership::an_id_that_has_gone",
    ]),
    row("bpf_cookie", "the cookie gets to the program and into the info, for every sort of link that has one", &[
        "selftests::tracing::cookies_get_to_programs", "selftests::tracing::cookies_get_to_security_hooks", "kinds::tracing::the_cookie_gets_to_the_program",
        "kinds::raw_tracepoint::the_cookie_gets_to_the_program", "kinds::perf_event::the_cookie_gets_to_the_program", "kinds::kprobe_multi::each_cookie_goes_with_its_function",
        "kinds::uprobe_multi::each_cookie_goes_with_its_offset", "kinds::tracing_multi::each_cookie_goes_with_its_function", "kinds::perf_event::typed::kprobe",
        "kinds::perf_event::typed::uprobe", "kinds::tracing::sorts::entry", "kinds::tracing::sorts::exit", "kinds::tracing::sorts::value_returned",
        "kinds::tracing::sorts::security_hook", "kinds::raw_tracepoint::sorts::raw_tracepoint", "kinds::raw_tracepoint::sorts::typed_tracepoint",
        "kinds::raw_tracepoint::conforms_typed_and_created",
    ]),
    row("missed", "the info of a kprobe counts what it missed", &["selftests::tracing::a_probe_that_is_missed"]),
    row("bpf_iter: check_bpf_link_info", "the info of a task iterator has the task", &["kinds::iter::over_a_task", "kinds::iter::sorts::tasks_of_a_process"]),
    row("cgroup_link", "four nested cgroups, programs without links, updates, detaching, cgroups that go", &[
        "selftests::cgroups::each_of_four_cgroups_adds_a_run", "selftests::cgroups::exclusive_programs_and_links", "kinds::cgroup::conforms",
        "kinds::cgroup::a_program_that_does_not_share", "kinds::cgroup::the_cgroup_goes",
    ]),
    row("cgroup_mprog_opts", "revisions, order, and combinations that are refused", &[
        "selftests::cgroups::revisions_and_order", "selftests::cgroups::combinations_that_do_not_go", "kinds::cgroup::around_an_anchor",
        "kinds::cgroup::anchors_that_are_not_here", "kinds::cgroup::an_expected_revision",
    ]),
    row("cgroup_mprog_ordering, cgroup_preorder", "before is first, with and without an anchor; preorder runs from the parent down", &[
        "selftests::cgroups::positions_run_in_their_order", "selftests::cgroups::preorder_runs_from_the_parent_down", "kinds::cgroup::first_and_last",
        "kinds::cgroup::parents_first",
    ]),
    row("flow_dissector_reattach", "one in a namespace, with and without links, each wrong update, the first namespace and others", &[
        "selftests::network::flow_dissector_in_a_namespace", "selftests::network::flow_dissector_in_the_first_namespace", "kinds::netns::one_flow_dissector",
        "kinds::netns::the_namespace_goes",
    ]).beyond("an old program without BPF_F_REPLACE: to expect one sets it; and the descriptor -1"),
    row("sk_lookup: query_lookup_prog", "three links in their order; a detached one keeps its program", &[
        "kinds::netns::sixty_four_lookups_in_order", "kinds::netns::conforms", "commands::query::a_network_namespace",
    ]),
    row("xdp_link", "links and netlink exclude each other; update, info, detaching", &[
        "selftests::network::xdp_links_and_netlink", "kinds::xdp::conforms", "kinds::xdp::one_link_to_a_device", "kinds::xdp::a_program_of_another_type",
    ]),
    row("xdp_bonding", "a bond and its devices exclude each other", &["selftests::network::a_bond_and_its_devices"]),
    row("perf_link", "info, runs, and stops with the last descriptor", &[
        "selftests::others::an_event_runs_until_its_link_is_let_go", "kinds::perf_event::conforms_on_a_counter", "kinds::perf_event::the_link_holds_the_event",
    ]),
    row("link_pinning", "a pin keeps the program attached, and its end takes it off", &[
        "pin::a_pin_keeps_the_program_attached", "pin::unpinning_keeps_the_link", "lifetime::ownership::the_last_pin_takes_the_program_off",
        "kinds::raw_tracepoint::sorts::raw_tracepoint", "kinds::raw_tracepoint::sorts::typed_tracepoint",
    ]),
    row("bpf_obj_pinning", "relative to a directory, to the working directory, to a mount that is nowhere", &[
        "pin::at::relative_to_a_directory", "pin::at::relative_to_the_working_directory", "pin::at::on_a_bpffs_that_is_mounted_nowhere",
        "pin::at::an_absolute_path_makes_the_directory_irrelevant",
    ]),
    row("kprobe_multi_test", "symbols and addresses, limits, sleeping, sessions, writing registers", &[
        "kinds::kprobe_multi::conforms", "kinds::kprobe_multi::conforms_by_address_on_return", "kinds::kprobe_multi::conforms_as_session",
        "kinds::kprobe_multi::functions_that_do_not_go", "kinds::kprobe_multi::addresses_that_do_not_go", "kinds::kprobe_multi::flags_that_there_are_not",
        "selftests::tracing::a_program_that_sleeps",
        "selftests::tracing::sessions_that_end_at_the_entry", "selftests::tracing::a_program_that_writes_registers",
    ]).beyond("symbols together with addresses: the arguments are one or the other; and overriding what a function returns, for which no kernel of the matrix was built"),
    row("uprobe_multi_test", "limits, each wrong argument, files by descriptor, one process, sessions, breakpoints, reference counters", &[
        "kinds::uprobe_multi::probes_that_do_not_go", "kinds::uprobe_multi::files_that_do_not_go", "kinds::uprobe_multi::descriptors_that_do_not_go",
        "kinds::uprobe_multi::conforms_by_descriptor", "kinds::uprobe_multi::process::one_process_and_no_other", "kinds::uprobe_multi::conforms_as_session",
        "kinds::uprobe_multi::reference_counters_count", "selftests::tracing::sessions_of_a_file_that_end_at_the_entry",
        "selftests::tracing::a_breakpoint_is_no_place_for_a_probe", "selftests::tracing::one_counter_to_a_place",
    ]).beyond("addresses of nothing, no offsets, a path together with a descriptor, the descriptor -1: the arguments are slices, and the file one of the two"),
    row("tracing_multi", "ids, cookies, sessions, limits, sleeping, duplicates; one that fails undoes the others", &[
        "kinds::tracing_multi::conforms", "kinds::tracing_multi::conforms_on_exit", "kinds::tracing_multi::sorts::session", "kinds::tracing_multi::functions_that_do_not_go",
        "kinds::tracing_multi::a_program_on_the_same_function", "selftests::tracing::a_program_that_sleeps_on_many", "selftests::tracing::functions_of_a_module",
        "selftests::tracing::a_function_of_a_module",
        "selftests::tracing::a_full_function_takes_no_more", "selftests::tracing::a_full_function_undoes_the_rest",
    ]),
    row("fsession_test", "attached, let go, attached again", &["kinds::tracing::conforms_as_session", "kinds::tracing::sorts::session"]),
    row("fexit_bpf2bpf", "the info has the target program; an extension of another program than it was loaded for", &[
        "kinds::tracing::conforms_on_a_program", "kinds::tracing::conforms_as_extension", "kinds::tracing::an_extension_of_another_program",
        "kinds::tracing::sorts::exit_of_a_program", "kinds::tracing::sorts::extension",
    ]),
    row("lsm_cgroup", "runs of each hook, an update within the hook only, a cgroup that goes", &[
        "selftests::cgroups::security_hooks", "kinds::cgroup::a_security_hook", "kinds::cgroup::sorts::security_hook",
    ]),
    row("netfilter_link_attach", "seven wrong sets, the info, a priority that is taken and free again", &[
        "kinds::netfilter::hooks_that_there_are_not", "kinds::netfilter::fragments", "kinds::netfilter::one_program_to_a_priority", "kinds::netfilter::conforms",
        "kinds::netfilter::conforms_for_ipv6", "kinds::netfilter::sorts::defragmented",
    ]),
    row("tc_links", "positions, revisions, updates, combinations that are refused, devices that go, programs without links", &[
        "kinds::tcx::first_and_last", "kinds::tcx::around_an_anchor", "kinds::tcx::an_expected_revision", "kinds::tcx::the_revision_counts_changes", "kinds::tcx::anchors_that_are_not_here",
        "kinds::tcx::the_device_goes", "selftests::network::tcx_combinations_that_do_not_go", "selftests::network::tcx_with_and_without_links",
        "kinds::tcx::typed::positions",
    ]),
    row("tc_links: mixing with classic tc", "filters run after links that let them, and stay when those go; they are on no list", &[
        "selftests::classic_tc::links_run_before_filters", "selftests::classic_tc::links_and_filters_come_and_go",
    ]),
    row("tc_opts: max", "63 programs to a hook", &["kinds::tcx::sixty_three_programs_to_a_hook"]),
    row("tc_netkit", "both ends by the primary one, order, revision", &[
        "selftests::network::netkit_is_asked_by_its_primary_end", "selftests::network::netkit_combinations_that_do_not_go", "kinds::netkit::conforms",
        "kinds::netkit::conforms_for_the_peer", "kinds::netkit::devices_that_do_not_go", "kinds::netkit::around_an_anchor",
    ]),
    row("sockmap_basic: with_link", "links and programs without links, updates, slots that exclude each other", &[
        "selftests::network::sockmap_with_and_without_links", "kinds::sockmap::conforms", "kinds::sockmap::one_link_to_a_slot", "kinds::sockmap::a_program_that_does_not_fit",
    ]),
    row("test_struct_ops_module: detach_link", "what waits is told of the end", &[
        "selftests::others::a_detached_link_is_told_to_who_waits", "kinds::struct_ops::a_detached_link_hangs_up",
    ]),
    row("bpf_tcp_ca", "updates under the same name, no other, by a map for links, from the expected map", &[
        "kinds::struct_ops::conforms", "kinds::struct_ops::an_update_under_another_name", "kinds::struct_ops::a_map_is_linked_again",
        "selftests::others::a_map_that_is_not_for_links", "commands::update::another_map_than_the_expected_one",
    ]).beyond("the map that is there already: the kernel crashes on it, so that the library does not ask"),
    row("unpriv_bpf_disabled", "who has the descriptors attaches and asks; ids and queries take a privilege", &[
        "selftests::others::a_descriptor_takes_no_privilege", "lifetime::ownership::ids_take_a_privilege", "commands::walk::lack_of_privilege_is_an_error",
        "commands::query::it_takes_a_privilege",
    ]),
    row("cgroup_iter", "the orders, what is no cgroup, a dead cgroup", &[
        "kinds::iter::over_cgroups", "kinds::iter::over_children", "kinds::iter::a_cgroup_that_is_not_there", "kinds::iter::an_order_that_there_is_not",
        "selftests::cgroups::a_dead_cgroup_is_not_gone_over",
    ]).beyond(DESCRIPTORS),
];
