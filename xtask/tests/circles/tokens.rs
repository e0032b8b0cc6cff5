//! The paths among a macro's tokens, which are not parsed.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Hands over each path of two segments or more, and its line.
///
/// `$crate` reads as `crate`. A segment that the macro's caller gives keeps its `$`.
pub(crate) fn paths(tokens: TokenStream, found: &mut dyn FnMut(Vec<String>, usize)) {
    let tokens = Tokens(tokens.into_iter().collect());
    let mut at = 0;
    while let Some(token) = tokens.0.get(at) {
        let next = tokens.0.get(at + 1);
        at = match (token, next) {
            (TokenTree::Punct(hash), Some(TokenTree::Group(attribute)))
                if hash.as_char() == '#' =>
            {
                if is_for_tests(&attribute.stream()) {
                    tokens.after_item(at + 2)
                } else {
                    at + 1
                }
            }
            // `pub(in a::module)`
            (TokenTree::Ident(word), Some(TokenTree::Group(scope)))
                if word == "pub" && scope.delimiter() == Delimiter::Parenthesis =>
            {
                at + 2
            }
            // `::another_crate::name`, or what comes after a type in angle brackets.
            _ if tokens.is_separator(at) => tokens.tree(at + 2, &[], &mut |_, _| {}).max(at + 2),
            (TokenTree::Group(group), _) => {
                paths(group.stream(), found);
                at + 1
            }
            (TokenTree::Literal(literal), _) => {
                if let Some(path) = quoted(&literal.to_string()) {
                    found(path, line(token));
                }
                at + 1
            }
            _ => tokens
                .tree(at, &[], &mut |path, line| {
                    if path.len() > 1 {
                        found(path, line);
                    }
                })
                .max(at + 1),
        };
    }
}

/// The identifiers among these tokens, at any depth.
pub(crate) fn identifiers(tokens: TokenStream) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for token in tokens {
        match token {
            TokenTree::Ident(word) => {
                all.insert(word.to_string());
            }
            TokenTree::Group(group) => all.extend(identifiers(group.stream())),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    all
}

/// Whether what is in an attribute's brackets leaves its item to tests: `cfg(test)`, alone or with
/// more conditions.
pub(crate) fn is_for_tests(attribute: &TokenStream) -> bool {
    let mut tokens = attribute.clone().into_iter();
    let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(condition))) =
        (tokens.next(), tokens.next())
    else {
        return false;
    };
    name == "cfg" && needs_test(condition.stream())
}

fn needs_test(condition: TokenStream) -> bool {
    let condition: Vec<TokenTree> = condition.into_iter().collect();
    match condition.as_slice() {
        [TokenTree::Ident(word), TokenTree::Group(all)] if word == "all" => {
            let all: Vec<TokenTree> = all.stream().into_iter().collect();
            all.iter()
                .any(|token| matches!(token, TokenTree::Ident(word) if word == "test"))
        }
        [TokenTree::Ident(word)] => word == "test",
        _ => false,
    }
}

/// A path that stands in a string, as serde's `with = "crate::serde_name"`.
fn quoted(literal: &str) -> Option<Vec<String>> {
    let path = literal.strip_prefix('"')?.strip_suffix('"')?;
    let is_path = path.starts_with("crate::")
        && path
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
    is_path.then(|| path.split("::").map(ToOwned::to_owned).collect())
}

fn line(token: &TokenTree) -> usize {
    token.span().start().line
}

struct Tokens(Vec<TokenTree>);

impl Tokens {
    fn is_punct(&self, at: usize, punct: char) -> bool {
        matches!(self.0.get(at), Some(TokenTree::Punct(found)) if found.as_char() == punct)
    }

    fn is_separator(&self, at: usize) -> bool {
        self.is_punct(at, ':') && self.is_punct(at + 1, ':')
    }

    /// The segment here, and where it ends.
    fn segment(&self, at: usize) -> Option<(String, usize)> {
        match (self.0.get(at)?, self.0.get(at + 1)) {
            (TokenTree::Ident(word), _) => Some((word.to_string(), at + 1)),
            (TokenTree::Punct(dollar), Some(TokenTree::Ident(word))) if dollar.as_char() == '$' => {
                let segment = if word == "crate" {
                    word.to_string()
                } else {
                    format!("${word}")
                };
                Some((segment, at + 2))
            }
            _ => None,
        }
    }

    /// Hands over the path here, or all those of a `use` with braces. The answer is where they end.
    fn tree(
        &self,
        start: usize,
        prefix: &[String],
        found: &mut dyn FnMut(Vec<String>, usize),
    ) -> usize {
        let mut path = prefix.to_vec();
        let mut at = start;
        while let Some((segment, end)) = self.segment(at) {
            if segment != "self" || path.is_empty() {
                path.push(segment);
            }
            at = end;
            if !self.is_separator(at) {
                break;
            }
            match self.0.get(at + 2) {
                Some(TokenTree::Group(names)) if names.delimiter() == Delimiter::Brace => {
                    let names = Self(names.stream().into_iter().collect());
                    let mut name = 0;
                    while name < names.0.len() {
                        name = names.tree(name, &path, found).max(name + 1);
                    }
                    return at + 3;
                }
                _ if self.segment(at + 2).is_some() => at += 2,
                _ => break,
            }
        }
        if at > start
            && let Some(token) = self.0.get(start)
        {
            found(path, line(token));
        }
        at
    }

    /// Where the item here ends: after its braces, or its semicolon.
    fn after_item(&self, start: usize) -> usize {
        let mut at = start;
        while let Some(token) = self.0.get(at) {
            at += 1;
            match token {
                TokenTree::Group(body) if body.delimiter() == Delimiter::Brace => break,
                TokenTree::Punct(punct) if punct.as_char() == ';' => break,
                _ => {}
            }
        }
        at
    }
}
