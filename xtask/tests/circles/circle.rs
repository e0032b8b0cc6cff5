//! Files that use each other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::{self, Display, Formatter};
use std::path::Path;

use crate::uses::Uses;

/// A circle: each file uses the next one, and the last one the first.
#[derive(Debug)]
pub(crate) struct Circle<'u> {
    files: Vec<&'u Path>,
    uses: &'u Uses,
}

/// For each use that is part of a circle, the shortest circle that it is part of.
pub(crate) fn circles(uses: &Uses) -> Vec<Circle<'_>> {
    let mut all = BTreeSet::new();
    for (user, used) in uses {
        for used in used.keys() {
            if let Some(mut files) = shortest(uses, used, user) {
                let first = files.iter().enumerate().min_by_key(|(_, file)| **file);
                let first = first.map_or(0, |(at, _)| at);
                files.rotate_left(first);
                all.insert((files.len(), files));
            }
        }
    }
    all.into_iter()
        .map(|(_, files)| Circle { files, uses })
        .collect()
}

/// The shortest way from a file to another one.
fn shortest<'u>(uses: &'u Uses, from: &'u Path, to: &Path) -> Option<Vec<&'u Path>> {
    let mut reached_from: BTreeMap<&Path, Option<&Path>> = BTreeMap::from([(from, None)]);
    let mut queue = VecDeque::from([from]);
    while let Some(file) = queue.pop_front() {
        if file == to {
            let way = std::iter::successors(Some(file), |file| *reached_from.get(file)?);
            let mut way: Vec<&Path> = way.collect();
            way.reverse();
            return Some(way);
        }
        for used in uses.get(file).into_iter().flat_map(BTreeMap::keys) {
            if !reached_from.contains_key(used.as_path()) {
                reached_from.insert(used, Some(file));
                queue.push_back(used);
            }
        }
    }
    None
}

impl Display for Circle<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let next = self.files.iter().cycle().skip(1);
        writeln!(f, "a circle of {} modules:", self.files.len())?;
        for (file, next) in self.files.iter().zip(next) {
            writeln!(f, "  {} uses {}", file.display(), next.display())?;
            let lines = self.uses.get(*file).and_then(|used| used.get(*next));
            for (line, path) in lines.into_iter().flatten() {
                writeln!(f, "    {}:{line}: {path}", file.display())?;
            }
        }
        Ok(())
    }
}
