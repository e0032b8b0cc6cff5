//! The interface as the text of the bindings has it.
//!
//! Places follow from the fields by the rules of C, and have to be those in the bindings' own
//! assertions, which the compiler has checked.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use syn::visit::{self, Visit};
use syn::{
    BinOp, Expr, ExprIndex, ExprLit, ExprMethodCall, ExprUnary, Fields, File, GenericArgument,
    ImplItem, Item, ItemConst, ItemImpl, Lit, Member, Type, UnOp,
};

use super::layout::{Bitfield, Definition, Sort, Types, integer};
use super::{Abi, Aggregate, Enum, Field, Value};

impl Abi {
    /// The interface that the text of bindings has, as `cargo xtask regen-bindings` writes it.
    ///
    /// # Errors
    ///
    /// It is not such a text, or it contradicts itself.
    pub fn of_bindings(source: &str) -> Result<Self> {
        let file = syn::parse_file(source)?;
        let types = types(&file)?;
        check_assertions(&file, &types)?;

        let mut inner = Vec::new();
        for name in types.definitions.keys() {
            let (placed, _) = types.layout(name)?;
            inner.extend(placed.into_iter().filter_map(|field| match field.sort {
                Sort::Aggregate(ty) => Some(ty),
                Sort::Value | Sort::Bitfields => None,
            }));
        }
        let mut abi = Self::default();
        for name in types.definitions.keys() {
            if !inner.contains(name) {
                let (_, shape) = types.layout(name)?;
                let mut aggregate = Aggregate {
                    size: shape.size,
                    ..Aggregate::default()
                };
                add_fields(&mut aggregate.fields, &types, name, "", 0)?;
                abi.types.insert(name.clone(), aggregate);
            }
        }
        abi.enums = enums(&file)?;
        Ok(abi)
    }
}

/// Adds the fields of the type `ty`, which begins `offset` bits from the start, where `path` leads.
fn add_fields(
    fields: &mut BTreeMap<String, Field>,
    types: &Types<'_>,
    ty: &str,
    path: &str,
    offset: u64,
) -> Result<()> {
    let mut add = |path: String, field: Field| match fields.insert(path.clone(), field) {
        Some(_) => bail!("{ty} has two fields {path}"),
        None => Ok(()),
    };
    let mut inside = Vec::new();
    for field in types.layout(ty)?.0 {
        let offset = offset + field.offset * 8;
        let size = field.size * 8;
        match field.sort {
            Sort::Value => add(
                join(path, &field.name),
                Field {
                    offset,
                    size,
                    is_aggregate: false,
                },
            )?,
            Sort::Bitfields => {
                for bitfield in types.bitfields_of(ty) {
                    if bitfield.place == field.name {
                        add(
                            join(path, &bitfield.name),
                            Field {
                                offset: offset + bitfield.offset,
                                size: bitfield.size,
                                is_aggregate: false,
                            },
                        )?;
                    }
                }
            }
            Sort::Aggregate(inner) => {
                if types.is_anonymous(&field.name, &inner)? {
                    inside.push((inner, path.to_owned(), offset));
                } else {
                    let path = join(path, &field.name);
                    add(
                        path.clone(),
                        Field {
                            offset,
                            size,
                            is_aggregate: true,
                        },
                    )?;
                    inside.push((inner, path, offset));
                }
            }
        }
    }
    for (inner, path, offset) in inside {
        add_fields(fields, types, &inner, &path, offset)?;
    }
    Ok(())
}

/// A path, with the name that C has for a field.
fn join(path: &str, name: &str) -> String {
    // bindgen puts this after a name that is a word of Rust.
    let name = match name.strip_suffix('_') {
        Some(word) if syn::parse_str::<syn::Ident>(word).is_err() => word,
        _ => name,
    };
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn types(file: &File) -> Result<Types<'_>> {
    let mut types = Types::default();
    let mut define = |name: &syn::Ident, is_union, fields| {
        let definition = Definition { is_union, fields };
        types.definitions.insert(name.to_string(), definition);
    };
    for item in &file.items {
        match item {
            Item::Struct(item) if item.generics.params.is_empty() => {
                if let Fields::Named(fields) = &item.fields {
                    define(&item.ident, false, fields);
                }
            }
            Item::Union(item) => define(&item.ident, true, &item.fields),
            _ => {}
        }
    }
    for item in &file.items {
        match item {
            Item::Type(item) => {
                types.aliases.insert(item.ident.to_string(), &item.ty);
            }
            Item::Impl(item) => {
                if let Some((ty, bitfields)) = bitfields(item)? {
                    types.bitfields.insert(ty, bitfields);
                }
            }
            _ => {}
        }
    }
    Ok(types)
}

