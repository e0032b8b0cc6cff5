//! Options that are made from something that outlives them.

use crate::ensure::recipe::{KindLink, Recipe};

/// A function that makes attach options which borrow from its argument, such as a path of an
/// agent's configuration: every `fn(&C) -> A` where `A` is the attach options of a kind.
///
/// [`LinkSet::add_from`](crate::LinkSet::add_from) takes one, so that a set owns what its options
/// are made of.
pub trait OptionsFrom<'x, C> {
    /// The type of the links.
    type Link: KindLink;

    /// The options.
    type Options: Recipe<Link = Self::Link> + 'x;

    /// Makes the options.
    fn of(&self, configuration: &'x C) -> Self::Options;
}

impl<'x, C, A, F> OptionsFrom<'x, C> for F
where
    C: 'x,
    A: Recipe + 'x,
    F: Fn(&'x C) -> A,
{
    type Link = A::Link;
    type Options = A;

    fn of(&self, configuration: &'x C) -> A {
        self(configuration)
    }
}
