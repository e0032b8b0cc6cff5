//! The holders of links, as procfs has them.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use bpf_link::{LinkId, share_descriptors};

use super::holder::Holder;
use super::note::UnreadHolders;

const PROCESSES: &str = "/proc";
/// How the descriptors of links are named: fresh ones, and those that were opened by id or by path.
const NAMES: [&[u8]; 2] = [b"anon_inode:bpf_link", b"anon_inode:bpf-link"];

/// What was found, in no order and perhaps twice, and what could not be read.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) holders: Vec<Holder>,
    pub(super) unread: Option<UnreadHolders>,
}

/// Reads the descriptors of all processes.
pub(super) fn find() -> Found {
    let mut found = Found::default();
    let entries = match fs::read_dir(PROCESSES) {
        Ok(entries) => entries,
        Err(error) => {
            found.unread = Some(UnreadHolders::Procfs(error));
            return found;
        }
    };
    let can_compare = has_our_numbers();
    let pids = entries.flatten();
    for (pid, process) in pids.filter_map(|entry| Some((number(&entry)?, entry.path()))) {
        match links_of_process(pid, &process, can_compare) {
            Ok(links) if !links.is_empty() => {
                let comm = command(&process);
                let holders = links.into_iter().map(|link| Holder::new(link, pid, &comm));
                found.holders.extend(holders);
            }
            Err(error) if !has_ended(&error) => found.unread = Some(one_more(found.unread, error)),
            _ => {}
        }
    }
    found
}

/// Counts another process that could not be read.
fn one_more(unread: Option<UnreadHolders>, error: io::Error) -> UnreadHolders {
    match unread {
        Some(UnreadHolders::Processes { count, first }) => UnreadHolders::Processes {
            count: count + 1,
            first,
        },
        _ => UnreadHolders::Processes {
            count: 1,
            first: error,
        },
    }
}

fn links_of_process(pid: u32, process: &Path, can_compare: bool) -> io::Result<Vec<LinkId>> {
    let mut links = links_of(process)?;
    let tasks = process.join("task");
    // A link of its own, one to the directory above it, and one for each thread.
    if fs::metadata(&tasks)?.nlink() > 3 {
        links.extend(links_of_other_tables(pid, &tasks, can_compare)?);
    }
    Ok(links)
}

/// The links in a process's or a thread's table of descriptors.
fn links_of(task: &Path) -> io::Result<Vec<LinkId>> {
    let mut links = Vec::new();
    for entry in fs::read_dir(task.join("fd"))? {
        let entry = entry?;
        let name = match fs::read_link(entry.path()) {
            Err(error) if has_ended(&error) => continue,
            name => name?,
        };
        if !NAMES.contains(&name.as_os_str().as_bytes()) {
            continue;
        }
        let info = match fs::read_to_string(task.join("fdinfo").join(entry.file_name())) {
            Err(error) if has_ended(&error) => continue,
            info => info?,
        };
        links.extend(link_id(&info));
    }
    Ok(links)
}

/// The links in the descriptor tables of threads that do not share the first thread's table. A
/// thread can have a table of its own, and the first thread loses its table when it ends.
fn links_of_other_tables(pid: u32, tasks: &Path, can_compare: bool) -> io::Result<Vec<LinkId>> {
    let mut links = Vec::new();
    let mut tables = vec![pid];
    for entry in fs::read_dir(tasks)? {
        let entry = entry?;
        let Some(thread) = number(&entry) else {
            continue;
        };
        // A table that cannot be compared is read.
        let is_known = |table: &u32| matches!(share_descriptors(*table, thread), Ok(true));
        if thread == pid || can_compare && tables.iter().any(is_known) {
            continue;
        }
        match links_of(&entry.path()) {
            Err(error) if has_ended(&error) => continue,
            found => links.extend(found?),
        }
        tables.push(thread);
    }
    Ok(links)
}

/// Whether procfs numbers processes as we do; it does not if it belongs to another PID namespace.
fn has_our_numbers() -> bool {
    let own = fs::read_link(Path::new(PROCESSES).join("self")).ok();
    own.is_some_and(|own| own.to_str() == Some(&std::process::id().to_string()))
}

/// The number that an entry of procfs has for its name.
fn number(entry: &fs::DirEntry) -> Option<u32> {
    entry.file_name().to_str()?.parse().ok()
}

/// The id in what procfs says about a descriptor.
fn link_id(info: &str) -> Option<LinkId> {
    let mut lines = info.lines();
    let id = lines.find_map(|line| line.strip_prefix("link_id:"))?;
    LinkId::new(id.trim().parse().ok()?)
}

fn command(process: &Path) -> Vec<u8> {
    let mut comm = fs::read(process.join("comm")).unwrap_or_default();
    if comm.last() == Some(&b'\n') {
        comm.pop();
    }
    comm
}

/// A process that has ended, or a descriptor that was closed.
fn has_ended(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read() {
        let info = "pos:\t0\nflags:\t02000000\nlink_type:\txdp\nlink_id:\t12\nprog_tag:\t0\n";
        assert_eq!(link_id(info), LinkId::new(12));
        assert_eq!(link_id("pos:\t0\n"), None);
    }
}
