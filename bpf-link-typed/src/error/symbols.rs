//! The functions that cannot be traced.

use std::ffi::CString;
use std::fmt;

/// The functions, of those that were asked for, that keep all of them from being traced. Both lists
/// are empty if it could not be found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UntraceableSymbols {
    /// Those that the kernel has no function for, or none that it can trace.
    pub unknown: Vec<CString>,
    /// Those that were given more than once.
    pub duplicate: Vec<CString>,
}

impl fmt::Display for UntraceableSymbols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { unknown, duplicate } = self;
        if unknown.is_empty() && duplicate.is_empty() {
            return f.write_str("the kernel cannot trace all of the functions");
        }
        let mut separator = "";
        for (list, problem) in [
            (unknown, "the kernel has no function to trace called"),
            (duplicate, "given more than once:"),
        ] {
            if list.is_empty() {
                continue;
            }
            write!(f, "{separator}{problem}")?;
            separator = "; ";
            for (index, name) in list.iter().enumerate() {
                let comma = if index == 0 { "" } else { "," };
                write!(f, "{comma} {}", name.to_string_lossy())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_symbols_are_named() {
        let [a, b, c] = [c"a", c"b", c"c"].map(ToOwned::to_owned);
        let symbols = UntraceableSymbols {
            unknown: vec![a, b],
            duplicate: vec![c],
        };
        assert_eq!(
            symbols.to_string(),
            "the kernel has no function to trace called a, b; given more than once: c"
        );
        assert_eq!(
            UntraceableSymbols::default().to_string(),
            "the kernel cannot trace all of the functions"
        );
    }
}
