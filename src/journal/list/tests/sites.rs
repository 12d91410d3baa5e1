//! Sites that start and serve: clocks, withdrawn proposals, refused snapshots, missing entries.

use super::*;
use crate::facts::Journal as _;
use crate::journal::list::io::{Doubt, ListJob, SiteEnd};
use crate::journal::list::snapshot_schedule::Snapshots;
use crate::journal::list::start::StartTasks;
use crate::limits::list::{
    CHAIN_VALUES_MAX, LIST_CLOCK_AHEAD_MS, PULSE_MS, RIVAL_WATCH_MS, SITES_MAX,
    SNAPSHOT_AFTER_BYTES, SNAPSHOT_AGAIN_MS,
};

const FORGET_AFTER_MS: u64 = 70_000;
/// Steady time of a start.
const START: Millis = Millis::new(1000);

pub(super) fn options() -> SiteOptions {
    SiteOptions {
        site: name("oslo"),
        rules: RULES,
        engine_timeout_ms: 1000,
        waiting_bytes_max: 1000,
        tasks: StartTasks::default(),
        engine_time: Now { steady: START, unix: STORED },
    }
}

/// A site that reads a list from its first entry on, at one time.
pub(super) struct ReadingSite {
    pub(super) journal: SiteJournal<Ticket>,
    pub(super) group: Group,
    pub(super) steady: Millis,
    /// Clock of the machine of the site.
    unix: UnixMillis,
}

impl ReadingSite {
    fn new() -> Self {
        Self::with(Rules { forget_after_ms: FORGET_AFTER_MS, ..rules() })
    }

    fn with(rules: Rules) -> Self {
        let journal = SiteJournal::new(options(), ListPosition(1), 1);
        Self { journal, group: Group::recovering(rules), steady: START, unix: STORED }
    }

    /// A site that has read the founding of the group, and serves.
    pub(super) fn serving(rules: Rules) -> Self {
        let mut site = Self::with(rules);
        site.read(&founding(name("oslo"), RULES, Epoch::new(1), UnixMillis(1)));
        site.handle(ListReport::CaughtUp { last: ListPosition(1) });
        let life = site.commit();
        site.read(&life);
        assert_eq!(*site.journal.phase(), SitePhase::Serving);
        site
    }

    pub(super) fn handle(&mut self, report: ListReport) {
        let now = Now { steady: self.steady, unix: self.unix };
        self.journal.handle(report, &mut self.group, now);
    }

    pub(super) fn read(&mut self, bytes: &[u8]) {
        self.read_kind(EntryKind::Log, bytes);
    }

    pub(super) fn read_kind(&mut self, kind: EntryKind, bytes: &[u8]) {
        let position = self.journal.list().position().next();
        let bytes = bytes.to_vec().into();
        self.handle(ListReport::Entry { position, stored: STORED, kind, bytes });
    }

    /// Ends a turn, and returns the batch that it publishes.
    pub(super) fn commit(&mut self) -> Vec<u8> {
        let now = Now { steady: self.steady, unix: STORED };
        self.journal.commit(&mut self.group, now, || Some(3));
        while let Some(job) = self.journal.poll_job() {
            if let ListJob::Publish { kind: EntryKind::Log, bytes, .. } = job {
                return bytes.to_vec();
            }
        }
        panic!("nothing is published");
    }
}

#[test]
fn a_clock_that_is_ahead_does_not_set_the_time_of_the_list() {
    let mut list = founded();
    let day_ms = 86_400_000;
    let ahead = BatchHeader { time: UnixMillis(day_ms), ..header("oslo", 1, &list) };
    counts(&mut list, &encode(&ahead, &[ListRecord::Life]));
    assert_eq!(list.time, UnixMillis(STORED.0 + LIST_CLOCK_AHEAD_MS));
}

#[test]
fn the_age_of_a_message_is_that_of_the_clock_of_the_engine() {
    let mut site = ReadingSite::new();
    site.journal.options.engine_time = Now { steady: START, unix: UnixMillis(STORED.0 + 300) };
    site.unix = UnixMillis(STORED.0 + 7_200_000);
    site.read(&founding(name("oslo"), RULES, Epoch::new(1), UnixMillis(1)));
    let list = site.journal.list();
    let import = [ListRecord::Imported { id: "bob", text: Text::from("hi") }];
    let life = encode(&header("cairo", 1, list), &[ListRecord::Life]);
    site.read(&life);
    let entry = encode(&header("cairo", 2, site.journal.list()), &import);
    site.read(&entry);
    let lines = site.group.lines(Seq::ZERO).map(|(_, _, at)| at);
    assert_eq!(lines.collect::<Vec<_>>(), [Millis::new(START.as_u64() - 300)]);
}

