//! The table in the docs of `Ensure`, held against the decisions: row by row, for everything that
//! can be seen.

use std::cell::Cell;

use bpf_link::{LinkId, LinkKind, PinEntry, ProgramId};

use super::{AboutOurs, Action, Refusal, Rules, decide};
use crate::ensure::outcome::{Attached, Why};
use crate::ensure::recipe::{Blocks, Match};
use crate::ensure::seen::{Candidate, Found, Hook, Other, Seen, of_kind};

const DOCS: &str = include_str!("../decisions.md");

type Case = Seen<(), ()>;
type Condition = fn(&Case, &Rules) -> bool;

/// The cells of the rows of the tables in the docs, without their heads.
fn tables() -> [Vec<Vec<&'static str>>; 2] {
    let tables: Vec<Vec<Vec<&str>>> = DOCS
        .split("\n\n")
        .filter(|block| block.starts_with('|'))
        .map(|table| table.lines().skip(2).map(cells).collect())
        .collect();
    <[_; 2]>::try_from(tables).expect("there are two tables")
}

fn cells(row: &'static str) -> Vec<&'static str> {
    let row = row.strip_prefix('|').and_then(|row| row.strip_suffix('|'));
    row.expect("it is a row")
        .split('|')
        .map(str::trim)
        .collect()
}

fn is_here(case: &Case) -> bool {
    case.pinned().is_some_and(Candidate::is_here)
}

fn found_is(case: &Case, found: Match) -> bool {
    case.pinned().is_some_and(|pinned| pinned.found == found)
}

/// What the words of the docs mean.
fn condition(words: &str) -> Condition {
    match words {
        "" | "anything" | "may be anything" => |_, _| true,
        "nothing" => |case, _| matches!(case.at_path, PinEntry::Missing),
        "something else" => |case, _| {
            !matches!(
                case.at_path,
                PinEntry::Missing | PinEntry::Link(Found::OfKind(_))
            )
        },
        "no link on this hook" => |case, _| !is_here(case),
        "a link on this hook" => |case, _| is_here(case),
        "a link without its hook" => |case, _| found_is(case, Match::Gone),
        "a link on another hook" => |case, _| found_is(case, Match::OtherHook),
        "a link on this hook with other options" => |case, _| found_is(case, Match::OtherOptions),
        "a link on this hook with options that the kernel does not tell" => {
            |case, _| found_is(case, Match::OptionsUnclear) || found_is(case, Match::Unclear)
        }
        "it may not be [replaced](Self::replace_other)" => |_, rules| !rules.replace_other,
        "beside it, at each such name, is something else than a link" => {
            |case, _| matches!(case.beside, PinEntry::NotALink)
        }
        "a link of this kind" => |case, _| case.pinned().is_some(),
        "beside it is the same link" => |case, _| {
            of_kind(&case.beside)
                .is_some_and(|left| case.pinned().is_some_and(|pinned| pinned.id == left.id))
        },
        "beside it is a link of another kind" => {
            |case, _| matches!(case.beside, PinEntry::Link(Found::OtherKind(_)))
        }
        "beside it is a link of this kind" => |case, _| of_kind(&case.beside).is_some(),
        "beside it is a link on this hook" => {
            |case, _| of_kind(&case.beside).is_some_and(Candidate::is_here)
        }
        "beside it is a link on this hook with these options and this program" => |case, rules| {
            of_kind(&case.beside).is_some_and(|left| {
                left.found == Match::Same && left.attached == Some(rules.wanted)
            })
        },
        "only an attempt tells where a link is" => |_, rules| rules.attempt_tells.is_some(),
        "the info tells where a link is" => |_, rules| rules.attempt_tells.is_none(),
        "none was made" | "was not tried" => |case, _| case.hook == Hook::NotTried,
        "the hook is taken" | "is taken" => |case, _| case.hook != Hook::NotTried,
        "is in the way" => |case, _| {
            case.pinned().is_some_and(|pinned| match pinned.blocks {
                Blocks::Never => false,
                Blocks::WhenFull => case.hook == Hook::Full,
                Blocks::Always => true,
            })
        },
        "links of ours are yet to be found" => {
            |case, rules| rules.ours.is_some() && case.ours.is_none()
        }
        "links of ours were found" => |case, rules| {
            rules.ours.is_some() && case.ours.as_ref().is_some_and(|ours| !ours.is_empty())
        },
        "a single link of ours was found" => |case, rules| {
            rules.ours.is_some() && case.ours.as_ref().is_some_and(|ours| ours.len() == 1)
        },
        "it is to be taken over" => |_, rules| rules.ours == Some(AboutOurs::TakeOver),
        "it runs this program" => |case, rules| {
            case.pinned()
                .is_some_and(|it| it.attached == Some(rules.wanted))
        },
        "it is not to be [kept](Self::keep_unreported)" => |_, rules| !rules.keep_unreported,
        "it is out of its place and to be [put back](Self::restore_position)" => |case, rules| {
            rules.restore_position && case.pinned().is_some_and(|it| it.is_out_of_place)
        },
        "the kind is updated" => |_, rules| rules.is_updatable,
        "the kind is not updated" => |_, rules| !rules.is_updatable,
        "the kernel has not refused to" => |case, _| !case.update_refused,
        words => panic!("no condition is called {words:?}"),
    }
}

fn conditions(cells: &[&str]) -> Vec<Condition> {
    let words = cells.iter().flat_map(|cell| cell.split("; "));
    words.map(condition).collect()
}

/// What a row of the first table says is to be done; what is attached, the second table says how.
#[derive(Debug)]
enum Done {
    Exactly(Action),
    PinTaken,
    Attached(Why),
    AttachedFirst,
    AttachedIfFree,
}

fn done(action: &str, end: &str) -> Done {
    use Done::{Attached, Exactly};
    match (action, end) {
        ("nothing", "[`Error::PinTaken`]") => Done::PinTaken,
        ("nothing", "[`Error::OursFound`]") => Exactly(Action::Refuse(Refusal::OursFound)),
        ("it is pinned anew", "`AlreadyRunning`") => Exactly(Action::Keep),
        ("the link beside it is removed", "") => Exactly(Action::RemoveLeftOver),
        ("the pin beside it is removed", "") => Exactly(Action::UnpinLeftOver),
        ("the link beside it takes its place", "") => Exactly(Action::FinishLeftOver),
        ("the link of ours is pinned", "") => Exactly(Action::TakeOver),
        ("links of ours are looked for", "") => Exactly(Action::Search),
        ("the program is put on the link, and it is pinned anew", "`Updated`") => {
            Exactly(Action::Update)
        }
        ("another link is attached", "`Created`") => Done::AttachedFirst,
        ("another link is attached", "`Replaced`, `NotSuchALink`") => Attached(Why::NotSuchALink),
        ("another link is attached", "`Replaced`, `HookGone`") => Attached(Why::HookGone),
        ("another link is attached", "`Replaced`, `OtherHook`") => Attached(Why::OtherHook),
        ("another link is attached", "`Replaced`, `OtherOptions`") => Attached(Why::OtherOptions),
        ("another link is attached", "`Replaced`, `NotUpdatable`") => Attached(Why::NotUpdatable),
        ("another link is attached", "`Replaced`, `NotReported`") => Attached(Why::NotReported),
        ("another link is attached", "`Replaced`, `OutOfPlace`") => Attached(Why::OutOfPlace),
        ("another link is attached", "`Replaced`, `NotHere` or `OtherHook`") => {
            Done::AttachedIfFree
        }
        words => panic!("nothing to do is called {words:?}"),
    }
}

fn how(action: &str, why: Option<Why>) -> Action {
    match action {
        "it is attached, and then takes the place of what is at the path" => Action::Attach(why),
        "the link at the path is taken off before" => Action::OldFirst(why),
        "it is attached as soon as the hook is free" => Action::AttachOnceFree(why),
        words => panic!("no way to attach is called {words:?}"),
    }
}

fn program(id: u32) -> Attached {
    Attached::Program(ProgramId::new(id).expect("it is not 0"))
}

/// Everything that can be at a path.
fn entries(ids: &[u32], states: &[(Blocks, bool)]) -> Vec<PinEntry<Found<(), ()>>> {
    let mut entries = vec![
        PinEntry::Missing,
        PinEntry::NotALink,
        PinEntry::Link(Found::OtherKind(Other {
            link: (),
            id: LinkId::new(9).expect("it is not 0"),
            kind: LinkKind::Iter,
            attached: Some(program(2)),
        })),
    ];
    for found in [
        Match::Gone,
        Match::OtherHook,
        Match::OtherOptions,
        Match::OptionsUnclear,
        Match::Unclear,
        Match::Same,
    ] {
        for attached in [None, Some(program(1)), Some(program(2))] {
            for &(blocks, is_out_of_place) in states {
                for &id in ids {
                    entries.push(PinEntry::Link(Found::OfKind(Candidate {
                        attached,
                        blocks,
                        is_out_of_place,
                        ..candidate(id, found)
                    })));
                }
            }
        }
    }
    entries
}

fn candidate(id: u32, found: Match) -> Candidate<()> {
    Candidate {
        link: (),
        id: LinkId::new(id).expect("it is not 0"),
        found,
        attached: None,
        blocks: Blocks::Never,
        is_out_of_place: false,
    }
}

/// Everything that can be wanted, of each sort of kind.
fn all_rules() -> Vec<Rules> {
    let mut all = Vec::new();
    let both = [false, true];
    for ours in [None, Some(AboutOurs::TakeOver), Some(AboutOurs::Report)] {
        for [replace_other, keep_unreported, restore_position] in all_of_three() {
            for is_updatable in both {
                for attempt_tells in [None, Some(Why::NotHere), Some(Why::OtherHook)] {
                    all.push(Rules {
                        wanted: program(1),
                        replace_other,
                        keep_unreported,
                        restore_position,
                        ours,
                        is_updatable,
                        attempt_tells,
                    });
                }
            }
        }
    }
    all
}

fn all_of_three() -> impl Iterator<Item = [bool; 3]> {
    (0..8).map(|bits| [bits & 1 != 0, bits & 2 != 0, bits & 4 != 0])
}

fn for_each_case(mut hold: impl FnMut(&Case)) {
    let at_path = entries(
        &[1],
        &[
            (Blocks::Never, false),
            (Blocks::WhenFull, false),
            (Blocks::Always, false),
            (Blocks::Always, true),
        ],
    );
    let beside = entries(&[1, 2], &[(Blocks::Never, false)]);
    for at_path in &at_path {
        for beside in &beside {
            for ours in [None, Some(0), Some(1), Some(2)] {
                for hook in [Hook::NotTried, Hook::Taken, Hook::Full] {
                    for update_refused in [false, true] {
                        hold(&Seen {
                            at_path: at_path.clone(),
                            beside: beside.clone(),
                            ours: ours.map(|count| vec![candidate(3, Match::Same); count]),
                            hook,
                            update_refused,
                        });
                    }
                }
            }
        }
    }
}

/// A row of a table: when it fits, and what is done then.
struct Row<D> {
    cells: Vec<&'static str>,
    conditions: Vec<Condition>,
    done: D,
    has_fit: Cell<bool>,
}

/// The first row whose conditions all hold.
fn first_row<'a, D>(rows: &'a [Row<D>], case: &Case, rules: &Rules) -> &'a Row<D> {
    let fits = |row: &&Row<D>| row.conditions.iter().all(|holds| holds(case, rules));
    let row = rows.iter().find(fits);
    let row = row.unwrap_or_else(|| panic!("no row fits {case:?} with {rules:?}"));
    row.has_fit.set(true);
    row
}

