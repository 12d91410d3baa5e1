//! The engine's thread: jobs and messages of servers in, questions and reports out.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::Receiver;
use tokio::time::sleep;

use super::EngineJob;
use super::api::{self, ApiError};
use super::error::EngineError;
use super::feed_reader::FeedReader;
use super::login::Login;
use super::names::Names;
use super::nats::{NatsClient, NatsEvent};
use super::questions::{Question, Questions};
use super::report::{EngineFault, EngineReport, EngineStream, EngineSubject};
use super::report_queue::ReportQueue;
use crate::limits::engine::{
    ANSWER_MS, CHECK_MS, ENTRY_BYTES_MAX, FAILURES_MAX, JOBS_UNANSWERED_MAX, RETRY_MS,
};
use crate::net::Clock;
use crate::time::Millis;

/// Drives one connection.
pub(super) struct Driver {
    client: NatsClient,
    names: Names,
    reports: Arc<ReportQueue>,
    clock: Clock,
    questions: Questions,
    reader: Option<FeedReader>,
    created_ns: u64,
    /// Next question for the end of the stream.
    check_at: Millis,
    is_connected: bool,
    connects: u64,
    /// Reasons that were reported since the connection was lost.
    failures: Vec<String>,
}

impl Driver {
    pub(super) fn new(
        client: NatsClient,
        names: Names,
        stream: &EngineStream,
        reports: Arc<ReportQueue>,
    ) -> Self {
        let link = client.link();
        reports.push(EngineReport::Connected { server: client.server().name });
        Self {
            client,
            names,
            reports,
            clock: Clock::start(),
            questions: Questions::new(),
            reader: None,
            created_ns: stream.created_ns,
            check_at: Millis::ZERO,
            is_connected: true,
            connects: link.connects,
            failures: Vec::new(),
        }
    }

    /// Works until the loop closes the engine.
    pub(super) async fn run(mut self, mut jobs: Receiver<EngineJob>) {
        let (reports, mut login) = (Arc::clone(&self.reports), Login::default());
        while !reports.is_closed() {
            let now = self.clock.now().steady;
            self.work(now);
            if reports.is_full() {
                reports.until_taken().await;
                // Answers have come meanwhile, and nobody has read them.
                self.questions.postpone(self.clock.now().steady.since(now));
                continue;
            }
            let is_free = self.questions.jobs() < JOBS_UNANSWERED_MAX;
            let wait = sleep(self.wait(now));
            tokio::select! {
                job = jobs.recv(), if is_free => match job {
                    Some(EngineJob::LogInAgain(options)) => {
                        login.begin(*options, self.names.clone());
                    }
                    Some(job) => self.on_job(job),
                    None => return,
                },
                event = self.client.next() => match event {
                    NatsEvent::Reply { number, payload } => self.on_reply(number, payload),
                    NatsEvent::Feed(entry) => {
                        let reader = self.reader.as_mut();
                        let fault = reader.and_then(|reader| reader.on_feed(entry));
                        self.stop_at(fault);
                    }
                    NatsEvent::Link => self.on_link(),
                    NatsEvent::Ended => {
                        let reason = "the client of the engine has ended".to_owned();
                        return reports.push(EngineReport::Disconnected { reason });
                    }
                },
                client = login.ended() => self.on_login(client),
                () = reports.until_closed() => return,
                () = wait => (),
            }
        }
    }

    /// Returns the time until something is due by itself.
    fn wait(&self, now: Millis) -> Duration {
        let timeout = self.questions.first_deadline();
        let (mut ask, mut check) = (None, None);
        if let Some(reader) = self.reader.as_ref().filter(|_| self.is_connected) {
            ask = reader.next_due();
            check = Some(self.check_at);
        }
        let due = [timeout, ask, check].into_iter().flatten().min();
        due.map_or(Duration::from_millis(CHECK_MS), |due| due.duration_since(now))
    }

    /// Does all that is due: timeouts, questions, reports.
    fn work(&mut self, now: Millis) {
        while let Some(question) = self.questions.take_overdue(now) {
            self.on_failure(question, &format!("no answer within {ANSWER_MS} ms"), now);
        }
        let Some(reader) = &mut self.reader else { return };
        while !self.reports.is_full() {
            let Some(report) = reader.pop() else { break };
            self.reports.push(report);
        }
        if self.is_connected {
            self.ask_for_more(now);
        }
    }

