//! Who holds a link, and what becomes of it when they let go: by closing, by dying, by handing it
//! on.

use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};

use anyhow::{Context as _, Result, ensure};
use bpf_link::{Error, LinkId, RawLink, Target, Update};
use bpf_link_tests::{Hook, Map, Program, Sandbox, btf_header, eventually_holds, links, sys};

use crate::fixture::{
    Counted, as_nobody, duplicate, ensure_refused, refusal, runs, without_descriptors, xdp,
};
use crate::harness::{Need, Role, Test, role, test};

pub(crate) const TESTS: &[Test] = &[
    test!(the_last_descriptor_takes_the_program_off),
    test!(the_last_pin_takes_the_program_off),
    test!(killing_the_owner_of_a_link_detaches_it),
    test!(killing_the_owner_of_a_pinned_link_does_not),
    test!(another_process_updates_a_link_that_we_hold),
    test!(a_descriptor_becomes_a_link_and_back),
    test!(what_is_no_link_is_given_back),
    test!(an_id_that_has_gone),
    test!(ids_take_a_privilege),
    test!(all_takes_a_privilege_on_old_kernels).needs(&[Need::Before(5, 19)]),
    test!(a_descriptor_is_enough).needs(&[Need::Linux(5, 19)]),
    test!(with_no_descriptor_left),
];

pub(crate) const ROLES: &[Role] = &[role!(owner), role!(updater)];

fn the_last_descriptor_takes_the_program_off(_sandbox: &Sandbox) -> Result<()> {
    let Counted {
        link,
        program: _program,
        counter,
    } = Counted::new()?;
    let clone = link.try_clone()?;
    drop(link);
    ensure!(runs(&counter)?, "a clone was left");
    // By its id, there is one more.
    let opened = RawLink::from_id(clone.id()?)?;
    drop(clone);
    ensure!(runs(&counter)?, "a descriptor by id was left");
    let id = opened.id()?;
    drop(opened);
    // Another process that lists links may have it open for a moment.
    eventually_holds("the link has gone", || Ok(!links::exists(id.get())?))?;
    eventually_holds("the program is off", || Ok(!runs(&counter)?))
}

fn the_last_pin_takes_the_program_off(sandbox: &Sandbox) -> Result<()> {
    let Counted {
        mut link,
        program: _program,
        counter,
    } = Counted::new()?;
    let path = sandbox.bpffs().join("pin");
    link.pin(&path)?;
    drop(link);
    ensure!(runs(&counter)?, "the pin was left");
    let mut link = RawLink::from_pinned(&path)?;
    link.unpin()?;
    ensure!(runs(&counter)?, "the descriptor was left");
    link.pin(&path)?;
    drop(link);
    std::fs::remove_file(&path)?;
    eventually_holds("the program is off", || Ok(!runs(&counter)?))
}

/// Makes a link, pins it if there is a path, says its id, and waits.
fn owner(arguments: &[String]) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let mut link = xdp(&program)?;
    if let Some(path) = arguments.first() {
        link.pin(path)?;
    }
    role::say(&link.id()?.to_string())?;
    while role::listen()?.is_some() {}
    Ok(())
}

fn killing_the_owner_of_a_link_detaches_it(_sandbox: &Sandbox) -> Result<()> {
    let mut player = role!(owner).start(&[])?;
    let id: u32 = player.hear()?.parse()?;
    ensure!(links::exists(id)?);
    player.kill()?;
    eventually_holds("the link has gone", || Ok(!links::exists(id)?))?;
    // The kernel removes the id first, and frees the hook after that.
    let program = Program::passing(Hook::XDP)?;
    eventually_holds("the hook is free", || {
        let Err(error) = xdp(&program) else {
            return Ok(true);
        };
        let errno = error.downcast_ref().and_then(Error::errno);
        ensure!(errno == Some(libc::EBUSY), error);
        Ok(false)
    })
}

fn killing_the_owner_of_a_pinned_link_does_not(sandbox: &Sandbox) -> Result<()> {
    let path = sandbox.bpffs().join("pin");
    let mut player = role!(owner).start(&[path.to_str().context("not UTF-8")?])?;
    let id: u32 = player.hear()?.parse()?;
    player.kill()?;
    let mut link = RawLink::from_pinned(&path)?;
    ensure!(link.id()?.get() == id);
    // The hook is taken.
    let refused = xdp(&Program::passing(Hook::XDP)?);
    ensure!(refused.is_err());
    link.unpin()?;
    Ok(())
}

/// Puts a new program on the link that is pinned at a path, and says the program's id.
fn updater(arguments: &[String]) -> Result<()> {
    let path = arguments.first().context("no path")?;
    let program = Program::passing(Hook::XDP)?;
    RawLink::from_pinned(path)?.update(&program)?;
    role::say(&program.id()?.to_string())?;
    while role::listen()?.is_some() {}
    Ok(())
}

fn another_process_updates_a_link_that_we_hold(sandbox: &Sandbox) -> Result<()> {
    let mut counted = Counted::new()?;
    let path = sandbox.bpffs().join("pin");
    counted.link.pin(&path)?;
    ensure!(counted.link.info()?.program_id().map(u32::from) == Some(counted.program.id()?));
    let mut player = role!(updater).start(&[path.to_str().context("not UTF-8")?])?;
    let theirs: u32 = player.hear()?.parse()?;
    ensure!(counted.link.info()?.program_id().map(u32::from) == Some(theirs));
    ensure!(!counted.runs()?, "our program still runs");
    // What we take for the old program is not.
    let mine = Program::passing(Hook::XDP)?;
    let refused = counted
        .link
        .update(Update::program(&mine).expecting(&counted.program));
    match refusal(refused)? {
        Error::OldProgramMismatch { attached, .. } => {
            ensure!(attached.map(u32::from) == Some(theirs));
        }
        error => anyhow::bail!("{error:?}"),
    }
    player.finish()?;
    ensure!(counted.link.info()?.program_id().map(u32::from) == Some(theirs));
    counted.link.unpin()?;
    Ok(())
}

