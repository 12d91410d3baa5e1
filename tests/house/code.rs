//! Rust source as the rules see it: words without comments and literals, and functions.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// Names and punctuation marks of a source, in order; `::` is one. Comments and literals are left
/// out, and so are the names of lifetimes.
pub(crate) fn words_of(source: &str) -> Vec<String> {
    let mut words = Vec::new();
    push_words(tokens_of(source), &mut words);
    words
}

fn tokens_of(source: &str) -> TokenStream {
    source.parse().unwrap_or_else(|error| panic!("{error}: {source}"))
}

fn push_words(tokens: TokenStream, words: &mut Vec<String>) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Literal(_) => (),
            TokenTree::Ident(name) => words.push(name.to_string()),
            TokenTree::Punct(mark) if mark.as_char() == '\'' => {
                tokens.next(); // A lifetime.
            }
            TokenTree::Punct(mark) if mark.as_char() == ':' && mark.spacing() == Spacing::Joint => {
                let is_path = tokens.next_if(is_colon).is_some();
                words.push(if is_path { "::" } else { ":" }.to_owned());
            }
            TokenTree::Punct(mark) => words.push(mark.to_string()),
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Parenthesis | Delimiter::None => ("(", ")"),
                };
                words.push(open.to_owned());
                push_words(group.stream(), words);
                words.push(close.to_owned());
            }
        }
    }
}

fn is_colon(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(mark) if mark.as_char() == ':')
}

/// Names directly behind `root::`, in braces too: `fs`, `net` of `std::{fs, net::IpAddr}`.
pub(crate) fn children_of<'a>(root: &str, words: &'a [String]) -> Vec<&'a str> {
    let mut children = Vec::new();
    for (at, pair) in words.windows(2).enumerate() {
        let inner = at > 0 && words[at - 1] == "::";
        if pair != [root, "::"] || inner {
            continue;
        }
        let behind = &words[at + 2..];
        if behind.first().is_none_or(|word| word != "{") {
            children.extend(behind.first().map(String::as_str));
            continue;
        }
        let mut depth = 0;
        for pair in behind.windows(2) {
            match pair[0].as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            if depth == 1 && matches!(pair[0].as_str(), "{" | ",") && pair[1] != "}" {
                children.push(pair[1].as_str());
            }
        }
    }
    children
}

/// Each function with the number of its first line and of lines, from `fn` to its last brace; also
/// those inside functions and macros.
pub(crate) fn functions_of(source: &str) -> Vec<(String, usize, usize)> {
    let mut functions = Vec::new();
    push_functions(tokens_of(source), &mut functions);
    functions.sort_by_key(|(_, first, _)| *first);
    functions
}

fn push_functions(tokens: TokenStream, functions: &mut Vec<(String, usize, usize)>) {
    // The function whose body is still to come.
    let mut head: Option<(String, usize)> = None;
    let mut first = None;
    for token in tokens {
        let keyword = first.take();
        match token {
            TokenTree::Ident(name) if name == "fn" => first = Some(name.span().start().line),
            TokenTree::Ident(name) => {
                head = keyword.map(|line| (name.to_string(), line)).or(head);
            }
            TokenTree::Punct(mark) if mark.as_char() == ';' => head = None,
            TokenTree::Group(group) => {
                if group.delimiter() == Delimiter::Brace
                    && let Some((name, first)) = head.take()
                {
                    let last = group.span_close().end().line;
                    functions.push((name, first, last - first + 1));
                }
                push_functions(group.stream(), functions);
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => (),
        }
    }
}

#[test]
fn comments_and_literals_are_no_words() {
    for (source, words) in [
        ("a // b\nc", "a c"),
        ("a /* b /* c */ \n d */ e", "a e"),
        ("a(\"b \\\" // c\", d)", "a ( , d )"),
        ("a(r#\"b \" c\"#, d)", "a ( , d )"),
        ("a(br\"x\", r\"y\", b\"z\", 1.5e3, 'c', '\\'', '\\u{1b}')", "a ( , , , , , , )"),
        ("'b: loop {}", ": loop { }"),
        ("&'a str", "& str"),
        ("a::b[c] -> d: e", "a :: b [ c ] - > d : e"),
    ] {
        assert_eq!(words_of(source).join(" "), words, "{source}");
    }
}

#[test]
fn the_children_of_a_root_are_found_in_every_kind_of_path() {
    for (code, children) in [
        ("use std::fs;", vec!["fs"]),
        ("use std::{fs, net::{IpAddr, TcpStream}, io};", vec!["fs", "net", "io"]),
        ("use std::{\n    fs::{self},\n};", vec!["fs"]),
        ("let x = std::thread::spawn(a::std::b);", vec!["thread"]),
        ("use std::io::{self, Read as _}; fn f(x: std::fmt::Arguments) {}", vec!["io", "fmt"]),
        ("assert!(std::fs::exists(x));", vec!["fs"]),
        ("use core::fmt;", vec![]),
    ] {
        assert_eq!(children_of("std", &words_of(code)), children, "{code}");
    }
}

#[test]
fn a_function_is_as_long_as_from_its_first_line_to_its_last() {
    let code = "trait T {\n    fn a(x: [u8; 2]);\n\
                fn b() {\n        if c {\n        }\n    }\n}\n\
                fn d(\n    e: fn (u8) -> u8,\n) -> [u8; 2] {\n    {}\n}\n\
                m! {\nfn g() {\n}\n}\n";
    let expected = [("b", 3, 4), ("d", 8, 5), ("g", 14, 2)];
    assert_eq!(
        functions_of(code),
        expected.map(|(name, first, lines)| (name.to_owned(), first, lines))
    );
}
