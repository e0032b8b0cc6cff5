//! What the kernel says about objects that are not links: programs, maps and BTF objects.

mod btf;
mod map;
mod name;
mod pinned;
mod program;
pub(crate) mod program_type;

pub use btf::BtfInfo;
pub use map::{MapInfo, open_map};
pub use pinned::{open_pinned_map, open_pinned_program};
pub use program::{ProgramInfo, ProgramTag, open_program};
pub use program_type::ProgramType;
