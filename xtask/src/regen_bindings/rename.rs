//! The pass that puts the stable names in place of bindgen's numbers: in definitions, in uses, and
//! in the layout assertions with their messages.

use anyhow::{Result, bail};
use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use syn::visit_mut::{self, VisitMut};
use syn::{Item, ItemConst, ItemStruct, ItemUnion, LitStr, Macro, Type};

use super::names::Names;

/// What must not be left in the result.
const NUMBERED: [&str; 2] = ["__bindgen_", "_bindgen_ty_"];

/// Formats `source`, bindgen's output, with every numbered name replaced by a stable one.
pub(super) fn stable(source: &str) -> Result<String> {
    let mut file = syn::parse_file(source)?;
    let names = Names::of(&file)?;
    file.items.retain(
        |item| !matches!(item, Item::Type(alias) if names.enums.contains_key(&alias.ident.to_string())),
    );
    Renamer { names: &names }.visit_file_mut(&mut file);
    let text = prettyplease::unparse(&file);
    for line in text.lines() {
        if NUMBERED.iter().any(|numbered| line.contains(numbered)) {
            bail!("a numbered name is left: {}", line.trim());
        }
    }
    Ok(text)
}

struct Renamer<'a> {
    names: &'a Names,
}

impl Renamer<'_> {
    fn ident(&self, ident: &mut Ident) {
        let old = ident.to_string();
        // A local variable of the constructors that bindgen writes for bitfields.
        if old == "__bindgen_bitfield_unit" {
            *ident = Ident::new("bitfield_unit", ident.span());
        } else if let Some(new) = self.names.types.get(&old) {
            *ident = Ident::new(new, ident.span());
        }
    }

    fn field(&self, owner: &str, field: &mut Ident) {
        if let Some(new) = self
            .names
            .fields
            .get(&(owner.to_owned(), field.to_string()))
        {
            *field = Ident::new(new, field.span());
        }
    }

    fn fields<'f>(&self, owner: &Ident, fields: impl Iterator<Item = &'f mut syn::Field>) {
        let owner = owner.to_string();
        for ident in fields.filter_map(|field| field.ident.as_mut()) {
            self.field(&owner, ident);
        }
    }

    /// Renames in the arguments of a macro. The only one that names a field is
    /// `offset_of!(Type, field)`: a field comes after the type that it is in.
    fn tokens(&self, tokens: TokenStream) -> TokenStream {
        let mut owner = String::new();
        tokens
            .into_iter()
            .map(|token| match token {
                TokenTree::Ident(mut ident) => {
                    let old = ident.to_string();
                    self.field(&owner, &mut ident);
                    self.ident(&mut ident);
                    owner = old;
                    TokenTree::Ident(ident)
                }
                TokenTree::Group(group) => {
                    TokenTree::Group(Group::new(group.delimiter(), self.tokens(group.stream())))
                }
                token @ (TokenTree::Punct(_) | TokenTree::Literal(_)) => token,
            })
            .collect()
    }

    /// Renames in the message of an assertion, which ends in `Type` or `Type::field`.
    fn message(&self, message: &str) -> Option<String> {
        let (text, subject) = message.rsplit_once(' ')?;
        let (ty, field) = match subject.split_once("::") {
            Some((ty, field)) => (ty, Some(field)),
            None => (subject, None),
        };
        let new_type = self.names.types.get(ty).map_or(ty, String::as_str);
        Some(match field {
            Some(field) => {
                let key = (ty.to_owned(), field.to_owned());
                let new_field = self.names.fields.get(&key).map_or(field, String::as_str);
                format!("{text} {new_type}::{new_field}")
            }
            None => format!("{text} {new_type}"),
        })
    }
}

