//! Carries out the user's commands in their order, and shuts down after the last one.

use super::in_flight::RequestSource;
use super::join::JoinWay;
use super::sending_state::SendingState;
use super::shutdown::SessionShutdown;
use super::user_request::UserRequest;
use super::{
    Ask, BadCommand, Join, JoinKind, NoPast, Notice, OutboxNotice, Reason, Session, SessionEffect,
    TextOutcome, UserCommand,
};
use crate::limits::USER_COMMANDS_MAX;
use crate::time::Millis;

impl Session {
    /// Handles a line of the user.
    pub(super) fn on_user_line(&mut self, line: &[u8]) {
        if self.queue.is_full() {
            return self.bad_command(BadCommand::TooMany(USER_COMMANDS_MAX));
        }
        match UserCommand::parse(line, self.settings.is_passive) {
            Ok(None) => (),
            Ok(Some(command)) => self.queue.push(command),
            Err(bad) => self.queue.push(UserCommand::Bad(bad)),
        }
    }

    /// Handles the end of the user's input: quits after the commands before it.
    pub(super) fn on_end_of_input(&mut self) {
        if !self.settings.stays_after_input && self.shutdown.is_none() {
            self.queue.push(UserCommand::Quit);
        }
    }

    /// Handles the end of a `last`.
    pub(super) fn on_last_read(&mut self, failure: Option<&str>) {
        self.queue.release();
        if let Some(reason) = failure {
            let why = Reason::System(reason.into());
            self.output.fail_with(Notice::Failed { command: "last", why });
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

    /// Carries out the user's commands in order, up to the first that must wait. Local commands do
    /// not wait for requests.
    pub(super) fn run_commands(&mut self, now: Millis) {
        self.send_waiting(now);
        while let Some(command) = self.next_command(now) {
            let must_wait = self.must_wait(&command);
            match command {
                UserCommand::Join { kind, way, last } => self.join(kind, way, last),
                UserCommand::JoinUntilOnline { way, last } => self.join_until_online(way, last),
                UserCommand::Ask(ask) => self.take_request(ask, must_wait, now),
                UserCommand::Last { count } => {
                    self.queue.hold();
                    self.output.push(SessionEffect::ReadLast { count });
                }
                UserCommand::Status => self.show_status(now),
                UserCommand::Help => self.output.show(Notice::Help),
                UserCommand::Quit => {
                    let is_joining = self.join.as_ref().is_some_and(Join::is_until_online);
                    self.report_unfinished(usize::from(is_joining));
                    self.start_shutdown(now);
                }
                UserCommand::Bad(bad) => self.bad_command(bad),
            }
        }
        if self.outbox.waiting().has_report() {
            let is_in_outage = self.is_in_outage() && !self.outbox.is_failing();
            self.outbox.waiting_mut().report(is_in_outage, &mut self.output);
        }
        let state = self.outbox.has_file().then(|| self.sending_state());
        self.outbox.show_queued(state, &mut self.output, now);
    }

    /// Removes and returns the command that can be carried out now: the next one, or a local one
    /// behind requests that wait for the coordinator.
    fn next_command(&mut self, now: Millis) -> Option<UserCommand> {
        if self.shutdown.is_some() {
            return None;
        }
        if self.may_run_next(now) {
            return self.queue.pop();
        }
        let may_pass = self.queue.has_local()
            && self.sending_state() != SendingState::Joining
            && !self.requests.is_leaving()
            && !self.outbox.waiting().has_leave();
        if may_pass { self.queue.take_local() } else { None }
    }

    /// Returns true if the next command can be carried out now. Dials if only a socket is missing.
    fn may_run_next(&mut self, now: Millis) -> bool {
        let Some(command) = self.queue.front() else { return false };
        let state = self.sending_state();
        if matches!(command, UserCommand::Ask(ask) if self.is_for_file(ask)) {
            return self.outbox.takes_text(state);
        }
        let is_in_outage = state == SendingState::Outage;
        if state != SendingState::Joining
            && *command == UserCommand::Quit
            && self.requests.coordinators().is_silent()
        {
            return true; // The shutdown waits for the replies, for a limited time.
        }
        if state == SendingState::Joining || !self.outbox.waiting().is_empty() && !is_in_outage {
            return false;
        }
        let is_message = matches!(command, UserCommand::Ask(Ask::Msend(_)));
        if is_message && self.outbox.must_drain(&self.requests) {
            return false;
        }
        if self.must_wait(command) || !self.has_room_for(is_message) {
            return self.must_wait(command);
        }
        let joins_by_itself = self.join.as_ref().is_some_and(|join| !join.is_waiting());
        match command {
            UserCommand::Join { .. }
            | UserCommand::JoinUntilOnline { .. }
            | UserCommand::Last { .. }
            | UserCommand::Status
            | UserCommand::Help
            | UserCommand::Quit
            | UserCommand::Bad(_) => true,
            UserCommand::Ask(Ask::Disconnect | Ask::Deregister) => {
                // A command of the user cancels an automatic reconnect.
                self.give_up_join();
                self.outbox.on_left(&mut self.output);
                self.requests.open(&mut self.output, now)
            }
            UserCommand::Ask(Ask::Msend(_) | Ask::Query(_) | Ask::Who) => {
                !joins_by_itself && self.requests.open(&mut self.output, now)
            }
        }
    }

    /// Takes a request of the user: into the outbox file, or to wait, or to be sent.
    fn take_request(&mut self, ask: Ask, must_wait: bool, now: Millis) {
        let is_for_file = self.is_for_file(&ask);
        let state = self.sending_state();
        let request = self.outbox.waiting_mut().number(ask, now);
        let Self { outbox, requests, settings, output, .. } = self;
        match (is_for_file, must_wait) {
            (true, _) => outbox.keep(request, (&settings.id, requests), state, output),
            (false, true) => outbox.wait(request, output),
            (false, false) => self.ask(request, now),
        }
    }

    /// Returns true if the outbox file keeps this request: a text that the coordinator takes.
    fn is_for_file(&self, ask: &Ask) -> bool {
        self.outbox.has_file() && ask.is_valid_text()
    }

    fn bad_command(&mut self, bad: BadCommand) {
        self.output.fail_with(Notice::BadCommand(bad));
    }

    /// Starts the user's `register` or `reconnect`. An automatic reconnect is cancelled.
    fn join(&mut self, kind: JoinKind, way: JoinWay, last: Option<u64>) {
        self.give_up_join();
        self.automatic_join.on_user_join();
        let way = way.at_advertised_port(self.settings.advertised);
        let past = self.past(last);
        self.join = Some(Join::of_user(kind, way, past, &mut self.output));
        if past.is_none() && last.is_some() {
            self.output.show(Notice::NoPast(NoPast::LogNotNew));
        }
    }

    /// Starts the user's `join`: an automatic reconnect begins at once, and may register.
    pub(super) fn join_until_online(&mut self, way: JoinWay, last: Option<u64>) {
        self.give_up_join();
        self.automatic_join.on_user_join();
        let way = way.at_advertised_port(self.settings.advertised);
        let (is_new, past) = (self.is_log_new(), self.past(last));
        self.join = Some(Join::until_online(way, is_new, past, &mut self.output));
    }

    /// Returns true if the message log has seen no coordinator yet.
    fn is_log_new(&self) -> bool {
        self.messages.inbox().log_position().epoch.is_none()
    }

    /// Returns `last` for a new message log. In another one, messages from before the registration
    /// could stand twice: under the numbers of two epochs.
    fn past(&self, last: Option<u64>) -> Option<u64> {
        last.filter(|_| self.is_log_new())
    }

    /// Joins, as a text was refused with this code. Returns false if a join does not help.
    pub(super) fn join_to_send(&mut self, code: u16) -> bool {
        if self.shutdown.is_some() || self.messages.is_online() {
            return false;
        }
        match code {
            404 => (), // Another program may register the id before this one does.
            401 if self.settings.credentials.secret.is_some() => (),
            409 => self.visit.on_member(),
            _ => return false,
        }
        if self.join.is_none() {
            self.join_until_online(JoinWay::usual(self.settings.is_passive), None);
        }
        true
    }

    /// Cancels the join. A message socket that it has opened stays open.
    pub(super) fn give_up_join(&mut self) {
        if let Some(mut join) = self.join.take() {
            join.close(&mut self.output);
        }
        self.requests.abandon_join();
    }

    /// Sends a request of the user.
    fn ask(&mut self, mut request: UserRequest, now: Millis) {
        if request.ask.is_leave() {
            // The end of the message socket is expected now: no reconnect follows.
            self.automatic_join.forbid();
        }
        let line = self.outbox.line(&mut request, &self.settings.id, &self.requests);
        let word = request.command().word();
        if let Some(line) = line {
            self.requests.send(RequestSource::User(request), word, line, &mut self.output, now);
        }
    }

    /// Returns the state of sending. An outbox file that cannot be written is an outage.
    pub(super) fn sending_state(&self) -> SendingState {
        match (self.join.as_ref().is_some_and(Join::is_for_user), self.is_in_outage()) {
            (true, _) => SendingState::Joining,
            (false, true) => SendingState::Outage,
            (false, false) => SendingState::Open,
        }
    }

    /// Returns true if the user's messages cannot be sent at present.
    pub(super) fn is_in_outage(&self) -> bool {
        self.must_messages_wait() || self.outbox.is_failing() || self.is_parked()
    }

    /// Returns true if the user's messages wait until this participant is online, or a pause over.
    fn must_messages_wait(&self) -> bool {
        self.is_coming_back() || self.outbox.waiting().is_paused()
    }

    /// Returns true if texts wait until the user brings this participant online. A visit has none.
    pub(super) fn is_parked(&self) -> bool {
        let is_kept = self.outbox.has_file() || self.outbox.waiting().must_front_stay();
        let has_left = || !self.messages.is_online() || self.requests.is_leaving();
        is_kept && self.join.is_none() && !self.visit.joins_to_send() && has_left()
    }

    fn is_coming_back(&self) -> bool {
        self.join.as_ref().is_some_and(|join| !join.is_for_user())
    }

    /// Returns true if an unsent message may be sent later: the session is online as far as it
    /// knows, or reconnects automatically.
    pub(super) fn may_send_later(&self) -> bool {
        let is_online = self.automatic_join.way().is_some() && self.messages.stream().is_some();
        let is_kept = self.outbox.has_file() || self.visit.joins_to_send();
        self.shutdown.is_none() && (is_kept || is_online || self.is_coming_back())
    }

    /// Returns true if a command must wait: it is a message, or follows a waiting one.
    fn must_wait(&self, command: &UserCommand) -> bool {
        let UserCommand::Ask(ask) = command else { return false };
        let waits = match ask {
            Ask::Msend(_) => true,
            Ask::Query(_) | Ask::Who => {
                !self.outbox.waiting().is_empty() && !self.outbox.has_file()
            }
            Ask::Disconnect | Ask::Deregister => false,
        };
        waits && self.must_messages_wait()
    }

    /// Sends waiting requests in order, as many as may be in flight.
    fn send_waiting(&mut self, now: Millis) {
        while self.may_send_waiting(now) {
            let Some(request) = self.outbox.waiting_mut().pop_to_send(&mut self.output) else {
                return;
            };
            self.ask(request, now);
        }
    }

    fn may_send_waiting(&mut self, now: Millis) -> bool {
        let Some(request) = self.outbox.waiting().front() else { return false };
        let is_message = request.ask.is_message();
        let may_ask = self.shutdown.is_none()
            && self.sending_state() == SendingState::Open
            && self.has_room_for(is_message);
        let Self { outbox, requests, settings, output, .. } = self;
        may_ask && requests.open(output, now) && outbox.may_send((&settings.id, requests), output)
    }

    /// Removes and returns the oldest unsent request.
    pub(super) fn take_unsent(&mut self, now: Millis) -> Option<UserRequest> {
        if !self.outbox.waiting().is_empty() {
            return self.outbox.waiting_mut().pop();
        }
        let Some(UserCommand::Ask(_)) = self.queue.front() else { return None };
        let Some(UserCommand::Ask(ask)) = self.queue.pop() else { return None };
        Some(self.outbox.waiting_mut().number(ask, now))
    }

    /// Reports the queued commands, and a join of the user, as not finished.
    fn report_queued(&mut self) {
        let is_joining = self.join.as_ref().is_some_and(Join::is_waited_for);
        let queued = self.queue.iter().filter(|command| match command {
            UserCommand::Join { .. } | UserCommand::Ask(_) => true,
            UserCommand::JoinUntilOnline { .. }
            | UserCommand::Last { .. }
            | UserCommand::Status
            | UserCommand::Help
            | UserCommand::Quit
            | UserCommand::Bad(_) => false,
        });
        self.report_unfinished(queued.count().saturating_add(usize::from(is_joining)));
    }

    /// Reports a number of commands of the user as not finished, which is a failure.
    pub(super) fn report_unfinished(&mut self, commands: usize) {
        if commands > 0 {
            self.output.fail_with(Notice::Unfinished { commands });
        }
    }

    fn start_shutdown(&mut self, now: Millis) {
        let is_awaited = self.join.as_ref().is_some_and(Join::is_confirmed);
        self.give_up_join();
        self.outbox.on_quit(&mut self.output);
        self.automatic_join.forbid();
        self.queue.clear();
        self.shutdown = Some(SessionShutdown::new(is_awaited, now));
    }

    /// Exits although work is left.
    pub(super) fn exit_without_waiting(&mut self) {
        let unwritten = self.messages.inbox().unwritten();
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
        notice.into_iter().for_each(|notice| self.output.show(notice));
        self.outbox.give_up_unwritten(&mut self.output);
        self.report_outbox();
        for order in self.outbox.texts_kept(&self.requests) {
            self.output.finish_text(order, TextOutcome::Kept);
        }
        self.output.exit();
    }

    /// Shows the number of texts that the outbox file keeps for the next run.
    pub(super) fn report_outbox(&mut self) {
        let texts = self.outbox.texts_kept(&self.requests).count();
        if texts > 0 {
            self.output.show(Notice::Outbox(OutboxNotice::Kept { texts }));
        }
    }
}
