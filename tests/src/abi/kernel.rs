//! The interface as a kernel's own types have it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail, ensure};
use btf_rs::{Btf, BtfType, Member, Struct, Type};

use super::{Abi, Aggregate, Enum, Field, Value};

impl Abi {
    /// What a kernel's types have of this interface, and what else is in the same structures,
    /// unions and enumerations.
    pub(crate) fn of_kernel(&self, btf: &Btf) -> Result<Self> {
        let mut abi = Self::default();
        let enums: BTreeSet<&str> = self
            .enums
            .iter()
            .map(|found| found.name.as_str())
            .filter(|name| !name.is_empty())
            .collect();
        let constants: BTreeSet<&String> = self
            .enums
            .iter()
            .flat_map(|found| found.values.keys())
            .collect();
        // To ask for a type by name is to go over all of them, so all are gone over once.
        let (first, last) = btf.base().type_id_range();
        for id in first..=last {
            let ty = btf.resolve_type_by_id(id)?;
            if let Type::Struct(found) | Type::Union(found) = &ty {
                let name = btf.resolve_name(found).unwrap_or_default();
                if self.types.contains_key(&name) {
                    let found = aggregate(btf, found).with_context(|| name.clone())?;
                    let other = abi.types.insert(name, found.clone());
                    ensure!(
                        other.is_none_or(|other| other == found),
                        "the kernel has two types of one name: {found:?}"
                    );
                }
                continue;
            }
            let Some(found) = enumeration(btf, &ty)? else {
                continue;
            };
            let known = enums.contains(found.name.as_str())
                || found.values.keys().any(|name| constants.contains(name));
            if known && !abi.enums.contains(&found) {
                abi.enums.push(found);
            }
        }
        Ok(abi)
    }
}

fn aggregate(btf: &Btf, ty: &Struct) -> Result<Aggregate> {
    let mut aggregate = Aggregate {
        size: ty.size() as u64,
        ..Aggregate::default()
    };
    add_members(&mut aggregate.fields, btf, &ty.members, "", 0)?;
    Ok(aggregate)
}

/// Adds the members of a type that begins `offset` bits from the start, where `path` leads.
fn add_members(
    fields: &mut BTreeMap<String, Field>,
    btf: &Btf,
    members: &[Member],
    path: &str,
    offset: u64,
) -> Result<()> {
    for member in members {
        let name = btf.resolve_name(member)?;
        let offset = offset + u64::from(member.bit_offset());
        let ty = behind_names(btf, member)?;
        let path = match (path.is_empty(), name.is_empty()) {
            (_, true) => path.to_owned(),
            (true, false) => name.clone(),
            (false, false) => format!("{path}.{name}"),
        };
        let inner = match &ty {
            Type::Struct(inner) | Type::Union(inner) => Some(inner),
            _ => None,
        };
        if !name.is_empty() {
            let bits = member.bitfield_size().filter(|bits| *bits != 0);
            let field = Field {
                offset,
                size: match bits {
                    Some(bits) => bits.into(),
                    None => size(btf, &ty).with_context(|| path.clone())? * 8,
                },
                is_aggregate: inner.is_some(),
            };
            ensure!(
                fields.insert(path.clone(), field).is_none(),
                "two fields {path}"
            );
        }
        if let Some(inner) = inner {
            add_members(fields, btf, &inner.members, &path, offset)?;
        }
    }
    Ok(())
}

/// What a type is, without other names and qualifiers.
fn behind_names(btf: &Btf, of: &dyn BtfType) -> Result<Type> {
    let mut ty = btf.resolve_chained_type(of)?;
    loop {
        ty = match &ty {
            Type::Typedef(inner) => btf.resolve_chained_type(inner)?,
            Type::Volatile(inner) | Type::Const(inner) | Type::Restrict(inner) => {
                btf.resolve_chained_type(inner)?
            }
            Type::TypeTag(inner) => btf.resolve_chained_type(inner)?,
            _ => return Ok(ty),
        };
    }
}

/// In bytes.
fn size(btf: &Btf, ty: &Type) -> Result<u64> {
    Ok(match ty {
        Type::Int(ty) => ty.size() as u64,
        Type::Ptr(_) => 8,
        Type::Array(array) => size(btf, &behind_names(btf, array)?)? * array.len() as u64,
        Type::Struct(ty) | Type::Union(ty) => ty.size() as u64,
        Type::Enum(ty) => ty.size() as u64,
        Type::Enum64(ty) => ty.size() as u64,
        other => bail!("a field that is a {}", other.name()),
    })
}

fn enumeration(btf: &Btf, ty: &Type) -> Result<Option<Enum>> {
    let mut values = BTreeMap::new();
    let name = match ty {
        Type::Enum(found) => {
            for member in &found.members {
                // Before there were constants of 64 bits in a kernel's types, their upper halves
                // were left out.
                values.insert(btf.resolve_name(member)?, Value::low(member.val()));
            }
            btf.resolve_name(found)
        }
        Type::Enum64(found) => {
            for member in &found.members {
                let value = Value::new(i64::from_ne_bytes(member.val().to_ne_bytes()));
                values.insert(btf.resolve_name(member)?, value);
            }
            btf.resolve_name(found)
        }
        _ => return Ok(None),
    };
    Ok(Some(Enum {
        name: name.unwrap_or_default(),
        values,
    }))
}
