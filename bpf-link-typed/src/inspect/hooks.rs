//! What is attached to a device, a cgroup, a network namespace or a map: see [`HookInspector`].

mod attached;
mod cgroup;
mod device;
mod inspector;
pub(super) mod links;
mod netns;
mod note;
mod place;
mod programs;
mod sockmap;

#[doc(no_inline)]
pub use bpf_link::{TcFilter, TcParent};

pub use attached::{AttachPoint, AttachedBy, AttachedProgram, CgroupOrigin};
pub use inspector::HookInspector;
pub use note::{HookNote, NoteAbout};
pub use place::{HookPlace, PlaceHooks};
