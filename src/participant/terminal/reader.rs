//! The reader's thread: splits standard input into lines, with or without line editing.

use std::io::{self, BufRead};
use std::sync::Arc;

use mio::Waker;
use rustyline::error::{ReadlineError, Signal};

use super::history_file::HistoryFile;
use super::input::{Writers, close_stdin, wait_until_readable};
use super::screen::{Editor, Screen};
use crate::limits::USER_LINE_BYTES_MAX;

/// Input from the user.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::participant) enum UserInput {
    /// A line without its line feed.
    Line(Vec<u8>),
    /// A line that was dropped, as it has too many bytes.
    TooLong,
    /// Standard input cannot be read. The end follows.
    Unreadable(String),
    /// The end of the input.
    End,
    /// Ctrl-C on an empty line.
    Interrupt,
}

/// Sends input to the loop, and wakes the loop.
pub(super) struct InputSender {
    send: Box<dyn Fn(UserInput) -> bool + Send>,
    waker: Arc<Waker>,
}

impl InputSender {
    /// `send` may block. It returns false if the loop has ended.
    pub(super) fn new(
        waker: Arc<Waker>,
        send: impl Fn(UserInput) -> bool + Send + 'static,
    ) -> Self {
        Self { send: Box::new(send), waker }
    }

    /// Sends one input. Blocks while the channel is full, and returns false if the loop has ended.
    pub(super) fn send(&self, typed: UserInput) -> bool {
        let is_taken = (self.send)(typed);
        // Waking fails only with a bad file descriptor. Then the poll fails too, and reports it.
        let _ = self.waker.wake();
        is_taken
    }
}

/// Reads lines with line editing, until the user ends the input or the loop has ended.
pub(super) fn read_terminal(
    mut editor: Editor,
    mut history: HistoryFile,
    screen: &Screen,
    sender: &InputSender,
) {
    for line in history.load() {
        // Line editing works without the history.
        let _ = editor.add_history_entry(line);
    }
    show_notice(&mut history, screen);
    let end = loop {
        screen.begin_line();
        let line = editor.readline("participant> ");
        screen.end_line();
        let line = match line {
            Ok(line) => line,
            Err(ReadlineError::Eof) => break UserInput::End,
            Err(ReadlineError::Signal(Signal::Resize)) => continue,
            // Ctrl-C clears a line that has text, as in a shell. On an empty line it ends the
            // program.
            Err(ReadlineError::Interrupted) if screen.may_clear_line() => continue,
            // The line was not UTF-8. This byte makes the session report that.
            Err(ReadlineError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
                match sender.send(UserInput::Line(vec![NEVER_IN_UTF8])) {
                    true => continue,
                    false => return,
                }
            }
            Err(_) => break UserInput::Interrupt,
        };
        if !line.trim().is_empty() && editor.add_history_entry(&line).is_ok_and(|is_new| is_new) {
            history.push(&line);
            show_notice(&mut history, screen);
        }
        match paste_answer(&mut editor, screen, &line) {
            PasteAnswer::Send => (),
            PasteAnswer::Drop => continue,
            PasteAnswer::End => break UserInput::Interrupt,
        }
        for line in line.split('\n') {
            let typed = UserInput::Line(line.as_bytes().to_vec());
            if ends_program(line) {
                drop(editor);
                sender.send(typed);
                return;
            }
            if !sender.send(typed) {
                return;
            }
        }
    };
    drop(editor); // Text is printed directly from here on.
    sender.send(end);
}

fn show_notice(history: &mut HistoryFile, screen: &Screen) {
    if let Some(notice) = history.take_notice() {
        // An error is ignored here: the next print fails too, and reports it.
        let _ = screen.print(&format!("{notice}\n"));
    }
}

/// Answer to the question before a paste of several lines is sent.
enum PasteAnswer {
    Send,
    Drop,
    /// There was no answer: the program shuts down.
    End,
}

