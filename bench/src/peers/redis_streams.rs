//! Redis Streams as a peer: publishers `XADD`, and each receiver reads with `XREAD`.
//!
//! A receiver asks for the next entries once it has those of the last reply. If there are none, the
//! server answers when one is added.

use std::io::Write;

use anyhow::{Context as _, Result};

use super::redis::{Appender, Redis};
use super::{Connected, Plan};
use crate::clients::{Clients, Pace, Until};
use crate::socket::Socket;
use crate::wire::{Frame, Framed, Wire, announced_length, first_line, unexpected};

/// Most entries of a reply.
const ENTRIES_MAX: usize = 1000;
/// Messages under way while a stream is filled.
const UNANSWERED: u64 = 100;
/// Id before all entries.
const BEGIN: &[u8] = b"0-0";

impl Redis {
    /// Publishes messages of one client and returns the client.
    pub(crate) fn fill_stream(&self, text_bytes: usize, messages: u64) -> Result<Clients> {
        let mut publisher = Clients::new(text_bytes)?;
        publisher.add_publisher(self.client()?, Box::new(Appender))?;
        publisher.run(Pace::Unanswered(UNANSWERED), Until::Messages(messages))?;
        Ok(publisher)
    }

    /// Connects publishers and receivers of a stream.
    pub(crate) fn connect_to_stream(self, plan: Plan) -> Result<Connected> {
        let mut clients = Clients::new(plan.text_bytes)?;
        for _ in 0..plan.receivers {
            let (stream, wire) = self.reader(plan.text_bytes)?;
            clients.add_receiver(stream, wire, plan.publishers, 0..0)?;
        }
        for _ in 0..plan.publishers {
            clients.add_publisher(self.client()?, Box::new(Appender))?;
        }
        Ok(Connected { server: self.server, clients })
    }

    /// Connects a receiver that gets all of the stream.
    pub(crate) fn reader(&self, text_bytes: usize) -> Result<(Socket, Box<dyn Wire>)> {
        let (mut reader, mut request) = (Reader::new(text_bytes), Vec::new());
        reader.acknowledge(&mut request);
        let mut stream = self.client()?;
        stream.write_all(&request).context("cannot read from a stream")?;
        Ok((stream, Box::new(reader)))
    }
}

/// A receiver: replies to `XREAD` come in.
#[derive(Debug)]
struct Reader {
    text_bytes: usize,
    /// Id of the last entry.
    last: Vec<u8>,
    /// Entries of the reply that have not come yet.
    missing: usize,
    /// Everything that was asked for has come.
    is_idle: bool,
}

impl Reader {
    fn new(text_bytes: usize) -> Self {
        Self { text_bytes, last: BEGIN.to_vec(), missing: 0, is_idle: true }
    }

    /// The begin of a reply: one stream, with its name and the number of its entries.
    fn head<'a>(&mut self, bytes: &'a [u8]) -> Framed<'a> {
        const HEAD: &[u8] = b"*1\r\n*2\r\n$5\r\ngroup\r\n";
        let known = bytes.len().min(HEAD.len());
        if bytes.get(..known) != HEAD.get(..known) {
            return Err(unexpected("a stream", bytes));
        }
        let rest = bytes.get(HEAD.len()..).unwrap_or_default();
        let Some(line) = first_line(rest) else { return Ok(None) };
        match announced_length(line, b"*") {
            Some(entries) if entries > 0 && !self.is_idle => self.missing = entries,
            Some(_) | None => return Err(unexpected("a number of entries", line)),
        }
        Ok(Some((Frame::Other, HEAD.len() + line.len())))
    }

    /// An entry: its id, one field and the text.
    fn entry<'a>(&mut self, bytes: &'a [u8]) -> Framed<'a> {
        let mut pieces = Pieces { bytes, at: 0 };
        let parts = (|| {
            pieces.expect(b"*2\r\n")?;
            let id = pieces.counted()?;
            pieces.expect(b"*2\r\n$1\r\nt\r\n")?;
            Ok((id, pieces.counted()?))
        })();
        let (id, text) = match parts {
            Ok(parts) => parts,
            Err(Unread::Incomplete) => return Ok(None),
            Err(Unread::Wrong) => return Err(unexpected("an entry", bytes)),
        };
        if text.len() != self.text_bytes {
            return Err(unexpected("a text of this length", text));
        }
        self.last.clear();
        self.last.extend_from_slice(id);
        self.missing -= 1;
        self.is_idle = self.missing == 0;
        Ok(Some((Frame::Text(text), pieces.at)))
    }
}

