//! Applies the records of a batch that counts.
//!
//! Every record that may be void is judged here by the list's own state, so that all sites decide
//! alike. What is left to the state machine is the same at all sites, too.

use super::batch::ListBatch;
use super::homes::Home;
use super::names::{ListPosition, MemberVisit, SiteName};
use super::record::ListRecord;
use super::state::ListState;
use crate::facts::{Fact, MemberSite, MemberState, Ordered, Recorded};
use crate::protocol::{ANNOUNCER, Delivery, PeerName, Seq, Text, TimeText};
use crate::time::{Millis, UnixMillis};

/// State to which the records of a batch are applied.
pub(super) struct Application<'a, S: Recorded> {
    pub(super) list: &'a mut ListState,
    pub(super) state: &'a mut S,
    pub(super) position: ListPosition,
    /// Last entry that the site of the batch had read.
    pub(super) seen: ListPosition,
    pub(super) site: &'a SiteName,
    /// True if the batch is of this process.
    pub(super) is_own: bool,
    /// Group time of the batch.
    pub(super) at: Millis,
    pub(super) index: u32,
    /// Set if a member came to this site.
    pub(super) has_joined: &'a mut bool,
}

impl<S: Recorded> Application<'_, S> {
    /// Applies the records. `tickets` are those of the proposals, if the batch is of this process.
    pub(super) fn apply(mut self, batch: &ListBatch<'_>, tickets: Vec<Option<S::Ticket>>) {
        let mut tickets = tickets.into_iter();
        for record in batch.records() {
            self.apply_record(&record, tickets.next().flatten());
            self.index = self.index.saturating_add(1);
        }
    }

    fn apply_record(&mut self, record: &ListRecord<'_>, ticket: Option<S::Ticket>) {
        let accepted = self.list.time;
        let fact = fact(record, accepted);
        match *record {
            ListRecord::Found { epoch, .. } | ListRecord::Epoch { epoch } => {
                if self.list.begin_epoch(epoch, self.seen) {
                    self.put(fact, ticket);
                } else {
                    self.withdraw(fact, ticket);
                }
            }
            ListRecord::Life | ListRecord::End => self.end_visits(),
            ListRecord::Enter { owner, address, start, id } => {
                let was_member = self.state.member_state(id).is_some();
                let start = self.kept(start);
                self.put(Some(Fact::Entered { id, owner, address, start }), ticket);
                if !was_member && self.state.member_state(id).is_some() {
                    self.begin_visit(id, start);
                }
            }
            ListRecord::Return { before, owner, visit, address, acked, id } => {
                let member = self.state.member_state(id);
                let Some(member) = member else { return self.put(fact, ticket) }; // Refused.
                let is_owner = member.owner == before || member.owner == owner;
                if !is_owner || self.has_moved(id, visit) {
                    return self.withdraw(fact, ticket);
                }
                let (before, acked) = (member.owner, self.returned(id, acked));
                self.put(Some(Fact::Returned { id, before, owner, address, acked }), ticket);
                self.begin_visit(id, acked);
            }
            ListRecord::Leave { before, visit, is_forgotten, id } => {
                if !self.may_leave(id, before, visit, is_forgotten) {
                    return self.withdraw(fact, ticket);
                }
                self.list.homes.remove(id);
                self.put(fact, ticket);
            }
            ListRecord::Say { visit, id, .. } => {
                let counts = match visit {
                    Some(visit) => self.list.homes.is_current(id, visit),
                    None => id == ANNOUNCER,
                };
                if counts { self.put(fact, ticket) } else { self.withdraw(fact, ticket) }
            }
            ListRecord::Imported { id, text } => self.put_imported(id, text),
            ListRecord::Acked { visit, acked, id } => {
                if self.list.homes.is_current(id, visit) {
                    self.list.homes.raise_acked(id, acked.min(self.state.position().last));
                    self.put(fact, ticket);
                }
            }
            ListRecord::Gone { visit, id } => {
                if self.list.homes.is_current(id, visit) {
                    self.set_offline(id);
                }
            }
        }
    }

    /// Returns true if a member has gone to another site since the site of the batch had seen this
    /// visit. The site could not know it, so its request is late. A site orders its own requests.
    fn has_moved(&self, id: &str, seen: MemberVisit) -> bool {
        let home = self.list.homes.of(id);
        home.is_some_and(|home| home.visit != seen && home.site != *self.site)
    }

    /// Returns true if an id ceases to be a member: by a request of its owner, or because it was
    /// offline for too long.
    fn may_leave(
        &self,
        id: &str,
        before: PeerName,
        visit: MemberVisit,
        is_forgotten: bool,
    ) -> bool {
        if !is_forgotten {
            let is_owner = |member: MemberState<'_>| member.owner == before;
            return self.state.member_state(id).is_none_or(is_owner) && !self.has_moved(id, visit);
        }
        let home = self.list.homes.of(id);
        let is_offline = |home: &&Home| !home.is_online || !self.list.is_live_name(&home.site);
        home.filter(is_offline).is_some_and(|home| home.visit == visit)
    }

    /// Adds a message whose sender may have left since. Its number is the next one.
    fn put_imported(&mut self, sender: &str, text: Text<'_>) {
        let Ok(text) = str::from_utf8(text.as_bytes()) else { return }; // Texts are UTF-8.
        let (seq, accepted) = (self.state.position().last.next(), self.list.time);
        let delivery = Delivery { seq, sender, accepted, text };
        let mut line = Vec::new();
        delivery.encode(&mut TimeText::default(), &mut line);
        self.put(Some(Fact::Numbered { delivery, line: &line, number: None }), None);
    }

    fn put(&mut self, fact: Option<Fact<'_>>, ticket: Option<S::Ticket>) {
        let Some(fact) = fact else { return };
        let ticket = ticket.filter(|_| self.is_own);
        self.state.apply(fact, Ordered { ticket, is_committed: true }, self.at);
    }

    fn withdraw(&mut self, fact: Option<Fact<'_>>, ticket: Option<S::Ticket>) {
        if let (Some(fact), Some(ticket)) = (fact, ticket.filter(|_| self.is_own)) {
            self.state.withdraw(fact, ticket);
        }
    }

    /// Returns the cursor, but none above the last message, or below what sites may have kept.
    fn kept(&self, cursor: Seq) -> Seq {
        cursor.max(self.list.horizon()).min(self.state.position().last)
    }

    /// Returns the cursor of a member that returns, but none above the last message. Below what
    /// sites may have kept it does not go back, but it stays there if it has come no further: what
    /// the member has missed must count.
    fn returned(&self, id: &str, cursor: Seq) -> Seq {
        let reached = self.list.homes.of(id).map_or(Seq::ZERO, |home| home.acked);
        cursor.max(self.list.horizon().min(reached)).min(self.state.position().last)
    }

    fn begin_visit(&mut self, id: &str, acked: Seq) {
        *self.has_joined |= self.is_own;
        let visit = MemberVisit { position: self.position, index: self.index };
        let home = Home { site: self.site.clone(), visit, is_online: true, acked };
        self.list.homes.set(id, home);
        let site =
            if self.is_own { MemberSite::Here } else { MemberSite::Elsewhere { is_online: true } };
        self.locate(id, site);
    }

    fn set_offline(&mut self, id: &str) {
        self.list.homes.set_offline(id);
        if !self.is_own {
            self.locate(id, MemberSite::Elsewhere { is_online: false });
        }
    }

    fn locate(&mut self, id: &str, site: MemberSite) {
        let Some(name) = self.list.homes.of(id).map(|home| home.site.clone()) else { return };
        self.put(Some(Fact::Located { id, name: name.as_str(), site }), None);
    }

    /// The members at a site are offline when its process ends, or begins again.
    fn end_visits(&mut self) {
        for id in self.list.homes.end_visits(self.site) {
            let site = if self.is_own {
                MemberSite::Here
            } else {
                MemberSite::Elsewhere { is_online: false }
            };
            self.locate(&id, site);
        }
    }
}

/// Returns the fact of a record, with the time of its batch.
pub(super) fn fact<'a>(record: &ListRecord<'a>, accepted: UnixMillis) -> Option<Fact<'a>> {
    Some(match *record {
        ListRecord::Found { epoch, .. } | ListRecord::Epoch { epoch } => Fact::NewEpoch { epoch },
        ListRecord::Enter { owner, address, start, id } => {
            Fact::Entered { id, owner, address, start }
        }
        ListRecord::Return { before, owner, address, acked, id, .. } => {
            Fact::Returned { id, before, owner, address, acked }
        }
        ListRecord::Leave { id, .. } => Fact::Deregistered { id },
        ListRecord::Say { number, id, text, .. } => {
            Fact::Accepted { sender: id, number, accepted, text }
        }
        ListRecord::Acked { acked, id, .. } => Fact::Acked { id, acked },
        ListRecord::Life
        | ListRecord::End
        | ListRecord::Gone { .. }
        | ListRecord::Imported { .. } => return None,
    })
}
