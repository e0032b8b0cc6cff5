//! What the kernel says about objects that are not links: programs, maps and BTF objects.

mod btf;
mod map;
mod map_pin;
mod name;
mod program;
mod program_pin;
pub(crate) mod program_type;

pub use btf::BtfInfo;
pub use map::{MapInfo, open_map};
pub use map_pin::open_pinned_map;
pub use program::{ProgramInfo, ProgramTag, open_program};
pub use program_pin::open_pinned_program;
pub use program_type::ProgramType;
