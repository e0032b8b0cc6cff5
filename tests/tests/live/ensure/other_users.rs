//! Other users of the machine: what they can hold, redirect or open.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bpf_link::{Exposure, PinLock, check_directories, is_temporary_pin, temporary_pin};
use bpf_link_tests::{Hook, Map, Program, Sandbox, eventually_holds, pins};
use bpf_link_typed::{
    Attach as _, Ensure, Error, Link, LinkSet, XdpAttach,
    ensure::{LeftOver, Ours, Outcome, Stopped},
};
use rustix::fs::{FlockOperation, Mode, Uid, flock};
use rustix::thread::{
    CapabilitySet, CapabilitySets, set_capabilities, set_keep_capabilities, set_thread_uid,
};

use crate::ensure::end::{ensure_nothing_left, our_links};
use crate::fixture::as_nobody;
use crate::fixture::chain::check_refusal;
use crate::harness::{Role, Test, role, test};

pub(crate) const TESTS: &[Test] = &[
    test!(a_lock_that_is_kept),
    test!(a_lock_that_is_kept_while_a_directory_is_made),
    test!(a_lock_that_is_kept_from_a_stop),
    test!(a_lock_is_waited_for),
    test!(a_path_of_ours_without_root),
    test!(an_agent_without_root),
    test!(a_pin_of_another_user),
    test!(a_temporary_pin_of_another_user),
    test!(directories_of_other_users),
    test!(directories_that_are_made),
    test!(names_of_temporary_pins),
    test!(symbolic_links),
    test!(what_is_in_the_way_of_a_temporary_pin),
];

pub(crate) const ROLES: &[Role] = &[role!(keeper)];

/// The id of some other user.
const OTHER: u32 = 4321;

/// Takes the lock of a directory and keeps it, as anybody can who may open it for reading.
fn keeper(arguments: &[String]) -> Result<()> {
    let directory = File::open(arguments.first().context("no path")?)?;
    flock(&directory, FlockOperation::LockExclusive)?;
    role::say("locked")?;
    role::listen()?;
    Ok(())
}

fn to(pin: &Path) -> Ensure<XdpAttach> {
    XdpAttach::to("lo").ensure_pinned(pin)
}

/// Holds the refusal against what is exposed and how. A plan is refused in the same way, and
/// nothing is attached.
fn ensure_exposed(to: &Ensure<XdpAttach>, at: &Path, by: Exposure) -> Result<()> {
    let program = Program::passing(Hook::XDP)?;
    let before = our_links()?;
    for refused in [to.run(&program).map(drop), to.plan(&program).map(drop)] {
        let refused = check_refusal(refused, &[&at.to_string_lossy()])?;
        let Error::Link(bpf_link::Error::Exposed { path, how }) = &refused else {
            anyhow::bail!("{}: {refused:?}", at.display());
        };
        ensure!(path == at && *how == by, "{}: {refused:?}", at.display());
    }
    ensure!(our_links()? == before);
    Ok(())
}

fn ensure_runs(to: &Ensure<XdpAttach>) -> Result<()> {
    let done = to.run(&Program::passing(Hook::XDP)?)?;
    done.link.detach_and_unpin()?;
    // It goes in the kernel's own time.
    eventually_holds("no link", || Ok(our_links()?.is_empty()))
}

fn a_lock_that_is_kept(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let directory = sandbox.bpffs().to_str().context("not UTF-8")?;
    let mut player = role!(keeper).start(&[directory])?;
    ensure!(player.hear()? == "locked");
    let is_held = |error: &bpf_link::Error| {
        matches!(
            error,
            bpf_link::Error::LockHeld { path, holder, .. }
                if *path == pin && *holder == Some(player.id())
        )
    };
    let refused = PinLock::try_of(&pin).err().context("it was taken")?;
    ensure!(is_held(&refused), "{refused:?}");
    ensure!(refused.errno() == Some(libc::EWOULDBLOCK), "{refused:?}");
    let words = format!("is locked by process {}", player.id());
    ensure!(refused.to_string().ends_with(&words), "{refused}");

    let program = Program::passing(Hook::XDP)?;
    let refused = to(&pin)
        .lock_within(Duration::from_millis(20))
        .run(&program);
    ensure!(
        matches!(&refused, Err(Error::Link(error)) if is_held(error)),
        "{refused:?}"
    );
    ensure!(our_links()?.is_empty());
    player.tell("enough")?;
    player.finish()?;
    ensure_runs(&to(&pin).lock_within(Duration::ZERO))?;
    ensure_nothing_left(sandbox)
}

