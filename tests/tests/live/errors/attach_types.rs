//! Programs of the right type that were loaded for another attach type. The error says so, or says
//! that it may be so where that cannot be found out.

use anyhow::{Result, ensure};
use bpf_link::{AttachType, program_fits};
use bpf_link_tests::{Device, DeviceKind, Hook, Loader, Map, Program, Sandbox, iterator};
use bpf_link_typed::attach::When;
use bpf_link_typed::{
    Error, IterAttach, KprobeMultiAttach, TracingAttach, TracingHook, TracingMultiAttach,
    UprobeMultiAttach, XdpAttach,
};

use crate::fixture::chain::check_refusal;
use crate::functions::kernel::{SYMBOLS, address_of};
use crate::functions::test::function_id;
use crate::harness::{Need, Test, test};

/// The kernel can run XDP programs on live packets as a test.
const TRIAL_RUNS: &[Need] = &[Need::Member("xdp_test_data", "batch_size")];

pub(crate) const TESTS: &[Test] = &[
    test!(xdp_for_entries_of_maps).needs(TRIAL_RUNS),
    test!(xdp_for_another_device).needs(&[
        Need::Function("bpf_prog_dev_bound_init"),
        Need::Device(DeviceKind::Veth),
    ]),
    test!(iterators),
    test!(many_probes).needs(Need::UPROBE_MULTI),
    test!(many_functions).needs(Need::TRACING_MULTI),
    test!(many_kernel_functions).needs(Need::KPROBE_MULTI),
    test!(sessions_of_kernel_functions)
        .needs(Need::KPROBE_MULTI)
        .also_needs(Need::KPROBE_SESSION),
    test!(security_hooks)
        .needs(Need::LSM)
        .also_needs(&[Need::Constant("bpf_attach_type", "BPF_LSM_CGROUP")]),
    // Before, the program is attached as it was loaded, and the link tells.
    test!(functions)
        .needs(Need::TRACING)
        .also_needs(&[Need::Linux(5, 19)]),
    test!(a_tracepoint).needs(&[Need::Linux(5, 19)]),
    test!(where_they_fit),
];

/// Checks that the error says that this program was loaded for something else.
fn check_mismatch<T: std::fmt::Debug>(
    attached: Result<T, Error>,
    hook: &str,
    program: &Program,
) -> Result<()> {
    let named = format!("program {} ({})", program.id()?, program.name()?);
    let error = check_refusal(attached, &[hook, &named])?;
    ensure!(
        matches!(
            error,
            Error::AttachTypeMismatch {
                program: Some(_),
                ..
            }
        ),
        "{error:?}"
    );
    ensure!(error.errno() == Some(libc::EINVAL), "{error:?}");
    Ok(())
}

/// Checks that the error says that this may be so.
fn check_perhaps<T: std::fmt::Debug>(
    attached: Result<T, Error>,
    hook: &str,
    program: &Program,
) -> Result<()> {
    let named = format!("program {} ({})", program.id()?, program.name()?);
    let error = check_refusal(attached, &[hook, &named, "may have been loaded"])?;
    let Error::ProgramRefused { program: found, .. } = &error else {
        anyhow::bail!("{error:?}");
    };
    ensure!(found.id.get() == program.id()?);
    ensure!(error.errno() == Some(libc::EINVAL), "{error:?}");
    Ok(())
}

fn xdp_for_entries_of_maps(_sandbox: &Sandbox) -> Result<()> {
    for hook in [Hook::XDP_DEVMAP, Hook::XDP_CPUMAP] {
        let program = Program::passing(hook)?;
        ensure!(program_fits(&program, AttachType::Xdp) == Some(false));
        check_mismatch(
            XdpAttach::to("lo").attach(&program),
            "hook xdp of interface lo (index 1)",
            &program,
        )?;
    }
    for hook in [Hook::XDP, Hook::XDP_UNTYPED] {
        let program = Program::passing(hook)?;
        ensure!(program_fits(&program, AttachType::Xdp) == Some(true));
    }
    Ok(())
}

