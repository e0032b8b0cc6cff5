//! Reads a crate: every module, from its root on, with what it says about others.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, ItemMod, ItemUse, Macro, Meta, UseTree, Visibility};

use crate::module::{Import, Index, MacroCall, Module, PathInCode};
use crate::tokens::{identifiers, is_for_tests, paths};

/// Reads a crate from its root's file.
pub(crate) fn read_crate(
    root: &Path,
    source: &dyn Fn(&Path) -> io::Result<String>,
) -> Result<Vec<Module>> {
    let mut modules = vec![Module {
        file: root.to_owned(),
        dir: root.parent().map_or_else(PathBuf::new, Path::to_owned),
        ..Module::default()
    }];
    let mut files = vec![0];
    while let Some(at) = files.pop() {
        let file = modules
            .get(at)
            .map(|module| module.file.clone())
            .unwrap_or_default();
        let text = source(&file).with_context(|| format!("{} is not there", file.display()))?;
        let parsed = syn::parse_file(&text).with_context(|| file.display().to_string())?;
        let mut reader = Reader {
            modules: &mut modules,
            files: &mut files,
            at,
            within: None,
            in_body: false,
        };
        reader.visit_file(&parsed);
    }
    Ok(modules)
}

struct Reader<'a> {
    modules: &'a mut Vec<Module>,
    /// The modules whose files have not been read yet.
    files: &'a mut Vec<Index>,
    /// The module that is being read.
    at: Index,
    /// The `macro_rules!` that is being read.
    within: Option<String>,
    /// Whether a function is being read: its items are not the module's.
    in_body: bool,
}

impl Reader<'_> {
    fn module(&mut self) -> &mut Module {
        let at = self.at;
        self.modules.get_mut(at).expect("it is in the list")
    }

    fn path(&mut self, path: Vec<String>, line: usize) {
        let within = self.within.clone();
        self.module().paths.push(PathInCode { path, line, within });
    }

    fn tokens(&mut self, tokens: TokenStream) {
        paths(tokens, &mut |path, line| self.path(path, line));
    }

    fn import(&mut self, tree: &UseTree, prefix: &[String], exported: bool) {
        let with = |name: &syn::Ident| [prefix, &[name.to_string()]].concat();
        let (name, path) = match tree {
            UseTree::Path(path) => return self.import(&path.tree, &with(&path.ident), exported),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, prefix, exported);
                }
                return;
            }
            UseTree::Glob(_) => (None, prefix.to_vec()),
            UseTree::Name(name) if name.ident == "self" => {
                (prefix.last().cloned(), prefix.to_vec())
            }
            UseTree::Name(name) => (Some(name.ident.to_string()), with(&name.ident)),
            UseTree::Rename(name) if name.ident == "self" => {
                (Some(name.rename.to_string()), prefix.to_vec())
            }
            UseTree::Rename(name) => (Some(name.rename.to_string()), with(&name.ident)),
        };
        let line = tree.span().start().line;
        self.module().imports.push(Import {
            name,
            path,
            line,
            exported,
        });
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if attributes(item).iter().any(is_test) {
            return;
        }
        if !self.in_body
            && let Some(name) = name(item)
        {
            self.module().items.insert(name);
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes: &[Attribute] = match item {
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            ImplItem::Macro(item) => &item.attrs,
            _ => &[],
        };
        if !attributes.iter().any(is_test) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        let outer = std::mem::replace(&mut self.in_body, true);
        visit::visit_block(self, block);
        self.in_body = outer;
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let name = item.ident.to_string();
        let child = self.modules.len();
        let parent = self.module();
        parent.children.insert(name.clone(), child);
        let dir = parent.dir.join(&name);
        let file = if item.content.is_some() {
            parent.file.clone()
        } else {
            dir.with_extension("rs")
        };
        self.modules.push(Module {
            parent: Some(self.at),
            file,
            dir,
            ..Module::default()
        });
        match &item.content {
            Some((_, items)) => {
                let parent = std::mem::replace(&mut self.at, child);
                for item in items {
                    self.visit_item(item);
                }
                self.at = parent;
            }
            None => self.files.push(child),
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if item.leading_colon.is_none() {
            let exported = !matches!(item.vis, Visibility::Inherited);
            self.import(&item.tree, &[], exported);
        }
    }

    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        let Some(name) = &item.ident else {
            return self.visit_macro(&item.mac);
        };
        let name = name.to_string();
        let words = identifiers(item.mac.tokens.clone());
        self.module().macros.insert(name.clone(), words);
        let outer = self.within.replace(name);
        self.tokens(item.mac.tokens.clone());
        self.within = outer;
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.visit_path(&call.path);
        if let Some(name) = call.path.segments.last() {
            let name = name.ident.to_string();
            let arguments = identifiers(call.tokens.clone());
            self.module().calls.push(MacroCall { name, arguments });
        }
        self.tokens(call.tokens.clone());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let segments = path.segments.iter();
            let segments = segments.map(|segment| segment.ident.to_string()).collect();
            self.path(segments, path.span().start().line);
        }
        visit::visit_path(self, path);
    }

    /// `pub(in crate::module)` uses nothing of that module.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    /// The path is the name of an attribute, which is not ours.
    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
        }
    }
}

fn is_test(attribute: &Attribute) -> bool {
    is_for_tests(&attribute.meta.to_token_stream())
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn name(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}
