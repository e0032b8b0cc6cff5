//! Who is on a function that programs are attached to by a trampoline, as their links tell.

use std::collections::HashSet;

use bpf_link::{BtfId, BtfInfo, BtfTypeId, LinkKind, ProgramId, ProgramInfo};

use super::{TracingInfo, TracingLink, TracingMultiLink};
use crate::attach::holders;
use crate::error::{HolderLink, HookHolder};

/// The programs on these functions, which a BTF object of the kernel or of a module describes, each
/// with its function. `None` if the caller may not look at all links.
pub(super) fn on_kernel_functions(
    object: BtfId,
    functions: &[BtfTypeId],
) -> Option<Vec<(BtfTypeId, HookHolder)>> {
    let functions: HashSet<_> = functions.iter().copied().collect();
    let on_one = holders::links_here(LinkKind::Tracing, |link| {
        let info = TracingLink(link).info().ok()?;
        let function = info.target_btf_id.filter(|id| functions.contains(id))?;
        let is_here = info.target_obj_id == Some(object.get()) && is_on_kernel(&info) == Some(true);
        is_here.then_some((vec![function], info.program_id?))
    })?;
    let on_many = holders::links_here(LinkKind::TracingMulti, |link| {
        let info = TracingMultiLink(link).info().ok()?;
        let ids = info.ids?.into_iter().filter_map(BtfTypeId::new);
        let ids = ids.filter(|id| functions.contains(id)).collect();
        let is_here = info.btf_obj_id == Some(object);
        is_here.then_some((ids, info.program_id?))
    })?;
    let mut found = Vec::new();
    for (link, (functions, program)) in on_one.into_iter().chain(on_many) {
        let holder = holders::of_program(program, HolderLink::Link(link));
        let with_holder = |function| (function, holder.clone());
        found.extend(functions.into_iter().map(with_holder));
    }
    Some(found)
}

/// The programs on this function of a program: those that trace it, or its extension.
pub(super) fn on_function_of(program: ProgramId, function: BtfTypeId) -> Option<Vec<HookHolder>> {
    on_function_of_a(function, |target| target == program)
}

/// The programs on what this program was loaded for.
pub(super) fn on_load_time_target_of(program: &ProgramInfo) -> Option<Vec<HookHolder>> {
    let (object, function) = program.attach_btf_obj_id.zip(program.attach_btf_id)?;
    if BtfInfo::from_id(object).ok()?.is_kernel? {
        let found = on_kernel_functions(object, &[function])?.into_iter();
        return Some(found.map(|(_, holder)| holder).collect());
    }
    let found = on_function_of_a(function, |target| {
        ProgramInfo::from_id(target).is_ok_and(|target| target.btf_id == Some(object))
    })?;
    // Several programs may have been loaded with the same types.
    Some(holders::perhaps(found))
}

/// The programs on this function of a program for which `is_it` returns true.
fn on_function_of_a(
    function: BtfTypeId,
    is_it: impl Fn(ProgramId) -> bool,
) -> Option<Vec<HookHolder>> {
    holders::by_links(LinkKind::Tracing, |link| {
        let info = TracingLink(link).info().ok()?;
        let target = ProgramId::new(info.target_obj_id?)?;
        let is_here = info.target_btf_id == Some(function)
            && is_on_kernel(&info) != Some(true)
            && is_it(target);
        info.program_id.filter(|_| is_here)
    })
}

/// Whether the link is on a function of the kernel or of a module, and not of a program. `None` if
/// the kernel does not tell.
fn is_on_kernel(info: &TracingInfo) -> Option<bool> {
    let program = ProgramInfo::from_id(info.program_id?).ok()?;
    BtfInfo::from_id(program.attach_btf_obj_id?).ok()?.is_kernel
}
