//! Sends numbered texts of a member, and sends them again until they are confirmed.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::member::{Home, HomeState, Lines, REPLY_WAIT, Run, connect};
use super::reader::Faults;
use crate::clock;
use crate::texts::Texts;
use crate::wire::decimal;

/// Pause after a refusal.
const PAUSE: Duration = Duration::from_millis(20);

/// Texts that a sender has under way, and its pause between two texts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pacing {
    pub(super) window: u64,
    pub(super) pause: Duration,
}

/// Result of a sender.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) confirmed: u64,
    pub(super) faults: Faults,
    /// Times of the confirmations, if there is a pause between them.
    pub(super) times: Vec<Instant>,
}

/// Sends the texts of a publisher until all are confirmed, or the run is over.
pub(super) fn send(run: &Run, id: &str, own: usize, home: &Home, pacing: Pacing) -> Result<Sent> {
    let (texts, sent) = (Texts::new(run.text_bytes), Sent::default());
    let mut sender = Sender { run, id, own, pacing, texts, sent };
    while !run.is_over() && sender.sent.confirmed < run.texts {
        let Some(state) = home.await_online(run) else { break };
        let address = run.sites.get(state.site).context("no such site")?;
        if let Ok(stream) = connect(*address) {
            sender.visit(Lines::new(stream), home, state).with_context(|| id.to_owned())?;
        }
        clock::pause(PAUSE);
    }
    Ok(sender.sent)
}

struct Sender<'a> {
    run: &'a Run,
    id: &'a str,
    own: usize,
    pacing: Pacing,
    texts: Texts,
    sent: Sent,
}

impl Sender<'_> {
    /// Uses one command socket, until the member is elsewhere. An error ends the run.
    fn visit(&mut self, mut lines: Lines, home: &Home, state: HomeState) -> Result<()> {
        let (mut under_way, mut is_refused) = (VecDeque::new(), false);
        let mut next = self.sent.confirmed + 1;
        let mut answered = clock::now();
        while !self.run.is_over() && self.sent.confirmed < self.run.texts {
            if under_way.is_empty() {
                let now = home.state();
                if !now.is_online || now.visit != state.visit {
                    return Ok(());
                }
                clock::pause(if is_refused { PAUSE } else { self.pacing.pause });
                (next, is_refused) = (self.sent.confirmed + 1, false);
                answered = clock::now();
            }
            let mut requests = Vec::new();
            while !is_refused && next <= self.run.texts && self.has_room(next) {
                self.put(next, &mut requests);
                under_way.push_back(next);
                next += 1;
            }
            if !requests.is_empty() && lines.write(&requests).is_err() {
                return Ok(());
            }
            loop {
                match lines.next() {
                    Ok(Some(reply)) => {
                        is_refused |= !self.take(reply, under_way.pop_front())?;
                        home.confirmed.store(self.sent.confirmed, Ordering::Relaxed);
                        answered = clock::now();
                    }
                    Ok(None) if clock::now() - answered > REPLY_WAIT => return Ok(()),
                    Ok(None) => (),
                    Err(_) => return Ok(()),
                }
                if lines.is_empty() {
                    break;
                }
            }
        }
        Ok(())
    }

    fn has_room(&self, next: u64) -> bool {
        let is_allowed = next <= self.run.allowed.load(Ordering::Relaxed);
        is_allowed && next - self.sent.confirmed <= self.pacing.window
    }

    fn put(&mut self, number: u64, output: &mut Vec<u8>) {
        output.extend_from_slice(format!("{}#send {number} ", self.id).as_bytes());
        output.extend_from_slice(self.texts.text(self.own, number - 1));
        output.extend_from_slice(b"#-\n");
    }

    /// Takes a reply. Returns false if the text was refused.
    fn take(&mut self, reply: &[u8], expected: Option<u64>) -> Result<bool> {
        let shown = || String::from_utf8_lossy(reply).into_owned();
        let Some(behind) = reply.strip_prefix(b"OK send ") else {
            // Offline, behind a refused text, no engine, or the end of the site.
            let passing = [&b"ERR 409"[..], b"ERR 503", b"ERR 506", b"ERR 507"];
            ensure!(passing.iter().any(|it| reply.starts_with(it)), "{}", shown());
            return Ok(false);
        };
        let mut words = behind.split(|byte| *byte == b' ');
        let number = words.next().and_then(decimal);
        ensure!(number.is_some() && number == expected, "expected {expected:?}: {}", shown());
        self.sent.confirmed = self.sent.confirmed.max(number.unwrap_or_default());
        match words.next() {
            Some(b"duplicate=1") => (),
            Some(word) => {
                let seq = word.strip_prefix(b"seq=").and_then(decimal).with_context(shown)?;
                if !self.run.ledger.agrees(self.own, number.unwrap_or_default() - 1, seq) {
                    self.sent.faults.out_of_order += 1;
                }
            }
            None => bail!(shown()),
        }
        if !self.pacing.pause.is_zero() {
            self.sent.times.push(clock::now());
        }
        Ok(true)
    }
}
