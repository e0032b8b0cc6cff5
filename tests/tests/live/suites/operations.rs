//! The type of a kind has no operation that the kind does not have.
//!
//! It is shown when this is compiled: a method of the type comes before one of the trait below, and
//! does not return what that returns. If `XdpLink` were said to have no `update`, it would not
//! compile.

use std::fs::File;

/// What only a method that is not there returns.
pub(crate) struct Absent;

/// The operations that not every kind has.
pub(crate) trait Absence {
    fn update(&self, _program: &File) -> Absent {
        Absent
    }

    fn replace(&self, _old: &File, _new: &File) -> Absent {
        Absent
    }

    fn detach(&self) -> Absent {
        Absent
    }

    fn create_iter(&self) -> Absent {
        Absent
    }
}

impl<T> Absence for T {}

/// Says which of these operations a type does not have, as `HAS_NO`.
macro_rules! has_no {
    ($Link:ident: $($operation:ident),+) => {
        pub(crate) const HAS_NO: &[&str] = &[$(stringify!($operation)),+];

        const _: () = {
            use $crate::suites::operations::{Absence as _, Absent};
            const fn check(_: fn(&bpf_link_typed::$Link, &std::fs::File) -> Absent) {}
            $( $crate::suites::operations::has_no!(@$operation); )+
        };
    };
    (@update) => { check(|link, file| link.update(file)) };
    (@replace) => { check(|link, file| link.replace(file, file)) };
    (@detach) => { check(|link, _file| link.detach()) };
    (@create_iter) => { check(|link, _file| link.create_iter()) };
}
pub(crate) use has_no;
