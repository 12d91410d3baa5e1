//! The user's commands that are not carried out yet, bounded by their number and bytes.

use std::collections::VecDeque;

use super::UserCommand;
use crate::limits::{USER_COMMANDS_BYTES_MAX, USER_COMMANDS_MAX};

/// The queue of the user's commands, in the order of their lines.
#[derive(Debug, Default)]
pub(super) struct CommandQueue {
    commands: VecDeque<UserCommand>,
    bytes: usize,
    /// Number of commands that need no coordinator.
    locals: usize,
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
        self.locals = self.locals.saturating_add(usize::from(is_local(&command)));
        self.commands.push_back(command);
    }

    pub(super) fn pop(&mut self) -> Option<UserCommand> {
        self.take(0)
    }

    /// Returns true if a command that needs no coordinator is in the queue.
    pub(super) fn has_local(&self) -> bool {
        self.locals > 0 && !self.is_held
    }

    /// Removes and returns the first command that needs no coordinator, if only commands that it
    /// may pass are before it.
    pub(super) fn take_local(&mut self) -> Option<UserCommand> {
        if !self.has_local() {
            return None;
        }
        let at = self.commands.iter().position(|command| !may_be_passed(command))?;
        if self.commands.get(at).is_some_and(is_local) { self.take(at) } else { None }
    }

    fn take(&mut self, at: usize) -> Option<UserCommand> {
        let command = self.commands.remove(at)?;
        self.bytes = self.bytes.saturating_sub(command.bytes());
        self.locals = self.locals.saturating_sub(usize::from(is_local(&command)));
        Some(command)
    }

    pub(super) fn clear(&mut self) {
        self.commands.clear();
        (self.bytes, self.locals) = (0, 0);
    }
}

/// Returns true for a command that the participant answers without the coordinator.
const fn is_local(command: &UserCommand) -> bool {
    match command {
        UserCommand::Last { .. } | UserCommand::Status | UserCommand::Help => true,
        UserCommand::Join { .. }
        | UserCommand::JoinUntilOnline { .. }
        | UserCommand::Ask(_)
        | UserCommand::Quit
        | UserCommand::Bad(_) => false,
    }
}

/// Returns true for a command that a local one may pass. It may not pass a command that changes
/// what `status` shows: scripts run `join` and `status` to see the result.
const fn may_be_passed(command: &UserCommand) -> bool {
    match command {
        UserCommand::Ask(ask) => !ask.is_leave(),
        UserCommand::Bad(_) => true,
        UserCommand::Join { .. }
        | UserCommand::JoinUntilOnline { .. }
        | UserCommand::Last { .. }
        | UserCommand::Status
        | UserCommand::Help
        | UserCommand::Quit => false,
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

    #[test]
    fn a_local_command_passes_requests_and_nothing_else() {
        let parse = |line: &str| UserCommand::parse(line.as_bytes(), false);
        let requests = ["msend x", "ping", "members", "who", "stats", "nonsense"];
        let walls = ["join", "register 0", "reconnect 0", "disconnect", "deregister", "quit"];
        for local in ["status", "help", "last"] {
            for (words, passes) in [(&requests[..], true), (&walls[..], false)] {
                for word in words {
                    let mut queue = CommandQueue::default();
                    for line in ["ping", word, local, "ping"] {
                        let command = parse(line).unwrap_or_else(|bad| Some(UserCommand::Bad(bad)));
                        queue.push(command.unwrap());
                    }
                    assert_eq!(queue.take_local(), parse(local).unwrap().filter(|_| passes));
                    assert_eq!(queue.take_local(), None, "{word}, {local}");
                    let left = std::iter::from_fn(|| queue.pop()).count();
                    assert_eq!((left, queue.has_local()), (4 - usize::from(passes), false));
                }
            }
        }
    }

    #[test]
    fn nothing_passes_while_the_shell_reads_for_a_last() {
        let mut queue = CommandQueue::default();
        queue.push(UserCommand::Status);
        queue.hold();
        assert_eq!(queue.take_local(), None);
        queue.release();
        assert_eq!(queue.take_local(), Some(UserCommand::Status));
    }
}