fn a_descriptor_becomes_a_link_and_back(sandbox: &Sandbox) -> Result<()> {
    let Counted {
        mut link,
        program: _program,
        counter,
    } = Counted::new()?;
    let (id, number) = (link.id()?, link.as_fd().as_raw_fd());
    let path = sandbox.bpffs().join("pin");
    link.pin(&path)?;
    let fd = OwnedFd::from(link);
    ensure!(fd.as_raw_fd() == number && path.exists());
    let link = RawLink::try_from(fd)?;
    ensure!(link.id()? == id && link.as_fd().as_raw_fd() == number);
    ensure!(link.pin_path().is_none());
    ensure!(runs(&counter)?);
    std::fs::remove_file(&path)?;
    Ok(())
}

fn what_is_no_link_is_given_back(_sandbox: &Sandbox) -> Result<()> {
    let map = Map::array(4, 1)?;
    let program = Program::passing(Hook::XDP)?;
    let types = sys::btf_load(&one_type())?;
    let file = std::fs::File::open("/proc/self/comm")?;
    let objects = [duplicate(&map)?, duplicate(&program)?, types, file.into()];
    for fd in objects {
        let number = fd.as_raw_fd();
        let rejected = RawLink::try_from(fd).err().context("it was taken")?;
        ensure!(matches!(
            rejected.error(),
            Error::NotALink(Target::Descriptor)
        ));
        ensure!(rejected.error().errno().is_none());
        let fd = rejected.into_input();
        ensure!(fd.as_raw_fd() == number);
        rustix::io::fcntl_getfd(&fd).context("it was closed")?;
    }
    // Neither of them has changed.
    ensure!(map.id()? > 0 && program.id()? > 0);
    Ok(())
}

/// BTF with one type in it, an `int`: a header, the type, and the names.
fn one_type() -> Vec<u8> {
    let int = [1, bpf_link_sys::BTF_KIND_INT << 24, 4, 32]
        .map(u32::to_ne_bytes)
        .concat();
    [&btf_header(16, 5), &int, &b"\0int\0"[..]].concat()
}

fn an_id_that_has_gone(_sandbox: &Sandbox) -> Result<()> {
    let link = xdp(&Program::passing(Hook::XDP)?)?;
    let id = link.id()?;
    drop(link);
    let error = refusal(RawLink::from_id(id))?;
    ensure!(matches!(error, Error::Vanished(_)), "{error:?}");
    ensure!(error.errno() == Some(libc::ENOENT));
    let told = error.command_error().context("no command")?;
    ensure!(
        *told.target() == Target::Link(id) && told.command() == bpf_link::Command::LinkGetFdById
    );
    ensure!(error.to_string() == format!("link {id} has vanished"));
    let never = LinkId::new(i32::MAX.unsigned_abs()).context("0")?;
    ensure_refused!(
        RawLink::from_id(never),
        Error::Vanished(_),
        Some(libc::ENOENT)
    );
    Ok(())
}

fn ids_take_a_privilege(_sandbox: &Sandbox) -> Result<()> {
    let link = xdp(&Program::passing(Hook::XDP)?)?;
    let id = link.id()?;
    as_nobody(|| {
        ensure_refused!(
            RawLink::from_id(id),
            Error::PermissionDenied(_),
            Some(libc::EPERM)
        );
        Ok(())
    })
}

fn all_takes_a_privilege_on_old_kernels(_sandbox: &Sandbox) -> Result<()> {
    let link = xdp(&Program::passing(Hook::XDP)?)?;
    let fd = duplicate(&link)?;
    as_nobody(|| {
        let denied = Some(libc::EPERM);
        ensure_refused!(link.info(), Error::PermissionDenied(_), denied);
        let rejected = RawLink::try_from(fd).err().context("it was taken")?;
        let (fd, error) = rejected.into_parts();
        ensure!(matches!(error, Error::PermissionDenied(_)) && error.errno() == denied);
        rustix::io::fcntl_getfd(&fd).context("it was closed")?;
        Ok(())
    })
}

fn a_descriptor_is_enough(_sandbox: &Sandbox) -> Result<()> {
    let mut counted = Counted::new()?;
    let other = Program::passing(Hook::XDP)?;
    let link = &mut counted.link;
    as_nobody(|| {
        ensure!(link.info()?.program_id().is_some());
        link.update(&other)?;
        link.detach()?;
        Ok(())
    })
}

fn with_no_descriptor_left(_sandbox: &Sandbox) -> Result<()> {
    let link = xdp(&Program::passing(Hook::XDP)?)?;
    let id = link.id()?;
    let none_left = Some(libc::EMFILE);
    let refused = without_descriptors(|| link.try_clone())?;
    ensure_refused!(refused, Error::Command(_), none_left);
    let refused = without_descriptors(|| RawLink::from_id(id))?;
    ensure_refused!(refused, Error::Command(_), none_left);
    // The next call works.
    drop(link.try_clone()?);
    drop(RawLink::from_id(id)?);
    Ok(())
}