fn assert_all_have_fit<D>(rows: &[Row<D>]) {
    for row in rows {
        assert!(row.has_fit.get(), "nothing fits {:?}", row.cells);
    }
}

/// Names the path that is refused: the pin's own, or the temporary one beside it.
fn pin_taken(case: &Case, rules: &Rules) -> Action {
    Action::Refuse(match &case.at_path {
        PinEntry::NotALink if !rules.replace_other => Refusal::PathTaken(None),
        PinEntry::Link(Found::OtherKind(other)) if !rules.replace_other => {
            Refusal::PathTaken(Some(other.kind))
        }
        _ => Refusal::BesideTaken,
    })
}

#[test]
fn each_row_is_what_is_decided() {
    let [decisions, attaching] = tables();
    let decisions: Vec<Row<Done>> = decisions.into_iter().map(decision).collect();
    let attaching: Vec<Row<&str>> = attaching.into_iter().map(way).collect();
    let all_rules = all_rules();
    for_each_case(|case| {
        for rules in &all_rules {
            let row = first_row(&decisions, case, rules);
            let attach = |why| how(first_row(&attaching, case, rules).done, why);
            let expected = match row.done {
                Done::Exactly(action) => action,
                Done::PinTaken => pin_taken(case, rules),
                Done::AttachedFirst => attach(None),
                Done::Attached(why) => attach(Some(why)),
                Done::AttachedIfFree => attach(rules.attempt_tells),
            };
            let decided = decide(case, rules);
            assert_eq!(decided, expected, "{:?}: {case:?}, {rules:?}", row.cells);
        }
    });
    assert_all_have_fit(&decisions);
    assert_all_have_fit(&attaching);
}

fn decision(cells: Vec<&'static str>) -> Row<Done> {
    let [at_path, and, action, end] = cells.as_slice() else {
        panic!("{cells:?} has another number of cells");
    };
    Row {
        conditions: conditions(&[at_path, and]),
        done: done(action, end),
        has_fit: Cell::new(false),
        cells,
    }
}

fn way(cells: Vec<&'static str>) -> Row<&'static str> {
    let [hook, at_path, action] = cells.as_slice() else {
        panic!("{cells:?} has another number of cells");
    };
    Row {
        conditions: conditions(&[hook, at_path]),
        done: action,
        has_fit: Cell::new(false),
        cells,
    }
}
