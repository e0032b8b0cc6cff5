//! The names of the bindings depend on the names in the kernel's headers only.

const BINDINGS: &str = include_str!("../src/bindings.rs");

#[test]
fn nothing_is_named_after_its_position() {
    for numbered in ["__bindgen_", "_bindgen_ty_"] {
        let found = BINDINGS.lines().find(|line| line.contains(numbered));
        assert_eq!(found, None);
    }
}

#[test]
fn no_comment_of_a_header_is_carried_over() {
    // Before the first constant there is bindgen's own type for bitfields, with bindgen's comments.
    let (_, generated) = BINDINGS.split_once("pub const BPF_").expect("constants");
    let comment = generated
        .lines()
        .find(|line| line.contains("//") || line.contains("/*") || line.contains("#[doc"));
    assert_eq!(comment, None);
}
