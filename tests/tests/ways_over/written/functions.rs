//! Functions of the kernel and of BPF programs.

use std::fs::File;

use anyhow::Result;
use bpf_link_typed::attach::When;
use bpf_link_typed::{
    KernelFunctions, KprobeEvent, KprobeMultiAttach, PerfEventAttach, TracingAttach, TracingHook,
    TracingMultiAttach,
};

use super::{given, keep};

fn compiled() -> Result<()> {
    let program: File = given();
    let target: File = given();
    let functions: KernelFunctions = given();
    keep(TracingAttach::to(TracingHook::Fentry).attach(&program)?);
    keep(TracingAttach::to(TracingHook::Fexit).attach(&program)?);
    keep(TracingAttach::to(TracingHook::LsmMac).attach(&program)?);
    keep(PerfEventAttach::to(KprobeEvent::at("tcp_sendmsg", 0)).attach(&program)?);
    keep(TracingAttach::extension().attach(&program)?);
    keep(TracingAttach::extension_of(&target, "classify").attach(&program)?);
    keep(PerfEventAttach::to(KprobeEvent::at("tcp_sendmsg", 0).on_return()).attach(&program)?);
    keep(TracingAttach::as_loaded().attach(&program)?);
    keep(
        TracingAttach::to(TracingHook::LsmMac)
            .cookie(7)
            .attach(&program)?,
    );
    keep(
        PerfEventAttach::to(KprobeEvent::at("tcp_sendmsg", 0).on_return())
            .cookie(7)
            .attach(&program)?,
    );
    keep(
        PerfEventAttach::to(KprobeEvent::at_function(&functions.syscall("openat")?))
            .attach(&program)?,
    );
    keep(
        KprobeMultiAttach::to_symbols(When::Entry, ["vfs_read", "vfs_write"])
            .cookies([1, 2])
            .attach(&program)?,
    );
    keep(KprobeMultiAttach::matching(When::Entry, "vfs_*")?.attach(&program)?);
    keep(KprobeMultiAttach::to_symbols(When::Return, ["vfs_read", "vfs_write"]).attach(&program)?);
    keep(
        TracingAttach::to(TracingHook::Fentry)
            .cookie(7)
            .attach(&program)?,
    );
    keep(TracingMultiAttach::matching(When::Entry, "tcp_*")?.attach(&program)?);
    keep(
        TracingMultiAttach::to(When::Entry, ["tcp_sendmsg", "tcp_recvmsg"])
            .cookies(&[1, 2])
            .attach(&program)?,
    );
    keep(
        KprobeMultiAttach::to_symbols(When::Return, ["vfs_read", "vfs_write"])
            .cookies([1, 2])
            .attach(&program)?,
    );
    keep(KprobeMultiAttach::to_symbols(When::Entry, ["vfs_read", "vfs_write"]).attach(&program)?);
    keep(PerfEventAttach::to(
        KprobeEvent::at_function(&functions.syscall("openat")?).on_return(),
    ));
    keep(KprobeMultiAttach::matching(When::Return, "vfs_*")?);
    keep(KprobeMultiAttach::matching(When::Session, "vfs_*")?);
    keep(TracingAttach::to(TracingHook::ModifyReturn));
    keep(TracingAttach::to(TracingHook::Fsession));
    keep(TracingMultiAttach::matching(When::Return, "tcp_*")?);
    keep(TracingMultiAttach::matching(When::Session, "tcp_*")?);
    Ok(())
}
