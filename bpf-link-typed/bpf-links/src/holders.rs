//! `--holders`: the processes that hold a descriptor of a link, from procfs.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use bpf_link::share_descriptors;
use bpf_link_typed::LinkId;

use crate::failure;
use crate::notes::Notes;

pub(crate) const WHAT: &str = "some holders are missing";
const PROCESSES: &str = "/proc";
/// How the descriptors of links are named: fresh ones, and those that were opened by id or by path.
const NAMES: [&[u8]; 2] = [b"anon_inode:bpf_link", b"anon_inode:bpf-link"];

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) pid: u32,
    pub(crate) comm: Vec<u8>,
}

/// The holders of all links, as they were when they were looked for.
pub(crate) struct Holders(HashMap<LinkId, Vec<Holder>>);

/// What could not be read.
#[derive(Default)]
struct Unread {
    processes: usize,
    why: Option<io::Error>,
}

impl Holders {
    pub(crate) fn find(notes: &Notes) -> Self {
        let mut holders = Self(HashMap::new());
        let mut unread = Unread::default();
        match fs::read_dir(PROCESSES) {
            Ok(entries) => {
                let can_compare = has_our_numbers();
                let pids = entries.flatten();
                let pids = pids.filter_map(|entry| Some((number(&entry)?, entry.path())));
                for (pid, process) in pids.filter(|(pid, _)| *pid != std::process::id()) {
                    match holders.add(pid, &process, can_compare) {
                        Err(error) if !has_ended(&error) => {
                            unread.processes += 1;
                            unread.why.get_or_insert(error);
                        }
                        _ => {}
                    }
                }
            }
            Err(error) => notes.add(WHAT, error),
        }
        if let Some(why) = unread.why {
            let missing = if failure::lacks_ptrace() {
                " (CAP_SYS_PTRACE is missing)"
            } else {
                ""
            };
            let processes = match unread.processes {
                1 => "1 process".to_owned(),
                count => format!("{count} processes"),
            };
            notes.add(
                WHAT,
                format_args!("cannot read the descriptors of {processes}: {why}{missing}"),
            );
        }
        holders
    }

    fn add(&mut self, pid: u32, process: &Path, can_compare: bool) -> io::Result<()> {
        let mut links = links_of(process)?;
        let tasks = process.join("task");
        // A link of its own, one to the directory above it, and one for each thread.
        if fs::metadata(&tasks)?.nlink() > 3 {
            links.extend(links_of_other_tables(pid, &tasks, can_compare)?);
        }
        if links.is_empty() {
            return Ok(());
        }
        links.sort_unstable();
        links.dedup();
        let holder = Holder {
            pid,
            comm: command(process),
        };
        for link in links {
            self.0.entry(link).or_default().push(holder.clone());
        }
        Ok(())
    }

    /// Who holds this link.
    pub(crate) fn of(&self, id: LinkId) -> &[Holder] {
        self.0.get(&id).map_or(&[], Vec::as_slice)
    }
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
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
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
