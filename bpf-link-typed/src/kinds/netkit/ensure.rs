//! Whether a link is on this end of a netkit device: the list of its hook says so.

use super::{NetkitAttach, NetkitInfo, NetkitLink};
use crate::attach::device_mprog::recipe_of_a_list;

recipe_of_a_list!(NetkitAttach: NetkitLink, NetkitInfo);
