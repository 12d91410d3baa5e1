//! The HTTP server: its connections, and the answers to their requests.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::mem;

use bytes::{BufMut as _, Bytes};

use super::build::MetricsBuild;
use super::client::{HeadRead, HttpClient, HttpPhase};
use super::disk_space::DiskWatch;
use super::head::{self, HostNames, HttpRequest};
use super::listener::{HttpAccepted, HttpListener};
use super::observed::Observed;
use super::page::PAGE;
use super::response::{MediaType, ResponseHead, StatusCode};
use super::routes::{HttpAnswer, route};
use super::shared_status::SharedStatus;
use super::token::HttpToken;
use super::view::AdminView;
use crate::coordinator::sockets::{CoordinatorTimer, Sockets};
use crate::limits::http::{
    HTTP_CONNECTIONS_MAX, HTTP_READERS_MAX, HTTP_RESPONSES_BYTES_MAX, HTTP_SLOW_MS, HTTP_TICK_MS,
    TURN_HTTP_ACCEPTS_MAX, TURN_HTTP_REQUESTS_MAX, TURN_HTTP_SERVED_MAX,
};
use crate::net::{Acceptor, Connection, Key, Listen, Readiness, Slots, SocketTable, Stream};
use crate::time::{Millis, Now};

/// Settings of the server.
#[derive(Debug, Default)]
pub(in crate::coordinator) struct AdminSettings {
    /// Names that a `Host` field may have.
    pub(in crate::coordinator) names: Vec<String>,
    /// Token that requests must show.
    pub(in crate::coordinator) token: Option<HttpToken>,
    /// Watches the disk of the journal.
    pub(in crate::coordinator) disk: Option<DiskWatch>,
}

/// The HTTP server.
#[derive(Debug)]
pub(in crate::coordinator) struct Admin<S, L> {
    listener: HttpListener<L>,
    clients: Slots<HttpClient<S>>,
    /// Connections to be served.
    ready: VecDeque<Key>,
    /// Requests whose bodies are being built, or will be.
    builds: BTreeMap<Key, (HttpRequest, Option<MetricsBuild>)>,
    /// True if a body may be begun in this turn.
    may_begin_build: bool,
    names: HostNames,
    token: Option<HttpToken>,
    disk: Option<DiskWatch>,
    status: SharedStatus,
    is_tick_due: bool,
    /// Files closed in this turn that others may have.
    files_closed: usize,
    pub(in crate::coordinator) observed: Observed,
}

impl<S: Stream, L: Listen<Stream = S>> Admin<S, L> {
    pub(in crate::coordinator) fn new(acceptor: Acceptor<L>, settings: AdminSettings) -> Self {
        let AdminSettings { names, token, disk } = settings;
        Self {
            listener: HttpListener::new(acceptor),
            clients: Slots::new(SocketTable::Http),
            ready: VecDeque::new(),
            builds: BTreeMap::new(),
            may_begin_build: false,
            names: HostNames::new(names.iter().map(String::as_str)),
            token,
            disk,
            status: SharedStatus::default(),
            is_tick_due: true, // The first tick arms the timer.
            files_closed: 0,
            observed: Observed::default(),
        }
    }

    /// Returns true if no file was free for the last connection.
    pub(in crate::coordinator) fn is_out_of_files(&self) -> bool {
        self.listener.is_out_of_files()
    }

    /// Leaves a file that is free now to a new segment of the journal, or ends that.
    pub(in crate::coordinator) fn leave_file(&mut self, leaves_file: bool) {
        self.listener.leave_file(leaves_file);
    }

    /// Puts a token in force. If it is another one, the readers of events must show it. Returns
    /// true then.
    pub(in crate::coordinator) fn change_token(
        &mut self,
        token: Option<HttpToken>,
        now: Millis,
    ) -> bool {
        let is_same = token == self.token;
        self.token = token;
        for (_, client) in self.clients.iter_mut().filter(|_| !is_same) {
            client.end_stream(now);
        }
        !is_same
    }