/// For ten seconds, unless something else was said.
fn a_lock_is_waited_for(sandbox: &Sandbox) -> Result<()> {
    const SAID: Duration = Duration::from_secs(10);
    let pin = sandbox.bpffs().join("pin");
    let directory = sandbox.bpffs().join("agent");
    std::fs::create_dir(&directory)?;
    let (program, ours) = (Program::passing(Hook::XDP)?, Ours::by_name(c"no such name"));
    let done = to(&pin).run(&program)?;
    let mut players = Vec::new();
    for path in [sandbox.bpffs(), directory.as_path()] {
        let mut player = role!(keeper).start(&[path.to_str().context("not UTF-8")?])?;
        ensure!(player.hear()? == "locked");
        players.push(player);
    }
    let started = Instant::now();
    let timed = |answer| (answer, started.elapsed());
    let answers = std::thread::scope(|scope| {
        let waits = [
            scope.spawn(|| timed(PinLock::of(&pin).map(drop).map_err(Error::from))),
            scope.spawn(|| timed(to(&pin).run(&program).map(drop))),
            scope.spawn(|| timed(Link::stop(&pin, &ours).map(drop))),
            scope.spawn(|| timed(LinkSet::in_dir(&directory).apply().map(drop))),
        ];
        waits.map(ScopedJoinHandle::join)
    });
    for answer in answers {
        let (refused, time) = answer.map_err(|_| anyhow::anyhow!("it panicked"))?;
        ensure!(
            matches!(&refused, Err(Error::Link(bpf_link::Error::LockHeld { .. }))),
            "{refused:?}"
        );
        ensure!(time >= SAID, "only {time:?}");
    }
    for mut player in players {
        player.tell("enough")?;
        player.finish()?;
    }
    done.stop()?;
    ensure_nothing_left(sandbox)
}

/// A stop waits as long as the run did, and with zero not at all.
fn a_lock_that_is_kept_from_a_stop(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let directory = sandbox.bpffs().to_str().context("not UTF-8")?;
    let program = Program::passing(Hook::XDP)?;
    let done = to(&pin).lock_within(Duration::ZERO).run(&program)?;
    let mut player = role!(keeper).start(&[directory])?;
    ensure!(player.hear()? == "locked");
    let ours = Ours::by_name(c"no such name");
    let started = Instant::now();
    let words = [format!("process {}", player.id())];
    let words = words.each_ref().map(String::as_str);
    for refused in [done.stop(), Link::stop_within(&pin, &ours, Duration::ZERO)] {
        let refused = check_refusal(refused, &words)?;
        ensure!(
            matches!(refused, Error::Link(bpf_link::Error::LockHeld { .. })),
            "{refused:?}"
        );
    }
    ensure!(started.elapsed() < PinLock::PATIENCE);
    ensure!(our_links()?.len() == 1 && sandbox.pinned()? == [pin.as_path()]);
    player.tell("enough")?;
    player.finish()?;
    Link::from_pinned(&pin)?.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}

fn make(directory: &Path, mode: u32) -> Result<PathBuf> {
    fs::create_dir(directory)?;
    fs::set_permissions(directory, Permissions::from_mode(mode))?;
    Ok(directory.to_owned())
}

