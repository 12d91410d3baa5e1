//! Completes the word before the cursor: a command, an option of a command, or an id in a text.
//!
//! ```text
//!   me▮                 a command
//!   register 0 la▮      an option, if the command has one
//!   msend al▮           an id, at the beginning of a text
//!   msend hi @al▮       an id, behind an @
//! ```

use super::known_ids::KnownIds;
use crate::limits::COMPLETIONS_MAX;
use crate::session::command_usages;

/// Words that may stand where the word before the cursor stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Completion {
    /// Offset of the word in the line.
    pub(super) start: usize,
    /// Sorted words, at most [`COMPLETIONS_MAX`].
    pub(super) words: Vec<String>,
}

/// Returns the completion of the word before the cursor.
pub(super) fn complete(line: &str, cursor: usize, ids: &KnownIds) -> Completion {
    let before = line.get(..cursor).unwrap_or_default();
    let typed = before.rsplit('\n').next().unwrap_or_default().trim_start();
    let (word, mut words) = match typed.split_once(' ') {
        None => (typed, commands(typed)),
        Some(("msend", text)) => match id_prefix(text) {
            Some(prefix) => (prefix, ids.with_prefix(prefix)),
            None => ("", Vec::new()),
        },
        Some((command, arguments)) => {
            let word = arguments.rsplit(' ').next().unwrap_or_default();
            let usage = command_usages().find(|usage| usage.split(' ').next() == Some(command));
            (word, options(usage.unwrap_or_default(), word))
        }
    };
    // The first and the last word have the common beginning of all words.
    if words.len() > COMPLETIONS_MAX
        && let Some(last) = words.pop()
    {
        words.truncate(COMPLETIONS_MAX.saturating_sub(1));
        words.push(last);
    }
    Completion { start: cursor.saturating_sub(word.len()), words }
}

/// Returns the commands that begin with `typed`. A space follows if a command takes arguments.
fn commands(typed: &str) -> Vec<String> {
    let command = |usage: &str| match usage.split_once(' ') {
        Some((word, _)) => format!("{word} "),
        None => usage.to_owned(),
    };
    let mut commands: Vec<String> =
        command_usages().map(command).filter(|word| word.starts_with(typed)).collect();
    commands.sort();
    commands
}

/// Returns the options of a command that begin with `typed`: `here` and `last=` of `register PORT
/// [last=N]`.
fn options(usage: &str, typed: &str) -> Vec<String> {
    let option = |word: &str| match word.trim_matches(['[', ']']) {
        "PORT" => Some("here".to_owned()),
        _ => Some(format!("{}=", word.strip_prefix('[')?.split_once('=')?.0)),
    };
    let options = usage.split(' ').filter_map(option);
    options.filter(|option| option.starts_with(typed)).collect()
}

/// Returns the beginning of an id at the end of a text: all of the text, or the part behind the
/// last `@`.
fn id_prefix(text: &str) -> Option<&str> {
    let prefix = match text.rsplit_once('@') {
        Some((_, prefix)) => prefix,
        None if text.is_empty() => return None,
        None => text,
    };
    (!prefix.contains(' ')).then_some(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(ids: &[&str]) -> KnownIds {
        let known = KnownIds::default();
        ids.iter().for_each(|id| known.learn(id));
        known
    }

    #[track_caller]
    fn check(line: &str, start: usize, words: &[&str]) {
        let ids = known(&["alice", "al.2", "bob"]);
        let found = complete(line, line.len(), &ids);
        let shown: Vec<&str> = found.words.iter().map(String::as_str).collect();
        assert_eq!((found.start, &shown[..]), (start, words), "{line:?}");
    }

    #[test]
    fn the_first_word_is_a_command() {
        check("me", 0, &["members"]);
        check("  re", 2, &["reconnect ", "register "]);
        check("ex", 0, &["exit"]);
        check("first line\nwh", 11, &["who"]);
        check("x", 0, &[]);
        let all = complete("", 0, &known(&[])).words;
        assert!(all.len() > 10 && all.is_sorted(), "{all:?}");
    }

    #[test]
    fn an_id_is_completed_at_the_beginning_of_a_text_and_behind_an_at_sign() {
        check("msend al", 6, &["al.2", "alice"]);
        check("msend b", 6, &["bob"]);
        check("msend hi @al", 10, &["al.2", "alice"]);
        check("msend hi @", 10, &["al.2", "alice", "bob"]);
        check("msend hi al", 11, &[]);
        check("msend ", 6, &[]);
        check("msend @bob al", 13, &[]);
        check("ping al", 5, &[]);
        let found = complete("msend bo and more", 8, &known(&["bob"]));
        assert_eq!((found.start, found.words), (6, vec!["bob".to_owned()]), "before the cursor");
    }

    #[test]
    fn the_options_of_a_command_come_from_its_usage() {
        check("register 0 la", 11, &["last="]);
        check("join l", 5, &["last="]);
        check("join h", 5, &["here"]);
        check("reconnect ", 10, &["here"]);
        let usage = "register PORT [last=N] [other=N] [PORT]";
        assert_eq!(options(usage, "la"), ["last="]);
        assert_eq!(options(usage, ""), ["here", "last=", "other=", "here"]);
        assert_eq!(options("ping", ""), Vec::<String>::new());
        check("join P", 5, &[]);
    }

    #[test]
    fn a_long_list_is_cut_but_keeps_its_common_beginning() {
        let ids: Vec<String> = (0..100).map(|number| format!("m{number}")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let found = complete("msend m", 7, &known(&[&ids[..], &["mz"]].concat()));
        assert_eq!(found.words.len(), COMPLETIONS_MAX);
        assert_eq!(found.words.last().map(String::as_str), Some("mz"));
        assert!(found.words.is_sorted());
    }
}
