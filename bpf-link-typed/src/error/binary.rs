//! What is wrong with a binary, or what it does not have.

use std::fmt;

use super::kernel_function::Similar;

/// Why a name or a place was not found in a binary.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BinaryProblem {
    /// The file does not begin as an ELF file does.
    NotElf,
    /// It is an ELF file that no process runs or loads: an object file, a kernel module or a core
    /// dump.
    NotLoadable {
        /// The file's type (`e_type`).
        file_type: u16,
    },
    /// The file contradicts itself, or ends early.
    Malformed {
        /// The part of it that does.
        what: &'static str,
    },
    /// A part of the file is larger than any that a linker makes, so it was not read.
    TooLarge {
        /// The part.
        what: &'static str,
    },
    /// The binary has no function of this name.
    NoSuchSymbol {
        /// The name that was asked for.
        name: String,
        /// Names that it has and that are close, the closest first.
        similar: Vec<String>,
    },
    /// The binary exports no function of this name, and is stripped: it has no table of its local
    /// symbols, and no debug file was found that has one. It may still have the function.
    Stripped {
        /// The name that was asked for.
        name: String,
        /// Names that it exports and that are close, the closest first.
        similar: Vec<String>,
        /// The binary has symbols compressed into it (`.gnu_debugdata`) that were not read, as this
        /// crate was built without the feature `elf-xz`.
        has_unread_symbols: bool,
    },
    /// The binary calls a function of this name, which is in another library.
    Imported {
        /// The name that was asked for.
        name: String,
        /// The libraries that the binary asks for.
        libraries: Vec<String>,
    },
    /// The symbol is not a function.
    NotAFunction {
        /// The name that was asked for.
        name: String,
    },
    /// The function is an indirect one (`STT_GNU_IFUNC`): its symbol leads to code that picks one
    /// of several implementations when the program starts, and runs only then.
    Indirect {
        /// The name that was asked for.
        name: String,
        /// Where the code that picks is, in bytes from the start of the file.
        resolver: u64,
    },
    /// Several functions have this name, and none of them comes before the others.
    Ambiguous {
        /// The name that was asked for.
        name: String,
        /// Where they are, in bytes from the start of the file.
        offsets: Vec<u64>,
    },
    /// The place is beyond the end of the function.
    BeyondFunction {
        /// The function.
        name: String,
        /// How far after its beginning the place is, in bytes.
        offset: u64,
        /// How long it is, in bytes.
        size: u64,
    },
    /// No segment has this address in the file.
    NoSuchAddress {
        /// The virtual address.
        address: u64,
    },
    /// The reference counter of a probe is beyond 4 GiB, where a perf event cannot say it is.
    FarCounter {
        /// How many bytes after the beginning of the file.
        offset: u64,
    },
    /// The binary has no USDT probe of this name.
    NoSuchProbe {
        /// The provider and the name that were asked for, with a colon between them.
        probe: String,
        /// Probes that it has and that are close, the closest first.
        similar: Vec<String>,
    },
    /// No function of the binary matches the pattern.
    NothingMatches {
        /// The pattern.
        pattern: String,
        /// The binary is stripped, as for [`Stripped`](Self::Stripped).
        is_stripped: bool,
        /// As for [`Stripped`](Self::Stripped).
        has_unread_symbols: bool,
    },
}

impl fmt::Display for BinaryProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotElf => f.write_str("is not an ELF file"),
            Self::NotLoadable { file_type } => {
                write!(
                    f,
                    "is not a program or library (its ELF type is {file_type})"
                )
            }
            Self::Malformed { what } => write!(f, "is malformed: {what}"),
            Self::FarCounter { offset } => write!(
                f,
                "has a reference counter at {offset:#x}, too far for a perf event: use a uprobe_multi link"
            ),
            Self::TooLarge { what } => write!(f, "is malformed: too large: {what}"),
            Self::NoSuchSymbol { name, similar } => {
                write!(f, "has no function {name}")?;
                Similar(similar).fmt(f)
            }
            Self::Stripped {
                name,
                similar,
                has_unread_symbols,
            } => {
                let exported = only_exported(*has_unread_symbols);
                write!(f, "has no function {name}{exported}")?;
                Similar(similar).fmt(f)
            }
            Self::Imported { name, libraries } => {
                write!(f, "only imports {name}, which is in another library")?;
                if libraries.is_empty() {
                    return Ok(());
                }
                write!(f, ": it asks for {}", libraries.join(", "))
            }
            Self::NotAFunction { name } => write!(f, "has {name}, but it is not a function"),
            Self::Indirect { name, resolver } => write!(
                f,
                "has {name} as an indirect function: {resolver:#x} only picks an implementation"
            ),
            Self::Ambiguous { name, offsets } => {
                write!(f, "has several functions called {name}, at")?;
                offsets
                    .iter()
                    .try_for_each(|offset| write!(f, " {offset:#x}"))
            }
            Self::BeyondFunction { name, offset, size } => write!(
                f,
                "has {name} with {size:#x} bytes, and offset {offset:#x} is past its end"
            ),
            Self::NoSuchAddress { address } => write!(f, "has nothing at address {address:#x}"),
            Self::NoSuchProbe { probe, similar } => {
                write!(f, "has no USDT probe {probe}")?;
                Similar(similar).fmt(f)
            }
            Self::NothingMatches {
                pattern,
                is_stripped,
                has_unread_symbols,
            } => {
                write!(f, "has no function that matches {pattern}")?;
                if *is_stripped {
                    f.write_str(only_exported(*has_unread_symbols))?;
                }
                Ok(())
            }
        }
    }
}

/// Where a stripped binary was searched, in words.
fn only_exported(has_unread_symbols: bool) -> &'static str {
    if has_unread_symbols {
        " among its exported ones, and its other symbols are stripped; there are more in \
         .gnu_debugdata, which the feature elf-xz reads"
    } else {
        " among its exported ones, and its other symbols are stripped"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_found_is_named() {
        let missing = BinaryProblem::NoSuchSymbol {
            name: "malocc".to_owned(),
            similar: vec!["malloc".to_owned()],
        };
        assert_eq!(
            missing.to_string(),
            "has no function malocc; similar names: malloc"
        );
        let missing = BinaryProblem::Stripped {
            name: "malocc".to_owned(),
            similar: vec!["malloc".to_owned()],
            has_unread_symbols: false,
        };
        assert_eq!(
            missing.to_string(),
            "has no function malocc among its exported ones, and its other symbols are stripped; \
             similar names: malloc"
        );
        let unread = BinaryProblem::NothingMatches {
            pattern: "init_*".to_owned(),
            is_stripped: true,
            has_unread_symbols: true,
        };
        assert_eq!(
            unread.to_string(),
            "has no function that matches init_* among its exported ones, and its other symbols are \
             stripped; there are more in .gnu_debugdata, which the feature elf-xz reads"
        );
        let ambiguous = BinaryProblem::Ambiguous {
            name: "init".to_owned(),
            offsets: vec![0x10, 0x20],
        };
        assert_eq!(
            ambiguous.to_string(),
            "has several functions called init, at 0x10 0x20"
        );
    }
}
