//! What the kernel says about programs and maps.

mod btf;

use std::fs::File;
use std::os::fd::AsFd;

use anyhow::{Result, ensure};
use bpf_link::{
    AttachType, Error, LinkCreate, MapId, MapInfo, ProgramId, ProgramInfo, ProgramType, RawLink,
};
use bpf_link_sys as c;
use bpf_link_tests::sys::MapCreate;
use bpf_link_tests::{Hook, Loader, Map, Program, Sandbox, names, sys};

use crate::fixture::{as_nobody, ensure_refused, without_descriptors};
use crate::harness::Listed::{self, Tests};
use crate::harness::{Need, Test, test};

/// What this file and those of its folder list.
pub(crate) const ALL: &[Listed] = &[Tests(TESTS), Tests(btf::TESTS)];

const TESTS: &[Test] = &[
    test!(a_program),
    test!(what_a_program_was_loaded_for).needs(&[
        Need::Trampoline,
        Need::Member("bpf_prog_info", "attach_btf_obj_id"),
    ]),
    test!(a_map),
    test!(maps_that_are_not_read_in_batches),
    test!(what_is_neither),
    test!(ids_that_there_are_not),
    test!(ids_take_a_privilege),
    test!(ids_take_a_descriptor),
    test!(all_takes_a_privilege_on_old_kernels).needs(&[Need::Before(5, 19)]),
];

/// Larger than any id that the kernel has given since the machine was started.
const NO_ID: u32 = i32::MAX.unsigned_abs();

fn program_id(program: &Program) -> Result<ProgramId> {
    Ok(ProgramId::try_from(program.id()?)?)
}

fn a_program(_sandbox: &Sandbox) -> Result<()> {
    let program = Loader::new(Hook::CGROUP_EGRESS).named("told").passing()?;
    let info = ProgramInfo::of(&program)?;
    let evidence = sys::prog_info(program.as_fd())?;
    ensure!(info.id == program_id(&program)?);
    ensure!(info.program_type == ProgramType::CgroupSkb);
    ensure!(info.name.to_str()? == program.name()? && info.name.to_str()?.ends_with("told"));
    ensure!(info.tag.0 == evidence.tag && info.tag.0 != [0; 8]);
    ensure!(info.tag.to_string().len() == 16);
    ensure!(info.loaded_at.as_nanos() == u128::from(evidence.load_time));
    ensure!(info.created_by_uid == 0);
    ensure!(info.attach_btf_obj_id.is_none() && info.attach_btf_id.is_none());
    ensure!(ProgramInfo::from_id(info.id)? == info);

    // The same instructions have the same tag, others another.
    let same = ProgramInfo::of(&Program::passing(Hook::CGROUP_EGRESS)?)?;
    let other = ProgramInfo::of(&Program::returning(Hook::CGROUP_EGRESS, 0)?)?;
    ensure!(same.tag == info.tag && other.tag != info.tag && same.id != info.id);
    Ok(())
}

fn what_a_program_was_loaded_for(_sandbox: &Sandbox) -> Result<()> {
    let program = Loader::new(Hook::FENTRY)
        .function("bpf_fentry_test1")?
        .passing()?;
    let evidence = sys::prog_info(program.as_fd())?;
    let info = ProgramInfo::of(&program)?;
    ensure!(info.program_type == ProgramType::Tracing);
    ensure!(info.attach_btf_id.map(u32::from) == Some(evidence.attach_btf_id));
    ensure!(info.attach_btf_obj_id.map(u32::from) == Some(evidence.attach_btf_obj_id));
    ensure!(evidence.attach_btf_id != 0 && evidence.attach_btf_obj_id != 0);
    Ok(())
}

fn a_map(_sandbox: &Sandbox) -> Result<()> {
    let map = Map::array(8, 2)?;
    let evidence = sys::map_info(map.as_fd())?;
    let info = MapInfo::of(&map)?;
    ensure!(u32::from(info.id) == evidence.id);
    ensure!(info.name.to_str()?.ends_with("map"));
    ensure!(info.btf_vmlinux_value_type_id.is_none());
    ensure!(MapInfo::from_id(info.id)? == info);
    Ok(())
}

