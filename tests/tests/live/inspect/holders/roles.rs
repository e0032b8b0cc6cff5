//! The processes that hold links.

use anyhow::{Context as _, Result, bail};
use bpf_link::RawLink;
use bpf_link_tests::{eventually_holds, sys};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::harness::{Role, role};

pub(crate) const ROLES: &[Role] = &[HOLDER, THREAD_THAT_HOLDS, HOLDER_OF_MANY];

pub(crate) const HOLDER: Role = role!(holder);
pub(super) const THREAD_THAT_HOLDS: Role = role!(thread_that_holds);
pub(super) const HOLDER_OF_MANY: Role = role!(holder_of_many);

/// Opens a link by its path, says so, and waits.
fn holder(arguments: &[String]) -> Result<()> {
    let link = RawLink::from_pinned(arguments.first().context("no path")?)?;
    let again = link.try_clone()?;
    role::say(&again.id()?.to_string())?;
    while role::listen()?.is_some() {}
    Ok(())
}

/// As [`holder`], in a thread: with a table of descriptors of its own, or after the first thread
/// has ended.
fn thread_that_holds(arguments: &[String]) -> Result<()> {
    match arguments {
        [how, path] if how == OWN_TABLE => {
            sys::with_own_descriptors(holder, std::slice::from_ref(path))?
        }
        [how, path] if how == LAST => {
            let path = path.clone();
            std::thread::spawn(move || {
                let held = first_thread_has_ended().and_then(|()| holder(&[path]));
                std::process::exit(i32::from(held.is_err()))
            });
            sys::end_this_thread()
        }
        _ => bail!("{arguments:?}"),
    }
}

pub(super) const OWN_TABLE: &str = "own table";
pub(super) const LAST: &str = "last";

fn first_thread_has_ended() -> Result<()> {
    eventually_holds("the first thread has ended", || {
        let status = std::fs::read_to_string("/proc/self/status")?;
        Ok(status.contains("State:\tZ"))
    })
}

/// How many descriptors of its link [`HOLDER_OF_MANY`] has.
pub(super) const MANY: usize = 10_000;

/// As [`holder`], by very many descriptors, beside half as many of something else.
fn holder_of_many(arguments: &[String]) -> Result<()> {
    let wanted = u64::try_from(MANY + MANY / 2 + 100)?;
    // To have more than the maximum takes a privilege.
    let most = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: Some(wanted),
        maximum: most.map(|most| most.max(wanted)),
    };
    setrlimit(Resource::Nofile, limit)?;
    let link = RawLink::from_pinned(arguments.first().context("no path")?)?;
    let nothing = std::fs::File::open("/dev/null")?;
    let (mut links, mut others) = (Vec::new(), Vec::new());
    while links.len() < MANY - 1 {
        links.push(link.try_clone()?);
        if links.len() % 2 == 0 {
            others.push(nothing.try_clone()?);
        }
    }
    role::say(&link.id()?.to_string())?;
    while role::listen()?.is_some() {}
    Ok(())
}