#[test]
fn a_new_site_replaces_one_that_has_ended_long_ago_and_has_no_members() {
    let mut list = founded();
    let begin = |list: &mut ListState, site: &str| {
        let entry = encode(&header(site, 1, list), &[ListRecord::Life]);
        counts(list, &entry);
    };
    for number in 0..SITES_MAX {
        begin(&mut list, &format!("site{number}"));
    }
    for site in ["site7", "site9"] {
        let entry = encode(&header(site, 2, &list), &[ListRecord::End]);
        counts(&mut list, &entry);
    }
    let home = Home { site: name("site7"), visit: visit(), is_online: false, acked: Seq::ZERO };
    list.homes.set("ann", home);
    let life = |list: &ListState| encode(&header("new", 1, list), &[ListRecord::Life]);
    is_void(&mut list.clone(), &life(&list), VoidReason::TooManySites);
    for _ in 0..CHAIN_VALUES_MAX {
        is_void(&mut list, b"a stranger", VoidReason::Damaged);
    }
    begin(&mut list, "new");
    let has = |site| list.site(&name(site)).is_some();
    assert_eq!(["site7", "site8", "site9", "new"].map(has), [true, true, false, true]);
    is_void(
        &mut list.clone(),
        &encode(&header("newer", 1, &list), &[ListRecord::Life]),
        VoidReason::TooManySites,
    );
}

#[test]
fn cursors_and_members_that_have_gone_are_proposed_again_after_a_withdrawal() {
    let ReadingSite { mut journal, mut group, .. } = ReadingSite::new();
    let acked = ListRecord::Acked { visit: visit(), acked: Seq::new(3), id: "ann" };
    let gone = ListRecord::Gone { visit: visit(), id: "ann" };
    let text = Text::from("hi");
    let say = ListRecord::Say { visit: None, number: None, id: ANNOUNCER, text };
    journal.proposals.add(&acked, None);
    journal.proposals.add(&say, Some(Ticket::Nobody));
    journal.proposals.add(&gone, None);
    let (withdrawn, _) = journal.proposals.take_withdrawable();
    journal.withdraw_all(withdrawn, &mut group);
    let bytes = journal.proposals.begin(&header("oslo", 1, &founded()), Millis::ZERO);
    let batch = ListBatch::read(&bytes).unwrap();
    assert_eq!(batch.records().collect::<Vec<_>>(), [acked, gone]);
}

#[test]
fn a_refused_snapshot_is_not_made_again_at_once() {
    let mut snapshots = Snapshots::default();
    snapshots.count_bytes(usize::try_from(SNAPSHOT_AFTER_BYTES).unwrap());
    assert!(!snapshots.are_due(u64::MAX, Millis::new(SNAPSHOT_AGAIN_MS - 1)));
    assert!(snapshots.are_due(u64::MAX, Millis::new(SNAPSHOT_AGAIN_MS)));
}

#[test]
fn a_start_that_falls_behind_leaves_its_tasks_to_the_next_one() {
    let mut site = ReadingSite::new();
    let (first, last) = (ListPosition(1), ListPosition(9));
    site.handle(ListReport::Missing { first, last });
    let end = SiteEnd::FellBehind { first, last, has_served: false };
    assert_eq!(site.journal.ended(), Some(&end));
}

#[test]
fn members_of_a_site_are_its_own_though_the_process_before_it_ended_late() {
    let mut site = ReadingSite::new();
    let mut list = founded();
    site.read(&founding(name("oslo"), RULES, Epoch::new(1), UnixMillis(1)));
    let mut put = |site: &mut ReadingSite, number, records: &[ListRecord<'_>]| {
        let entry = encode(&header("oslo", number, &list), records);
        counts(&mut list, &entry);
        site.read(&entry);
    };
    let enter = |id| ListRecord::Enter { owner: of_ip(), address: address(), start: Seq::ZERO, id };
    put(&mut site, 1, &[ListRecord::Life]);
    put(&mut site, 2, &[enter("ann")]);
    site.handle(ListReport::CaughtUp { last: ListPosition(3) });
    assert!(matches!(site.journal.phase(), SitePhase::Watching { .. }));
    put(&mut site, 3, &[ListRecord::End]);
    site.steady = site.steady.plus(RIVAL_WATCH_MS);
    let life = site.commit();
    site.read(&life);
    assert_eq!(*site.journal.phase(), SitePhase::Serving);
    let forgotten_at = site.group.next_deadline().expect("the member is forgotten in time");
    assert!(forgotten_at <= site.steady.plus(FORGET_AFTER_MS), "{forgotten_at:?}");
}

