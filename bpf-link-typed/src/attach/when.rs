//! When a program runs, for the kinds that are attached to functions.

/// When the program of a link on functions runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum When {
    /// When a function is entered; or, with an offset in it, when it comes there.
    Entry,
    /// When a function returns.
    Return,
    /// Both times, as a session: what the program returns on entry decides whether it runs on
    /// return, and it can keep a value from the one to the other. Since Linux 6.10
    /// (`kprobe_multi`), 6.13 (`uprobe_multi`), 7.2 (`tracing_multi`).
    Session,
}
