//! Reasons for which a name was not found.

use super::Binary;
use super::name::WrittenName;
use crate::attach::similar::Similar;
use crate::error::{BinaryProblem, Error, Result};

impl Binary {
    /// The problem, with the reasons that are known.
    pub(super) fn explained(&self, problem: BinaryProblem, written: &WrittenName<'_>) -> Error {
        let explained = match problem {
            BinaryProblem::NoSuchSymbol { name, .. } => self.similar(name, written),
            BinaryProblem::Imported { name, .. } => self.imported(name),
            problem => Ok(problem),
        };
        match explained {
            Ok(problem) => self.image.bytes.problem(problem),
            Err(error) => error,
        }
    }

    fn similar(&self, name: String, written: &WrittenName<'_>) -> Result<BinaryProblem> {
        let mut similar = Similar::to(written.symbol);
        self.functions_where(|symbol| {
            match &symbol.version {
                Some(version) if written.version.is_some() => {
                    similar.show(&format!("{}@{version}", symbol.name));
                }
                _ => similar.show(&symbol.name),
            }
            false
        })?;
        let similar = similar.closest();
        if !self.is_stripped()? {
            return Ok(BinaryProblem::NoSuchSymbol { name, similar });
        }
        Ok(BinaryProblem::Stripped {
            name,
            similar,
            has_unread_symbols: self.has_unread_symbols()?,
        })
    }

    fn imported(&self, name: String) -> Result<BinaryProblem> {
        let libraries = self.image.needed_libraries()?;
        Ok(BinaryProblem::Imported { name, libraries })
    }
}