/// It is an XDP program for devices, though not for this one.
fn xdp_for_another_device(_sandbox: &Sandbox) -> Result<()> {
    let device = Device::create(DeviceKind::Veth, "bound")?;
    let program = Loader::new(Hook::XDP).device(device.index()).passing()?;
    ensure!(program_fits(&program, AttachType::Xdp).is_none());
    let error = check_refusal(XdpAttach::to("lo").attach(&program), &["interface lo"])?;
    ensure!(
        matches!(error, Error::Link(bpf_link::Error::Command(_))),
        "{error:?}"
    );
    ensure!(error.errno() == Some(libc::EINVAL), "{error:?}");
    drop(XdpAttach::to(device.index()).attach(&program)?);
    Ok(())
}

fn iterators(_sandbox: &Sandbox) -> Result<()> {
    let program = Loader::new(Hook::TYPED_RAW_TRACEPOINT)
        .tracepoint("sched_switch")?
        .passing()?;
    ensure!(program_fits(&program, AttachType::TraceIter) == Some(false));
    check_mismatch(
        IterAttach::over_all().attach(&program),
        "hook trace_iter",
        &program,
    )?;
    let map = Map::hash(4, 4, 1)?;
    check_mismatch(
        IterAttach::over_map(&map).attach(&program),
        &format!("hook trace_iter of map {}", map.id()?),
        &program,
    )?;
    // And the other way round.
    let program = iterator("task", *b"element\n")?;
    ensure!(program_fits(&program, AttachType::TraceIter) == Some(true));
    ensure!(program_fits(&program, AttachType::TraceFentry) == Some(false));
    check_mismatch(
        TracingAttach::to(TracingHook::Fentry).attach(&program),
        "hook trace_fentry",
        &program,
    )
}

fn many_kernel_functions(_sandbox: &Sandbox) -> Result<()> {
    let [symbol, ..] = SYMBOLS;
    let address = address_of(symbol)?;
    for hook in [Hook::KPROBE, Hook::UPROBE_MULTI] {
        let program = Program::passing(hook)?;
        for when in [When::Entry, When::Return] {
            check_mismatch(
                KprobeMultiAttach::to_addresses(when, [address]).attach(&program),
                &format!("hook trace_kprobe_multi of address {address:#x}"),
                &program,
            )?;
            check_mismatch(
                KprobeMultiAttach::to_symbols(when, [symbol]).attach(&program),
                &format!("of function {}", symbol.to_string_lossy()),
                &program,
            )?;
        }
    }
    Ok(())
}

/// Programs for sessions have an attach type of their own. If a program is for neither attach
/// type, the reason may also be a kernel without sessions, so the error is `ProgramRefused`.
fn sessions_of_kernel_functions(_sandbox: &Sandbox) -> Result<()> {
    let [symbol, ..] = SYMBOLS;
    let address = address_of(symbol)?;
    let attach = |when, program: &Program| {
        [
            KprobeMultiAttach::to_symbols(when, [symbol]).attach(program),
            KprobeMultiAttach::to_addresses(when, [address]).attach(program),
        ]
    };
    let (of_one_end, of_session, of_neither) = (
        Program::passing(Hook::KPROBE_MULTI)?,
        Program::passing(Hook::KPROBE_SESSION)?,
        Program::passing(Hook::KPROBE)?,
    );
    for refused in attach(When::Session, &of_one_end) {
        check_mismatch(refused, "hook trace_kprobe_session of", &of_one_end)?;
    }
    for refused in attach(When::Entry, &of_session) {
        check_mismatch(refused, "hook trace_kprobe_multi of", &of_session)?;
    }
    for refused in attach(When::Session, &of_neither) {
        check_perhaps(refused, "hook trace_kprobe_session of", &of_neither)?;
    }
    Ok(())
}

