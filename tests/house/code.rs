//! Rust source as the rules see it: without comments and texts, as words.

#![expect(clippy::string_slice, reason = "a test may panic, and every place was just found")]

/// The source with everything in comments and literals blanked out, line by line as it was.
pub(crate) fn code_of(source: &str) -> String {
    let mut rest = source;
    let mut code = String::with_capacity(source.len());
    while let Some(char) = rest.chars().next() {
        let (length, is_code) = match char {
            '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), false),
            '/' if rest.starts_with("/*") => (block_comment(rest), false),
            '"' => (text(rest), false),
            'r' if !ends_in_word(&code) && raw_text(rest).is_some() => {
                (raw_text(rest).unwrap(), false)
            }
            '\'' => match character(rest) {
                Some(length) => (length, false),
                None => (1, true), // A lifetime.
            },
            _ => (char.len_utf8(), true),
        };
        let (piece, behind) = rest.split_at(length);
        if is_code {
            code.push_str(piece);
        } else {
            code.extend(piece.chars().map(|char| if char == '\n' { '\n' } else { ' ' }));
        }
        rest = behind;
    }
    code
}

/// Whether the code so far ends in a name, so that an `r` that follows is part of it.
fn ends_in_word(code: &str) -> bool {
    // `br"…"` is a raw text too; its `b` is left over as a word that no rule knows.
    let before = code.strip_suffix('b').unwrap_or(code);
    before.ends_with(|char: char| char.is_alphanumeric() || char == '_')
}

fn block_comment(source: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    loop {
        let behind = &source.as_bytes()[at..];
        match behind {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            [] => return at,
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
}

fn text(source: &str) -> usize {
    let mut escaped = false;
    for (at, char) in source.char_indices().skip(1) {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    source.len()
}

fn raw_text(source: &str) -> Option<usize> {
    let hashes = source[1..].find(|char| char != '#')?;
    let body = source[1 + hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let body_length = body.find(&end).unwrap_or(body.len());
    Some((2 + hashes + body_length + end.len()).min(source.len()))
}

fn character(source: &str) -> Option<usize> {
    let mut chars = source.char_indices().skip(1);
    let (_, first) = chars.next()?;
    let (at, second) = chars.next()?;
    match first {
        '\\' => Some(source[at + second.len_utf8()..].find('\'')? + at + second.len_utf8() + 1),
        _ => (second == '\'').then_some(at + 1),
    }
}

/// Names and numbers, and every other visible character by itself; `::` is one.
pub(crate) fn words_of(code: &str) -> Vec<&str> {
    let is_word = |char: char| char.is_alphanumeric() || char == '_';
    let mut words = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if is_word(first) => rest.find(|char| !is_word(char)).unwrap_or(rest.len()),
            ':' if rest.starts_with("::") => 2,
            _ => first.len_utf8(),
        };
        let (word, behind) = rest.split_at(length);
        words.push(word);
        rest = behind.trim_start();
    }
    words
}

/// What stands directly behind `root::`, in braces too: `fs`, `net` of `std::{fs, net::IpAddr}`.
pub(crate) fn children_of<'a>(root: &str, words: &[&'a str]) -> Vec<&'a str> {
    let mut children = Vec::new();
    for (at, pair) in words.windows(2).enumerate() {
        let inner = at > 0 && words[at - 1] == "::";
        if pair != [root, "::"] || inner {
            continue;
        }
        let behind = &words[at + 2..];
        if behind.first() != Some(&"{") {
            children.extend(behind.first());
            continue;
        }
        let mut depth = 0;
        for pair in behind.windows(2) {
            match pair[0] {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            if depth == 1 && matches!(pair[0], "{" | ",") && pair[1] != "}" {
                children.push(pair[1]);
            }
        }
    }
    children
}

/// Each function with the number of its first line and of lines, from `fn` to its last brace.
pub(crate) fn functions_of(code: &str) -> Vec<(String, usize, usize)> {
    let mut functions = Vec::new();
    let mut start = 0;
    while let Some(found) = code[start..].find("fn ") {
        let at = start + found;
        start = at + "fn ".len();
        let name = words_of(&code[start..]).first().copied().unwrap_or_default();
        let is_name = name.starts_with(|char: char| char.is_alphabetic() || char == '_');
        if !is_name || code[..at].ends_with(|char: char| char.is_alphanumeric() || char == '_') {
            continue;
        }
        if let Some(length) = body_end(&code[at..]) {
            let first = code[..at].matches('\n').count() + 1;
            let lines = code[at..at + length].matches('\n').count() + 1;
            functions.push((name.to_owned(), first, lines));
        }
    }
    functions
}

/// Where the function ends that begins here; `None` if it is only declared.
fn body_end(code: &str) -> Option<usize> {
    let (mut braces, mut others) = (0, 0);
    for (at, char) in code.char_indices() {
        match char {
            '(' | '[' => others += 1,
            ')' | ']' => others -= 1,
            ';' if braces == 0 && others == 0 => return None,
            '{' => braces += 1,
            '}' if braces == 1 => return Some(at + 1),
            '}' => braces -= 1,
            _ => {}
        }
    }
    None
}

#[test]
fn comments_and_literals_are_no_code() {
    for (source, code) in [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ \n d */ e", "a              \n      e"),
        ("a(\"b \\\" // c\", d)", "a(           , d)"),
        ("a(r#\"b \" c\"#, d)", "a(          , d)"),
        ("br\"x\" for r\"y\"", "b     for     "),
        ("for\"x\"", "for   "),
        ("'a' '\\'' '\\u{1b}' 'b: loop", "                  'b: loop"),
        ("'\"' x", "    x"),
        ("&'a str", "&'a str"),
    ] {
        assert_eq!(code_of(source), code, "{source}");
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
        ("use core::fmt;", vec![]),
    ] {
        assert_eq!(children_of("std", &words_of(code)), children, "{code}");
    }
}

#[test]
fn a_function_is_as_long_as_from_its_first_line_to_its_last() {
    let code = "trait T {\n    fn a(x: [u8; 2]);\n\
                fn b() {\n        if c {\n        }\n    }\n}\n\
                fn d(\n    e: fn (u8) -> u8,\n) -> [u8; 2] {\n    {}\n}\n";
    let expected = [("b".to_owned(), 3, 4), ("d".to_owned(), 8, 5)];
    assert_eq!(functions_of(code), expected);
}
