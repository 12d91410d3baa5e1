//! A second, simple reading of the list: which messages of a batch count.

use std::collections::BTreeMap;

use groupcast::journal::{ListBatch, ListPosition, ListRecord, MemberVisit, SiteName, SiteState};
use groupcast::protocol::{Announcement, Text};

use super::site::SiteProcess;
use crate::replicated::proposed::{AnnouncedChanges, is_announced};

/// Current visits of the members, and the numbers of their texts.
#[derive(Debug, Default)]
pub(super) struct RecordModel {
    members: BTreeMap<String, ModelMember>,
    announced: AnnouncedChanges,
}

#[derive(Debug)]
struct ModelMember {
    site: SiteName,
    visit: MemberVisit,
    is_online: bool,
    published: u64,
}

impl ModelMember {
    fn come_back(&mut self, site: &SiteName, visit: MemberVisit) {
        (self.visit, self.is_online) = (visit, true);
        self.site = site.clone();
    }

    /// Returns true if a site that had seen this visit knows where the member is.
    fn is_known(&self, site: &SiteName, visit: MemberVisit) -> bool {
        self.visit == visit || self.site == *site
    }
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
        let (mut messages, site, list) = (0, &batch.header.site, after.journal.list());
        let is_live = |name: &SiteName| list.site(name).is_some_and(|site| list.is_live(site));
        for (index, record) in (0..).zip(batch.records()) {
            let visit = MemberVisit { position: ListPosition(position), index };
            match record {
                ListRecord::Enter { id, .. } if self.members.len() < members_max => {
                    let site = site.clone();
                    let member = ModelMember { site, visit, is_online: true, published: 0 };
                    self.members.entry(id.to_owned()).or_insert(member);
                }
                ListRecord::Return { visit: seen, id, .. } => {
                    let member = self.members.get_mut(id).filter(|it| it.is_known(site, seen));
                    member.into_iter().for_each(|member| member.come_back(site, visit));
                }
                ListRecord::Leave { visit, is_forgotten: false, id, .. } => {
                    self.members.retain(|member, it| member != id || !it.is_known(site, visit));
                }
                ListRecord::Leave { visit, is_forgotten: true, id, .. } => {
                    self.members.retain(|member, it| {
                        let is_offline = !it.is_online || !is_live(&it.site);
                        member != id || it.visit != visit || !is_offline
                    });
                }
                ListRecord::Say { visit: Some(visit), number, id, .. } => {
                    let Some(member) = self.members.get_mut(id) else { continue };
                    let is_next = number.is_none_or(|number| number.get() == member.published + 1);
                    if member.visit == visit && is_next {
                        member.published = number.map_or(member.published, |number| number.get());
                        messages += 1;
                    }
                }
                ListRecord::Gone { visit, id } => {
                    let member = self.members.get_mut(id).filter(|it| it.visit == visit);
                    member.into_iter().for_each(|member| member.is_online = false);
                }
                ListRecord::Life | ListRecord::End => {
                    let here = self.members.values_mut().filter(|member| member.site == *site);
                    here.for_each(|member| member.is_online = false);
                }
                ListRecord::Say { visit: None, text, .. } => {
                    messages += u64::from(self.takes_announcement(text));
                }
                ListRecord::Imported { .. } => messages += 1,
                ListRecord::Enter { .. }
                | ListRecord::Found { .. }
                | ListRecord::Epoch { .. }
                | ListRecord::Acked { .. } => (),
            }
        }
        messages
    }

    fn takes_announcement(&mut self, text: Text<'_>) -> bool {
        let text = String::from_utf8_lossy(text.as_bytes());
        let Announcement { id, change } = Announcement::parse(&text).unwrap();
        let is_member = self.members.contains_key(id);
        is_announced(&mut self.announced, id, change, is_member)
    }
}

/// Returns true if a batch is the last one of its site that counts.
pub(super) fn is_last_of(site: Option<&SiteState>, batch: &ListBatch<'_>) -> bool {
    let header = &batch.header;
    site.is_some_and(|it| (it.life, it.number) == (header.life, header.number))
}
