//! The user's commands that are not carried out yet, bounded by their number and bytes.

use std::collections::VecDeque;

use super::UserCommand;
use crate::limits::{USER_COMMANDS_BYTES_MAX, USER_COMMANDS_MAX};

/// The queue of the user's commands, in the order of their lines.
#[derive(Debug, Default)]
pub(super) struct CommandQueue {
    commands: VecDeque<UserCommand>,
    bytes: usize,
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

    pub(super) fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    pub(super) fn front(&self) -> Option<&UserCommand> {
        self.commands.front()
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
