//! The user's commands that are not carried out yet, bounded by their number and bytes.

use std::collections::VecDeque;

use super::UserCommand;
use crate::limits::{USER_COMMANDS_BYTES_MAX, USER_COMMANDS_MAX};

/// The queue of the user's commands, in the order of their lines.
#[derive(Debug, Default)]
pub(super) struct CommandQueue {
    commands: VecDeque<UserCommand>,
    bytes: usize,
    /// True while the shell carries out the last command: the next one waits.
    is_held: bool,
}

impl CommandQueue {
    /// Returns true if the queue has the maximum number of commands.
    pub(super) fn is_full(&self) -> bool {
        self.commands.len() >= USER_COMMANDS_MAX
    }

    /// Returns true if the number and the bytes of the commands are below their limits.
    pub(super) fn has_room(&self) -> bool {
        !self.is_full() && self.bytes < USER_COMMANDS_BYTES_MAX
    }

    /// Returns true if no command waits, and the shell carries out none.
    pub(super) fn is_empty(&self) -> bool {
        self.commands.is_empty() && !self.is_held
    }

    /// Holds the queue until [`Self::release`]: the shell carries out a command.
    pub(super) fn hold(&mut self) {
        self.is_held = true;
    }

    pub(super) fn release(&mut self) {
        self.is_held = false;
    }

    /// Returns the next command, unless the queue is held.
    pub(super) fn front(&self) -> Option<&UserCommand> {
        self.commands.front().filter(|_| !self.is_held)
    }

    /// Returns the number of requests in the queue.
    pub(super) fn requests(&self) -> u64 {
        let is_request = |command: &&UserCommand| matches!(command, UserCommand::Ask(_));
        self.commands.iter().filter(is_request).count() as u64
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &UserCommand> {
        self.commands.iter()
    }

    pub(super) fn push(&mut self, command: UserCommand) {
        self.bytes = self.bytes.saturating_add(command.bytes());
        self.commands.push_back(command);
    }

    pub(super) fn pop(&mut self) -> Option<UserCommand> {
        let command = self.commands.pop_front()?;
        self.bytes = self.bytes.saturating_sub(command.bytes());
        Some(command)
    }

    pub(super) fn clear(&mut self) {
        self.commands.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_while_commands_and_bytes_have_room() {
        let parse = |line: &[u8]| UserCommand::parse(line, false).unwrap().unwrap();
        let mut queue = CommandQueue::default();
        while queue.has_room() {
            queue.push(parse(b"ping"));
        }
        assert_eq!((queue.iter().count(), queue.is_full()), (USER_COMMANDS_MAX, true));
        assert!(queue.pop().is_some());
        assert!(queue.has_room() && !queue.is_full());
        queue.clear();
        let long = [b"msend ".as_slice(), &vec![b'x'; USER_COMMANDS_BYTES_MAX]].concat();
        queue.push(parse(&long));
        assert!(!queue.has_room() && !queue.is_full(), "the bytes are used up");
        assert!(queue.pop().is_some() && queue.has_room() && queue.is_empty());
        queue.push(parse(&long));
        queue.clear();
        assert!(queue.has_room() && queue.is_empty());
    }
}
