//! Whether a link is on this device, in this direction: the list of its hook says so.

use super::{TcxAttach, TcxInfo, TcxLink};
use crate::attach::device_mprog::recipe_of_a_list;

recipe_of_a_list!(TcxAttach: TcxLink, TcxInfo);
