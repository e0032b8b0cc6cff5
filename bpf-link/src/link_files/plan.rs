//! Finds the fields that tell a link's file, by name, in the kernel's types.

use super::record::COMM;
use crate::error::Result;
use crate::iter_program::look::{Look, Missing, Wanted, Way, look_up};

/// Where this kernel has what is read of a file and of a thread.
#[derive(Debug)]
pub(super) struct Plan {
    /// The function that an iterator over files is attached to.
    pub(super) target: u32,
    /// The function that gives a pointer a type; `None` before Linux 6.2.
    pub(super) cast: Option<i32>,
    /// From a thread.
    pub(super) pid: Way,
    pub(super) tid: Way,
    pub(super) comm: Way,
    /// From a file: its name if that is short, and the number of its file system.
    pub(super) name: Way,
    pub(super) magic: Way,
    /// From a file that is a link's.
    pub(super) link: Way,
    pub(super) kind: Way,
}

const FILE: &str = "file";
const TASK: &str = "task_struct";
const LINK: &str = "bpf_link";

/// The names of links' files, in the order in which they are compared: those of a new link, and of
/// one that was opened by its id or its pin.
pub(super) const NAME: &[u8; 9] = b"bpf_link\0";
pub(super) const OTHER_NAME: &[u8; 9] = b"bpf-link\0";
/// `ANON_INODE_FS_MAGIC`
pub(super) const MAGIC: i32 = 0x0904_1934;

impl Plan {
    /// Reads the kernel's types.
    pub(super) fn read() -> Result<Self> {
        let wanted = Wanted {
            target: "bpf_iter_task_file",
            structures: &[FILE, TASK, LINK],
        };
        look_up(&wanted, Self::find)
    }

    fn find(look: &Look<'_>) -> Result<Self, Missing> {
        // What no way begins with, but a cast leads to.
        look.structure(LINK)?;
        let (file, task) = (look.structure(FILE)?, look.structure(TASK)?);
        let of_file = |way, room| look.number(&file, &[way], room).ok_or(Missing(FILE));
        let of_task = |way| look.number(&task, &[way], 4).ok_or(Missing(TASK));
        // Since Linux 6.14 it is the second.
        let names = [
            "f_path.dentry->d_iname",
            "f_path.dentry->d_shortname.string",
        ];
        let name = look.bytes(&file, &names);
        let comm = look.bytes(&task, &["group_leader->comm"]);
        let has_room =
            |way: &Way, len: usize| usize::try_from(way.size).is_ok_and(|size| size >= len);
        Ok(Self {
            target: look.target,
            cast: look.cast,
            pid: of_task("tgid")?,
            tid: of_task("pid")?,
            comm: comm
                .filter(|comm| has_room(comm, COMM))
                .ok_or(Missing(TASK))?,
            name: name
                .filter(|name| has_room(name, NAME.len()))
                .ok_or(Missing(FILE))?,
            magic: of_file("f_inode->i_sb->s_magic", 8)?,
            link: of_file("private_data(bpf_link)->id", 4)?,
            kind: of_file("private_data(bpf_link)->type", 4)?,
        })
    }
}