fn maps_that_are_not_read_in_batches(_sandbox: &Sandbox) -> Result<()> {
    const PAGE: u32 = 4096;
    let write_only = MapCreate {
        map_type: c::BPF_MAP_TYPE_ARRAY,
        name: &names::object_name("map"),
        key_size: 4,
        value_size: 4,
        max_entries: 1,
        flags: c::BPF_F_WRONLY,
        value_type: None,
        element_types: None,
    };
    for map in [
        Map::hash(4, 4, 1)?,
        Map::sockmap(1)?,
        Map::socket_storage()?,
        Map::new(c::BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 1)?,
        Map::new(c::BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, 1)?,
        Map::new(c::BPF_MAP_TYPE_QUEUE, 0, 4, 1)?,
        Map::new(c::BPF_MAP_TYPE_RINGBUF, 0, 0, PAGE)?,
        Map::new(c::BPF_MAP_TYPE_STACK_TRACE, 4, 8, 1)?,
        Map::from(sys::map_create(&write_only)?),
    ] {
        ensure!(u32::from(MapInfo::of(&map)?.id) == map.id()?);
        ensure_refused!(ProgramInfo::of(&map), Error::NotAProgram(_));
    }
    Ok(())
}

fn what_is_neither(sandbox: &Sandbox) -> Result<()> {
    let map = Map::array(8, 2)?;
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let cgroup = sandbox.new_cgroup("neither")?;
    let request = LinkCreate::new(&program, AttachType::CgroupInetEgress).target_fd(&cgroup);
    let link = RawLink::create(&request)?;
    let file = File::open("/")?;
    let objects: [&dyn AsFd; 4] = [&map, &program, &link, &file];
    for (index, object) in objects.into_iter().enumerate() {
        let object = object.as_fd();
        match ProgramInfo::of(&object) {
            Err(Error::NotAProgram(_)) => ensure!(index != 1),
            answer => ensure!(index == 1 && answer.is_ok(), "{index}: {answer:?}"),
        }
        match MapInfo::of(&object) {
            Err(Error::NotAMap(_)) => ensure!(index != 0),
            answer => ensure!(index == 0 && answer.is_ok(), "{index}: {answer:?}"),
        }
    }
    Ok(())
}

fn ids_that_there_are_not(_sandbox: &Sandbox) -> Result<()> {
    let program = ProgramInfo::from_id(ProgramId::try_from(NO_ID)?);
    ensure_refused!(program, Error::Vanished(_), Some(libc::ENOENT));
    let map = MapInfo::from_id(MapId::try_from(NO_ID)?);
    ensure_refused!(map, Error::Vanished(_), Some(libc::ENOENT));
    Ok(())
}

fn ids_take_a_privilege(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let map = Map::array(8, 2)?;
    let (program_id, map_id) = (program_id(&program)?, MapInfo::of(&map)?.id);
    as_nobody(|| {
        let program = ProgramInfo::from_id(program_id);
        ensure_refused!(program, Error::PermissionDenied(_), Some(libc::EPERM));
        let map = MapInfo::from_id(map_id);
        ensure_refused!(map, Error::PermissionDenied(_), Some(libc::EPERM));
        Ok(())
    })
}

fn ids_take_a_descriptor(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let map = Map::array(8, 2)?;
    let (program_id, map_id) = (program_id(&program)?, MapInfo::of(&map)?.id);
    let (program, map) =
        without_descriptors(|| (ProgramInfo::from_id(program_id), MapInfo::from_id(map_id)))?;
    ensure_refused!(program, Error::Command(_), Some(libc::EMFILE));
    ensure_refused!(map, Error::Command(_), Some(libc::EMFILE));
    Ok(())
}

fn all_takes_a_privilege_on_old_kernels(_sandbox: &Sandbox) -> Result<()> {
    let program = Program::passing(Hook::CGROUP_EGRESS)?;
    let map = Map::array(8, 2)?;
    as_nobody(|| {
        let info = ProgramInfo::of(&program);
        ensure_refused!(info, Error::PermissionDenied(_), Some(libc::EPERM));
        let info = MapInfo::of(&map);
        ensure_refused!(info, Error::PermissionDenied(_), Some(libc::EPERM));
        Ok(())
    })
}
