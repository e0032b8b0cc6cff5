//! What the kernels that the tests run on do not have.

use anyhow::Result;
use bpf_link_tests::DeviceKind;

use super::Need;
use super::kernel::Kernel;

/// Something that tests need and some kernels do not have.
#[derive(Debug)]
pub(super) struct Absent {
    /// What is absent.
    pub(super) need: Need,
    /// The kernels: a series on each machine, such as `6.12`, or on one, such as `aarch64 6.12`.
    pub(super) kernels: &'static [&'static str],
}

/// The table: what is not in it, a kernel is expected to have.
///
/// Linux 6.18 is the machine that the project is built on; the others are the distribution's
/// kernels that `cargo xtask vm-test` boots. What names no machine is so on each of them.
#[rustfmt::skip]
pub(super) const ABSENT: &[Absent] = &[
    // Links of kinds that are later.
    Absent { need: Need::Constant("bpf_link_type", "BPF_LINK_TYPE_PERF_EVENT"), kernels: &["5.10"] },
    Absent { need: Need::Constant("bpf_link_type", "BPF_LINK_TYPE_KPROBE_MULTI"), kernels: &["5.10"] },
    Absent { need: Need::Constant("bpf_attach_type", "BPF_STRUCT_OPS"), kernels: &["5.10", "6.1"] },
    Absent { need: Need::Constant("bpf_attach_type", "BPF_NETFILTER"), kernels: &["5.10", "6.1"] },
    Absent { need: Need::Constant("bpf_attach_type", "BPF_TCX_INGRESS"), kernels: &["5.10", "6.1"] },
    Absent { need: Need::Constant("bpf_attach_type", "BPF_TRACE_UPROBE_MULTI"), kernels: &["5.10", "6.1"] },
    Absent { need: Need::Constant("bpf_attach_type", "BPF_NETKIT_PRIMARY"), kernels: &["5.10", "6.1"] },
    Absent { need: Need::Constant("bpf_link_type", "BPF_LINK_TYPE_SOCKMAP"), kernels: &["5.10", "6.1"] },
    Absent { need: Need::Constant("bpf_link_type", "BPF_LINK_TYPE_TRACING_MULTI"), kernels: &["5.10", "6.1", "6.12", "6.16", "6.18"] },
    // Hooks that are later than their kind.
    Absent { need: Need::Constant("bpf_attach_type", "BPF_LSM_CGROUP"), kernels: &["5.10"] },
    Absent { need: Need::Constant("bpf_attach_type", "BPF_TRACE_UPROBE_SESSION"), kernels: &["6.12"] },
    Absent { need: Need::Constant("bpf_attach_type", "BPF_TRACE_FSESSION"), kernels: &["5.10", "6.1", "6.12", "6.16", "6.18"] },
    Absent { need: Need::Constant("netkit_pairing", "NETKIT_DEVICE_SINGLE"), kernels: &["5.10", "6.1", "6.12", "6.16", "6.18"] },
    Absent { need: Need::Constant("bpf_attach_type", "BPF_CGROUP_UNIX_CONNECT"), kernels: &["5.10", "6.1"] },
    // Options and fields that are later than their kind.
    Absent { need: Need::Member("bpf_link_info", "iter.task"), kernels: &["5.10"] },
    Absent { need: Need::Constant("bpf_cgroup_iter_order", "BPF_CGROUP_ITER_CHILDREN"), kernels: &["5.10", "6.1", "6.12", "6.16", "6.18"] },
    Absent { need: Need::Member("bpf_prog_info", "attach_btf_obj_id"), kernels: &["5.10"] },
    Absent { need: Need::Member("bpf_btf_info", "kernel_btf"), kernels: &["5.10"] },
    Absent { need: Need::Member("bpf_link_info", "perf_event"), kernels: &["6.1"] },
    Absent { need: Need::Member("cgroup_bpf", "revisions"), kernels: &["5.10", "6.1", "6.16", "s390x 6.12"] },
    Absent { need: Need::Member("bpf_link_info", "tracing_multi"), kernels: &["7.2"] },
    Absent { need: Need::Function("sock_map_bpf_prog_query"), kernels: &["5.10"] },
    Absent { need: Need::Function("__traceiter_bpf_xdp_link_attach_failed"), kernels: &["5.10", "6.1"] },
    Absent { need: Need::Member("xdp_test_data", "batch_size"), kernels: &["5.10"] },
    Absent { need: Need::Function("bpf_prog_dev_bound_init"), kernels: &["5.10", "6.1"] },
    Absent { need: Need::Member("bpf_prog_aux", "kprobe_write_ctx"), kernels: &["5.10", "6.1", "6.12", "6.16"] },
    // What iterators go over since later.
    Absent { need: Need::Iterator("bpf_link"), kernels: &["5.10"] },
    Absent { need: Need::Iterator("ksym"), kernels: &["5.10"] },
    Absent { need: Need::Iterator("unix"), kernels: &["5.10"] },
    Absent { need: Need::Iterator("kmem_cache"), kernels: &["5.10", "6.1", "6.12"] },
    // Machines with one processor, and with all of them online.
    Absent { need: Need::SecondProcessor, kernels: &["5.10", "6.1", "6.12", "6.16", "7.2", "7.3"] },
    Absent { need: Need::OfflineProcessor, kernels: &["6.18"] },
    // What was left out when the kernel was built, or started.
    Absent { need: Need::Function("register_fprobe"), kernels: &["6.1", "6.18", "aarch64 6.12", "riscv64 6.12"] },
    Absent { need: Need::Function("register_kprobe"), kernels: &["6.18"] },
    Absent { need: Need::Function("netkit_link_attach"), kernels: &["6.18"] },
    Absent { need: Need::Function("bpf_lsm_file_open"), kernels: &["s390x 6.12"] },
    Absent { need: Need::Function("bpf_lsm_locked_down"), kernels: &["s390x 6.12"] },
    Absent { need: Need::Jit, kernels: &["s390x 6.12"] },
    Absent { need: Need::Command("bpftool"), kernels: &["riscv64 6.12", "s390x 6.12"] },
    Absent { need: Need::Trampoline, kernels: &["6.18", "s390x 6.12", "aarch64 5.10", "aarch64 6.1"] },
    Absent { need: Need::Function("bpf_trampoline_multi_attach"), kernels: &["aarch64 7.3"] },
    Absent { need: Need::FirstNetns, kernels: &["6.18"] },
    Absent { need: Need::Device(DeviceKind::Bond), kernels: &["6.18"] },
    Absent { need: Need::ModuleTypes, kernels: &["5.10", "6.18"] },
    Absent { need: Need::SecurityModule("bpf"), kernels: &["6.18", "s390x 6.12"] },
];

