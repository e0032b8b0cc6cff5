//! The layouts that bindgen asserts about its own output, held to the kernel's interface as it was
//! read by hand.

use std::mem::offset_of;

use bpf_link_sys as sys;
use bpf_link_sys::bpf_attr__link_create as create;
use bpf_link_sys::bpf_attr__link_create__target_btf_id_union as create_arm;
use bpf_link_sys::bpf_link_info as info;
use bpf_link_sys::bpf_link_info__raw_tracepoint_union as info_arm;

#[test]
fn sizes_are_those_of_linux_7_3() {
    assert_eq!(size_of::<sys::bpf_attr>(), 168);
    assert_eq!(size_of::<sys::bpf_link_info>(), 64);
    assert_eq!(size_of::<sys::bpf_iter_link_info>(), 16);
    assert_eq!(size_of::<sys::bpf_insn>(), 8);
    assert_eq!(
        size_of::<sys::perf_event_attr>(),
        sys::PERF_ATTR_SIZE_VER9 as usize
    );
}

#[test]
fn arguments_of_link_create() {
    assert_eq!(offset_of!(sys::bpf_attr, link_create), 0);
    assert_eq!(offset_of!(create, prog_fd_union.prog_fd), 0);
    assert_eq!(offset_of!(create, target_fd_union.target_ifindex), 4);
    assert_eq!(offset_of!(create, attach_type), 8);
    assert_eq!(offset_of!(create, flags), 12);
    assert_eq!(offset_of!(create, target_btf_id_union), 16);
    assert_eq!(offset_of!(create_arm, iter_info_struct.iter_info_len), 8);
    assert_eq!(offset_of!(create_arm, kprobe_multi.cookies), 24);
    assert_eq!(offset_of!(create_arm, tracing.cookie), 8);
    assert_eq!(offset_of!(create_arm, netfilter.priority), 8);
    assert_eq!(offset_of!(create_arm, tcx.expected_revision), 8);
    assert_eq!(offset_of!(create_arm, uprobe_multi.pid), 40);
    assert_eq!(
        offset_of!(create, target_btf_id_union.uprobe_multi.path_fd),
        60
    );
    assert_eq!(offset_of!(create_arm, tracing_multi.cnt), 16);
}

#[test]
fn arguments_of_other_commands() {
    assert_eq!(offset_of!(sys::bpf_attr, link_update.old_prog_fd_union), 12);
    assert_eq!(offset_of!(sys::bpf_attr, raw_tracepoint.cookie), 16);
    assert_eq!(offset_of!(sys::bpf_attr, pathname_struct.path_fd), 16);
    assert_eq!(offset_of!(sys::bpf_attr, info.info), 8);
    assert_eq!(offset_of!(sys::bpf_attr, iter_create.flags), 4);
    assert_eq!(offset_of!(sys::bpf_attr, start_id_struct.next_id), 4);
}

#[test]
fn what_is_known_of_a_link() {
    assert_eq!(offset_of!(info, prog_id), 8);
    assert_eq!(offset_of!(info, raw_tracepoint_union), 16);
    assert_eq!(offset_of!(info_arm, raw_tracepoint.cookie), 16);
    assert_eq!(offset_of!(info_arm, tracing.cookie), 16);
    assert_eq!(offset_of!(info_arm, iter.map_union.map.map_id), 12);
    assert_eq!(offset_of!(info_arm, iter.cgroup_union.cgroup.order), 24);
    assert_eq!(offset_of!(info_arm, uprobe_multi.pid), 44);
    assert_eq!(offset_of!(info_arm, tracing_multi.cookies), 32);
    assert_eq!(
        offset_of!(info_arm, perf_event.uprobe_union.uprobe.ref_ctr_offset),
        32
    );
    assert_eq!(
        offset_of!(info_arm, perf_event.uprobe_union.kprobe.cookie),
        40
    );
    assert_eq!(
        offset_of!(info_arm, perf_event.uprobe_union.event.config),
        8
    );
}

#[test]
fn numbers_of_commands_kinds_and_requests() {
    assert_eq!(sys::BPF_LINK_CREATE, 28);
    assert_eq!(sys::BPF_LINK_DETACH, 34);
    assert_eq!(sys::BPF_LINK_TYPE_TRACING_MULTI, 15);
    assert_eq!(sys::BPF_TRACE_FSESSION_MULTI, 61);
    assert_eq!(sys::BPF_F_LINK, 1 << 13);
    // The requests with an argument have its size in them: 4 << 16 and 8 << 16.
    assert_eq!(sys::PERF_EVENT_IOC_ENABLE, 0x2400);
    assert_eq!(sys::PERF_EVENT_IOC_SET_BPF, 0x4004_2408);
    assert_eq!(sys::PERF_EVENT_IOC_ID, 0x8008_2407);
}