    /// Records an event of the listener.
    pub(in crate::coordinator) fn on_listener_event(&mut self) {
        self.listener.on_event();
    }

    /// Records an event of a connection.
    pub(in crate::coordinator) fn on_event(&mut self, key: Key, event: impl Into<Readiness>) {
        if let Some(client) = self.clients.get_mut(key) {
            client.connection.on_event(event);
            self.queue(key);
        }
    }

    /// Records that a second has passed.
    pub(in crate::coordinator) fn on_timer(&mut self) {
        self.is_tick_due = true;
    }

    /// Returns true if the next turn has nothing to do without an event.
    pub(in crate::coordinator) fn is_idle(&self, now: Millis) -> bool {
        self.ready.is_empty() && !self.is_tick_due && !self.listener.is_due(now)
    }

    /// Does the work of a turn. `register` reports the events of a new connection. Returns the
    /// number of files closed that others may have.
    pub(in crate::coordinator) fn serve(
        &mut self,
        mut view: AdminView<'_>,
        sockets: &mut Sockets,
        register: impl FnMut(&mut Connection<S>, Key) -> io::Result<()>,
    ) -> usize {
        let now = view.now.steady;
        view.disk = self.disk.as_mut().and_then(DiskWatch::last);
        if mem::take(&mut self.is_tick_due) {
            sockets.set_timer(now.plus(HTTP_TICK_MS), CoordinatorTimer::Http);
            self.tick(&view);
        }
        self.may_begin_build = true;
        self.accept(register, now);
        view.is_out_of_files |= self.listener.is_out_of_files();
        for _ in 0..self.ready.len().min(TURN_HTTP_SERVED_MAX) {
            let Some(key) = self.ready.pop_front() else { break };
            if let Some(client) = self.clients.get_mut(key) {
                client.is_queued = false;
                self.serve_client(key, &view, sockets);
            }
        }
        mem::take(&mut self.files_closed)
    }

    fn queue(&mut self, key: Key) {
        if let Some(client) = self.clients.get_mut(key)
            && !client.is_queued
        {
            client.is_queued = true;
            self.ready.push_back(key);
        }
    }

    fn accept(
        &mut self,
        mut register: impl FnMut(&mut Connection<S>, Key) -> io::Result<()>,
        now: Millis,
    ) {
        for _ in 0..TURN_HTTP_ACCEPTS_MAX {
            let Some(accepted) = self.listener.accept(now) else { return };
            let HttpAccepted { stream, peer, is_from_reserve } = accepted;
            let is_full = self.clients.len() >= HTTP_CONNECTIONS_MAX;
            if is_full && !self.displace_idle() && !self.displace_slow(now) {
                log::debug!("{peer}: closed: {HTTP_CONNECTIONS_MAX} HTTP connections are busy");
                drop(stream);
                self.file_closed(is_from_reserve);
                continue;
            }
            let (mut connection, key) = (Connection::new(stream), self.clients.next_key());
            if let Err(error) = register(&mut connection, key) {
                log::warn!("{peer}: closed: HTTP cannot be served: {error}");
                drop(connection);
                self.file_closed(is_from_reserve);
            } else if is_from_reserve {
                self.clients.insert(HttpClient::from_reserve(connection, now));
            } else {
                self.clients.insert(HttpClient::new(connection, now));
            }
        }
    }

    /// Closes the connection without a request that would end first. Returns false if there is
    /// none.
    fn displace_idle(&mut self) -> bool {
        let idle = self.clients.iter().filter_map(|(key, it)| Some((it.idle_until()?, key)));
        let oldest = idle.min();
        oldest.into_iter().for_each(|(_, key)| self.close(key));
        oldest.is_some()
    }

