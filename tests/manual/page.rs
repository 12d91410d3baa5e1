//! Man pages in mdoc(7): a page of `pages`, with lines that stand for tables.

use crate::help::{HelpOption, Program};
use crate::keys::ConfigKey;

/// Texts for the lines `@NAME@` of a page.
pub(crate) struct Tables<'a> {
    pub(crate) program: &'a Program,
    pub(crate) keys: &'a [ConfigKey],
}

impl Tables<'_> {
    /// Returns the page with its tables.
    pub(crate) fn fill(&self, source: &str, page: &str) -> String {
        let mut text = format!(".\\\" Made from {source} by `make manual`: change it there.\n");
        for line in page.lines() {
            match line.strip_prefix('@').and_then(|line| line.strip_suffix('@')) {
                Some(name) => text.push_str(&self.table(name)),
                None => text.extend([line, "\n"]),
            }
        }
        text
    }

    fn table(&self, name: &str) -> String {
        let program = self.program;
        match name {
            "PURPOSE" => format!(".Nd {}\n", program.purpose),
            "FILE" => flow(&program.file),
            "OPTIONS" => list("Ds", program.options.iter().map(|it| (heading(it), &*it.about))),
            "COMMANDS" => {
                let commands = program.commands.iter();
                list("Ds", commands.map(|(usage, purpose)| (command(usage), &**purpose)))
            }
            "EXIT" => {
                let codes = program.exit_codes.iter();
                list("Ds", codes.map(|(code, meaning)| (code.clone(), &**meaning)))
            }
            "KEYS" => list("Ds", self.keys.iter().map(|key| (key.heading(), &*key.about))),
            other => panic!("no table {other}"),
        }
    }
}

/// Returns a list of headings in macros, each with its text.
fn list<'a>(width: &str, items: impl Iterator<Item = (String, &'a str)>) -> String {
    let items = items.map(|(heading, text)| format!(".It {heading}\n{}", flow(&sentence(text))));
    format!(".Bl -tag -width {width}\n{}.El\n", items.collect::<String>())
}

fn heading(option: &HelpOption) -> String {
    let hint = option.hint.as_ref().map(|hint| format!(" Ar {hint}")).unwrap_or_default();
    let short = option.short.as_ref().map(|name| format!("Fl {name}{hint} , "));
    format!("{}Fl -{}{hint}", short.unwrap_or_default(), option.long)
}

/// Returns a command of the prompt: words in capitals are placeholders.
fn command(usage: &str) -> String {
    let words = usage.split(' ').enumerate().map(|(index, word)| match index {
        0 => format!("Cm {word}"),
        _ if word.starts_with('[') => format!("Oo Ar {} Oc", word.trim_matches(['[', ']'])),
        _ if word.chars().all(|char| char.is_ascii_uppercase()) => format!("Ar {word}"),
        _ => format!("Cm {word}"),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Returns the text as a sentence. A list of values keeps its small letters.
fn sentence(text: &str) -> String {
    if text.split(' ').take(2).all(|word| word.ends_with(',')) {
        return format!("{text}.");
    }
    let mut chars = text.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    let end = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}

/// Returns the text as lines of at most 78 characters, each sentence on a new one.
fn flow(text: &str) -> String {
    let mut lines = vec![String::new()];
    let mut ends = false;
    for word in text.split_whitespace() {
        let word = escape(word);
        let line = lines.last_mut().unwrap();
        if line.is_empty() {
            line.push_str(&word);
        } else if ends || line.len() + word.len() > 77 {
            lines.push(word.clone());
        } else {
            line.extend([" ", &word]);
        }
        ends = word.ends_with(".)") || word.ends_with('.') && word != "\\&.";
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

/// Returns a word of a text line as roff wants it.
fn escape(word: &str) -> String {
    let word = word.replace('\\', "\\e");
    let word = match word.trim_start_matches(['(', '"']).starts_with('-') {
        true => word.replace('-', "\\-"),
        false => word,
    };
    let begins = word.starts_with(['.', '\'']);
    if begins { format!("\\&{word}") } else { word }
}

#[test]
fn text_is_lines_of_sentences_and_no_word_of_it_is_a_macro() {
    assert_eq!(
        flow("One. Two (see .profile -x) a-b.)\nc\\d"),
        "One.\nTwo (see \\&.profile \\-x) a-b.)\nc\\ed\n"
    );
    assert!(flow(&"word ".repeat(100)).lines().all(|line| line.len() <= 78));
    assert_eq!(command("register PORT [last=N]"), "Cm register Ar PORT Oo Ar last=N Oc");
    assert_eq!(command("join here"), "Cm join Cm here");
    assert_eq!(sentence("do it"), "Do it.");
    assert_eq!(sentence("off, on, x"), "off, on, x.");
    assert_eq!(flow("of 0-9 . _"), "of 0-9 \\&. _\n");
}