fn directories_of_other_users(sandbox: &Sandbox) -> Result<()> {
    let root = sandbox.bpffs();
    // As `mount -t bpf` makes it.
    fs::set_permissions(root, Permissions::from_mode(0o1777))?;
    ensure_exposed(&to(&root.join("pin")), root, Exposure::Writable)?;
    let agent = make(&root.join("agent"), 0o700)?;
    ensure_runs(&to(&agent.join("pin")))?;

    let others = make(&root.join("others"), 0o700)?;
    chown(&others, Some(OTHER), None)?;
    // A group can write, everybody can, or everybody can to what is theirs.
    for (number, mode) in [0o770, 0o707, 0o1777].into_iter().enumerate() {
        let own = make(&root.join(format!("own{number}")), mode)?;
        let pin = own.join("pin");
        ensure_exposed(&to(&pin), &own, Exposure::Writable)?;
        ensure_runs(&to(&pin).allow_shared_directories())?;
        let inner = make(&own.join("inner"), 0o700)?;
        let pin = inner.join("pin");
        if mode == 0o1777 {
            ensure_runs(&to(&pin))?;
        } else {
            ensure_exposed(&to(&pin), &own, Exposure::Writable)?;
        }
        // Nothing is made where others can write.
        if mode != 0o1777 {
            let missing = own.join("missing");
            let to = to(&missing.join("pin")).create_parents(0o700);
            ensure_exposed(&to, &own, Exposure::Writable)?;
            ensure!(!missing.exists());
        }
    }
    for pin in [others.join("pin"), others.join("missing/pin")] {
        let to = to(&pin).create_parents(0o700);
        ensure_exposed(&to, &others, Exposure::Owner(OTHER))?;
        ensure_runs(&to.allow_shared_directories())?;
    }
    ensure_nothing_left(sandbox)
}

fn symbolic_links(sandbox: &Sandbox) -> Result<()> {
    let agent = make(&sandbox.bpffs().join("agent"), 0o700)?;
    // All may write here to what is theirs.
    let shared = sandbox.directory();
    let link = shared.join("link");
    symlink(&agent, &link)?;
    ensure_runs(&to(&link.join("pin")))?;
    ensure_runs(&to(&link.join("../agent/pin")))?;
    let relative = shared.join("relative");
    symlink("bpf/../link", &relative)?;
    ensure_runs(&to(&relative.join("pin")))?;
    lchown(&link, Some(OTHER), None)?;
    // Whether the kernel itself follows links of others in sticky directories.
    let protected = fs::read_to_string("/proc/sys/fs/protected_symlinks")?;
    for pin in [link.join("pin"), relative.join("pin")] {
        ensure_exposed(&to(&pin), &link, Exposure::Owner(OTHER))?;
        let allowed = to(&pin).allow_shared_directories();
        if protected.trim() == "0" {
            ensure_runs(&allowed)?;
        } else {
            let refused = allowed.run(&Program::passing(Hook::XDP)?);
            let errno = refused.err().and_then(|error| error.errno());
            ensure!(errno == Some(libc::EACCES), "{errno:?}");
        }
    }
    let circle = shared.join("circle");
    symlink(&circle, &circle)?;
    let refused = check_directories(circle.join("pin"));
    let errno = refused.err().and_then(|error| error.errno());
    ensure!(errno == Some(libc::ELOOP), "{errno:?}");
    ensure_nothing_left(sandbox)
}

/// Below a directory of root's.
fn a_path_of_ours_without_root(sandbox: &Sandbox) -> Result<()> {
    let nobody = 65534;
    let [ours, theirs] = ["ours", "theirs"].map(|name| sandbox.bpffs().join(name));
    for (directory, owner) in [(&ours, nobody), (&theirs, OTHER)] {
        make(directory, 0o755)?;
        chown(directory, Some(owner), None)?;
    }
    as_nobody(|| {
        check_directories(ours.join("pin"))?;
        let refused = check_directories(theirs.join("pin"));
        ensure!(
            matches!(
                &refused,
                Err(bpf_link::Error::Exposed { path, how: Exposure::Owner(OTHER) }) if *path == theirs
            ),
            "{refused:?}"
        );
        Ok(())
    })
}

