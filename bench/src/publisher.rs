//! The sending end: numbered texts out, one reply for each in.

use std::io::{ErrorKind, Read};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::failure::{Failure, Result};
use crate::stream::{Output, WholeLines, lines};
use crate::texts::push_text;

/// What stands around a text, and what comes back for it.
#[derive(Clone, Debug)]
pub struct Dialect {
    /// Before each text.
    pub before: Vec<u8>,
    /// Behind each text.
    pub behind: Vec<u8>,
    /// How each reply line begins.
    pub reply: Vec<u8>,
}

impl Dialect {
    /// A coordinator's.
    #[must_use]
    pub fn groupcast(id: &str) -> Self {
        Self {
            before: format!("{id}#msend ").into_bytes(),
            behind: b"#127.0.0.1\n".to_vec(),
            reply: b"OK msend seq=".to_vec(),
        }
    }
}

/// A non-blocking publisher.
#[derive(Debug)]
pub struct Publisher {
    stream: TcpStream,
    dialect: Dialect,
    text_bytes: usize,
    output: Output,
    replies: WholeLines,
    /// Texts offered.
    offered: u64,
    /// Replies that have come.
    answered: u64,
}

impl Publisher {
    /// Goes on with a socket that was set up.
    ///
    /// # Errors
    ///
    /// Those of the socket and the poll.
    pub fn new(
        stream: std::net::TcpStream,
        dialect: Dialect,
        text_bytes: usize,
        registry: &Registry,
        token: Token,
    ) -> Result<Self> {
        let registered = stream.set_nonblocking(true).and_then(|()| {
            let mut stream = TcpStream::from_std(stream);
            registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
            Ok(stream)
        });
        let stream = registered.map_err(Failure::system("cannot watch a command socket"))?;
        let (output, replies) = (Output::default(), WholeLines::default());
        Ok(Self { stream, dialect, text_bytes, output, replies, offered: 0, answered: 0 })
    }

    /// How many texts were offered.
    #[must_use]
    pub fn offered(&self) -> u64 {
        self.offered
    }

    /// How many were answered.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.answered
    }

    /// Has text `number` go out with the next write.
    pub fn offer(&mut self, number: u64) {
        let output = self.output.bytes();
        output.extend_from_slice(&self.dialect.before);
        push_text(output, number, self.text_bytes);
        output.extend_from_slice(&self.dialect.behind);
        self.offered += 1;
    }

    /// Writes what the socket takes.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    pub fn write(&mut self) -> Result<()> {
        let written = self.output.write_to(&mut self.stream);
        written.map_err(Failure::system("cannot publish"))
    }

    /// Reads the replies that are there.
    ///
    /// # Errors
    ///
    /// Another reply than expected, one too many, and those of the socket.
    pub fn read(&mut self, scratch: &mut [u8]) -> Result<()> {
        loop {
            match self.stream.read(scratch) {
                Ok(0) => return Err(Failure::Wrong("the publisher was closed".to_owned())),
                Ok(read) => self.take(scratch.get(..read).unwrap_or_default())?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(Failure::System("no replies".to_owned(), error)),
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        let (mut answered, offered) = (self.answered, self.offered);
        let mut wrong = None;
        self.replies.take(bytes, |run| {
            for line in lines(run) {
                answered += 1;
                if !line.starts_with(&self.dialect.reply) || answered > offered {
                    let line = String::from_utf8_lossy(line);
                    let what = format!("reply {answered} to {offered} messages: {line:?}");
                    wrong = wrong.take().or(Some(what));
                }
            }
        });
        self.answered = answered;
        wrong.map_or(Ok(()), |what| Err(Failure::Wrong(what)))
    }
}
