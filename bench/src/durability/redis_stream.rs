//! Redis Streams: `XADD`, answered once the append-only file is synced.

use std::path::Path;

use memchr::memchr;

use super::Setup;
use super::stage::Stage;
use crate::command::CommandSocket;
use crate::failure::{Failure, Result};
use crate::peers::link::Link;
use crate::peers::wire::{Frame, Wire, decimal, push_counted, unexpected};
use crate::redis::Redis;

pub(super) fn begin(setup: &Setup, directory: &Path, publishers: usize) -> Result<Stage> {
    let redis = start(setup, directory)?;
    let mut links = Vec::new();
    for _ in 0..publishers {
        links.push(Link::new(redis.connect()?, Box::new(Appender))?);
    }
    Ok(Stage { server: redis.server, publishers: links, held: None })
}

pub(super) fn count(setup: &Setup, directory: &Path) -> Result<u64> {
    let redis = start(setup, directory)?;
    let mut command = CommandSocket::connect(redis.address())?;
    command.write(b"*2\r\n$4\r\nXLEN\r\n$5\r\ngroup\r\n")?;
    let reply = command.line()?;
    let count = reply.strip_prefix(':').and_then(|count| count.parse().ok());
    count.ok_or_else(|| Failure::Wrong(format!("XLEN: {reply}")))
}

/// It is spared from rewriting its file meanwhile.
fn start(setup: &Setup, directory: &Path) -> Result<Redis> {
    let Some(directory) = directory.to_str() else {
        return Err(Failure::Wrong("a directory whose name is not UTF-8".to_owned()));
    };
    let sync = ["--appendonly", "yes", "--appendfsync", "always"];
    let place = ["--auto-aof-rewrite-percentage", "0", "--dir", directory];
    Redis::start_with(setup.programs.cores, &[sync, place].concat())
}

/// Who appends: the ids of the entries come in.
#[derive(Debug)]
struct Appender;

impl Wire for Appender {
    fn publish(&mut self, text: &[u8], output: &mut Vec<u8>) {
        output.extend_from_slice(b"*5\r\n$4\r\nXADD\r\n$5\r\ngroup\r\n$1\r\n*\r\n$1\r\nt\r\n$");
        push_counted(text, output);
    }

    /// `$15\r\n1526919030474-0\r\n`
    fn frame<'a>(&mut self, bytes: &'a [u8]) -> std::result::Result<Frame<'a>, String> {
        let Some(end) = memchr(b'\n', bytes) else { return Ok(Frame::Part) };
        let (head, rest) = bytes.split_at(end + 1);
        let length = head.strip_prefix(b"$").and_then(|head| head.strip_suffix(b"\r\n"));
        let Some(length) = length.and_then(decimal).and_then(|it| usize::try_from(it).ok()) else {
            return Err(unexpected("the id of an entry", bytes));
        };
        match rest.get(..length + 2) {
            None => Ok(Frame::Part),
            Some(id) if id.contains(&b'-') && id.ends_with(b"\r\n") => {
                Ok(Frame::Reply(end + 1 + length + 2))
            }
            Some(_) => Err(unexpected("the id of an entry", bytes)),
        }
    }

    fn replies(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::wire::tests::check;

    #[test]
    fn each_entry_is_answered_by_its_id() {
        let bytes = b"$15\r\n1526919030474-0\r\n$3\r\n1-2\r\n";
        check(&|| Box::new(Appender), bytes, &[], 2);
        for wrong in
            [&b"-MISCONF Errors writing to the AOF file\r\n"[..], b"$-1\r\n", b"$1\r\nx\r\n"]
        {
            assert!(Appender.frame(wrong).is_err());
        }
        let mut output = Vec::new();
        Appender.publish(b"four", &mut output);
        let head = b"*5\r\n$4\r\nXADD\r\n$5\r\ngroup\r\n$1\r\n*\r\n$1\r\nt\r\n";
        assert_eq!(output, [&head[..], b"$4\r\nfour\r\n"].concat());
    }
}
