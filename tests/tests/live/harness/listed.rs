//! What the files and folders list, from which the test binary puts together what it can run.

use super::role::Role;
use super::test::Test;

/// What a file lists, or a folder.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Listed {
    /// The tests of a file.
    Tests(&'static [Test]),
    /// What the tests of a file have other processes do.
    Roles(&'static [Role]),
    /// What the files of a folder list.
    Folder(&'static [Self]),
}

impl Listed {
    /// Each test in these lists.
    pub(crate) fn tests(lists: &'static [Self]) -> Vec<&'static Test> {
        let each = lists.iter().flat_map(|listed| match listed {
            Self::Tests(tests) => tests.iter().collect(),
            Self::Roles(_) => Vec::new(),
            Self::Folder(lists) => Self::tests(lists),
        });
        each.collect()
    }

    /// Each role in these lists.
    pub(super) fn roles(lists: &'static [Self]) -> Vec<&'static Role> {
        let each = lists.iter().flat_map(|listed| match listed {
            Self::Tests(_) => Vec::new(),
            Self::Roles(roles) => roles.iter().collect(),
            Self::Folder(lists) => Self::roles(lists),
        });
        each.collect()
    }
}
