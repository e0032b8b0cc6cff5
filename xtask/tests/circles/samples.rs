//! Small crates whose circles are known.

use std::io;
use std::path::Path;

use crate::circles_of;

/// What is said about a crate of these files.
fn circles(files: &[(&str, &str)]) -> String {
    let source = |file: &Path| {
        let found = files.iter().find(|(name, _)| Path::new(name) == file);
        found.map_or(Err(io::ErrorKind::NotFound.into()), |(_, text)| {
            Ok((*text).to_owned())
        })
    };
    circles_of(Path::new("lib.rs"), &source).expect("the files are all there")
}

#[test]
fn a_circle_of_three_files_is_found() {
    let found = circles(&[
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b::B;\npub struct A(B);"),
        ("b.rs", "\npub struct B(super::c::C);"),
        (
            "c.rs",
            "macro_rules! make { () => { pub struct C(Box<$crate::a::A>); } }\nmake!();",
        ),
    ]);
    let expected = "a circle of 3 modules:
  a.rs uses b.rs
    a.rs:1: crate::b::B
  b.rs uses c.rs
    b.rs:2: super::c::C
  c.rs uses a.rs
    c.rs:1: crate::a::A
";
    assert_eq!(found, expected);
}

#[test]
fn a_parents_reexport_of_its_child_is_no_circle() {
    let child = (
        "a/child.rs",
        "use super::Shared;\npub struct Child(Shared);",
    );
    let lib = ("lib.rs", "mod a; mod b; pub use a::Child;");
    let user = ("b.rs", "use crate::Child;\nfn f(child: Child) {}");
    let reexported = "mod child;\npub use child::Child;\npub struct Shared;";
    assert_eq!(circles(&[lib, ("a.rs", reexported), child, user]), "");

    // A parent that needs the child itself is one, whether it imports it or has it by the
    // re-export.
    for needs in [
        "mod child;\nuse child::Child;\npub struct Shared(Child);",
        "mod child;\npub use child::Child;\npub struct Shared(Child);",
        "mod child;\npub use child::Child;\npub struct Shared(child::Child);",
    ] {
        let found = circles(&[lib, ("a.rs", needs), child, user]);
        assert!(found.contains("a/child.rs uses a.rs"), "{needs}: {found}");
    }
}

/// `b` imports from the root, which re-exports what `a` defines; `a` uses `b`.
#[test]
fn a_circle_through_a_reexport_is_found() {
    let found = circles(&[
        ("lib.rs", "mod a; mod b; pub use a::A;"),
        ("a.rs", "use crate::b::B;\npub struct A(B);"),
        ("b.rs", "pub struct B(Box<crate::A>);"),
    ]);
    assert!(found.contains("a.rs uses b.rs"), "{found}");
    assert!(found.contains("b.rs:1: crate::A"), "{found}");
}

/// The names that complete a macro's paths come from its caller, or from the macro that it is
/// handed to.
#[test]
fn a_path_that_a_macros_caller_completes_is_followed() {
    let found = circles(&[
        ("lib.rs", "mod all; mod kinds; mod xdp; pub use xdp::Xdp;"),
        (
            "kinds.rs",
            "macro_rules! for_every_kind { ($define:ident) => { $define!(Xdp); } }\npub(crate) use for_every_kind;",
        ),
        (
            "all.rs",
            "macro_rules! define {\n($Kind:ident) => { pub enum All { $Kind(crate::$Kind) } } }\n\
             crate::kinds::for_every_kind!(define);",
        ),
        (
            "xdp.rs",
            "pub struct Xdp;\nimpl From<Xdp> for crate::all::All {}",
        ),
    ]);
    assert!(found.contains("all.rs:2: crate::$Kind"), "{found}");
    assert!(found.contains("xdp.rs:2: crate::all::All"), "{found}");
}

#[test]
fn what_only_tests_use_does_not_count() {
    let found = circles(&[
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::B;\npub struct A(B);"),
        (
            "b.rs",
            "pub struct B;\n#[cfg(test)]\nmod tests { use crate::a::A; }\n\
             macro_rules! m { () => { #[cfg(test)] mod t { use $crate::a::A; } } }\n\
             impl B { #[cfg(all(test, unix))] fn f() { crate::a::A; } }",
        ),
    ]);
    assert_eq!(found, "");
}
