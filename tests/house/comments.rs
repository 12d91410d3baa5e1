//! Comments: plain sentences that start with their subject, and no more of them than needed.

use std::env;

use crate::{read, sources};

/// Words that begin an indirect question.
const QUESTIONS: [&str; 10] =
    ["How", "What", "When", "Where", "Whether", "Which", "Who", "Whom", "Whose", "Why"];

/// Most blocks of a thousand that may begin as an indirect question.
const QUESTIONS_PER_MILLE_MAX: usize = 5;

/// Most doc comments with one or two words.
const SHORT_DOCS_MAX: usize = 12;

/// Comment lines that follow each other without code between them.
#[derive(Debug, Default)]
struct Block {
    /// Of the first one.
    line: usize,
    is_doc: bool,
    text: String,
}

fn blocks_of(source: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut is_open = false;
    for (line, text) in (1..).zip(source.lines().map(str::trim_start)) {
        let Some(comment) = text.strip_prefix("//") else {
            is_open = false;
            continue;
        };
        if !is_open {
            let is_doc = comment.starts_with(['/', '!']);
            blocks.push(Block { line, is_doc, text: String::new() });
        }
        is_open = true;
        let block = blocks.last_mut().unwrap();
        block.text.push_str(comment.trim_start_matches(['/', '!']).trim());
        block.text.push(' ');
    }
    blocks
}

/// The block begins as an indirect question. A clause with `When` or `Where` may stand before its
/// sentence.
fn is_question(block: &Block) -> bool {
    let first = block.text.split_whitespace().next().unwrap_or_default();
    let first = first.trim_end_matches(|char: char| !char.is_alphanumeric());
    let sentence = block.text.split(['.', ':', ';']).next().unwrap_or_default();
    let is_clause = ["When", "Where"].contains(&first) && sentence.contains(',');
    QUESTIONS.contains(&first) && !is_clause
}

fn is_short_doc(block: &Block) -> bool {
    block.is_doc && block.text.split_whitespace().count() <= 2
}

/// Lines that are comments only for how they look.
fn layout_tricks(source: &str) -> Vec<String> {
    let lines = (1..).zip(source.lines());
    let tricks = lines.filter(|(_, line)| {
        let comment = line.trim_start().strip_prefix("//");
        comment.is_some_and(|comment| {
            let text = comment.trim_start_matches(['/', '!']).trim();
            text == "." || comment.starts_with('.')
        })
    });
    tricks.map(|(number, _)| format!("line {number} is a comment without words")).collect()
}

/// Places of the blocks that offend, and the number of all blocks.
fn offenders(offends: fn(&Block) -> bool) -> (Vec<String>, usize) {
    let (mut found, mut all) = (Vec::new(), 0);
    for path in ["src", "bench", "tests"].map(sources).concat() {
        for block in blocks_of(&read(&path)) {
            all += 1;
            if offends(&block) {
                let start: String = block.text.chars().take(60).collect();
                found.push(format!("{}:{}: {start}", path.display(), block.line));
            }
        }
    }
    (found, all)
}

/// At most this many may offend; `HOUSE_SHOW=1` prints them with `--nocapture`.
#[track_caller]
fn hold_at_most(most: usize, offenders: &[String]) {
    if env::var_os("HOUSE_SHOW").is_some() {
        println!("{}", offenders.join("\n"));
    }
    let (found, all) = (offenders.len(), offenders.join("\n"));
    assert!(found <= most, "{found} offend, more than {most}:\n{all}\n");
}

#[test]
fn comments_begin_with_their_subject() {
    let (questions, blocks) = offenders(is_question);
    println!("{} of {blocks} comments begin as indirect questions", questions.len());
    hold_at_most(blocks * QUESTIONS_PER_MILLE_MAX / 1000, &questions);
}

#[test]
fn a_doc_comment_says_more_than_two_words() {
    let (short, _) = offenders(is_short_doc);
    println!("{} doc comments have one or two words", short.len());
    hold_at_most(SHORT_DOCS_MAX, &short);
}

#[test]
fn no_comment_is_there_for_its_looks() {
    crate::hold(["src", "bench", "tests"].map(sources).concat(), |_, text| layout_tricks(text));
}

#[test]
fn an_indirect_question_is_seen() {
    for (source, expected) in [
        ("/// What is left.\nfn f() {}", true),
        ("//! Whether it is.\n", true),
        ("    // Who: the member.", true),
        ("/// When the member comes back.", true),
        ("/// When the member comes back, its messages follow.", false),
        ("/// Where. Nobody knows, it seems.", true),
        ("/// Where a lookup fails, the next address is tried.", false),
        ("/// Returns what is left.", false),
        ("/// Whatever comes.", false),
        ("// Says\n// What it is.", false),
    ] {
        let blocks = blocks_of(source);
        assert_eq!(blocks.iter().map(is_question).collect::<Vec<_>>(), [expected], "{source}");
    }
    let blocks = blocks_of("// One\n// block.\nlet x;\n/// Two.\n\n/// Three.");
    assert_eq!(blocks.iter().map(|block| block.line).collect::<Vec<_>>(), [1, 4, 6]);
}

#[test]
fn a_comment_that_says_nothing_is_seen() {
    for (source, expected) in [
        ("/// A generator.", true),
        ("/// Which.", true),
        ("// A generator.", false),
        ("/// Chance\n/// from a seed.", false),
    ] {
        assert_eq!(is_short_doc(&blocks_of(source)[0]), expected, "{source}");
    }
    for (source, expected) in [
        ("    //.\n", &["line 1 is a comment without words"][..]),
        ("x\n/// .", &["line 2 is a comment without words"]),
        ("//! ...\n///\n// .. and so on", &[]),
    ] {
        assert_eq!(layout_tricks(source), expected, "{source}");
    }
}
