//! A link of which the kernel refuses every info, because the path of its file has become too long.

use std::os::fd::AsFd as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use bpf_link::{CommandError, Error, InfoBuffers, LinkKind, RawLink, Target};
use bpf_link_tests::{Hook, Loader, Program, Sandbox, sys};
use bpf_link_typed::{
    Attach as _, LinkSet, UprobeMultiAttach, UprobeMultiLink, XdpAttach,
    attach::When,
    ensure::{Ours, Outcome, Why},
};
use rustix::fs::{CWD, Mode, OFlags, mkdirat, open, openat, renameat};

use crate::fixture::chain::check_refusal;
use crate::fixture::{ensure_refused, hiding_procfs};
use crate::harness::{Need, Test, test};
use crate::lister::watch::Watching;
use crate::lister::{at, list, run, show};

pub(crate) const TESTS: &[Test] = &[
    test!(all_but_its_place_is_told)
        .needs(Need::UPROBE_MULTI)
        .also_needs(super::INFO)
        .alone(),
    test!(it_is_replaced_by_one_on_the_file_that_is_wanted)
        .needs(Need::UPROBE_MULTI)
        .also_needs(super::INFO),
    test!(another_hook_is_taken_over)
        .needs(Need::UPROBE_MULTI)
        .also_needs(super::INFO)
        .alone(),
    test!(a_search_passes_it_over)
        .needs(Need::UPROBE_MULTI)
        .also_needs(super::INFO)
        .alone(),
    test!(a_search_for_a_set_passes_it_over)
        .needs(Need::UPROBE_MULTI)
        .also_needs(super::INFO)
        .alone(),
    test!(it_is_listed)
        .needs(Need::UPROBE_MULTI)
        .also_needs(super::INFO)
        .also_needs(crate::lister::LISTER)
        .alone(),
];

/// A file whose path the kernel does not write, and a program's link to a place in it.
struct OutOfReach {
    link: UprobeMultiLink,
    program: Program,
}

impl OutOfReach {
    /// Moves the file's directory below others, once the link is there.
    fn new(sandbox: &Sandbox, program: &str) -> Result<Self> {
        let file = file_in(sandbox)?;
        let program = Loader::new(Hook::UPROBE_MULTI).named(program).passing()?;
        let link = UprobeMultiAttach::to(&*file, When::Entry, [0]).attach(&program)?;
        ensure!(link.info()?.count == Some(1));
        // One directory in the other, as no path to the last of them can be given.
        let name = "d".repeat(255);
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut below = open(sandbox.directory(), flags, Mode::empty())?;
        for _ in 0..17 {
            mkdirat(&below, &name, Mode::RWXU)?;
            below = openat(&below, &name, flags, Mode::empty())?;
        }
        let directory = file.parent().context("no directory")?;
        renameat(CWD, directory, &below, "moved")?;
        let refused = sys::link_info(link.as_fd()).err();
        let errno = refused.and_then(|error| error.raw_os_error());
        ensure!(errno == Some(libc::ENAMETOOLONG), "{errno:?}");
        Ok(Self { link, program })
    }
}

/// A file in a directory of its own.
fn file_in(sandbox: &Sandbox) -> Result<PathBuf> {
    let directory = sandbox.directory().join("probed");
    std::fs::create_dir(&directory)?;
    let file = directory.join("file");
    std::fs::write(&file, [0x90; 4096])?;
    Ok(file)
}

/// Room for the path, and nothing else.
fn lent(path: &mut [u8]) -> InfoBuffers<'_> {
    InfoBuffers::UprobeMulti {
        path,
        offsets: &mut [],
        ref_ctr_offsets: &mut [],
        cookies: &mut [],
    }
}