/// Asks before a text of several lines is sent. Only a paste has several lines, and each of them
/// is a command.
fn paste_answer(editor: &mut Editor, screen: &Screen, text: &str) -> PasteAnswer {
    let lines = text.split('\n').filter(|line| !line.trim().is_empty()).count();
    if lines <= 1 {
        return PasteAnswer::Send;
    }
    loop {
        screen.begin_line();
        let answer = editor.readline(&format!("paste of {lines} lines: send them? [y/N] "));
        screen.end_line();
        return match answer {
            Ok(answer) if matches!(answer.trim(), "y" | "Y" | "yes") => PasteAnswer::Send,
            Err(ReadlineError::Signal(Signal::Resize)) => continue,
            Err(_) if screen.is_closing() => PasteAnswer::End,
            Ok(_) | Err(_) => {
                // An error is ignored here: the next print fails too, and reports it.
                let _ = screen.print(&format!("* paste of {lines} lines: not sent\n"));
                PasteAnswer::Drop
            }
        };
    }
}

const NEVER_IN_UTF8: u8 = 0xff;

/// Returns true if the program exits after this line.
pub(super) fn ends_program(line: &str) -> bool {
    matches!(line.trim(), "quit" | "exit")
}

/// Reads lines without line editing, until the end of the input, or the line that `ends_at` tells,
/// or the loop has ended. With `writers`, the input is a FIFO: after the end of one writer, this
/// waits for the next one. Standard input is closed before the loop gets the end, so no writer can
/// write unread bytes.
pub(super) fn read_lines(
    mut input: impl BufRead,
    mut writers: Option<Writers>,
    ends_at: fn(&str) -> bool,
    sender: &InputSender,
) {
    let last = loop {
        let typed = match read_line(&mut input) {
            Ok(Some(typed)) => typed,
            Ok(None) if writers.as_mut().is_some_and(|writers| writers.wait().is_ok()) => continue,
            Ok(None) => break UserInput::End,
            Err(error) => {
                sender.send(UserInput::Unreadable(error.to_string()));
                break UserInput::End;
            }
        };
        if matches!(&typed, UserInput::Line(line) if str::from_utf8(line).is_ok_and(ends_at)) {
            break typed;
        }
        if !sender.send(typed) {
            return;
        }
    };
    close_stdin();
    sender.send(last);
}

/// Returns the next line without its line feed. Bytes before the end of the input are a line too.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<UserInput>> {
    let mut line = Vec::new();
    let mut is_too_long = false;
    loop {
        let chunk = match input.fill_buf() {
            Ok(chunk) => chunk,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                wait_until_readable()?;
                continue;
            }
            Err(error) => return Err(error),
        };
        if chunk.is_empty() && line.is_empty() && !is_too_long {
            return Ok(None);
        }
        let end = memchr::memchr(b'\n', chunk);
        let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
        is_too_long |= line.len().saturating_add(part.len()) >= USER_LINE_BYTES_MAX;
        match is_too_long {
            true => line = Vec::new(),
            false => line.extend_from_slice(part),
        }
        let is_whole = end.is_some() || chunk.is_empty();
        let used = part.len().saturating_add(usize::from(end.is_some()));
        input.consume(used);
        if is_whole && is_too_long {
            return Ok(Some(UserInput::TooLong));
        }
        if is_whole {
            let _ = line.pop_if(|byte| *byte == b'\r');
            return Ok(Some(UserInput::Line(line)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn read_all(input: &[u8], capacity: usize) -> Vec<UserInput> {
        let mut input = BufReader::with_capacity(capacity, input);
        std::iter::from_fn(|| read_line(&mut input).unwrap()).collect()
    }

    fn line(text: &str) -> UserInput {
        UserInput::Line(text.into())
    }

    #[test]
    fn lines_are_the_same_for_any_buffer_size() {
        for capacity in 1..20 {
            let lines = read_all(b"one\ntwo\r\n\nthree", capacity);
            assert_eq!(lines, [line("one"), line("two"), line(""), line("three")], "{capacity}");
        }
        assert_eq!(read_all(b"", 8), []);
        assert_eq!(read_all(b"\n", 8), [line("")]);
    }

    #[test]
    fn an_endless_line_takes_no_memory_and_the_next_line_is_read() {
        let fits = "x".repeat(USER_LINE_BYTES_MAX - 1);
        let exceeds = "x".repeat(USER_LINE_BYTES_MAX);
        let input = format!("{exceeds}\n{fits}\nnext\n{exceeds}");
        let lines = read_all(input.as_bytes(), 8192);
        assert_eq!(lines, [UserInput::TooLong, line(&fits), line("next"), UserInput::TooLong]);
    }
}
