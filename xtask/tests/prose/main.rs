//! How things are written: in plain English, in 100 columns, with links that lead somewhere and
//! examples that use what the reader has.

mod examples;
mod files;
mod habits;
mod links;