fn all_but_its_place_is_told(sandbox: &Sandbox) -> Result<()> {
    let OutOfReach { link, program } = OutOfReach::new(sandbox, "told")?;
    let info = link.info()?;
    ensure!(info.program_id.map(u32::from) == Some(program.id()?));
    ensure!(info.path.is_none() && info.count.is_none() && info.offsets.is_none());
    ensure!(info.flags.is_none() && info.pid.is_none() && info.cookies.is_none());

    let mut link = RawLink::from(link);
    let said = link.info()?;
    ensure!(said.kind() == LinkKind::UprobeMulti && said.id() == info.id);
    ensure!(said.kernel_len() == 32 && link.kind()? == said.kind());
    let mut path = [0; 4096];
    let with = link.info_with(lent(&mut path))?;
    ensure!(with.id() == said.id() && with.is_reported(16..64) == Some(false));
    ensure!(path == [0; 4096]);

    // The pin is known for that of this link.
    let pin = sandbox.bpffs().join("pin");
    link.pin(&pin)?;
    link.pin(sandbox.bpffs().join("moved"))?;
    ensure!(!pin.exists());
    let again = RawLink::from_pinned(sandbox.bpffs().join("moved"))?;
    ensure!(again.id()? == said.id());
    link.unpin()?;

    // Without procfs there is nobody to ask.
    let refused = hiding_procfs(|| link.info())?;
    ensure_refused!(refused, Error::Command(_), Some(libc::ENAMETOOLONG));
    // One that was opened by its id, or met on a walk, is called by that.
    let by_id = RawLink::from_id(said.id())?;
    let walked = bpf_link::links()
        .filter_map(Result::ok)
        .find(|other| other.id().ok() == Some(said.id()))
        .context("the walk does not meet it")?;
    for opened in [by_id, walked] {
        let refused = hiding_procfs(|| opened.info())?;
        let error = check_refusal(refused, &[&format!("link {}", said.id())])?;
        let target = error.command_error().map(CommandError::target);
        ensure!(target == Some(&Target::Link(said.id())), "{error:?}");
    }
    let short = link.info_with(lent(&mut [0; 16]));
    ensure_refused!(short, Error::BufferTooShort(_), Some(libc::ENAMETOOLONG));

    // And a walk meets it like any other.
    let mut met = 0;
    for other in bpf_link::links() {
        match other.and_then(|other| other.info()) {
            Ok(info) => met += usize::from(info.id() == said.id()),
            // One of another test has gone.
            Err(Error::Vanished(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    ensure!(met == 1);
    Ok(())
}

fn it_is_replaced_by_one_on_the_file_that_is_wanted(sandbox: &Sandbox) -> Result<()> {
    let OutOfReach { mut link, program } = OutOfReach::new(sandbox, "moved")?;
    let pin = sandbox.bpffs().join("pin");
    link.pin(&pin)?;
    let file = file_in(sandbox)?;
    let to = UprobeMultiAttach::to(&*file, When::Entry, [0]);
    let ensured = to.clone().ensure_pinned(&pin).run(&program)?;
    let is_replaced = matches!(
        ensured.outcome,
        Outcome::Replaced {
            why: Why::OtherHook,
            ..
        }
    );
    ensure!(is_replaced, "{:?}", ensured.outcome);
    ensure!(ensured.link.info()?.count == Some(1));
    let mut kept = ensured.link;
    kept.unpin()?;

    // Without a pin it is not taken for one of ours on that file, either.
    let ours = Ours::by_name(std::ffi::CString::new(program.name()?)?);
    drop(kept);
    let ensured = to.ensure_pinned(&pin).take_over(ours).run(&program)?;
    ensure!(ensured.taken_over != Some(link.id()?), "{ensured:?}");
    let mut kept = ensured.link;
    Ok(kept.unpin()?)
}

fn another_hook_is_taken_over(sandbox: &Sandbox) -> Result<()> {
    let _in_the_way = OutOfReach::new(sandbox, "in_the_way")?;
    let old = Loader::new(Hook::XDP).named("agent").passing()?;
    let link = XdpAttach::to("lo").attach(&old)?;
    let pin = sandbox.bpffs().join("pin");
    let ours = Ours::by_name(std::ffi::CString::new(old.name()?)?);
    let new = Program::passing(Hook::XDP)?;
    let ensured = XdpAttach::to("lo")
        .ensure_pinned(&pin)
        .take_over(ours)
        .run(&new)?;
    ensure!(ensured.taken_over == Some(link.id()?), "{ensured:?}");
    Ok(ensured.link.detach_and_unpin()?)
}

/// A takeover succeeds although the info of a link of the same kind is refused and there is no
/// procfs to ask instead.
fn a_search_passes_it_over(sandbox: &Sandbox) -> Result<()> {
    let in_the_way = OutOfReach::new(sandbox, "agent")?;
    let ours = Ours::by_name(std::ffi::CString::new(in_the_way.program.name()?)?);
    let file = file_in(sandbox)?;
    let to = UprobeMultiAttach::to(&*file, When::Entry, [0]);
    let old = Loader::new(Hook::UPROBE_MULTI).named("agent").passing()?;
    let link = to.attach(&old)?;
    let new = Program::passing(Hook::UPROBE_MULTI)?;
    let pin = sandbox.bpffs().join("pin");
    let ensure = to.ensure_pinned(&pin).take_over(ours);
    let ensured = hiding_procfs(|| {
        let refused = in_the_way.link.info().err().and_then(|error| error.errno());
        (ensure.run(&new), refused)
    })?;
    let (ensured, refused) = (ensured.0?, ensured.1);
    ensure!(refused == Some(libc::ENAMETOOLONG), "{refused:?}");
    ensure!(ensured.taken_over == Some(link.id()?), "{ensured:?}");
    let mut kept = ensured.link;
    Ok(kept.unpin()?)
}

fn a_search_for_a_set_passes_it_over(sandbox: &Sandbox) -> Result<()> {
    let in_the_way = OutOfReach::new(sandbox, "agent")?;
    let ours = Ours::by_name(std::ffi::CString::new(in_the_way.program.name()?)?);
    let old = Loader::new(Hook::XDP).named("agent").passing()?;
    let link = XdpAttach::to("lo").attach(&old)?;
    let new = Program::passing(Hook::XDP)?;
    let mut set = LinkSet::in_dir(sandbox.bpffs().join("set"))
        .create_dir(0o700)
        .take_over(ours);
    set.add("xdp", XdpAttach::to("lo"), &new)?;
    let applied = hiding_procfs(|| {
        let refused = in_the_way.link.info().err().and_then(|error| error.errno());
        (set.apply(), refused)
    })?;
    let (applied, refused) = (applied.0?, applied.1);
    ensure!(refused == Some(libc::ENAMETOOLONG), "{refused:?}");
    ensure!(link.info()?.program_id.map(u32::from) == Some(new.id()?));
    Ok(applied.stop().map(drop)?)
}

fn it_is_listed(sandbox: &Sandbox) -> Result<()> {
    let OutOfReach { link, program } = OutOfReach::new(sandbox, "listed")?;
    let id = link.id()?;
    let shown = show(id, &["--pins", "--holders"])?;
    ensure!(*at(&shown, "type") == "uprobe_multi", "{shown}");
    ensure!(*at(&shown, "prog_id") == program.id()?, "{shown}");
    ensure!(shown.get("path").is_none() && shown.get("func_cnt").is_none());
    let listed = list(&[])?;
    ensure!(listed.iter().any(|link| *at(link, "id") == id.get()));
    let table = run(&["list", "--kind", "uprobe_multi"])?.well()?;
    ensure!(table.contains(&program.name()?), "{table}");

    let mut watching = Watching::start(&[])?;
    watching.hear(&format!("  {id} uprobe_multi: program {} ", program.id()?))?;
    drop(link);
    watching.hear(&format!("- {id} uprobe_multi: "))?;
    ensure!(watching.interrupt()?.success());
    Ok(())
}