/// An agent that is not root, with the capabilities that its hook takes.
fn an_agent_without_root(sandbox: &Sandbox) -> Result<()> {
    let nobody = Uid::from_raw(65534);
    let directory = sandbox.bpffs().join("agent");
    make(&directory, 0o755)?;
    chown(&directory, Some(nobody.as_raw()), None)?;
    let [first, second] = [Program::passing(Hook::XDP)?, Program::passing(Hook::XDP)?];
    let to = to(&directory.join("pin"));
    let outcomes = as_user_with(
        nobody,
        CapabilitySet::BPF | CapabilitySet::NET_ADMIN,
        || {
            let created = to.run(&first)?.outcome;
            let updated = to.run(&second)?;
            let outcomes = [created, updated.outcome];
            ensure!(updated.stop()? == Stopped::LetGo);
            Ok(outcomes)
        },
    )?;
    ensure!(
        matches!(outcomes, [Outcome::Created, Outcome::Updated { .. }]),
        "{outcomes:?}"
    );
    ensure_nothing_left(sandbox)
}

/// Does something as this user, with these capabilities.
fn as_user_with<T: Send>(
    user: Uid,
    capabilities: CapabilitySet,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    let as_user = || {
        // Else the kernel takes all of them away with the user.
        set_keep_capabilities(true)?;
        set_thread_uid(user)?;
        let sets = CapabilitySets {
            effective: capabilities,
            permitted: capabilities,
            inheritable: CapabilitySet::empty(),
        };
        set_capabilities(None, sets)?;
        work()
    };
    std::thread::scope(|scope| scope.spawn(as_user).join())
        .map_err(|_| anyhow::anyhow!("it panicked"))?
}

fn directories_that_are_made(sandbox: &Sandbox) -> Result<()> {
    let directory = sandbox.bpffs().join("agent");
    let before = rustix::process::umask(Mode::empty());
    ensure_runs(&to(&directory.join("pin")).create_parents(0o777))?;
    rustix::process::umask(before);
    let mode = fs::metadata(&directory)?.permissions().mode();
    ensure!(mode & 0o7777 == 0o755, "{mode:o}");
    Ok(())
}

/// Making a directory waits for its lock no longer than the caller says.
fn a_lock_that_is_kept_while_a_directory_is_made(sandbox: &Sandbox) -> Result<()> {
    let said = Duration::from_millis(20);
    let directory = sandbox.bpffs().join("agent");
    let program = Program::passing(Hook::XDP)?;
    let mut player = role!(keeper).start(&[sandbox.bpffs().to_str().context("not UTF-8")?])?;
    ensure!(player.hear()? == "locked");
    let started = Instant::now();
    let one = to(&directory.join("pin"))
        .create_parents(0o700)
        .lock_within(said);
    let mut set = LinkSet::in_dir(&directory)
        .create_dir(0o700)
        .lock_within(said);
    set.add("pin", XdpAttach::to("lo"), &program)?;
    for refused in [one.run(&program).map(drop), set.apply().map(drop)] {
        ensure!(
            matches!(&refused, Err(Error::Link(bpf_link::Error::LockHeld { .. }))),
            "{refused:?}"
        );
    }
    let took = started.elapsed();
    ensure!(took < PinLock::PATIENCE, "{took:?}");
    ensure!(our_links()?.is_empty() && !directory.exists());
    player.tell("enough")?;
    player.finish()?;
    set.apply()?.stop()?;
    ensure_nothing_left(sandbox)
}