impl Absent {
    /// Whether it is expected that the kernel that runs here does not have this.
    pub(super) fn expects(need: Need) -> Result<bool> {
        Ok(match need {
            // That is about what happened to this machine.
            Need::NoOops | Need::OwnKernel | Need::Without(Need::OwnKernel) => true,
            _ => Self::lacks(&Kernel::here()?, need),
        })
    }

    /// Whether the kernel does not have this, if nobody has booted it for the tests.
    ///
    /// Machines and versions speak for themselves, and so does the absence of something else.
    pub(super) fn lacks(kernel: &Kernel, need: Need) -> bool {
        match need {
            Need::Machine(name) => name != std::env::consts::ARCH,
            Need::Linux(major, minor) => kernel.version < (major, minor),
            Need::Before(major, minor) => kernel.version >= (major, minor),
            Need::NoOops => false,
            Need::OwnKernel => true,
            Need::Without(need) => !Self::lacks(kernel, *need),
            _ => Self::of(kernel).any(|absent| absent.need == need),
        }
    }

    /// The lines about this kernel.
    pub(super) fn of(kernel: &Kernel) -> impl Iterator<Item = &'static Self> {
        ABSENT
            .iter()
            .filter(|absent| absent.kernels.iter().any(|name| kernel.is_of(name)))
    }
}
