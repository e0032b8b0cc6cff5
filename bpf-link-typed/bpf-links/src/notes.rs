//! What could not be found out although the command went well: each is said once, on standard
//! error.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Display;

use crate::failure;
use crate::output;

#[derive(Debug, Default)]
pub(crate) struct Notes(RefCell<BTreeMap<&'static str, String>>);

impl Notes {
    /// Remembers why something is missing; the first reason counts.
    pub(crate) fn add(&self, what: &'static str, why: impl Display) {
        let mut notes = self.0.borrow_mut();
        notes.entry(what).or_insert_with(|| why.to_string());
    }

    /// The same, for what the kernel has refused.
    pub(crate) fn refused(&self, what: &'static str, why: &(dyn Error + 'static)) {
        if !self.0.borrow().contains_key(what) {
            self.add(what, failure::line_of(why));
        }
    }

    /// Why this is missing, if it is.
    pub(crate) fn why(&self, what: &str) -> Option<String> {
        self.0.borrow().get(what).cloned()
    }

    /// Prints them.
    pub(crate) fn print(&self) {
        for (what, why) in self.0.take() {
            output::complain(&format!("{what}: {why}"));
        }
    }
}