fn names_of_temporary_pins(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("a");
    let like_it = sandbox.bpffs().join("a~new");
    let programs = [Program::passing(Hook::XDP)?, Program::passing(Hook::XDP)?];
    let refused = to(&temporary_pin(&pin)).run(&programs[0]);
    ensure!(
        matches!(&refused, Err(Error::TemporaryName { path }) if *path == temporary_pin(&pin)),
        "{refused:?}"
    );
    ensure!(our_links()?.is_empty() && !is_temporary_pin(&like_it));
    let device = bpf_link_tests::Device::create(bpf_link_tests::DeviceKind::Veth, "other")?;
    let other = XdpAttach::to("other").ensure_pinned(&like_it);
    for program in &programs {
        to(&pin).run(program)?;
        other.run(program)?;
        ensure!(sandbox.pinned()? == [pin.clone(), like_it.clone()]);
    }
    ensure!(our_links()?.len() == 2);
    for pin in [pin, like_it] {
        Link::from_pinned(pin)?.detach_and_unpin()?;
    }
    device.delete()?;
    ensure_nothing_left(sandbox)
}

/// Whatever has the names of temporary pins, there is another name.
fn what_is_in_the_way_of_a_temporary_pin(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let map = Map::array(4, 1)?;
    let temporary = temporary_pin(&pin);
    let name = temporary.to_str().context("not UTF-8")?;
    let mut in_the_way = Vec::new();
    to(&pin).run(&Program::passing(Hook::XDP)?)?;
    for number in 1..=12 {
        let done = to(&pin).run(&Program::passing(Hook::XDP)?)?;
        ensure!(matches!(done.outcome, Outcome::Updated { .. }), "{done:?}");
        let path = match number {
            1 => temporary.clone(),
            number => PathBuf::from(format!("{name}{number}")),
        };
        ensure!(is_temporary_pin(&path), "{}", path.display());
        pins::pin(&map, &path)?;
        in_the_way.push(path);
    }
    ensure!(sandbox.pinned()?.len() == 1 + in_the_way.len());
    for path in in_the_way {
        fs::remove_file(path)?;
    }
    Link::from_pinned(&pin)?.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}

/// Another user's temporary pin looks like what a killed run of ours leaves, but is neither moved
/// to the path nor removed.
fn a_temporary_pin_of_another_user(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    let programs = [Program::passing(Hook::XDP)?, Program::passing(Hook::XDP)?];
    let mut theirs = XdpAttach::to("lo").attach(&programs[0])?;
    let beside = temporary_pin(&pin);
    theirs.pin(&beside)?;
    chown(&beside, Some(OTHER), None)?;
    let refused = to(&pin).run(&programs[1]);
    ensure!(
        matches!(&refused, Err(Error::HookTaken { .. })),
        "{refused:?}"
    );
    let device = bpf_link_tests::Device::create(bpf_link_tests::DeviceKind::Veth, "other")?;
    let other = XdpAttach::to("other").ensure_pinned(&pin);
    for program in &programs {
        let done = other.run(program)?;
        ensure!(done.left_over.is_none() && done.is_ours()?, "{done:?}");
    }
    ensure!(fs::symlink_metadata(&beside)?.uid() == OTHER);
    ensure!(our_links()?.contains(&theirs.id()?.get()));
    // With `allow_other_owner`, it counts as what a killed run left.
    let done = to(&pin).allow_other_owner().run(&programs[0])?;
    ensure!(
        done.left_over == Some(LeftOver::Finished) && done.link.id()? == theirs.id()?,
        "{done:?}"
    );
    drop(theirs);
    done.link.detach_and_unpin()?;
    device.delete()?;
    ensure_nothing_left(sandbox)
}

/// Its owner can open it, and so could update the agent's link.
fn a_pin_of_another_user(sandbox: &Sandbox) -> Result<()> {
    let pin = sandbox.bpffs().join("pin");
    to(&pin).run(&Program::passing(Hook::XDP)?)?;
    chown(&pin, Some(OTHER), None)?;
    ensure_exposed(&to(&pin), &pin, Exposure::Owner(OTHER))?;
    let done = to(&pin)
        .allow_other_owner()
        .run(&Program::passing(Hook::XDP)?)?;
    ensure!(matches!(done.outcome, Outcome::Updated { .. }), "{done:?}");
    ensure!(fs::symlink_metadata(&pin)?.uid() == 0);
    ensure!(done.is_ours()?);
    done.link.detach_and_unpin()?;
    ensure_nothing_left(sandbox)
}