    /// Closes the connection that gets responses for the longest time without a pause, if that is
    /// too long. Returns false if there is none.
    fn displace_slow(&mut self, now: Millis) -> bool {
        let busy = self.clients.iter().filter_map(|(key, it)| Some((it.busy_since()?, key)));
        let slowest = busy.min().filter(|(since, _)| since.plus(HTTP_SLOW_MS) <= now);
        slowest.into_iter().for_each(|(_, key)| self.close(key));
        slowest.is_some()
    }

    /// Serves a connection, up to its share of a turn.
    fn serve_client(&mut self, key: Key, view: &AdminView<'_>, sockets: &mut Sockets) {
        let now = view.now.steady;
        for _ in 0..TURN_HTTP_REQUESTS_MAX {
            let Some(client) = self.clients.get_mut(key) else { return };
            let is_open = match client.phase {
                HttpPhase::Head => match client.read_head(sockets, now) {
                    HeadRead::Ended => false,
                    HeadRead::Incomplete => break,
                    HeadRead::Refused(status) => {
                        self.refuse(key, status, view.now);
                        true
                    }
                    HeadRead::Complete(head) => {
                        match head::parse(&head, &self.names) {
                            Ok(request) => self.answer(key, request, view),
                            Err(status) => self.refuse(key, status, view.now),
                        }
                        true
                    }
                },
                HttpPhase::Building => {
                    self.advance(key, view);
                    true
                }
                HttpPhase::Sending { .. } => true,
                HttpPhase::Streaming | HttpPhase::Lingering => client.drop_input(sockets),
            };
            let Some(client) = self.clients.get_mut(key) else { return };
            if !is_open || !client.write(now) {
                return self.close(key);
            }
            // A further request may have come with the one before it.
            if client.phase != HttpPhase::Head {
                break;
            }
        }
        if self.clients.get(key).is_some_and(HttpClient::has_work) {
            self.queue(key);
        }
    }

    /// Refuses a request, and ends its connection.
    fn refuse(&mut self, key: Key, status: StatusCode, now: Now) {
        let request = HttpRequest { closes: true, ..HttpRequest::default() };
        let body = [Bytes::from_static(status.body().as_bytes())];
        self.send(key, &request, (status, MediaType::Text, &body), now);
    }

    fn answer(&mut self, key: Key, mut request: HttpRequest, view: &AdminView<'_>) {
        let is_from_reserve = self.clients.get(key).is_some_and(HttpClient::is_from_reserve);
        request.closes |= is_from_reserve;
        match route(&request, self.token.as_ref(), view) {
            HttpAnswer::Page | HttpAnswer::Metrics | HttpAnswer::Status | HttpAnswer::Events
                if self.is_full() =>
            {
                self.refuse(key, StatusCode::Unavailable, view.now);
            }
            HttpAnswer::Text(status, media, body) => {
                self.send(key, &request, (status, media, &[body.into()]), view.now);
            }
            HttpAnswer::Page => {
                let page = [Bytes::from_static(PAGE.as_bytes())];
                self.send(key, &request, (StatusCode::Ok, MediaType::Html, &page), view.now);
            }
            HttpAnswer::Status => {
                let json = [self.status(view)];
                self.send(key, &request, (StatusCode::Ok, MediaType::Json, &json), view.now);
            }
            HttpAnswer::Metrics => {
                self.builds.insert(key, (request, None));
                if let Some(client) = self.clients.get_mut(key) {
                    client.phase = HttpPhase::Building;
                }
                self.advance(key, view);
            }
            HttpAnswer::Events if is_from_reserve || self.streams() >= HTTP_READERS_MAX => {
                self.refuse(key, StatusCode::Unavailable, view.now);
            }
            HttpAnswer::Events => self.begin_events(key, &request, view),
        }
    }

