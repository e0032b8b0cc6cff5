//! How things are written: in plain English, in 100 columns, and with links that lead somewhere.

mod files;
mod habits;
mod links;
