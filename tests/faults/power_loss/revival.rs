//! A coordinator on what a disk was left with.

use std::collections::BTreeMap;
use std::path::Path;

use super::promises::Promise;
use support::coordinator::Coordinator;
use support::member::Member;
use support::number;
use support::preload::Preload;

pub(crate) struct Revival {
    coordinator: Coordinator,
    /// Epoch of the numbers, if a member sees it.
    pub(crate) epoch: String,
    /// For as long as the coordinator is.
    _preload: Preload,
}

impl Revival {
    /// The machine has another life by now.
    pub(crate) fn on(disk: &Path, sync: &str) -> Self {
        let preload = Preload::new();
        preload.boot(2);
        let data_dir = format!("data_dir={}", disk.join("data").display());
        let options = [data_dir.as_str(), sync, "bind=127.0.0.1"];
        let coordinator = Coordinator::start_with(preload.environment(), 600, &options);
        Self { coordinator, epoch: String::new(), _preload: preload }
    }

    /// All promises are kept; numbers go on above them.
    #[track_caller]
    pub(crate) fn check(&mut self, promises: &[&Promise], context: &str) {
        let mut members: BTreeMap<&str, bool> = BTreeMap::new();
        let mut messages: BTreeMap<u64, (&str, &str)> = BTreeMap::new();
        let mut published: BTreeMap<&str, u64> = BTreeMap::new();
        for promise in promises {
            match promise {
                Promise::Published(id, number) => drop(published.insert(id, *number)),
                Promise::LeaveAsked(id) => drop(members.remove(id.as_str())),
                Promise::Member(id) => drop(members.insert(id, true)),
                Promise::NoMember(id) => drop(members.insert(id, false)),
                Promise::Message(seq, sender, text) => {
                    let before = messages.insert(*seq, (sender, text));
                    assert!(before.is_none_or(|it| it == (sender, text)), "{context}: {seq}");
                }
            }
        }
        let mut asker = self.coordinator.client();
        for (id, is_member) in &members {
            assert_eq!(asker.member(id).is_some(), *is_member, "{context}: {id}");
        }
        let is_watched = members.get("watcher") == Some(&true);
        let mut watcher = match is_watched {
            true => Member::come_back(&self.coordinator, "watcher", "acks=1"),
            false => self.coordinator.join("probe", "acks=1"),
        };
        self.epoch = watcher.epoch().to_owned();
        if is_watched {
            let mut before = 0;
            for _ in 0..number(&watcher.reply, "missed") {
                let mut line = watcher.socket().line();
                while line.starts_with("gap#") {
                    line = watcher.socket().line(); // Of something that was never promised, or not.
                }
                let fields: Vec<&str> = line.splitn(4, '#').collect();
                let [seq, sender, _, text] = fields[..] else { panic!("{context}: {line:?}") };
                let seq: u64 = seq.parse().unwrap();
                assert!(seq > before, "{context}: {line:?} behind {before}");
                before = seq;
                let promised = messages.remove(&seq);
                assert!(promised.is_none_or(|it| it == (sender, text)), "{context}: {line:?}");
            }
            assert!(messages.is_empty(), "{context}: lost {messages:?}");
        }
        let last = promises.iter().filter_map(|promise| match promise {
            Promise::Message(seq, ..) => Some(*seq),
            Promise::LeaveAsked(_)
            | Promise::Member(_)
            | Promise::NoMember(_)
            | Promise::Published(..) => None,
        });
        let seq = watcher.msend("what comes next");
        assert!(last.max().is_none_or(|last| seq > last), "{context}: {seq} is used again");
        for (id, last) in published {
            let member = Member::come_back(&self.coordinator, id, "");
            assert!(number(&member.reply, "published") >= last, "{context}: {id} of {last}");
        }
    }
}
