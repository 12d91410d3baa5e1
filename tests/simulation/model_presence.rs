//! Announcements: each one must be true, and each change must be announced when it is due.

use std::collections::{BTreeMap, BTreeSet};

use groupcast::facts::{Announced, Recorded as _};
use groupcast::group::Group;
use groupcast::limits::ANNOUNCEMENT_RETRY_MS;
use groupcast::protocol::{ANNOUNCER, Announcement, Delivery, PresenceChange, Seq};

use crate::coverage::CoveragePoint;
use crate::epoch_history::Message;
use crate::model::Model;

/// The registration number of the announcer, which is nobody's.
const NOBODY: u32 = 0;

/// A time of any run, for its digits.
const UNIX_MS: u64 = 1_700_000_000_000;

/// The last announcement about each id.
#[derive(Clone, Debug, Default)]
pub(crate) struct AnnouncedIds {
    last: BTreeMap<String, LastAnnounced>,
    /// There was no room: until then nothing is announced.
    waits_until: u64,
    /// Announcements were turned on or off. A snapshot may name states that were never announced,
    /// or lack states that were. So after a restart the group is believed about them.
    were_switched: bool,
    /// Start of this coordinator. It may take this as the time of earlier announcements.
    opened_at: u64,
}

#[derive(Clone, Copy, Debug)]
struct LastAnnounced {
    announced: Announced,
    /// Time of the announcement; `None` if there is none.
    at: Option<u64>,
}

impl AnnouncedIds {
    /// Returns what stays known when the coordinator starts again.
    pub(crate) fn of_next_start(&self) -> Self {
        Self { were_switched: self.were_switched, ..Self::default() }
    }
}

fn after(change: PresenceChange) -> Announced {
    match change {
        PresenceChange::Registered | PresenceChange::Online => Announced::Online,
        PresenceChange::Offline => Announced::Offline,
        PresenceChange::Deregistered => Announced::Absent,
    }
}

/// Returns the announcement of a line with its LF, if it is one.
fn announcement(line: &str) -> Option<Announcement<'_>> {
    let delivery = Delivery::parse(line.strip_suffix('\n')?)?;
    Announcement::parse(delivery.text).filter(|_| delivery.sender == ANNOUNCER)
}

impl Model {
    /// Turns the announcements on or off. If they begin, all members count as announced online.
    pub(crate) fn switch_announcements(&mut self, are_on: bool) {
        if are_on == self.rules.presence_delay_ms.is_some() {
            return;
        }
        self.announced.were_switched = true;
        self.announced.last.clear();
        self.cover(match are_on {
            true => CoveragePoint::AnnouncementsBegan,
            false => CoveragePoint::AnnouncementsEnded,
        });
        if are_on {
            let online = LastAnnounced { announced: Announced::Online, at: None };
            self.announced.last = self.members.keys().map(|id| (id.clone(), online)).collect();
        }
    }

    /// Takes the announcements of a tick from the group, and checks them.
    pub(crate) fn take_announcements(&mut self, group: &Group, now: u64) {
        for (seq, line, _) in group.lines(Seq::new(self.life().last())).collect::<Vec<_>>() {
            let line = std::str::from_utf8(line).unwrap();
            assert_eq!(seq.as_u64(), self.life().last() + 1, "{line:?}");
            self.take_announcement(line, now);
        }
        self.check_due(now);
    }

    fn take_announcement(&mut self, line: &str, now: u64) {
        let found = announcement(line);
        let Announcement { id, change } = found.unwrap_or_else(|| panic!("{line:?} by nobody"));
        let delay = self.rules.presence_delay_ms.expect("no announcement without presence");
        let before = self.announced.last.get(id).copied();
        let was = before.map_or(Announced::Absent, |last| last.announced);
        let at = before.and_then(|last| last.at);
        assert!(at.is_none_or(|at| now >= at + delay), "{line:?} too early: {before:?}");
        let is_sensible = match change {
            PresenceChange::Registered => was == Announced::Absent,
            PresenceChange::Online => was == Announced::Offline,
            PresenceChange::Offline | PresenceChange::Deregistered => was != after(change),
        };
        assert!(is_sensible, "{line:?} after {before:?}");
        let presence = self.members.get(id).map(|member| (member.link, member.presence.since));
        let is_true = match (after(change), presence) {
            (Announced::Absent, None) | (Announced::Online, Some((Some(_), _))) => true,
            (Announced::Offline, Some((None, since))) => now >= since + delay,
            _ => false,
        };
        assert!(is_true, "{line:?} is not true: {presence:?}");
        assert!(!self.is_shutting_down && !self.is_refusing(), "{line:?} at a bad time");
        assert_eq!(self.make_room(line.len() as u64), Ok(()), "{line:?} without room");
        self.cover(match change {
            PresenceChange::Registered | PresenceChange::Online => CoveragePoint::AnnouncedOnline,
            PresenceChange::Offline => CoveragePoint::AnnouncedOffline,
            PresenceChange::Deregistered => CoveragePoint::AnnouncedEnd,
        });
        let last = LastAnnounced { announced: after(change), at: Some(now) };
        self.announced.last.insert(id.to_owned(), last);
        self.accept(Message {
            sender: NOBODY,
            number: None,
            is_anonymous: false,
            line: line.to_owned(),
            accepted: now,
            promise: None,
            is_lost: false,
        });
    }