impl Wire for Reader {
    fn frame<'a>(&mut self, bytes: &'a [u8]) -> Framed<'a> {
        match (bytes.is_empty(), self.missing) {
            (true, _) => Ok(None),
            (false, 0) => self.head(bytes),
            (false, _) => self.entry(bytes),
        }
    }

    /// Asks for the next entries.
    fn acknowledge(&mut self, output: &mut Vec<u8>) {
        if std::mem::take(&mut self.is_idle) {
            let words = [
                &b"XREAD"[..],
                b"COUNT",
                ENTRIES_MAX.to_string().as_bytes(),
                b"BLOCK",
                b"0",
                b"STREAMS",
                b"group",
                &self.last,
            ]
            .map(|word| [format!("${}\r\n", word.len()).as_bytes(), word, b"\r\n"].concat());
            output.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
            output.extend_from_slice(&words.concat());
        }
    }
}

enum Unread {
    Incomplete,
    Wrong,
}

/// Bytes of a reply up to which it was read.
struct Pieces<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Pieces<'a> {
    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn expect(&mut self, fixed: &[u8]) -> Result<(), Unread> {
        let (rest, known) = (self.rest(), self.rest().len().min(fixed.len()));
        if rest.get(..known) != fixed.get(..known) {
            return Err(Unread::Wrong);
        }
        self.at += fixed.len();
        if known < fixed.len() { Err(Unread::Incomplete) } else { Ok(()) }
    }

    /// Bytes behind a line with their number.
    fn counted(&mut self) -> Result<&'a [u8], Unread> {
        let rest = self.rest();
        let line = first_line(rest).ok_or(Unread::Incomplete)?;
        let length = announced_length(line, b"$").ok_or(Unread::Wrong)?;
        let end = line.len() + length;
        let counted = rest.get(line.len()..end).ok_or(Unread::Incomplete)?;
        self.at += end;
        self.expect(b"\r\n")?;
        Ok(counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tests::{check, refuses};

    const REPLY: &[u8] = b"*1\r\n*2\r\n$5\r\ngroup\r\n*2\r\n\
          *2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nt\r\n$4\r\none\n\r\n\
          *2\r\n$4\r\n12-3\r\n*2\r\n$1\r\nt\r\n$4\r\n\r\ntw\r\n";

    /// A receiver that has asked for entries.
    fn asked() -> Reader {
        let mut reader = Reader::new(4);
        reader.acknowledge(&mut Vec::new());
        reader
    }

    #[test]
    fn entries_are_found_wherever_the_bytes_are_split() {
        check(&|| Box::new(asked()), REPLY, &[b"one\n", b"\r\ntw"], 0);
        let wrong = [
            &b"-ERR syntax error\r\n"[..],
            b"*1\r\n*2\r\n$5\r\nother\r\n*1\r\n",
            b"*1\r\n*2\r\n$5\r\ngroup\r\n*0\r\n",
            b"*-1\r\n",
        ];
        refuses(&|| Box::new(asked()), &wrong);
        refuses(&|| Box::new(Reader::new(4)), &[REPLY]);
    }

    #[test]
    fn an_altered_entry_is_an_error() {
        let begin = b"*1\r\n*2\r\n$5\r\ngroup\r\n*2\r\n".len();
        for at in [0, 4, 14, 22, 26] {
            let (mut reader, mut wrong) = (asked(), REPLY.to_vec());
            wrong[begin + at] ^= 1;
            reader.frame(&wrong).unwrap();
            assert!(reader.frame(&wrong[begin..]).is_err(), "byte {at}");
        }
    }

    #[test]
    fn the_next_entries_are_asked_for_once_the_reply_is_whole() {
        let (mut reader, mut output, mut at) = (asked(), Vec::new(), 0);
        while let Some((_, used)) = reader.frame(&REPLY[at..]).unwrap() {
            assert_eq!(output, b"");
            at += used;
            reader.acknowledge(&mut output);
        }
        assert_eq!(at, REPLY.len());
        reader.acknowledge(&mut output);
        let expected =
            b"*8\r\n$5\r\nXREAD\r\n$5\r\nCOUNT\r\n$4\r\n1000\r\n$5\r\nBLOCK\r\n$1\r\n0\r\n\
                         $7\r\nSTREAMS\r\n$5\r\ngroup\r\n$4\r\n12-3\r\n";
        assert_eq!(output, expected);
    }
}
