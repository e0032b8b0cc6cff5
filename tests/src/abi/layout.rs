//! Where the fields of the bindings' types are, by the rules of C.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use syn::{Expr, ExprLit, FieldsNamed, GenericArgument, Lit, PathArguments, Type};

/// How bindgen begins the name of a field that is there for the alignment alone.
const ALIGNMENT: &str = "_bindgen_align";

/// A structure or a union of the bindings, as it is written.
pub(super) struct Definition<'a> {
    pub(super) is_union: bool,
    pub(super) fields: &'a FieldsNamed,
}

/// The types of the bindings by name.
#[derive(Default)]
pub(super) struct Types<'a> {
    pub(super) definitions: BTreeMap<String, Definition<'a>>,
    /// Other names of integers.
    pub(super) aliases: BTreeMap<String, &'a Type>,
    /// The bitfields of types, which bindgen turns into methods.
    pub(super) bitfields: BTreeMap<String, Vec<Bitfield>>,
}

/// A bitfield.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bitfield {
    pub(super) name: String,
    /// The field that holds it.
    pub(super) place: String,
    /// Where it begins in that field, in bits.
    pub(super) offset: u64,
    /// In bits.
    pub(super) size: u64,
}

/// Size and alignment in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) size: u64,
    pub(super) alignment: u64,
}

/// What a field is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sort {
    /// A value, or an array of values.
    Value,
    /// Of this type of the bindings.
    Aggregate(String),
    /// Nothing but a place for bitfields.
    Bitfields,
}

/// A field of a type of the bindings.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) name: String,
    /// In bytes.
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) sort: Sort,
}

impl Types<'_> {
    /// The fields of a type with their places, and the type's own shape.
    pub(super) fn layout(&self, name: &str) -> Result<(Vec<Placed>, Shape)> {
        let definition = self.definitions.get(name);
        let definition = definition.with_context(|| format!("there is no type {name}"))?;
        let mut placed = Vec::new();
        let mut whole = Shape {
            size: 0,
            alignment: 1,
        };
        for field in &definition.fields.named {
            let field_name = field.ident.as_ref().context("a field without a name")?;
            let field_name = field_name.to_string();
            let (shape, sort) = self
                .shape(&field.ty)
                .with_context(|| format!("{name}::{field_name}"))?;
            let offset = if definition.is_union {
                0
            } else {
                whole.size.next_multiple_of(shape.alignment)
            };
            whole.size = whole.size.max(offset + shape.size);
            whole.alignment = whole.alignment.max(shape.alignment);
            if !field_name.starts_with(ALIGNMENT) {
                placed.push(Placed {
                    name: field_name,
                    offset,
                    size: shape.size,
                    sort,
                });
            }
        }
        whole.size = whole.size.next_multiple_of(whole.alignment);
        Ok((placed, whole))
    }

    /// Whether a member has no name in C: then its name here is the first name inside it, followed
    /// by what it is.
    pub(super) fn is_anonymous(&self, member: &str, ty: &str) -> Result<bool> {
        let definition = self.definitions.get(ty);
        let suffix = match definition.map(|definition| definition.is_union) {
            Some(true) => "_union",
            Some(false) => "_struct",
            None => return Ok(false),
        };
        let Some(leaf) = member.strip_suffix(suffix) else {
            return Ok(false);
        };
        Ok(self.first_name(ty)?.as_deref() == Some(leaf))
    }

    /// The first name inside a type.
    fn first_name(&self, ty: &str) -> Result<Option<String>> {
        let (placed, _) = self.layout(ty)?;
        let Some(first) = placed.into_iter().next() else {
            return Ok(None);
        };
        match &first.sort {
            Sort::Aggregate(inner) if self.is_anonymous(&first.name, inner)? => {
                self.first_name(inner)
            }
            Sort::Aggregate(_) | Sort::Value => Ok(Some(first.name)),
            Sort::Bitfields => Ok(self.bitfields_of(ty).next().map(|found| found.name.clone())),
        }
    }

    /// The bitfields of a type, in order.
    pub(super) fn bitfields_of(&self, ty: &str) -> impl Iterator<Item = &Bitfield> {
        self.bitfields.get(ty).into_iter().flatten()
    }

    fn shape(&self, ty: &Type) -> Result<(Shape, Sort)> {
        match ty {
            Type::Array(array) => {
                let (element, sort) = self.shape(&array.elem)?;
                ensure!(
                    sort == Sort::Value,
                    "an array of what is itself made of fields"
                );
                let size = element.size * integer(&array.len)?;
                Ok((Shape { size, ..element }, Sort::Value))
            }
            Type::Path(path) => self.shape_of_path(path),
            _ => bail!("a type that C does not have"),
        }
    }

    fn shape_of_path(&self, path: &syn::TypePath) -> Result<(Shape, Sort)> {
        let last = path.path.segments.last().context("an empty path")?;
        let name = last.ident.to_string();
        if let PathArguments::AngleBracketed(arguments) = &last.arguments {
            let Some(GenericArgument::Type(inner)) = arguments.args.first() else {
                bail!("{name} of no type");
            };
            let (inner, _) = self.shape(inner)?;
            return match name.as_str() {
                "__BindgenBitfieldUnit" => Ok((inner, Sort::Bitfields)),
                "__IncompleteArrayField" => Ok((Shape { size: 0, ..inner }, Sort::Value)),
                _ => bail!("{name} is not known"),
            };
        }
        if let Some(alias) = self.aliases.get(&name) {
            return self.shape(alias);
        }
        if self.definitions.contains_key(&name) {
            let (_, shape) = self.layout(&name)?;
            return Ok((shape, Sort::Aggregate(name)));
        }
        let size = match name.as_str() {
            "c_char" | "c_uchar" | "c_schar" | "u8" => 1,
            "c_short" | "c_ushort" => 2,
            "c_int" | "c_uint" | "u32" => 4,
            "c_long" | "c_ulong" | "c_longlong" | "c_ulonglong" => 8,
            _ => bail!("{name} is not known"),
        };
        let alignment = size;
        Ok((Shape { size, alignment }, Sort::Value))
    }
}

/// The number that this expression is.
pub(super) fn integer(expression: &Expr) -> Result<u64> {
    match expression {
        Expr::Lit(ExprLit {
            lit: Lit::Int(literal),
            ..
        }) => Ok(literal.base10_parse()?),
        _ => bail!("not a number"),
    }
}
