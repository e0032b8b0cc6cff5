//! The names that replace bindgen's numbers.
//!
//! bindgen numbers what C leaves without a name, by position, and kernels insert members in the
//! middle. The names made here depend on the names of fields only:
//!
//! - the type of a named field is `<enclosing named type>__<field>`; anonymous levels between the
//!   two leave no trace, as they leave none in C;
//! - an anonymous member is named after the first name inside it, with `_struct` or `_union`
//!   after it, and its type is `<enclosing named type>__<that name>`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Fields, FieldsNamed, ImplItem, Item, Type};

/// What bindgen puts between the name of a type and the number of a type inside it.
const NESTED: &str = "__bindgen_ty_";
/// How bindgen begins the name of a member that has none.
const ANONYMOUS: &str = "__bindgen_anon_";
/// How bindgen begins the name of an enum that has none.
const ENUM: &str = "_bindgen_ty_";

/// Old names and new ones.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Structs and unions: numbered name to stable name.
    pub(super) types: BTreeMap<String, String>,
    /// Members: numbered type and numbered name to stable name.
    pub(super) fields: BTreeMap<(String, String), String>,
    /// Enums without a name: numbered name to its integer type.
    pub(super) enums: BTreeMap<String, Type>,
}

impl Names {
    /// Works out the names for everything that is numbered in `file`.
    pub(super) fn of(file: &syn::File) -> Result<Self> {
        let aggregates = Aggregates::of(file);
        let mut names = Self::default();
        for item in &file.items {
            if let Item::Type(alias) = item {
                let name = alias.ident.to_string();
                if name.starts_with(ENUM) {
                    names.enums.insert(name, (*alias.ty).clone());
                }
            }
        }
        for name in aggregates.0.keys().filter(|name| !name.contains(NESTED)) {
            names.name_members(&aggregates, name, name)?;
        }
        for name in aggregates.0.keys().filter(|name| name.contains(NESTED)) {
            ensure!(names.types.contains_key(name), "no field leads to {name}");
        }
        names.check_types(file)?;
        names.check_fields(&aggregates)?;
        Ok(names)
    }

    /// Names the members of the type `numbered`; `enclosing` is the stable name of the innermost
    /// type around them that is not anonymous.
    fn name_members(
        &mut self,
        aggregates: &Aggregates,
        numbered: &str,
        enclosing: &str,
    ) -> Result<()> {
        for (field, ty) in aggregates.get(numbered)?.fields() {
            let Some(inner) = numbered_type(ty) else {
                continue;
            };
            let anonymous = field.starts_with(ANONYMOUS);
            let stable = if anonymous {
                let stable = aggregates.name_of_anonymous(&inner)?;
                self.fields
                    .insert((numbered.to_owned(), field), stable.clone());
                stable
            } else {
                field
            };
            let name = format!("{enclosing}__{stable}");
            // Two fields of one declaration share their type: the first names it.
            if self.types.contains_key(&inner) {
                continue;
            }
            self.types.insert(inner.clone(), name.clone());
            let enclosing = if anonymous { enclosing } else { &name };
            self.name_members(aggregates, &inner, enclosing)?;
        }
        Ok(())
    }

    fn check_types(&self, file: &syn::File) -> Result<()> {
        let mut taken: BTreeSet<String> = file.items.iter().filter_map(name_of_item).collect();
        for (numbered, stable) in &self.types {
            ensure!(
                taken.insert(stable.clone()),
                "{numbered} would be called {stable}, and so is something else"
            );
        }
        Ok(())
    }

    fn check_fields(&self, aggregates: &Aggregates) -> Result<()> {
        for (name, aggregate) in &aggregates.0 {
            let mut taken = BTreeSet::new();
            for (field, _) in aggregate.fields() {
                let field = self
                    .fields
                    .get(&(name.clone(), field.clone()))
                    .unwrap_or(&field);
                ensure!(
                    taken.insert(field.clone()),
                    "{name} would have two fields called {field}"
                );
            }
        }
        Ok(())
    }
}

