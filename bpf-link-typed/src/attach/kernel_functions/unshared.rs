//! Functions whose names no other function has.

use std::collections::{HashMap, HashSet};

use super::KernelFunctions;
use super::traceable::Traceable;

impl KernelFunctions {
    /// The names of the functions of this module, or of the kernel itself, that can be traced, and
    /// whose name no other function there has. Where several have one, the kernel takes the first
    /// that it finds.
    pub(crate) fn unshared(
        &self,
        module: Option<&str>,
        mut picks: impl FnMut(&str) -> bool,
    ) -> HashSet<&str> {
        let module = module.map(str::as_bytes);
        // Where it is, and whether it can be traced; `None` for a name that several have.
        let mut found: HashMap<&str, Option<(u64, Traceable)>> = HashMap::new();
        for (function, mark) in self.marked().filter(|(one, _)| one.module == module) {
            let Ok(name) = std::str::from_utf8(function.name) else {
                continue;
            };
            if !picks(name) {
                continue;
            }
            let one = (function.address, mark);
            found
                .entry(name)
                .and_modify(|known| *known = known.filter(|known| known.0 != 0 && known.0 == one.0))
                .or_insert(Some(one));
        }
        let traceable = found.into_iter().filter_map(|(name, one)| {
            let (_, mark) = one?;
            (mark == Traceable::Yes).then_some(name)
        });
        traceable.collect()
    }
}