fn many_probes(_sandbox: &Sandbox) -> Result<()> {
    let attach = |program: &Program| {
        UprobeMultiAttach::to("/proc/self/exe", When::Entry, [0x10]).attach(program)
    };
    for hook in [Hook::KPROBE, Hook::KPROBE_MULTI] {
        let program = Program::passing(hook)?;
        ensure!(program_fits(&program, AttachType::TraceUprobeMulti) == Some(false));
        let of = "hook trace_uprobe_multi of /proc/self/exe at 0x10";
        check_mismatch(attach(&program), of, &program)?;
    }
    let program = Program::passing(Hook::UPROBE_MULTI)?;
    ensure!(program_fits(&program, AttachType::TraceUprobeMulti) == Some(true));
    Ok(())
}

fn many_functions(_sandbox: &Sandbox) -> Result<()> {
    let program = Loader::new(Hook::FENTRY).function("vfs_read")?.passing()?;
    let function = function_id("vfs_read")?;
    check_mismatch(
        TracingMultiAttach::to(When::Entry, [function]).attach(&program),
        "hook trace_fentry_multi",
        &program,
    )?;
    for hook in [Hook::FENTRY_MULTI, Hook::FEXIT_MULTI, Hook::FSESSION_MULTI] {
        let program = Program::passing(hook)?;
        let attach_type = AttachType::from_raw(hook.attach_type);
        ensure!(
            program_fits(&program, attach_type) == Some(true),
            "{hook:?}"
        );
        check_mismatch(
            TracingAttach::to(TracingHook::Fentry).attach(&program),
            "hook trace_fentry",
            &program,
        )?;
    }
    Ok(())
}

fn security_hooks(_sandbox: &Sandbox) -> Result<()> {
    let loader = Loader::new(Hook::LSM_CGROUP).function("bpf_lsm_socket_create")?;
    let program = loader.passing()?;
    ensure!(program_fits(&program, AttachType::LsmCgroup) == Some(true));
    check_mismatch(
        TracingAttach::to(TracingHook::LsmMac).attach(&program),
        "hook lsm_mac",
        &program,
    )?;
    let loader = Loader::new(Hook::LSM).function("bpf_lsm_file_open")?;
    let program = loader.passing()?;
    ensure!(program_fits(&program, AttachType::LsmCgroup) == Some(false));
    ensure!(program_fits(&program, AttachType::LsmMac) == Some(true));
    Ok(())
}

fn functions(_sandbox: &Sandbox) -> Result<()> {
    for (hook, asked) in [
        (Hook::FENTRY, TracingHook::Fexit),
        (Hook::FENTRY, TracingHook::ModifyReturn),
        (Hook::FEXIT, TracingHook::Fentry),
    ] {
        let program = Loader::new(hook).function("vfs_read")?.passing()?;
        ensure!(program_fits(&program, asked.attach_type()).is_none());
        let attached = TracingAttach::to(asked).attach(&program);
        let hook = format!("hook {}", asked.attach_type());
        check_perhaps(attached, &hook, &program)?;
    }
    Ok(())
}

fn a_tracepoint(_sandbox: &Sandbox) -> Result<()> {
    let program = Loader::new(Hook::TYPED_RAW_TRACEPOINT)
        .tracepoint("sched_switch")?
        .passing()?;
    let attached = TracingAttach::to(TracingHook::Fentry).attach(&program);
    check_perhaps(attached, "hook trace_fentry", &program)
}

/// Asking attaches nothing, and gives no answer for anything but programs.
fn where_they_fit(_sandbox: &Sandbox) -> Result<()> {
    for (hook, attach_type, fits) in [
        (Hook::CGROUP_INGRESS, AttachType::CgroupInetIngress, true),
        (Hook::CGROUP_INGRESS, AttachType::CgroupSysctl, false),
        (Hook::CGROUP_CONNECT4, AttachType::CgroupInet4Bind, false),
        (Hook::SK_LOOKUP, AttachType::SkLookup, true),
        (Hook::SK_LOOKUP, AttachType::FlowDissector, false),
        (Hook::SK_LOOKUP, AttachType::Xdp, false),
    ] {
        let program = Program::passing(hook)?;
        let answer = program_fits(&program, attach_type);
        ensure!(answer == Some(fits), "{hook:?} {attach_type}: {answer:?}");
    }
    let map = Map::array(4, 1)?;
    ensure!(program_fits(&map, AttachType::Xdp).is_none());
    Ok(())
}