/// A start with these tasks that found the beginning of the list at entry 2, and reads the snapshot
/// of `list`.
fn started(
    list: &ListState,
    tasks: StartTasks,
    missing: Option<ListReport>,
) -> SiteJournal<Ticket> {
    let options = SiteOptions { tasks, ..options() };
    let mut journal = SiteJournal::new(options, ListPosition(2), 1);
    let (mut state, now) = (group(), Now { steady: Millis::ZERO, unix: UnixMillis(1) });
    let piece = pieces(list, &group(), &name("cairo"), 1).remove(0);
    let (position, stored) = (list.position().next(), UnixMillis(1));
    let entry =
        ListReport::Entry { position, stored, kind: EntryKind::Snapshot, bytes: piece.into() };
    for report in missing.into_iter().chain([entry]) {
        journal.handle(report, &mut state, now);
    }
    journal
}

fn list_of_six() -> ListState {
    let mut list = founded();
    for _ in 0..5 {
        is_void(&mut list, b"a stranger", VoidReason::Damaged);
    }
    list
}

/// Returns true if a site begins an epoch that starts with this doubt, and reads a list of this
/// many entries.
fn begins_epoch(doubt: Doubt, entries: u64) -> bool {
    let mut site = ReadingSite::new();
    site.journal.options.tasks.doubt = Some(doubt);
    site.read(&founding(name("oslo"), RULES, Epoch::new(1), UnixMillis(1)));
    while site.journal.list().position().0 < entries {
        site.read(b"a stranger");
    }
    site.handle(ListReport::CaughtUp { last: ListPosition(entries) });
    let life = site.commit();
    let batch = ListBatch::read(&life).unwrap();
    batch.records().any(|record| matches!(record, ListRecord::Epoch { .. }))
}

#[test]
fn a_doubt_is_settled_by_the_same_entry_though_many_follow_it() {
    let list = list_of_six();
    let (position, chain) = (list.position(), list.chain());
    let same = Doubt { position, chain, epoch_began: ListPosition(1) };
    let other = Doubt { chain: Chain(7), ..same };
    for entries in [6, 7, 6 + CHAIN_VALUES_MAX as u64 + 1] {
        assert!(!begins_epoch(same, entries), "{entries}");
        assert!(begins_epoch(other, entries), "{entries}");
    }
    assert!(begins_epoch(same, 5), "the entry is gone");
}

#[test]
fn a_doubt_ends_with_its_epoch() {
    let began = |at| {
        let (position, chain) = (ListPosition(9), Chain(7));
        Doubt { position, chain, epoch_began: ListPosition(at) }
    };
    // The epoch of the list begins in entry 1.
    assert!(begins_epoch(began(1), 6));
    assert!(begins_epoch(began(5), 6), "the list went back before the epoch of the doubt");
    assert!(!begins_epoch(began(0), 6), "another site has begun one since");
}

#[test]
fn a_purge_during_a_start_is_no_loss_and_missing_entries_are_one() {
    let (list, tasks) = (list_of_six(), StartTasks::default());
    let journal = started(&list, tasks, None);
    assert_eq!(*journal.phase(), SitePhase::Replay);
    assert!(journal.doubtful_epoch.is_some(), "entries before it are missing");
    let (first, last) = (ListPosition(2), list.position());
    let journal = started(&list, tasks, Some(ListReport::Missing { first, last }));
    assert_eq!(*journal.phase(), SitePhase::Replay);
    assert_eq!(journal.doubtful_epoch, None);
}

#[test]
fn a_start_goes_on_behind_missing_entries_and_begins_an_epoch() {
    let list = list_of_six();
    let behind = |position| StartTasks { missing: position, ..StartTasks::default() };
    let mut journal = started(&list, behind(list.position()), None);
    assert_eq!(*journal.phase(), SitePhase::Replay);
    assert!(journal.doubtful_epoch.is_some(), "messages are missing with them");
    assert_eq!(journal.poll_job(), Some(ListJob::ReadFrom(list.position().next())));
    let purged = started(&list, behind(ListPosition(1)), None);
    assert_eq!(purged.options.tasks, StartTasks::default(), "the list begins behind them");
    let mut journal = started(&list, behind(list.position().next()), None);
    let last = list.position().next();
    let (mut state, now) = (group(), Now { steady: Millis::ZERO, unix: UnixMillis(1) });
    journal.handle(ListReport::CaughtUp { last }, &mut state, now);
    assert_eq!(journal.ended(), Some(&SiteEnd::NoSnapshot { last, version: None }));
}

