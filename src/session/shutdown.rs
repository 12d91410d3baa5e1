//! Shuts a session down: stops reading, waits until the log is written, acknowledges, and then
//! sends `disconnect`.

use super::in_flight::RequestSource;
use super::{Join, NotSent, Notice, Session, UserCommand};
use crate::limits::QUIT_MS;
use crate::protocol::Command;
use crate::time::Millis;

/// A shutdown under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionShutdown {
    /// The session exits at this time, even if work is left.
    pub(super) until: Millis,
    /// `disconnect` was sent.
    asked: bool,
    /// The coordinator has sent `OK`, and its connect-back may still come.
    is_awaited: bool,
}

impl Session {
    /// Handles the end of the user's input: quits after the commands before it.
    pub(super) fn on_end_of_input(&mut self) {
        if !self.settings.stays_after_input && self.shutdown.is_none() {
            self.queue.push(UserCommand::Quit);
        }
    }

    /// Handles a signal. The first one cancels the queued commands, the second one exits at once.
    pub(super) fn on_stop(&mut self, now: Millis) {
        match self.shutdown {
            Some(_) => self.exit_without_waiting(),
            None => {
                self.report_queued();
                self.start_shutdown(now);
            }
        }
    }

    /// Reports the queued commands, and a join of the user, as not finished.
    fn report_queued(&mut self) {
        let is_joining = self.join.as_ref().is_some_and(Join::is_waited_for);
        let queued = self.queue.iter().filter(|command| match command {
            UserCommand::Join { .. } | UserCommand::Ask(_) => true,
            UserCommand::Status | UserCommand::Help | UserCommand::Quit | UserCommand::Bad(_) => {
                false
            }
        });
        self.report_unfinished(queued.count().saturating_add(usize::from(is_joining)));
    }

    /// Reports a number of commands of the user as not finished, which is a failure.
    pub(super) fn report_unfinished(&mut self, commands: usize) {
        if commands > 0 {
            self.output.fail();
            self.show(Notice::Unfinished { commands });
        }
    }

    pub(super) fn start_shutdown(&mut self, now: Millis) {
        let is_awaited = self.join.as_ref().is_some_and(Join::is_confirmed);
        self.give_up_join();
        self.drop_waiting(&NotSent::Quit);
        self.automatic_join.forbid();
        self.queue.clear();
        self.shutdown =
            Some(SessionShutdown { until: now.plus(QUIT_MS), asked: false, is_awaited });
    }

    pub(super) fn leave_if_done(&mut self, now: Millis) {
        let must_ask = self.shutdown.is_some_and(|shutdown| !shutdown.asked);
        if self.output.is_over()
            || !must_ask
            || self.requests.is_busy()
            || self.inbox.unwritten() > 0
        {
            return;
        }
        // A cancelled `register` may still make this member online.
        let may_be_online = self.stream.as_ref().is_some_and(|stream| !stream.leaving)
            || self.shutdown.is_some_and(|shutdown| shutdown.is_awaited)
            || self.requests.is_any_abandoned();
        if !may_be_online {
            return self.exit(None);
        }
        if !self.has_command_socket(now) {
            return;
        }
        let Some(line) = self.request_line(&Command::Disconnect) else { return };
        self.send(RequestSource::Leave, Command::Disconnect.word(), line, now);
        self.shutdown = self.shutdown.map(|shutdown| SessionShutdown { asked: true, ..shutdown });
    }

    /// The coordinator has not read the `disconnect`: sends it again.
    pub(super) fn mark_disconnect_unsent(&mut self) {
        self.shutdown = self.shutdown.map(|shutdown| SessionShutdown { asked: false, ..shutdown });
    }

    pub(super) fn expire_shutdown(&mut self, now: Millis) {
        if self.shutdown.is_some_and(|shutdown| shutdown.until <= now) {
            self.exit_without_waiting();
        }
    }

    fn exit_without_waiting(&mut self) {
        let unwritten = self.inbox.unwritten();
        let unanswered = self.requests.in_flight();
        self.exit_failed(Notice::Abandoned { unwritten, unanswered });
    }

    pub(super) fn exit_failed(&mut self, notice: Notice) {
        self.output.fail();
        self.exit(Some(notice));
    }

    pub(super) fn exit(&mut self, notice: Option<Notice>) {
        if self.output.is_over() {
            return;
        }
        if let Some(notice) = notice {
            self.show(notice);
        }
        self.output.exit();
    }
}