/// The bitfields that a type's methods read.
fn bitfields(item: &ItemImpl) -> Result<Option<(String, Vec<Bitfield>)>> {
    let Type::Path(this) = &*item.self_ty else {
        return Ok(None);
    };
    let Some(ty) = this.path.get_ident() else {
        return Ok(None);
    };
    let mut found = Vec::new();
    for item in &item.items {
        let ImplItem::Fn(method) = item else { continue };
        let mut reads = Reads::default();
        reads.visit_block(&method.block);
        for (place, offset, size) in reads.found {
            found.push(Bitfield {
                name: method.sig.ident.to_string(),
                place,
                offset: integer(offset)?,
                size: integer(size)?,
            });
        }
    }
    Ok(Some((ty.to_string(), found)))
}

/// The `self.place.get_const::<offset, size>()` in a method.
#[derive(Default)]
struct Reads<'a> {
    found: Vec<(String, &'a Expr, &'a Expr)>,
}

impl<'a> Visit<'a> for Reads<'a> {
    fn visit_expr_method_call(&mut self, call: &'a ExprMethodCall) {
        let arguments = call.turbofish.iter().flat_map(|given| &given.args);
        let numbers: Vec<&Expr> = arguments
            .filter_map(|argument| match argument {
                GenericArgument::Const(number) => Some(number),
                _ => None,
            })
            .collect();
        match (&*call.receiver, numbers.as_slice()) {
            (Expr::Field(place), [offset, size]) if call.method == "get_const" => {
                if let Member::Named(place) = &place.member {
                    self.found.push((place.to_string(), offset, size));
                }
            }
            _ => {}
        }
        visit::visit_expr_method_call(self, call);
    }
}

/// Fails unless what the bindings assert is what follows from their fields.
fn check_assertions(file: &File, types: &Types<'_>) -> Result<()> {
    let mut assertions = Assertions::default();
    assertions.visit_file(file);
    for (subject, number) in &assertions.found {
        let Some((what, of)) = subject.rsplit_once(' ') else {
            bail!("an assertion about {subject}");
        };
        let ty = of.split_once("::").map_or(of, |(ty, _)| ty);
        let (placed, shape) = types.layout(ty)?;
        let found = match what {
            "Size of" => shape.size,
            "Alignment of" => shape.alignment,
            "Offset of field:" => {
                let name = of.split_once("::").map(|(_, name)| name);
                let field = placed
                    .iter()
                    .find(|field| Some(field.name.as_str()) == name);
                field.with_context(|| format!("there is no {of}"))?.offset
            }
            _ => bail!("an assertion about {subject}"),
        };
        let number = integer(number)?;
        ensure!(
            found == number,
            "{subject}: by the fields it is {found}, by the assertion {number}"
        );
    }
    for name in types.definitions.keys() {
        let size = format!("Size of {name}");
        ensure!(
            assertions.found.iter().any(|(subject, _)| *subject == size),
            "nothing is asserted about {name}"
        );
    }
    Ok(())
}

/// The `["subject"][size or place - number]` of the bindings.
#[derive(Default)]
struct Assertions<'a> {
    found: Vec<(String, &'a Expr)>,
}

impl<'a> Visit<'a> for Assertions<'a> {
    fn visit_expr_index(&mut self, index: &'a ExprIndex) {
        match (&*index.expr, &*index.index) {
            (Expr::Array(array), Expr::Binary(number)) if matches!(number.op, BinOp::Sub(_)) => {
                if let Some(Expr::Lit(ExprLit {
                    lit: Lit::Str(subject),
                    ..
                })) = array.elems.first()
                {
                    self.found.push((subject.value(), &number.right));
                }
            }
            _ => {}
        }
        visit::visit_expr_index(self, index);
    }
}

/// The constants, by the enumerations that they are of.
fn enums(file: &File) -> Result<Vec<Enum>> {
    let aliases = file.items.iter().filter_map(|item| match item {
        Item::Type(item) => Some(item.ident.to_string()),
        _ => None,
    });
    let aliases: Vec<String> = aliases.collect();
    let mut enums: BTreeMap<String, Enum> = BTreeMap::new();
    for item in &file.items {
        let Item::Const(item) = item else { continue };
        if item.ident == "_" {
            continue;
        }
        let value = value(item).with_context(|| item.ident.to_string())?;
        let ty = match &*item.ty {
            Type::Path(path) => path.path.get_ident().map(ToString::to_string),
            _ => None,
        };
        let name = ty.filter(|ty| aliases.contains(ty)).unwrap_or_default();
        let found = enums.entry(name.clone()).or_insert_with(|| Enum {
            name,
            values: BTreeMap::new(),
        });
        found.values.insert(item.ident.to_string(), value);
    }
    Ok(enums.into_values().collect())
}

fn value(item: &ItemConst) -> Result<Value> {
    let (expression, sign) = match &*item.expr {
        Expr::Unary(ExprUnary {
            op: UnOp::Neg(_),
            expr,
            ..
        }) => (&**expr, -1),
        expression => (expression, 1),
    };
    let value = i64::try_from(integer(expression)?)?;
    Ok(Value::new(sign * value))
}