    /// Checks that no announcement is late. Without room the group waits, perhaps for an
    /// announcement that is not due for certain.
    fn check_due(&mut self, now: u64) {
        if self.rules.presence_delay_ms.is_none() || self.is_shutting_down {
            return;
        }
        let due = self.due_ids(now);
        let seq = self.life().last() + 1;
        let ids = self.members.keys().chain(self.announced.last.keys());
        let lines = ids.map(|id| format!("{seq}#@#{UNIX_MS}#{id} deregistered\n").len());
        let longest = lines.max().unwrap_or_default() as u64;
        if self.is_refusing() || self.room_for(longest).is_err() {
            if !due.is_empty() {
                self.cover(CoveragePoint::AnnouncementWaited);
            }
            self.announced.waits_until = now + ANNOUNCEMENT_RETRY_MS;
        }
        let must_wait = now < self.announced.waits_until;
        assert!(due.is_empty() || must_wait, "{due:?} were not announced: {:?}", self.announced);
    }

    /// Returns the ids whose announced state has been wrong for long enough.
    fn due_ids(&self, now: u64) -> Vec<String> {
        let Some(delay) = self.rules.presence_delay_ms else { return Vec::new() };
        let ids: BTreeSet<&String> =
            self.members.keys().chain(self.announced.last.keys()).collect();
        let is_due = |id: &&String| {
            let last = self.announced.last.get(*id);
            let was = last.map_or(Announced::Absent, |last| last.announced);
            let member = self.members.get(*id);
            let (is, since) = match member.map(|member| (member.link, member.presence.since)) {
                None => (Announced::Absent, 0),
                Some((Some(_), _)) => (Announced::Online, 0),
                Some((None, since)) => (Announced::Offline, since + delay),
            };
            let at = last.map(|last| last.at.unwrap_or_default().max(self.announced.opened_at));
            was != is && now >= since.max(at.map_or(0, |at| at + delay))
        };
        ids.into_iter().filter(is_due).cloned().collect()
    }

    /// Restores the announced states after a restart. The group must know the last announcement of
    /// each id, or one of which all later ones are lost.
    pub(crate) fn restore_announced(&mut self, group: &Group, opened_at: u64) {
        let mut all: BTreeMap<String, Vec<(LastAnnounced, bool)>> = BTreeMap::new();
        for seq in 1..=self.life().last() {
            let message = self.life().message(seq);
            if let Some(Announcement { id, change }) = announcement(&message.line) {
                let at = Some(message.accepted);
                let one = LastAnnounced { announced: after(change), at };
                all.entry(id.to_owned()).or_default().push((one, message.is_lost));
            }
        }
        let known: BTreeMap<&str, Announced> = group.announced_states().collect();
        let members = group.members().map(|member| member.id.to_owned());
        let ids: BTreeSet<String> = all
            .keys()
            .cloned()
            .chain(known.keys().map(|id| (*id).to_owned()))
            .chain(members)
            .collect();
        let mut last = BTreeMap::new();
        for id in ids {
            let found = known.get(id.as_str()).copied().unwrap_or_default();
            if self.announced.were_switched {
                last.insert(id, LastAnnounced { announced: found, at: None });
                continue;
            }
            let never = (LastAnnounced { announced: Announced::Absent, at: None }, false);
            let all = all.remove(&id).unwrap_or_default();
            let mut latest = all.iter().rev().chain([&never]);
            let it = loop {
                let (it, is_lost) = latest.next().unwrap();
                if it.announced == found {
                    break *it;
                }
                assert!(is_lost, "{id}: announced last: {found:?}, not {all:?}");
            };
            last.insert(id, it);
        }
        let were_switched = self.announced.were_switched;
        self.announced = AnnouncedIds { last, waits_until: 0, were_switched, opened_at };
    }
}
