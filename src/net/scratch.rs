//! Memory for reads, shared by all connections of a loop.

use crate::protocol::LineBuffer;

/// Memory that reads use in turn: bytes are read into it, and one input at a time borrows its
/// allocation. So an idle connection owns no memory, and a read allocates none.
#[derive(Debug)]
pub struct Scratch {
    read: Box<[u8]>,
    /// Memory of the last input that became empty.
    spare: Vec<u8>,
}

impl Scratch {
    /// Allocates memory for reads of up to `bytes`.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self { read: vec![0; bytes].into(), spare: Vec::new() }
    }

    /// Takes back the memory of an input whose lines were used. An input with a part of a line
    /// keeps what it needs.
    pub fn settle(&mut self, input: &mut LineBuffer) {
        input.shrink_into(&mut self.spare);
        if self.spare.capacity() > self.read.len() {
            self.spare = Vec::new();
        }
    }

    /// Returns the memory that bytes are read into, and the memory for an input.
    pub(super) fn parts(&mut self) -> (&mut [u8], &mut Vec<u8>) {
        (&mut self.read, &mut self.spare)
    }
}
