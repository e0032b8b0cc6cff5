//! What a set says that it would do, where all of it is there already.

use std::ffi::CString;
use std::hint::black_box;
use std::os::fd::AsFd as _;

use anyhow::Result;
use bpf_link_peers::Side;
use bpf_link_tests::sys::bare;
use bpf_link_tests::{Hook, Program, Sandbox, iterator};
use bpf_link_typed::set::LinkSet;
use bpf_link_typed::{CgroupAttach, CgroupHook, IterAttach, RawTracepointAttach};

use crate::bench::Bench;

const LINKS: usize = 100;

/// The bare calls are those without which nobody knows what is there: of each pin open, ask for the
/// info, close.
pub(crate) fn measure(bench: &mut Bench, sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("set");
    let cgroup = sandbox.new_cgroup("set")?;
    let mut set = LinkSet::in_dir(&directory).create_dir(0o700);
    let mut paths = Vec::new();
    for number in 0..LINKS {
        let name = format!("link_{number}");
        match number % 3 {
            0 => {
                let to = CgroupAttach::to(cgroup.path(), CgroupHook::InetEgress);
                set.add(&name, to, Program::passing(Hook::CGROUP_EGRESS)?)?;
            }
            1 => {
                let program = iterator("bpf_map", *b"benchmrk")?;
                set.add(&name, IterAttach::over_all(), program)?;
            }
            _ => {
                let to = RawTracepointAttach::to("bpf_test_finish");
                set.add(&name, to, Program::passing(Hook::RAW_TRACEPOINT)?)?;
            }
        }
        let path = directory.join(name).into_os_string();
        paths.push(CString::new(path.as_encoded_bytes())?);
    }
    let applied = set.apply()?;
    let sides = vec![
        Side::ours(|| {
            let plan = set.plan();
            assert!(plan.as_ref().is_ok_and(|plan| plan.links.len() == LINKS));
            black_box(&plan);
        }),
        Side::bare(|| {
            let mut words = [0; 8];
            for path in &paths {
                let link = bare::open(path);
                let answer = link
                    .as_ref()
                    .map(|link| bare::info(link.as_fd(), &mut words));
                assert_eq!(answer, Some(0));
                black_box(&words);
            }
        }),
    ];
    bench.compare("plan of a set of 100", 1, sides)?;
    applied.stop()?;
    std::fs::remove_dir(directory)?;
    Ok(())
}
