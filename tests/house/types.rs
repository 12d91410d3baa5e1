//! The types that a source defines, and what stands in them. Code that is only built for tests does
//! not count.

use syn::visit::{self, Visit};
use syn::{Attribute, Fields, Item, Meta, Type};

/// Definitions in one source.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Types {
    /// Names of structs, enums, unions, traits and aliases.
    pub(crate) names: Vec<String>,
    /// Each struct with its number of fields.
    pub(crate) fields: Vec<(String, usize)>,
    /// Types with methods of their own here.
    pub(crate) with_methods: Vec<String>,
    /// Modules in other files that are only built for tests.
    pub(crate) test_modules: Vec<String>,
}

/// Reads a source, which must be a whole file.
pub(crate) fn types_of(source: &str) -> Types {
    let file = syn::parse_file(source).unwrap_or_else(|error| panic!("{error}: {source}"));
    let mut types = Types::default();
    types.visit_file(&file);
    types
}

impl<'ast> Visit<'ast> for Types {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all other items define no type")]
    fn visit_item(&mut self, item: &'ast Item) {
        let (name, attributes) = match item {
            Item::Struct(item) => (Some(&item.ident), &item.attrs),
            Item::Enum(item) => (Some(&item.ident), &item.attrs),
            Item::Union(item) => (Some(&item.ident), &item.attrs),
            Item::Trait(item) => (Some(&item.ident), &item.attrs),
            Item::Type(item) => (Some(&item.ident), &item.attrs),
            Item::Impl(item) => (None, &item.attrs),
            Item::Mod(item) => (None, &item.attrs),
            Item::Fn(item) => (None, &item.attrs),
            _ => return visit::visit_item(self, item),
        };
        if attributes.iter().any(is_for_tests) {
            if let Item::Mod(module) = item
                && module.content.is_none()
            {
                self.test_modules.push(module.ident.to_string());
            }
            return;
        }
        self.names.extend(name.map(ToString::to_string));
        match item {
            Item::Struct(item) => self.fields.push((item.ident.to_string(), count(&item.fields))),
            Item::Impl(item) if item.trait_.is_none() => {
                if let Type::Path(path) = &*item.self_ty
                    && let Some(last) = path.path.segments.last()
                {
                    self.with_methods.push(last.ident.to_string());
                }
            }
            _ => (),
        }
        visit::visit_item(self, item);
    }
}

fn count(fields: &Fields) -> usize {
    match fields {
        Fields::Named(fields) => fields.named.len(),
        Fields::Unnamed(fields) => fields.unnamed.len(),
        Fields::Unit => 0,
    }
}

/// `#[cfg(test)]`, alone or beside other conditions, and `#[test]`.
fn is_for_tests(attribute: &Attribute) -> bool {
    match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("cfg") => {
            let words = crate::code::words_of(&list.tokens.to_string());
            words.iter().any(|word| word == "test") && words.iter().all(|word| word != "not")
        }
        Meta::List(_) | Meta::NameValue(_) => false,
    }
}

#[test]
fn types_are_found_with_their_fields_and_methods_but_not_those_of_tests() {
    let types = types_of(
        "pub struct A<'a> { a: &'a u8, b: [u8; 2] }
         impl A<'_> { fn f() { struct B(u8); impl B { fn g() {} } } }
         impl Clone for A<'_> { type X = u8; fn clone(&self) -> Self { todo() } }
         enum C { D, E { f: u8 } } type F = u8; trait G { type H; } union I { a: u8 } struct J;
         mod k { pub(super) struct K; } mod files; #[cfg(test)] mod tests;
         #[cfg(test)] mod more { struct L; } #[cfg(all(test, unix))] struct M;
         #[cfg(test)] impl J { fn f() {} } #[cfg(not(test))] struct N;
         #[test] fn f() { struct O; }",
    );
    let expected = Types {
        names: ["A", "B", "C", "F", "G", "I", "J", "K", "N"].map(str::to_owned).to_vec(),
        fields: [("A", 2), ("B", 1), ("J", 0), ("K", 0), ("N", 0)]
            .map(|(name, fields)| (name.to_owned(), fields))
            .to_vec(),
        with_methods: ["A", "B"].map(str::to_owned).to_vec(),
        test_modules: vec!["tests".to_owned()],
    };
    assert_eq!(types, expected);
}
