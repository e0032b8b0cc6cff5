//! What the attach options of several kinds have in common.

pub(crate) mod btf_function;
pub(crate) mod btf_pattern;
pub(crate) mod cgroup;
pub(crate) mod device_mprog;
pub(crate) mod fd_ref;
pub(crate) mod file_ref;
pub(crate) mod fit;
pub(crate) mod holders;
pub(crate) mod hook_enum;
pub(crate) mod interface;
pub(crate) mod kernel_functions;
pub(crate) mod lockdown;
pub(crate) mod looked_up;
pub(crate) mod name_ref;
pub(crate) mod netns;
pub(crate) mod offsets;
pub(crate) mod path_ref;
pub(crate) mod pattern;
pub(crate) mod position;
pub(crate) mod similar;
pub(crate) mod tracefs;
mod when;

pub use btf_function::BtfFunctionRef;
pub use when::When;
