//! Announcements: texts about members, sent by the coordinator itself.

use std::fmt;

use super::is_id;

/// Sender of the announcements. No member can have it as its id.
pub const ANNOUNCER: &str = "@";

/// Text of a message from [`ANNOUNCER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement<'a> {
    /// Id that the announcement is about.
    pub id: &'a str,
    /// Change of the id.
    pub change: PresenceChange,
}

/// Change that an announcement tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresenceChange {
    /// The id is a member, and online.
    Registered,
    /// The member is online again.
    Online,
    /// The member is offline.
    Offline,
    /// The membership of the id has ended.
    Deregistered,
}

impl PresenceChange {
    const ALL: [Self; 4] = [Self::Registered, Self::Online, Self::Offline, Self::Deregistered];

    const fn word(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Deregistered => "deregistered",
        }
    }
}

impl<'a> Announcement<'a> {
    /// Parses a text; `None` if it is no announcement of this version.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let (id, word) = text.split_once(' ')?;
        let change = PresenceChange::ALL.into_iter().find(|change| change.word() == word)?;
        is_id(id).then_some(Self { id, change })
    }
}

impl fmt::Display for Announcement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.change.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_announcement_reads_as_it_was_written() {
        for change in PresenceChange::ALL {
            let announcement = Announcement { id: "b.o-b_1", change };
            assert_eq!(Announcement::parse(&announcement.to_string()), Some(announcement));
        }
        assert!(!is_id(ANNOUNCER));
    }

    #[test]
    fn other_texts_are_no_announcements() {
        for text in
            ["", "bob", "bob ", "bob away", " online", "@ online", "bob  online", "bob online "]
        {
            assert_eq!(Announcement::parse(text), None, "{text:?}");
        }
    }
}
