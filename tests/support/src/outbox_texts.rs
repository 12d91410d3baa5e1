//! Texts in an outbox file that a kill has left, and the outcomes that the file allows for texts
//! that were typed.
//!
//! ```text
//!   typed, no answer:   a      b      c        d
//!   file:                      b      c done
//!                       │      │      │        └ never: nothing of it was sent
//!                       │      └ kept ┘
//!                       └ kept: confirmed, and gone from a shortened file
//! ```
//!
//! A text is in the file before it is sent, and the texts of one participant are in one order.

use std::fs;
use std::path::Path;
use std::str;

/// One text of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptText {
    order: u64,
    /// Number of `send`, if the file has one.
    pub number: Option<u64>,
    pub text: String,
    /// True if the coordinator has confirmed it.
    pub is_done: bool,
}

/// Outcome of a text that was typed and not answered before a kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It arrives once.
    Kept,
    /// It arrives nowhere.
    Never,
    /// The file has no text to tell: it arrives once or nowhere.
    Open,
}

/// Reads the file at `path`; a missing one has no texts.
#[track_caller]
pub fn read(path: &Path) -> Vec<KeptText> {
    parse(&fs::read(path).unwrap_or_default())
}

/// Reads a file in which interrupted writes may have left bad lines.
pub fn read_torn(path: &Path) -> Vec<KeptText> {
    let content = fs::read(path).unwrap();
    let mut lines = content.split_inclusive(|byte| *byte == b'\n');
    let header = lines.next().unwrap_or_default();
    let entries = lines.filter(|line| fields(line).is_some());
    parse(&[header].into_iter().chain(entries).collect::<Vec<_>>().concat())
}

/// Returns the texts of a file, of which only the last line may be torn.
#[track_caller]
fn parse(content: &[u8]) -> Vec<KeptText> {
    let mut kept: Vec<KeptText> = Vec::new();
    let mut has_epoch = false;
    let lines: Vec<&[u8]> = content.split_inclusive(|byte| *byte == b'\n').collect();
    for (at, line) in lines.iter().enumerate().skip(1) {
        let Some(fields) = fields(line) else {
            let line = String::from_utf8_lossy(line);
            assert_eq!(at + 1, lines.len(), "a bad line before others: {line:?}");
            break;
        };
        if fields[0] == "epoch" {
            kept.iter_mut().filter(|_| has_epoch).for_each(|text| text.number = None);
            has_epoch = true;
            continue;
        }
        let number = |field: &str| field.parse().ok();
        let order = fields[1].parse().unwrap();
        let of_order = kept.iter_mut().find(|text| text.order == order);
        let is_numbered = fields[0] == "number" || fields[0] == "text" && fields[2] != "-";
        assert!(has_epoch || !is_numbered, "a number without an epoch: {fields:?}");
        match (fields[0], of_order) {
            ("text", None) => kept.push(KeptText {
                order,
                number: number(fields[2]),
                text: fields[4].to_owned(),
                is_done: false,
            }),
            ("number", Some(text)) => text.number = number(fields[2]),
            ("done", Some(text)) => text.is_done = true,
            _ => panic!("this makes no sense: {fields:?}"),
        }
    }
    kept
}

/// Returns the fields behind a right checksum.
fn fields(line: &[u8]) -> Option<Vec<&str>> {
    let line = str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (sum, content) = line.split_once('\t')?;
    let is_right = sum == format!("{:08x}", crc32fast::hash(content.as_bytes()));
    is_right.then(|| content.splitn(5, '\t').collect())
}

/// Returns the texts that wait, in their order.
pub fn waiting(kept: &[KeptText]) -> Vec<String> {
    kept.iter().filter(|text| !text.is_done).map(|text| text.text.clone()).collect()
}

/// Returns the outcomes of texts that were typed in this order and not answered. Each text is
/// another one.
pub fn outcomes(kept: &[KeptText], unanswered: &[String]) -> Vec<Outcome> {
    let is_kept = |text: &String| kept.iter().any(|kept| kept.text == *text);
    let through = unanswered.iter().rposition(is_kept).map_or(0, |last| last + 1);
    let behind = if kept.is_empty() { Outcome::Open } else { Outcome::Never };
    let outcome = |at: usize| if at < through { Outcome::Kept } else { behind };
    (0..unanswered.len()).map(outcome).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(content: &str) -> String {
        format!("{:08x}\t{content}\n", crc32fast::hash(content.as_bytes()))
    }

    #[test]
    fn the_file_tells_which_of_the_texts_that_were_typed_arrive() {
        let header = "# groupcast outbox of alice\n".to_owned();
        let typed = ["a", "b", "c", "d"].map(str::to_owned);
        let of = |file: &str| outcomes(&parse(file.as_bytes()), &typed);
        assert_eq!(of(""), [Outcome::Open; 4]);
        assert_eq!(of(&header), [Outcome::Open; 4]);
        let mut file = header + &line("text\t7\t-\t5\tb") + &line("epoch\ta");
        file += &line("text\t8\t2\t5\tc");
        let expected = [Outcome::Kept, Outcome::Kept, Outcome::Kept, Outcome::Never];
        assert_eq!(of(&file), expected);
        file += &(line("number\t7\t1") + &line("done\t7") + "torn");
        assert_eq!(of(&file), expected);
        file.truncate(file.len() - "torn".len());
        for (more, number) in [("", Some(2)), (&*line("epoch\tb"), None)] {
            file += more;
            let kept = parse(file.as_bytes());
            assert_eq!(waiting(&kept), ["c"]);
            assert_eq!(kept[1].number, number, "{more}");
        }
    }
}
