//! Names of a group's stream and subjects.

use std::fmt::Write as _;

use super::error::EngineError;
use super::report::EngineSubject;
use crate::limits::engine::GROUP_BYTES_MAX;

/// Names that belong to one group.
#[derive(Clone, Debug)]
pub(super) struct Names {
    /// The stream: `GC_<group>`.
    pub(super) stream: String,
    /// Begin of all subjects: `groupcast.<group>`.
    prefix: String,
    /// Begin of the subjects of answers: `groupcast.<group>.inbox.<random>`.
    pub(super) inbox: String,
}

impl Names {
    pub(super) fn new(group: &str) -> Result<Self, EngineError> {
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if group.is_empty() || group.len() > GROUP_BYTES_MAX || !group.bytes().all(is_fit) {
            return Err(EngineError::Group { name: group.to_owned() });
        }
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| EngineError::thread(&error))?;
        let prefix = format!("groupcast.{group}");
        let mut inbox = format!("{prefix}.inbox.");
        for byte in random {
            let _ = write!(inbox, "{byte:02x}");
        }
        Ok(Self { stream: format!("GC_{group}"), prefix, inbox })
    }

    pub(super) fn subject(&self, subject: EngineSubject) -> String {
        let last = match subject {
            EngineSubject::Log => "log",
            EngineSubject::Snapshot => "snap",
        };
        format!("{}.{last}", self.prefix)
    }

    /// Returns the subject of an entry that was published to `name`.
    pub(super) fn of_subject(&self, name: &str) -> Option<EngineSubject> {
        match name.strip_prefix(&self.prefix)? {
            ".log" => Some(EngineSubject::Log),
            ".snap" => Some(EngineSubject::Snapshot),
            _ => None,
        }
    }

    /// Both subjects, for questions. Nothing else of the group is stored.
    pub(super) fn all_subjects(&self) -> String {
        format!("{}.>", self.prefix)
    }

    /// Subjects of the feed.
    pub(super) fn feed(&self) -> String {
        format!("{}.feed.>", self.prefix)
    }

    /// Subject of a question to JetStream about the stream.
    pub(super) fn api(&self, call: &str) -> String {
        format!("$JS.API.STREAM.{call}.{}", self.stream)
    }

    pub(super) fn reply(&self, number: u64) -> String {
        format!("{}.{number}", self.inbox)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_a_name_without_characters_that_nats_reads() {
        for group in ["a", "Group-1_x", &"x".repeat(64)] {
            assert!(Names::new(group).is_ok(), "{group}");
        }
        for group in ["", "a.b", "a*", ">", "a b", "ä", "a/b", &"x".repeat(65)] {
            assert!(Names::new(group).is_err(), "{group}");
        }
    }

    #[test]
    fn a_subject_is_found_again_by_its_name() {
        let names = Names::new("g").unwrap();
        for subject in [EngineSubject::Log, EngineSubject::Snapshot] {
            assert_eq!(names.of_subject(&names.subject(subject)), Some(subject));
        }
        for other in
            ["groupcast.g", "groupcast.g.log.x", "groupcast.gg.log", "groupcast.g.feed.log"]
        {
            assert_eq!(names.of_subject(other), None, "{other}");
        }
        assert_ne!(names.inbox, Names::new("g").unwrap().inbox, "two clients share no inbox");
    }
}
