//! Tracepoints, counters, iterators and callbacks.

use std::fs::File;

use anyhow::Result;
use bpf_link::{LinkCreate, RawTracepointOpen};
use bpf_link_typed::{
    AttachType, CgroupIterOrder, CounterEvent, IterAttach, IterLink, IterTask, PerfEventAttach,
    RawTracepointAttach, SoftwareEvent, StructOpsAttach, TracepointEvent,
};

use super::{given, keep};

fn compiled() -> Result<()> {
    let program: File = given();
    let map: File = given();
    let iter_link: IterLink = given();
    let cgroup: File = given();
    let event: File = given();
    keep(RawTracepointAttach::to_load_time_target().attach(&program)?);
    keep(RawTracepointAttach::to("sched_switch").attach(&program)?);
    keep(PerfEventAttach::to(TracepointEvent::new("sched", "sched_switch")).attach(&program)?);
    keep(
        PerfEventAttach::to(CounterEvent::with_frequency(SoftwareEvent::CpuClock, 99).processor(0))
            .attach(&program)?,
    );
    keep(IterAttach::over_all().attach(&program)?);
    keep(iter_link.create_iter()?);
    keep(
        PerfEventAttach::to(
            CounterEvent::with_period(SoftwareEvent::PageFaults, 1)
                .thread(7)
                .inherit(),
        )
        .attach(&program)?,
    );
    keep(IterAttach::over_map(&map).attach(&program)?);
    keep(StructOpsAttach::of(&map).attach()?);
    keep(bpf_link::RawLink::create(
        &LinkCreate::new(&program, AttachType::CgroupInetEgress).target_fd(&cgroup),
    )?);
    keep(
        RawTracepointAttach::to("sched_switch")
            .cookie(7)
            .attach(&program)?,
    );
    keep(
        PerfEventAttach::to(TracepointEvent::new("sched", "sched_switch"))
            .cookie(7)
            .attach(&program)?,
    );
    keep(
        PerfEventAttach::to(CounterEvent::with_frequency(SoftwareEvent::CpuClock, 99))
            .attach(&program)?,
    );
    keep(PerfEventAttach::to_event(&event).attach(&program)?);
    keep(
        PerfEventAttach::to_event(&event)
            .cookie(7)
            .attach(&program)?,
    );
    keep(IterAttach::over_cgroups_of(&cgroup, CgroupIterOrder::DescendantsPre).attach(&program)?);
    keep(IterAttach::over_tasks(IterTask::Pid(7)).attach(&program)?);
    keep(bpf_link::RawLink::open_raw_tracepoint(
        &RawTracepointOpen::named(&program, c"sched_switch")?.cookie(7),
    )?);
    Ok(())
}
