//! What errors say.

use super::*;

#[test]
fn the_kinds_are_named() {
    let wrong = |expected| Error::WrongKind {
        link: Target::Path("/sys/fs/bpf/link".into()),
        expected,
        found: LinkKind::Unknown(99),
    };
    assert_eq!(
        wrong(Some(LinkKind::Xdp)).to_string(),
        "/sys/fs/bpf/link is of kind 99, not xdp"
    );
    assert_eq!(
        wrong(None).to_string(),
        "/sys/fs/bpf/link is of kind 99, which has a type of its own"
    );
}

/// The source has the cause; the message has the second error only if that is another.
#[test]
fn a_cause_is_not_said_twice() {
    let missing = |name: &str| Error::NotInSet { name: name.into() };
    let lost = |put_back| Error::OldProgramLost {
        source: Box::new(missing("one")),
        put_back: Some(Box::new(put_back)),
    };
    let not_put_back =
        "the new program could not be attached, and the old one could not be put back";
    assert_eq!(lost(missing("one")).to_string(), not_put_back);
    assert_eq!(
        lost(missing("two")).to_string(),
        format!("{not_put_back} (the set has no link called two)")
    );
    let failure = |source| SetFailure {
        name: "xdp".into(),
        links: vec![(
            "tcx".into(),
            LinkState::NotPutBack {
                source: Some(source),
            },
        )],
        source: missing("one"),
    };
    let not_back = "link xdp of the set was refused; the old state of tcx could not be restored";
    let rest = "; everything else is as before";
    assert_eq!(
        failure(missing("one")).to_string(),
        format!("{not_back}{rest}")
    );
    assert_eq!(
        failure(missing("two")).to_string(),
        format!("{not_back} (the set has no link called two){rest}")
    );
}
