//! A second, simple reading of the list: which messages of a batch count.

use std::collections::BTreeMap;

use groupcast::journal::{ListBatch, ListPosition, ListRecord, MemberVisit, SiteState};

use super::site::SiteProcess;

/// Current visits of the members, and the numbers of their texts.
#[derive(Debug, Default)]
pub(super) struct RecordModel {
    members: BTreeMap<String, ModelMember>,
}

#[derive(Debug)]
struct ModelMember {
    visit: MemberVisit,
    published: u64,
}

impl RecordModel {
    /// Returns the number of messages in the entry that the group accepts. `after` is the reference
    /// that has applied the entry.
    pub(super) fn messages(
        &mut self,
        position: u64,
        batch: &ListBatch<'_>,
        after: &SiteProcess,
        members_max: usize,
    ) -> u64 {
        let mut messages = 0;
        for (index, record) in (0..).zip(batch.records()) {
            let visit = MemberVisit { position: ListPosition(position), index };
            match record {
                ListRecord::Enter { id, .. } if self.members.len() < members_max => {
                    let member = ModelMember { visit, published: 0 };
                    self.members.entry(id.to_owned()).or_insert(member);
                }
                ListRecord::Return { id, .. } => {
                    self.members.entry(id.to_owned()).and_modify(|member| member.visit = visit);
                }
                ListRecord::Leave { forgotten: None, id, .. } => drop(self.members.remove(id)),
                ListRecord::Leave { forgotten: Some(visit), id, .. } => {
                    let home = after.journal.list().homes().of(id);
                    let is_left = home.is_none_or(|home| home.visit != visit);
                    let is_current = self.members.get(id).is_some_and(|it| it.visit == visit);
                    if is_left && is_current {
                        self.members.remove(id);
                    }
                }
                ListRecord::Say { visit: Some(visit), number, id, .. } => {
                    let Some(member) = self.members.get_mut(id) else { continue };
                    let is_next = number.is_none_or(|number| number.get() == member.published + 1);
                    if member.visit == visit && is_next {
                        member.published = number.map_or(member.published, |number| number.get());
                        messages += 1;
                    }
                }
                ListRecord::Enter { .. }
                | ListRecord::Say { visit: None, .. }
                | ListRecord::Found { .. }
                | ListRecord::Epoch { .. }
                | ListRecord::Life
                | ListRecord::End
                | ListRecord::Acked { .. }
                | ListRecord::Gone { .. } => (),
            }
        }
        messages
    }
}

/// Returns true if a batch is the last one of its site that counts.
pub(super) fn is_last_of(site: Option<&SiteState>, batch: &ListBatch<'_>) -> bool {
    let header = &batch.header;
    site.is_some_and(|it| (it.life, it.number) == (header.life, header.number))
}