/// A struct or a union.
struct Aggregate<'a> {
    fields: Option<&'a FieldsNamed>,
    suffix: &'static str,
    /// The first bitfield, which bindgen turns into a method.
    first_bitfield: Option<String>,
}

impl<'a> Aggregate<'a> {
    fn fields(&self) -> impl Iterator<Item = (String, &'a Type)> {
        self.fields
            .into_iter()
            .flat_map(|fields| &fields.named)
            .filter_map(|field| Some((field.ident.as_ref()?.to_string(), &field.ty)))
    }
}

/// The structs and unions of a file by the name that bindgen gave them.
struct Aggregates<'a>(BTreeMap<String, Aggregate<'a>>);

impl<'a> Aggregates<'a> {
    fn of(file: &'a syn::File) -> Self {
        let mut aggregates = BTreeMap::new();
        for item in &file.items {
            let (ident, fields, suffix) = match item {
                Item::Struct(item) => {
                    let fields = match &item.fields {
                        Fields::Named(fields) => Some(fields),
                        Fields::Unnamed(_) | Fields::Unit => None,
                    };
                    (&item.ident, fields, "struct")
                }
                Item::Union(item) => (&item.ident, Some(&item.fields), "union"),
                _ => continue,
            };
            aggregates.insert(
                ident.to_string(),
                Aggregate {
                    fields,
                    suffix,
                    first_bitfield: first_bitfield(file, ident),
                },
            );
        }
        Self(aggregates)
    }

    fn get(&self, name: &str) -> Result<&Aggregate<'a>> {
        self.0
            .get(name)
            .with_context(|| format!("{name} is used but not defined"))
    }

    /// What a member without a name is called, whose type is `numbered`.
    fn name_of_anonymous(&self, numbered: &str) -> Result<String> {
        let leaf = self.first_leaf(numbered)?;
        Ok(format!("{leaf}_{}", self.get(numbered)?.suffix))
    }

    /// The first name inside the type `numbered`, however deep.
    fn first_leaf(&self, numbered: &str) -> Result<String> {
        let aggregate = self.get(numbered)?;
        for (field, ty) in aggregate.fields() {
            if field.starts_with("_bindgen_align") {
                continue;
            }
            if field.starts_with("_bitfield_") {
                return aggregate
                    .first_bitfield
                    .clone()
                    .with_context(|| format!("{numbered} begins with a bitfield without a name"));
            }
            if !field.starts_with(ANONYMOUS) {
                return Ok(field);
            }
            let Some(inner) = numbered_type(ty) else {
                bail!("{numbered}::{field} is not of a numbered type");
            };
            return self.first_leaf(&inner);
        }
        bail!("{numbered} has no field to be named after")
    }
}

/// The first method of the type `ident`: bindgen writes the getter of its first bitfield first.
fn first_bitfield(file: &syn::File, ident: &Ident) -> Option<String> {
    file.items.iter().find_map(|item| {
        let Item::Impl(item) = item else { return None };
        let Type::Path(this) = &*item.self_ty else {
            return None;
        };
        if item.trait_.is_some() || !this.path.is_ident(ident) {
            return None;
        }
        item.items.iter().find_map(|item| match item {
            ImplItem::Fn(method) => Some(method.sig.ident.to_string()),
            _ => None,
        })
    })
}

/// The numbered type that `ty` is, points to, or is an array of.
fn numbered_type(ty: &Type) -> Option<String> {
    fn find(tokens: TokenStream) -> Option<String> {
        tokens.into_iter().find_map(|token| match token {
            TokenTree::Ident(ident) => Some(ident.to_string()).filter(|name| name.contains(NESTED)),
            TokenTree::Group(group) => find(group.stream()),
            TokenTree::Punct(_) | TokenTree::Literal(_) => None,
        })
    }
    find(ty.to_token_stream())
}

fn name_of_item(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}
