//! What is asked about other objects than links: programs, maps, hooks, perf events, network
//! devices.

use anyhow::{Context as _, Result, ensure};
use bpf_link::{
    AttachType, BtfId, BtfInfo, Hook as HookOf, LinkCreate, MapId, MapInfo, PerfEvent,
    PerfEventConfig, ProgramId, ProgramInfo, RawLink, interface_index, interface_name,
    open_pinned_program,
};
use bpf_link_tests::{CounterMap, Hook, Map, Program, Replaceable, pins};

use super::{Operation, operations};
use crate::run::{LOOPBACK, Run, xdp_program};

pub(super) const OPERATIONS: &[Operation] = operations![
    program_info,
    program_info_by_id,
    program_info_of_a_map,
    pinned_program,
    map_info,
    map_info_by_id,
    map_info_of_a_program,
    btf_info_by_id,
    btf_types_by_id,
    query,
    query_of_what_is_not_queried,
    open_a_perf_event,
    disable_a_perf_event,
    enable_a_perf_event,
    index_of_an_interface,
    name_of_an_interface,
];

fn program_info(run: &mut Run<'_>) -> Result<()> {
    let program = xdp_program()?;
    let info = run.attempt(|| ProgramInfo::of(&program))?;
    let id = program.id()?;
    ensure!(info.is_none_or(|info| info.id.get() == id));
    ensure!(ProgramInfo::of(&program)?.id.get() == id);
    Ok(())
}

fn program_info_by_id(run: &mut Run<'_>) -> Result<()> {
    let program = xdp_program()?;
    let id = ProgramId::new(program.id()?).context("0")?;
    let info = run.attempt(|| ProgramInfo::from_id(id))?;
    ensure!(info.is_none_or(|info| info.id == id));
    ensure!(ProgramInfo::from_id(id)?.id == id);
    Ok(())
}

fn program_info_of_a_map(run: &mut Run<'_>) -> Result<()> {
    let map = Map::array(4, 1)?;
    // Where the fault is the answer by which programs are told, this may well be told as one.
    drop(run.attempt_whatever(refused(), || ProgramInfo::of(&map))?);
    ensure!(ProgramInfo::of(&map).is_err());
    Ok(())
}

/// A refusal without an error number.
fn refused() -> crate::observation::Outcome {
    crate::observation::Outcome::Refused(None, String::new())
}

fn pinned_program(run: &mut Run<'_>) -> Result<()> {
    let (path, program) = (run.path("program"), xdp_program()?);
    pins::pin(&program, &path)?;
    let opened = run.attempt(|| open_pinned_program(&path))?;
    for opened in opened.into_iter().chain([open_pinned_program(&path)?]) {
        ensure!(ProgramInfo::of(&opened)?.id.get() == program.id()?);
    }
    Ok(std::fs::remove_file(path)?)
}

fn map_info(run: &mut Run<'_>) -> Result<()> {
    let map = Map::array(4, 1)?;
    let info = run.attempt(|| MapInfo::of(&map))?;
    let id = map.id()?;
    ensure!(info.is_none_or(|info| info.id.get() == id));
    ensure!(MapInfo::of(&map)?.id.get() == id);
    Ok(())
}

fn map_info_by_id(run: &mut Run<'_>) -> Result<()> {
    let map = Map::array(4, 1)?;
    let id = MapId::new(map.id()?).context("0")?;
    let info = run.attempt(|| MapInfo::from_id(id))?;
    ensure!(info.is_none_or(|info| info.id == id));
    ensure!(MapInfo::from_id(id)?.id == id);
    Ok(())
}

fn map_info_of_a_program(run: &mut Run<'_>) -> Result<()> {
    let program = xdp_program()?;
    // Where the fault is the answer by which programs are told, this may well be told as one.
    drop(run.attempt_whatever(refused(), || MapInfo::of(&program))?);
    ensure!(MapInfo::of(&program).is_err());
    Ok(())
}

/// The types that are loaded with a program.
fn types_of(program: &Replaceable) -> Result<BtfId> {
    ProgramInfo::of(program)?.btf_id.context("it has no types")
}

fn btf_info_by_id(run: &mut Run<'_>) -> Result<()> {
    let program = Replaceable::new(&CounterMap::new()?)?;
    let id = types_of(&program)?;
    let info = run.attempt(|| BtfInfo::from_id(id))?;
    let again = BtfInfo::from_id(id)?;
    ensure!(info.is_none_or(|info| info == again));
    ensure!(again.is_kernel == Some(false), "{again:?}");
    Ok(())
}

fn btf_types_by_id(run: &mut Run<'_>) -> Result<()> {
    let program = Replaceable::new(&CounterMap::new()?)?;
    let id = types_of(&program)?;
    let types = run.attempt(|| BtfInfo::read_types(id))?;
    let again = BtfInfo::read_types(id)?;
    ensure!(types.is_none_or(|types| types == again));
    ensure!(again.len() == usize::try_from(BtfInfo::from_id(id)?.size)?);
    Ok(())
}

fn query(run: &mut Run<'_>) -> Result<()> {
    let program = Program::passing(Hook::TCX_INGRESS)?;
    let request = LinkCreate::new(&program, AttachType::TcxIngress).target_ifindex(LOOPBACK);
    let _link = RawLink::create(&request)?;
    let hook = HookOf::of_device(AttachType::TcxIngress, LOOPBACK);
    let answer = run.attempt(|| hook.query())?;
    let id = program.id()?;
    for answer in answer.into_iter().chain([hook.query()?]) {
        let ids: Vec<_> = answer.programs.iter().map(|found| found.id.get()).collect();
        ensure!(ids == [id], "{ids:?}");
    }
    Ok(())
}

fn query_of_what_is_not_queried(run: &mut Run<'_>) -> Result<()> {
    let hook = HookOf::of_device(AttachType::Xdp, LOOPBACK);
    run.attempt_in_vain(Some(libc::EINVAL), || hook.query())?;
    Ok(())
}

/// The page faults of this thread.
fn page_faults() -> PerfEventConfig<'static> {
    let config = bpf_link_sys::PERF_COUNT_SW_PAGE_FAULTS.into();
    PerfEventConfig::new(bpf_link_sys::PERF_TYPE_SOFTWARE, config).process(0)
}

fn open_a_perf_event(run: &mut Run<'_>) -> Result<()> {
    drop(run.attempt(|| PerfEvent::open(&page_faults()))?);
    PerfEvent::open(&page_faults())?;
    Ok(())
}

fn disable_a_perf_event(run: &mut Run<'_>) -> Result<()> {
    let event = PerfEvent::open(&page_faults())?;
    run.attempt(|| event.disable())?;
    event.disable()?;
    Ok(())
}

fn enable_a_perf_event(run: &mut Run<'_>) -> Result<()> {
    let event = PerfEvent::open(&page_faults())?;
    run.attempt(|| event.enable())?;
    event.enable()?;
    Ok(())
}

fn index_of_an_interface(run: &mut Run<'_>) -> Result<()> {
    let index = run.attempt(|| interface_index(c"lo"))?;
    ensure!(index.is_none_or(|index| index == LOOPBACK));
    ensure!(interface_index(c"lo")? == LOOPBACK);
    Ok(())
}

fn name_of_an_interface(run: &mut Run<'_>) -> Result<()> {
    let name = run.attempt(|| interface_name(LOOPBACK))?;
    ensure!(name.is_none_or(|name| name.as_c_str() == c"lo"));
    ensure!(interface_name(LOOPBACK)?.as_c_str() == c"lo");
    Ok(())
}