impl VisitMut for Renamer<'_> {
    fn visit_ident_mut(&mut self, ident: &mut Ident) {
        self.ident(ident);
    }

    fn visit_item_const_mut(&mut self, item: &mut ItemConst) {
        if let Type::Path(path) = &*item.ty {
            let name = path.path.get_ident().map(Ident::to_string);
            if let Some(integer) = name.and_then(|name| self.names.enums.get(&name)) {
                *item.ty = integer.clone();
            }
        }
        visit_mut::visit_item_const_mut(self, item);
    }

    fn visit_item_struct_mut(&mut self, item: &mut ItemStruct) {
        self.fields(&item.ident, item.fields.iter_mut());
        visit_mut::visit_item_struct_mut(self, item);
    }

    fn visit_item_union_mut(&mut self, item: &mut ItemUnion) {
        self.fields(&item.ident, item.fields.named.iter_mut());
        visit_mut::visit_item_union_mut(self, item);
    }

    fn visit_macro_mut(&mut self, item: &mut Macro) {
        item.tokens = self.tokens(std::mem::take(&mut item.tokens));
    }

    fn visit_lit_str_mut(&mut self, literal: &mut LitStr) {
        if let Some(message) = self.message(&literal.value()) {
            *literal = LitStr::new(&message, literal.span());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What bindgen makes of
    ///
    /// ```c
    /// struct info {
    ///     union {
    ///         struct { int *name; } probe;
    ///         struct { union { int id; int fd; }; int flags; };
    ///         struct { unsigned paused : 1; } bits;
    ///     };
    /// };
    /// enum { FLAG = 1 };
    /// ```
    const NUMBERED: &str = r#"
        pub struct info { pub __bindgen_anon_1: info__bindgen_ty_1 }
        pub union info__bindgen_ty_1 {
            pub probe: info__bindgen_ty_1__bindgen_ty_1,
            pub __bindgen_anon_1: info__bindgen_ty_1__bindgen_ty_2,
            pub __bindgen_anon_2: info__bindgen_ty_1__bindgen_ty_3,
        }
        pub struct info__bindgen_ty_1__bindgen_ty_1 { pub name: *mut c_int }
        pub struct info__bindgen_ty_1__bindgen_ty_2 {
            pub __bindgen_anon_1: info__bindgen_ty_1__bindgen_ty_2__bindgen_ty_1,
            pub flags: c_int,
        }
        pub union info__bindgen_ty_1__bindgen_ty_2__bindgen_ty_1 { pub id: c_int, pub fd: c_int }
        pub struct info__bindgen_ty_1__bindgen_ty_3 {
            pub _bindgen_align: [u32; 0],
            pub _bitfield_1: __BindgenBitfieldUnit<[u8; 4]>,
        }
        impl info__bindgen_ty_1__bindgen_ty_3 { pub fn paused(&self) {} pub fn set_paused(&self) {} }
        const _: () = {
            ["Size of info__bindgen_ty_1"][size_of::<info__bindgen_ty_1>() - 8];
            ["Offset of field: info__bindgen_ty_1::probe"][offset_of!(info__bindgen_ty_1, probe) - 0];
            ["Offset of field: info__bindgen_ty_1__bindgen_ty_2::__bindgen_anon_1"]
                [offset_of!(info__bindgen_ty_1__bindgen_ty_2, __bindgen_anon_1) - 0];
        };
        pub const FLAG: _bindgen_ty_1 = 1;
        pub type _bindgen_ty_1 = c_uint;
    "#;

    const STABLE: &str = r#"
        pub struct info { pub probe_union: info__probe_union }
        pub union info__probe_union {
            pub probe: info__probe,
            pub id_struct: info__id_struct,
            pub paused_struct: info__paused_struct,
        }
        pub struct info__probe { pub name: *mut c_int }
        pub struct info__id_struct {
            pub id_union: info__id_union,
            pub flags: c_int,
        }
        pub union info__id_union { pub id: c_int, pub fd: c_int }
        pub struct info__paused_struct {
            pub _bindgen_align: [u32; 0],
            pub _bitfield_1: __BindgenBitfieldUnit<[u8; 4]>,
        }
        impl info__paused_struct { pub fn paused(&self) {} pub fn set_paused(&self) {} }
        const _: () = {
            ["Size of info__probe_union"][size_of::<info__probe_union>() - 8];
            ["Offset of field: info__probe_union::probe"][offset_of!(info__probe_union, probe) - 0];
            ["Offset of field: info__id_struct::id_union"]
                [offset_of!(info__id_struct, id_union) - 0];
        };
        pub const FLAG: c_uint = 1;
    "#;

    fn failure(source: &str) -> String {
        stable(source).expect_err("it must fail").to_string()
    }

    #[test]
    fn every_number_is_replaced() {
        let expected = prettyplease::unparse(&syn::parse_file(STABLE).expect("it is Rust"));
        assert_eq!(stable(NUMBERED).expect("it has names"), expected);
    }

    #[test]
    fn another_member_in_between_changes_no_other_name() {
        let shifted = NUMBERED
            .replace("__bindgen_anon_1", "__bindgen_anon_7")
            .replace("__bindgen_ty_1", "__bindgen_ty_8");
        assert_eq!(stable(&shifted).ok(), stable(NUMBERED).ok());
    }

    #[test]
    fn two_types_of_one_name_are_refused() {
        let message = failure(
            "pub struct a { pub b: a__bindgen_ty_1 }
             pub struct a__bindgen_ty_1 { pub c: c_int }
             pub struct a__b { pub c: c_int }",
        );
        assert_eq!(
            message,
            "a__bindgen_ty_1 would be called a__b, and so is something else"
        );
    }

    #[test]
    fn two_fields_of_one_name_are_refused() {
        let message = failure(
            "pub struct a { pub __bindgen_anon_1: a__bindgen_ty_1, pub c_union: c_int }
             pub union a__bindgen_ty_1 { pub c: c_int }",
        );
        assert_eq!(message, "a would have two fields called c_union");
    }

    #[test]
    fn a_number_that_no_field_leads_to_is_refused() {
        let message = failure("pub struct a__bindgen_ty_1 { pub c: c_int }");
        assert_eq!(message, "no field leads to a__bindgen_ty_1");
    }
}