    fn send(
        &mut self,
        key: Key,
        request: &HttpRequest,
        (status, media, body): (StatusCode, MediaType, &[Bytes]),
        now: Now,
    ) {
        let Some(client) = self.clients.get_mut(key) else { return };
        self.observed.record_response(status);
        let (length, closes) = (Some(body.iter().map(Bytes::len).sum()), request.closes);
        ResponseHead { status, media, length, closes }
            .encode(now.unix, &mut client.connection.output);
        if !request.is_head {
            client.add_body(body.iter().cloned());
        }
        client.send(closes, now.steady);
    }

    /// Continues the body that is being built.
    fn advance(&mut self, key: Key, view: &AdminView<'_>) {
        let Some((_, build)) = self.builds.get_mut(&key) else { return };
        if build.is_none() && !mem::take(&mut self.may_begin_build) {
            return; // In a later turn.
        }
        let build = build
            .get_or_insert_with(|| MetricsBuild::begin(view, &self.observed, self.clients.len()));
        if let Some(body) = build.advance(view)
            && let Some((request, _)) = self.builds.remove(&key)
        {
            self.send(key, &request, (StatusCode::Ok, MediaType::Metrics, &body), view.now);
        }
    }

    /// Begins to stream: the whole state first, then an update each second.
    fn begin_events(&mut self, key: Key, request: &HttpRequest, view: &AdminView<'_>) {
        let status = self.status(view);
        let Some(client) = self.clients.get_mut(key) else { return };
        self.observed.record_response(StatusCode::Ok);
        let media = MediaType::Events;
        let head = ResponseHead { status: StatusCode::Ok, media, length: None, closes: true };
        head.encode(view.now.unix, &mut client.connection.output);
        if request.is_head {
            return client.send(true, view.now.steady);
        }
        let line =
            [Bytes::from_static(b"event: status\ndata: "), status, Bytes::from_static(b"\n\n")];
        line.iter().for_each(|part| client.connection.output.put_slice(part));
        client.stream(view.now.steady);
    }

    fn status(&mut self, view: &AdminView<'_>) -> Bytes {
        let has_readers = self.streams() > 0;
        self.status.json(view, &self.observed, has_readers)
    }

    /// Returns the number of readers of `/events`.
    fn streams(&self) -> usize {
        self.clients.iter().filter(|(_, client)| client.phase == HttpPhase::Streaming).count()
    }

    /// Returns true if too many bytes wait for slow readers.
    fn is_full(&self) -> bool {
        let waiting: usize = self.clients.iter().map(|(_, it)| it.waiting_bytes()).sum();
        waiting > HTTP_RESPONSES_BYTES_MAX
    }

    /// Does what is due each second: rates, updates of `/events`, ends of connections.
    fn tick(&mut self, view: &AdminView<'_>) {
        self.listener.tick();
        self.observed.tick(view.sources.group);
        self.status.expire();
        if self.streams() > 0 {
            let update = self.status.update(view, &self.observed);
            let event = format!("event: update\ndata: {update}\n\n");
            for (_, client) in self.clients.iter_mut() {
                if client.phase == HttpPhase::Streaming {
                    client.add_event(event.as_bytes(), view.now.steady);
                }
            }
        }
        for key in self.clients.iter().map(|(key, _)| key).collect::<Vec<_>>() {
            let Some(client) = self.clients.get(key) else { continue };
            match (client.is_over(view.now.steady), client.has_begun()) {
                (true, true) => self.refuse(key, StatusCode::RequestTimeout, view.now),
                (true, false) => self.close(key),
                (false, _) => (),
            }
            self.queue(key);
        }
    }

    fn close(&mut self, key: Key) {
        self.builds.remove(&key);
        if let Some(client) = self.clients.remove(key) {
            let is_from_reserve = client.is_from_reserve();
            drop(client);
            self.file_closed(is_from_reserve);
        }
    }

    fn file_closed(&mut self, is_from_reserve: bool) {
        self.files_closed += usize::from(!is_from_reserve);
        self.listener.file_closed(is_from_reserve);
    }
}