    /// Asks the leader for the end of the stream, and for entries.
    fn ask_for_more(&mut self, now: Millis) {
        if !self.client.has_feed() {
            self.client.subscribe_feed();
        }
        let Some(reader) = &mut self.reader else { return };
        let (next, asks) = (reader.next(), reader.asks(now));
        if self.check_at <= now {
            let interval = if reader.needs_state() { RETRY_MS } else { CHECK_MS };
            self.check_at = now.plus(interval);
            if !self.questions.has_state() {
                let question = Question::State { asked_at: next, is_job: false };
                self.ask(self.names.api("INFO"), question, Bytes::new());
            }
        }
        for at in asks {
            let bytes = api::entry_question(at, &self.names);
            self.ask(self.names.api("MSG.GET"), Question::Entry { at }, bytes);
        }
    }

    fn ask(&mut self, subject: String, question: Question, bytes: Bytes) {
        let now = self.clock.now().steady;
        match self.client.send(subject, self.questions.next_number(), bytes) {
            Ok(()) => self.questions.add(question, now),
            Err(reason) => self.on_unsent(question, reason, now),
        }
    }

    /// Ends a question that was not sent.
    fn on_unsent(&mut self, question: Question, reason: String, now: Millis) {
        match question {
            Question::Publish { tag } => {
                let is_certain = true;
                self.reports.push(EngineReport::NotStored { tag, reason, is_certain });
            }
            Question::Entry { .. } | Question::State { .. } | Question::Purge { .. } => {
                self.on_failure(question, &reason, now);
            }
        }
    }

    /// Ends a question without an answer.
    fn on_failure(&mut self, question: Question, reason: &str, now: Millis) {
        let reason = reason.to_owned();
        match question {
            Question::Publish { tag } => {
                let is_certain = false;
                self.reports.push(EngineReport::NotStored { tag, reason, is_certain });
            }
            Question::Entry { at } => {
                if let Some(reader) = &mut self.reader {
                    reader.on_unanswered(at, now);
                }
            }
            Question::State { is_job, .. } => {
                self.reader.iter_mut().for_each(FeedReader::on_unknown_state); // It is asked again.
                if is_job {
                    self.reports.push(EngineReport::StreamUnknown { reason });
                }
            }
            Question::Purge { below } => {
                self.reports.push(EngineReport::NotPurged { below, reason });
            }
        }
    }

    fn on_job(&mut self, job: EngineJob) {
        match job {
            EngineJob::Publish { tag, subject, bytes } => self.publish(tag, subject, bytes),
            EngineJob::ReadFrom { position } => {
                self.questions.forget_reader();
                self.client.unsubscribe_feed();
                self.reader = Some(FeedReader::new(position));
                self.check_at = Millis::ZERO;
            }
            EngineJob::Purge { below } => {
                let bytes = api::purge_question(below);
                self.ask_connected("PURGE", Question::Purge { below }, bytes);
            }
            EngineJob::LogInAgain(_) => (), // The loop of `run` does that.
            EngineJob::AskStream => {
                let asked_at = self.reader.as_ref().map_or(0, FeedReader::next);
                let question = Question::State { asked_at, is_job: true };
                self.ask_connected("INFO", question, Bytes::new());
            }
        }
    }

    fn ask_connected(&mut self, call: &str, question: Question, bytes: Bytes) {
        if self.is_connected {
            self.ask(self.names.api(call), question, bytes);
        } else {
            let now = self.clock.now().steady;
            self.on_unsent(question, "no connection to a server".to_owned(), now);
        }
    }

    fn publish(&mut self, tag: u64, subject: EngineSubject, bytes: Bytes) {
        let is_certain = true;
        let reason = if !self.is_connected {
            "no connection to a server".to_owned()
        } else if bytes.len() > ENTRY_BYTES_MAX {
            format!("entry of {} bytes exceeds {ENTRY_BYTES_MAX}", bytes.len())
        } else {
            return self.ask(self.names.subject(subject), Question::Publish { tag }, bytes);
        };
        self.reports.push(EngineReport::NotStored { tag, reason, is_certain });
    }

