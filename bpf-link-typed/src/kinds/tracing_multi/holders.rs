//! Who is on the functions, asked of the kernel once it has refused another program.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;

use bpf_link::{BtfTypeId, FirstOf, ProgramInfo, Target};

use super::TracingMultiAttach;
use crate::attach::holders;
use crate::error::{Error, HookHolder};
use crate::kinds::trampoline;

/// The kernel takes no longer list.
const MAX_FUNCTIONS: usize = 1 << 20;

impl TracingMultiAttach<'_> {
    /// Turns the refusal into the error that one of the functions has this program already, or is
    /// full. It names that function, and who is on it.
    pub(super) fn with_holders(&self, program: BorrowedFd<'_>, refusal: Error) -> Error {
        let source = match refusal {
            Error::Link(source @ bpf_link::Error::Command(_)) => source,
            other => return other,
        };
        match source.errno() {
            Some(libc::EBUSY) => match self.function_with(program) {
                Some(function) => {
                    Error::AlreadyAttached(self.naming_one(program, function, source))
                }
                None => source.into(),
            },
            // The limit for the list, and not for one of its functions.
            Some(libc::E2BIG) if self.functions.len() > MAX_FUNCTIONS => source.into(),
            Some(libc::E2BIG) => match self.fullest(program) {
                Some((function, holders)) => Error::HookTaken {
                    holders,
                    source: self.naming_one(program, function, source),
                },
                None => holders::unknown(source),
            },
            _ => source.into(),
        }
    }

    /// One of the functions that the program is on.
    fn function_with(&self, program: BorrowedFd<'_>) -> Option<BtfTypeId> {
        let own = ProgramInfo::of(&program).ok()?.id;
        let mut on_functions = self.holders(program)?.into_iter();
        let found = on_functions.find(|(_, holder)| holder.program == Some(own));
        found.map(|(function, _)| function)
    }

    /// The function with the most programs, and those.
    fn fullest(&self, program: BorrowedFd<'_>) -> Option<(BtfTypeId, Vec<HookHolder>)> {
        let mut by_function: BTreeMap<BtfTypeId, Vec<HookHolder>> = BTreeMap::new();
        for (function, holder) in self.holders(program)? {
            by_function.entry(function).or_default().push(holder);
        }
        by_function
            .into_iter()
            .max_by_key(|(_, holders)| holders.len())
    }

    fn holders(&self, program: BorrowedFd<'_>) -> Option<Vec<(BtfTypeId, HookHolder)>> {
        let object = ProgramInfo::of(&program).ok()?.attach_btf_obj_id?;
        trampoline::on_kernel_functions(object, &self.ids(program).ok()?)
    }

    /// The refusal, about this one of the functions.
    fn naming_one(
        &self,
        program: BorrowedFd<'_>,
        function: BtfTypeId,
        source: bpf_link::Error,
    ) -> bpf_link::Error {
        let ids = self.ids(program).unwrap_or_default();
        let name = || {
            let place = ids.iter().position(|id| *id == function)?;
            self.functions.get(place)?.name()?.to_c_string().ok()
        };
        source.naming(match name() {
            Some(name) => Target::Functions(FirstOf::these([name])),
            None => Target::FunctionTypes(FirstOf::these([function])),
        })
    }
}
