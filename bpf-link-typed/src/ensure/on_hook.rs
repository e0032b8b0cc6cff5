//! What is on a hook, in its order.

use bpf_link::{LinkId, ProgramId};

use crate::ensure::outcome::Attached;

/// What is on a hook, in its order, as the hook's own list says.
#[derive(Debug)]
pub enum OnHook {
    Links(Vec<LinkId>),
    /// The list of a cgroup does not say which links its programs have.
    Programs(Vec<ProgramId>),
}

impl OnHook {
    /// The place of a link that runs this; `None` if it is not on the hook, or the list does not
    /// tell.
    pub fn place_of(&self, link: LinkId, attached: Attached) -> Option<usize> {
        match self {
            Self::Links(links) => links.iter().position(|found| *found == link),
            Self::Programs(programs) => {
                let all = programs.iter().enumerate();
                let mut its = all.filter(|(_, found)| Attached::Program(**found) == attached);
                match (its.next(), its.next()) {
                    (Some((place, _)), None) => Some(place),
                    _ => None,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_there_twice_has_no_place() {
        let program = |id| ProgramId::new(id).expect("it is not 0");
        let link = LinkId::new(7).expect("it is not 0");
        let on_hook = OnHook::Programs([1, 2, 3, 2].map(program).to_vec());
        let places = [1, 2, 3, 4].map(|id| on_hook.place_of(link, Attached::Program(program(id))));
        assert_eq!(places, [Some(0), None, Some(2), None]);
    }
}