    /// Takes the answer to a question; `None` if no server takes its subject.
    fn on_reply(&mut self, number: u64, payload: Option<Bytes>) {
        let now = self.clock.now().steady;
        // A late answer has no question any more.
        let Some(question) = self.questions.take(number) else { return };
        let payload = payload.ok_or(ApiError::NoResponders);
        match question {
            Question::Publish { tag } => {
                let stored = payload.and_then(|bytes| api::stored(&bytes, &self.names));
                self.reports.push(publish_report(tag, stored));
            }
            Question::Entry { at } => {
                let Some(reader) = &mut self.reader else { return };
                match payload.and_then(|bytes| api::entry(&bytes, &self.names)) {
                    Ok(entry) => reader.on_answer(at, entry),
                    Err(ApiError::NoMessage) => {
                        reader.on_absent(at, now);
                        self.check_at = self.check_at.min(now.plus(RETRY_MS));
                    }
                    Err(error) => {
                        reader.on_unanswered(at, now);
                        if error == ApiError::NoStream {
                            self.check_at = now;
                        }
                    }
                }
            }
            Question::State { asked_at, is_job } => {
                let answer = payload.and_then(|bytes| api::answer(&bytes));
                let state = answer.and_then(|answer| api::stream(&answer));
                self.on_state(state, asked_at, is_job, now);
            }
            Question::Purge { below } => {
                let purged = payload.and_then(|bytes| api::answer(&bytes));
                self.reports.push(match purged {
                    Ok(_) => EngineReport::Purged { below },
                    Err(error) => EngineReport::NotPurged { below, reason: error.reason() },
                });
            }
        }
    }

    fn on_state(
        &mut self,
        state: Result<EngineStream, ApiError>,
        asked_at: u64,
        is_job: bool,
        now: Millis,
    ) {
        let stream = match state {
            Ok(stream) => stream,
            Err(error) => {
                if is_job {
                    self.reports.push(EngineReport::StreamUnknown { reason: error.reason() });
                }
                let is_gone = error == ApiError::NoStream;
                return self.stop_at(is_gone.then_some(EngineFault::Gone));
            }
        };
        let (created_ns, is_other) = (stream.created_ns, stream.created_ns != self.created_ns);
        let fault = match &mut self.reader {
            Some(_) if is_other => Some(EngineFault::Recreated { created_ns }),
            Some(reader) => reader.on_state(&stream, asked_at, now),
            None => None,
        };
        // Once a second at rest: the end of the stream, and its leader.
        self.reports.push(EngineReport::Stream(stream));
        self.stop_at(fault);
        if self.reader.as_ref().is_some_and(FeedReader::needs_state) {
            self.check_at = self.check_at.min(now.plus(RETRY_MS));
        }
    }

    /// Stops reading at a fault.
    fn stop_at(&mut self, fault: Option<EngineFault>) {
        let Some(fault) = fault else { return };
        if self.reader.take().is_some() {
            self.client.unsubscribe_feed();
            self.reports.push(EngineReport::Fault(fault));
        }
    }

    /// Takes the connection with other options in place of the old one.
    fn on_login(&mut self, client: Result<NatsClient, EngineError>) {
        let now = self.clock.now().steady;
        match client {
            Err(error) => {
                self.reports.push(EngineReport::LoginFailed { reason: error.to_string() });
            }
            Ok(client) => {
                self.client = client;
                for question in self.questions.take_all() {
                    self.on_failure(question, "the connection was made again", now);
                }
                self.connects = self.client.link().connects;
                self.is_connected = true;
                self.check_at = now; // The feed has a hole, perhaps at its end.
                let server = self.client.server().name;
                self.reports.push(EngineReport::Connected { server });
            }
        }
    }

    fn on_link(&mut self) {
        let now = self.clock.now().steady;
        let link = self.client.link();
        let was_lost = self.is_connected && (!link.is_connected || link.connects != self.connects);
        if was_lost {
            let reason = "the connection was lost".to_owned();
            for question in self.questions.take_all() {
                self.on_failure(question, &reason, now);
            }
            self.is_connected = false;
            self.failures.clear();
            self.reports.push(EngineReport::Disconnected { reason });
        }
        self.connects = link.connects;
        if link.is_connected && !self.is_connected {
            self.is_connected = true;
            self.check_at = now; // The feed has a hole, perhaps at its end.
            let server = self.client.server().name;
            self.reports.push(EngineReport::Connected { server });
        } else if let Some(reason) = link.failure.filter(|_| !self.is_connected)
            && self.failures.len() < FAILURES_MAX
            && !self.failures.contains(&reason)
        {
            self.failures.push(reason.clone());
            self.reports.push(EngineReport::Disconnected { reason });
        }
        if link.has_dropped {
            self.check_at = now;
        }
        if let Some(reason) = link.refusal {
            self.reports.push(EngineReport::Refused { reason });
        }
    }
}

/// The report of a publish. Only a refusal before the storing is certain.
fn publish_report(tag: u64, stored: Result<u64, ApiError>) -> EngineReport {
    match stored {
        Ok(position) => EngineReport::Stored { tag, position },
        Err(error) => {
            let is_certain = matches!(error, ApiError::NoResponders | ApiError::RefusedEntry(_));
            EngineReport::NotStored { tag, reason: error.reason(), is_certain }
        }
    }
}
