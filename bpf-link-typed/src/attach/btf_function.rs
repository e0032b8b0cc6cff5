//! Functions that are described in BTF, by number or by name.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::os::fd::AsFd;

use bpf_link::{Btf, BtfTypeId, FirstOf, Target};

use super::fit;
use super::name_ref::NameRef;
use super::similar::Similar;
use crate::error::{BtfOf, Error, Result, SimilarSymbols};

/// A function that is described in BTF: by the number of its type, or by its name, as text or as a
/// C string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BtfFunctionRef<'a>(By<'a>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum By<'a> {
    Id(BtfTypeId),
    Name(NameRef<'a>),
}

impl From<BtfTypeId> for BtfFunctionRef<'_> {
    fn from(id: BtfTypeId) -> Self {
        Self(By::Id(id))
    }
}

impl From<&BtfTypeId> for BtfFunctionRef<'_> {
    fn from(id: &BtfTypeId) -> Self {
        Self(By::Id(*id))
    }
}

macro_rules! from_names {
    ($($Name:ty),+) => {$(
        impl<'a> From<$Name> for BtfFunctionRef<'a> {
            fn from(name: $Name) -> Self {
                Self(By::Name(name.into()))
            }
        }
    )+};
}

from_names!(&'a str, &'a String, String, &'a CStr, &'a CString, CString);

impl<'a> From<&&'a str> for BtfFunctionRef<'a> {
    fn from(name: &&'a str) -> Self {
        Self::from(*name)
    }
}

impl<'a> From<&&'a CStr> for BtfFunctionRef<'a> {
    fn from(name: &&'a CStr) -> Self {
        Self::from(*name)
    }
}

impl BtfFunctionRef<'_> {
    fn id(&self) -> Option<BtfTypeId> {
        match self.0 {
            By::Id(id) => Some(id),
            By::Name(_) => None,
        }
    }

    /// The name, if it was given by name.
    pub(crate) fn name(&self) -> Option<&NameRef<'_>> {
        match &self.0 {
            By::Id(_) => None,
            By::Name(name) => Some(name),
        }
    }
}

/// The numbers of these functions in the BTF object that a program was loaded to be attached to:
/// that of the kernel or of a module. Nothing is read if all were given by number.
pub(crate) fn in_kernel(
    functions: &[BtfFunctionRef<'_>],
    program: impl AsFd,
) -> Result<Vec<BtfTypeId>> {
    if let Some(ids) = functions.iter().map(BtfFunctionRef::id).collect() {
        return Ok(ids);
    }
    let btf = match fit::program_info(program.as_fd())?.attach_btf_obj_id {
        Some(id) => Btf::from_id(id).map_err(|source| {
            let names = functions.iter().filter_map(BtfFunctionRef::name);
            let names: Vec<_> = names.filter_map(|name| name.to_c_string().ok()).collect();
            source.naming(Target::Functions(FirstOf::these(names)))
        })?,
        None => Btf::of_kernel()?,
    };
    let of = match btf.module_name() {
        Some(module) => BtfOf::Module(module.to_owned()),
        None => BtfOf::Kernel,
    };
    find(functions, Some(&btf), &of)
}

/// The number of this function among those of a program.
pub(crate) fn in_program(function: &BtfFunctionRef<'_>, program: impl AsFd) -> Result<BtfTypeId> {
    if let Some(id) = function.id() {
        return Ok(id);
    }
    let name = || function.name().and_then(|name| name.to_c_string().ok());
    let info = fit::program_info(program.as_fd());
    let info = info.map_err(|source| source.naming(Target::Functions(FirstOf::these(name()))))?;
    let btf = info.btf_id.map(Btf::from_id).transpose();
    let btf = btf.map_err(|source| {
        source.naming(Target::ExtensionOf {
            program: Some(info.id),
            function: None,
            name: name(),
        })
    })?;
    let of = BtfOf::Program(info.id);
    let ids = find(std::slice::from_ref(function), btf.as_ref(), &of)?;
    let id = ids.first().copied();
    id.ok_or_else(|| missing(Vec::new(), btf.as_ref(), of))
}

/// Goes over the functions once, whatever the number of names.
fn find(functions: &[BtfFunctionRef<'_>], btf: Option<&Btf>, of: &BtfOf) -> Result<Vec<BtfTypeId>> {
    let names = functions.iter().filter_map(BtfFunctionRef::name);
    let mut by_name: HashMap<&[u8], Vec<BtfTypeId>> =
        names.map(|name| (name.as_bytes(), Vec::new())).collect();
    for found in btf.into_iter().flat_map(Btf::functions) {
        if let Some(ids) = by_name.get_mut(found.name.as_bytes()) {
            ids.push(found.id);
        }
    }
    let (mut ids, mut unknown) = (Vec::with_capacity(functions.len()), Vec::new());
    for function in functions {
        let name = match &function.0 {
            By::Id(id) => {
                ids.push(*id);
                continue;
            }
            By::Name(name) => name,
        };
        match by_name.get(name.as_bytes()).map(Vec::as_slice) {
            Some([id]) => ids.push(*id),
            Some(several @ [_, _, ..]) => {
                return Err(Error::AmbiguousBtfFunction {
                    name: name.to_c_string()?,
                    of: of.clone(),
                    ids: several.into(),
                });
            }
            Some([]) | None => unknown.push(name.to_c_string()?),
        }
    }
    if unknown.is_empty() {
        Ok(ids)
    } else {
        Err(missing(unknown, btf, of.clone()))
    }
}

fn missing(unknown: Vec<CString>, btf: Option<&Btf>, of: BtfOf) -> Error {
    let similar = unknown.iter().filter_map(|name| {
        let text = name.to_str().ok()?;
        let mut similar = Similar::to(text);
        for found in btf?.functions() {
            similar.show(found.name);
        }
        let names = similar.closest().into_iter();
        let found: Vec<CString> = names.filter_map(|name| CString::new(name).ok()).collect();
        (!found.is_empty()).then(|| SimilarSymbols {
            symbol: name.clone(),
            found,
        })
    });
    Error::NoSuchBtfFunction {
        similar: similar.collect(),
        unknown,
        of,
    }
}