#[test]
fn the_next_start_does_what_this_one_has_left() {
    let at = |position| {
        let position = ListPosition(position);
        Doubt { position, chain: Chain(position.0.into()), epoch_began: ListPosition(1) }
    };
    let behind = |has_served| {
        let (first, last) = (ListPosition(5), ListPosition(7));
        SiteEnd::FellBehind { first, last, has_served }
    };
    let doubtful = |doubt, has_served| SiteEnd::Doubtful { doubt, has_served };
    let none = StartTasks::default();
    let missing = StartTasks { missing: ListPosition(7), ..none };
    let doubt = StartTasks { doubt: Some(at(3)), ..none };
    let epoch = StartTasks { begins_epoch: true, ..none };
    for (tasks, end, expected) in [
        (none, behind(true), missing),
        (doubt, behind(true), missing),
        (doubt, behind(false), StartTasks { missing: ListPosition(7), ..doubt }),
        (epoch, behind(false), StartTasks { begins_epoch: true, ..missing }),
        (none, doubtful(at(3), true), doubt),
        (epoch, doubtful(at(3), true), doubt),
        (doubt, doubtful(at(4), true), StartTasks { doubt: Some(at(4)), ..none }),
        // A process that has not served has confirmed nothing, so it leaves no doubt of its own.
        (none, doubtful(at(4), false), none),
        (doubt, doubtful(at(4), false), doubt),
        (epoch, doubtful(at(4), false), epoch),
        (StartTasks { begins_epoch: true, ..missing }, doubtful(at(4), false), epoch),
    ] {
        assert_eq!(tasks.after(&end), Some(expected), "{tasks:?} {end:?}");
    }
    assert_eq!(doubt.after(&SiteEnd::NotFounded), None);
}

#[test]
fn nothing_waits_for_an_engine_that_does_not_answer() {
    let mut site = ReadingSite::serving(rules());
    let fact = |text| Fact::Accepted {
        sender: ANNOUNCER,
        number: None,
        accepted: UnixMillis(5),
        text: Text::from(text),
    };
    let propose = |site: &mut ReadingSite, text| {
        let now = Now { steady: site.steady, unix: STORED };
        site.journal.propose(fact(text), Ticket::Nobody, &mut site.group, now);
    };
    propose(&mut site, "one");
    site.commit();
    site.steady = site.steady.plus(options().engine_timeout_ms);
    site.commit();
    assert!(site.journal.is_failing());
    propose(&mut site, "two");
    assert_eq!(site.journal.waiting_bytes(), 0, "the client may be at another site by then");
}

#[test]
fn entries_that_come_too_early_are_asked_for_once() {
    let mut site = ReadingSite::serving(rules());
    while site.journal.poll_job().is_some() {}
    for position in 5..9 {
        let (position, kind) = (ListPosition(position), EntryKind::Log);
        let bytes = b"later"[..].into();
        site.handle(ListReport::Entry { position, stored: STORED, kind, bytes });
    }
    let next = site.journal.list().position().next();
    assert_eq!(site.journal.poll_job(), Some(ListJob::ReadFrom(next)));
    assert_eq!(site.journal.poll_job(), None);
}

#[test]
fn an_entry_that_is_passed_again_with_another_time_stamp_makes_the_site_compare() {
    let mut site = ReadingSite::serving(rules());
    let bytes = b"a stranger";
    site.read(bytes);
    let position = site.journal.list().position();
    let kind = EntryKind::Log;
    let again = |stored| ListReport::Entry { position, stored, kind, bytes: bytes[..].into() };
    site.handle(again(STORED));
    assert_eq!(site.journal.ended(), None);
    site.handle(again(UnixMillis(STORED.0 + 1)));
    let ended = site.journal.ended();
    assert!(matches!(ended, Some(SiteEnd::Doubtful { .. })), "{ended:?}");
}

#[test]
fn nothing_follows_the_end_of_a_life() {
    let mut site = ReadingSite::serving(rules());
    site.journal.close(&mut site.group);
    let end = site.commit();
    let records: Vec<_> = ListBatch::read(&end).unwrap().records().collect();
    assert_eq!(records, [ListRecord::End]);
    site.read(&end);
    assert!(site.journal.is_idle());
    assert_eq!(site.journal.deadline(), None);
    site.steady = site.steady.plus(PULSE_MS);
    let now = Now { steady: site.steady, unix: STORED };
    site.journal.commit(&mut site.group, now, || Some(3));
    assert_eq!(site.journal.poll_job(), None);
}
