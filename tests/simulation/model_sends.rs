//! Numbered texts: each number of a member is accepted once, in order, across the coordinator's
//! ends.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;

use groupcast::group::ConnId;
use groupcast::protocol::Text;
use groupcast::time::Now;

use crate::access::model::Granted;
use crate::coverage::CoveragePoint;
use crate::epoch_history::CoordinatorEnd;
use crate::model::Model;
use crate::model_journal::FactId;

/// A message with a number of its sender.
#[derive(Debug)]
pub(crate) struct SentText {
    /// Number of the sender's registration.
    sender: u32,
    number: u64,
    text: String,
    /// That registration has not ended.
    is_of_member: bool,
}

impl Model {
    /// Accepts the text with the member's next number. Returns the reply.
    pub(crate) fn send(
        &mut self,
        (conn, granted): (ConnId, Granted),
        id: &str,
        (number, text): (NonZeroU64, Text<'_>),
        now: Now,
    ) -> Result<String, u16> {
        let published = self.members[id].published;
        if number.get() <= published {
            self.cover(CoveragePoint::DuplicateSent);
            return Ok(format!("OK send {number} duplicate=1"));
        }
        if number.get() > published + 1 {
            self.cover(CoveragePoint::NumberTooHigh);
            return Err(409);
        }
        let seq = self.publish((id, granted), Some(number), text, now)?;
        self.facts.insert(conn, FactId::Message(seq));
        self.members.get_mut(id).unwrap().published = number.get();
        Ok(format!("OK send {number} seq={seq}"))
    }

    /// Returns true if this text was accepted, and neither the coordinator nor the outbox file has
    /// lost that.
    pub(crate) fn must_know_accepted(&self, text: &str) -> bool {
        self.texts.contains(text) && !self.lost_texts.contains(text)
    }

    /// Returns all numbered messages.
    pub(crate) fn sent(&self) -> Vec<SentText> {
        let messages = (1..=self.life().last()).map(|seq| self.life().message(seq));
        let members: BTreeSet<u32> = self.members.values().map(|member| member.number).collect();
        let numbered = messages.filter_map(|message| {
            let text = message.line.trim_end_matches('\n').splitn(4, '#').nth(3)?.to_owned();
            let (sender, number) = (message.sender, message.number?.get());
            Some(SentText { sender, number, text, is_of_member: members.contains(&sender) })
        });
        numbered.collect()
    }

    /// The coordinator came back without these numbers, or without the registration that they
    /// belong to, which nobody was promised to stay: their texts may be accepted again.
    pub(crate) fn forget_lost_sends(&mut self, sent: &[SentText]) {
        let members = self.members.values();
        let published: BTreeMap<u32, u64> =
            members.map(|member| (member.number, member.published)).collect();
        let is_lost = |sender: u32, number: u64| {
            published.get(&sender).is_some_and(|published| *published < number)
        };
        for SentText { sender, number, text, is_of_member } in sent {
            let is_unregistered = *is_of_member && !published.contains_key(sender);
            if is_unregistered || is_lost(*sender, *number) {
                self.lost_texts.insert(text.clone());
            }
        }
        for seq in 1..=self.life().last() {
            let message = self.life_mut().message_mut(seq);
            message.number = message.number.filter(|number| !is_lost(message.sender, number.get()));
        }
    }

    /// Returns the highest number of each registration that must have survived this end.
    pub(crate) fn promised_sends(&self, end: &CoordinatorEnd) -> BTreeMap<u32, u64> {
        let mut promised = BTreeMap::new();
        for seq in 1..=self.life().last() {
            let message = self.life().message(seq);
            let is_promised = message.promise.is_some_and(|promise| promise.binds(end));
            if let Some(number) = message.number.filter(|_| is_promised) {
                let highest = promised.entry(message.sender).or_insert(0);
                *highest = number.get().max(*highest);
            }
        }
        promised
    }
}
