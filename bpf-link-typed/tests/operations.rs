//! The type of a kind has no operation that the kind does not have.
//!
//! This is shown when it is compiled, without an error to be waited for: a method of the type itself comes before one of the trait below, and
//! does not return what that returns. Were `XdpLink` in the list of what is not updated, this file would not compile.

use std::fs::File;

use bpf_link_typed::{
    CgroupLink, IterLink, KindFacts, KprobeMultiLink, LinkKind, NetfilterLink, NetkitLink,
    NetnsLink, PerfEventLink, RawTracepointLink, SockmapLink, StructOpsLink, TcxLink, TracingLink,
    TracingMultiLink, UprobeMultiLink, XdpLink,
};

/// What only a method that is not there returns.
struct Absent;

/// The operations that not every kind has.
trait Absence {
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

/// Asserts that these types have no such method, and lists their kinds.
macro_rules! without {
    ($name:ident: |$link:ident, $file:ident| $call:expr; $( $Link:ident ),+ $(,)?) => {
        const $name: &[LinkKind] = &[ $( $Link::KIND ),+ ];

        const _: () = {
            $({
                const fn check(_: fn(&$Link, &File) -> Absent) {}
                check(|$link, $file| $call);
            })+
        };
    };
}

without! {
    NOT_UPDATED: |link, file| link.update(file);
    RawTracepointLink, TracingLink, PerfEventLink, KprobeMultiLink, NetfilterLink, UprobeMultiLink, TracingMultiLink,
}

without! {
    NOT_REPLACED: |link, file| link.replace(file, file);
    RawTracepointLink, TracingLink, PerfEventLink, KprobeMultiLink, NetfilterLink, UprobeMultiLink, TracingMultiLink,
}

without! {
    NOT_DETACHED: |link, _file| link.detach();
    RawTracepointLink, TracingLink, IterLink, PerfEventLink, KprobeMultiLink, UprobeMultiLink, TracingMultiLink,
}

without! {
    NOT_RUN: |link, _file| link.create_iter();
    RawTracepointLink, TracingLink, CgroupLink, NetnsLink, XdpLink, PerfEventLink, KprobeMultiLink, StructOpsLink, NetfilterLink, TcxLink,
    UprobeMultiLink, NetkitLink, SockmapLink, TracingMultiLink,
}

/// The kinds of which this is true, in their order.
fn kinds(is_so: impl Fn(&KindFacts) -> bool) -> Vec<LinkKind> {
    let all = KindFacts::ALL.iter().filter(|facts| is_so(facts));
    all.map(|facts| facts.kind).collect()
}

#[test]
fn the_facts_say_the_same() {
    assert_eq!(NOT_UPDATED, kinds(|facts| facts.updated_by().is_none()));
    assert_eq!(NOT_REPLACED, NOT_UPDATED);
    assert_eq!(NOT_DETACHED, kinds(|facts| facts.detach_since.is_none()));
    assert_eq!(NOT_RUN, kinds(|facts| facts.kind != LinkKind::Iter));
}
