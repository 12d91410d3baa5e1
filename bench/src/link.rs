//! A non-blocking socket with a protocol: whole frames in, whole messages out.

use std::io::Read;

use anyhow::{Context as _, Result, bail, ensure};
use mio::{Registry, Token};

use crate::cores::reset_when_closed;
use crate::socket::Socket;
use crate::stream::{Output, ready};
use crate::wire::{Frame, Wire};

#[derive(Debug)]
pub(crate) struct Link {
    stream: Socket,
    wire: Box<dyn Wire>,
    /// An incomplete frame at the end of the bytes that were read.
    part: Vec<u8>,
    output: Output,
    pub(crate) published: u64,
    pub(crate) replies: u64,
}

impl Link {
    /// Takes a connected socket and has its events reported under `token`.
    pub(crate) fn new(
        mut stream: Socket,
        wire: Box<dyn Wire>,
        registry: &Registry,
        token: Token,
    ) -> Result<Self> {
        reset_when_closed(&stream)?;
        stream.watch(registry, token)?;
        let (part, output) = (Vec::new(), Output::default());
        Ok(Self { stream, wire, part, output, published: 0, replies: 0 })
    }

    /// Appends a text to the output.
    pub(crate) fn publish(&mut self, text: &[u8]) {
        self.wire.publish(text, self.output.bytes());
        self.published += 1;
    }

    pub(crate) fn has_tls(&self) -> bool {
        self.stream.has_tls()
    }

    /// TLS records that were read.
    pub(crate) fn records(&self) -> u64 {
        self.stream.records()
    }

    /// Messages that have no reply yet. 0 if the protocol has no replies.
    pub(crate) fn unanswered(&self) -> u64 {
        if self.wire.has_replies() { self.published - self.replies } else { 0 }
    }

    /// Writes as much as the socket takes.
    pub(crate) fn write(&mut self) -> Result<()> {
        self.output.write_to(&mut self.stream).context("cannot write")
    }

    /// Reads until the socket is empty and passes each text to `on_text`.
    pub(crate) fn read(
        &mut self,
        scratch: &mut [u8],
        on_text: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        loop {
            let kept = self.part.len();
            let Some((head, free)) = scratch.split_at_mut_checked(kept) else {
                bail!("a frame of more than {kept} bytes");
            };
            let (free_bytes, read) = (free.len(), self.stream.read(free));
            let Some(read) = ready(read).context("cannot read")? else { return Ok(()) };
            ensure!(read > 0, "a connection was closed");
            head.copy_from_slice(&self.part);
            let bytes = scratch.get(..kept + read).unwrap_or_default();
            let rest = self.take(bytes, on_text)?;
            self.part.clear();
            self.part.extend_from_slice(rest);
            if read < free_bytes {
                return Ok(()); // The socket is empty; further bytes bring an event of their own.
            }
        }
    }

    /// Writes acknowledgements of everything that was read, and older output.
    pub(crate) fn acknowledge(&mut self) -> Result<()> {
        self.wire.acknowledge(self.output.bytes());
        self.write()
    }

    /// Takes all whole frames; returns the incomplete rest.
    fn take<'a>(
        &mut self,
        bytes: &'a [u8],
        on_text: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<&'a [u8]> {
        let mut rest = bytes;
        while let Some((frame, used)) = self.wire.frame(rest)? {
            match frame {
                Frame::Text(text) => on_text(text)?,
                Frame::Reply => self.replies += 1,
                Frame::Other => (),
            }
            let Self { replies, published, .. } = self;
            ensure!(replies <= published, "{replies} replies to {published}");
            rest = rest.get(used..).unwrap_or_default();
        }
        Ok(rest)
    }
}
