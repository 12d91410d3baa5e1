//! Both programs, killed at their first, second, third ... call of each kind: before the call,
//! after it, and in the middle of it. Each program is started again and checked against its
//! replies.
//!
//! ```text
//!   session ─► replies, deliveries ─► ledger         kind × (before, within, after) = a chain
//!      │ died? start again, come back, go on         chain: call 1, 2, 3 ... until none is hit
//!      └► end: compare members, cursors and logs
//! ```
//!
//! Calls on files are hit one by one, those on sockets with a stride: `CRASH_STRIDE=1` hits all.

mod chains;
mod peer;
mod reader;
mod site;
mod writer;
use chains::{Chain, walk};
use support::preload::Kind;

/// Kinds of calls that the coordinator makes in the session, each at least once.
const COORDINATOR: [Kind; 25] = [
    Kind::Open,
    Kind::Create,
    Kind::Lock,
    Kind::List,
    Kind::State,
    Kind::Read,
    Kind::Write,
    Kind::Truncate,
    Kind::Sync,
    Kind::SyncDirectory,
    Kind::Rename,
    Kind::Remove,
    Kind::Close,
    Kind::Socket,
    Kind::Bind,
    Kind::Listen,
    Kind::Accept,
    Kind::Connect,
    Kind::Receive,
    Kind::Send,
    Kind::Shutdown,
    Kind::CloseSocket,
    Kind::Option,
    Kind::Watch,
    Kind::Say,
];

/// Kinds of calls that the participant makes.
const PARTICIPANT: [Kind; 20] = [
    Kind::Open,
    Kind::Create,
    Kind::Lock,
    Kind::State,
    Kind::Read,
    Kind::Write,
    Kind::Sync,
    Kind::SyncDirectory,
    Kind::Close,
    Kind::Socket,
    Kind::Bind,
    Kind::Listen,
    Kind::Accept,
    Kind::Connect,
    Kind::Receive,
    Kind::Send,
    Kind::CloseSocket,
    Kind::Option,
    Kind::Watch,
    Kind::Say,
];

/// Kinds of calls that the participant makes with an outbox file. The message log is not hit.
const WITH_OUTBOX: [Kind; 15] = [
    Kind::Open,
    Kind::Create,
    Kind::Lock,
    Kind::State,
    Kind::Read,
    Kind::Write,
    Kind::Sync,
    Kind::SyncDirectory,
    Kind::Rename,
    Kind::Remove,
    Kind::Close,
    Kind::Connect,
    Kind::Receive,
    Kind::Send,
    Kind::Say,
];

#[test]
fn a_coordinator_killed_at_any_call_has_kept_all_that_it_replied() {
    let fixture = site::fixture();
    walk("coordinator", &Chain::all(&COORDINATOR), |plan| site::run(&fixture, plan));
}

#[test]
fn a_coordinator_killed_while_it_removes_what_has_expired_has_its_members_and_its_numbers() {
    let fixture = site::fixture();
    let chains = Chain::all(&[Kind::Remove, Kind::SyncDirectory]);
    walk("expiry", &chains, |plan| site::run_expiry(&fixture, plan));
}

#[test]
fn a_coordinator_killed_while_it_begins_its_first_journal_begins_it_again() {
    let kinds = [
        Kind::MakeDirectory,
        Kind::Create,
        Kind::Lock,
        Kind::List,
        Kind::Write,
        Kind::Sync,
        Kind::SyncDirectory,
        Kind::Rename,
    ];
    walk("first start", &Chain::all(&kinds), site::run_first);
}

#[test]
fn a_coordinator_killed_while_it_begins_another_segment_has_kept_all_that_it_replied() {
    let kinds = [Kind::Create, Kind::SyncDirectory, Kind::Rename];
    walk("rotation", &Chain::all(&kinds), site::run_rotation);
}

#[test]
fn a_participant_killed_at_any_call_has_every_message_once_in_its_log() {
    walk("participant", &Chain::all(&PARTICIPANT), |plan| reader::run(plan, ""));
}

#[test]
fn a_participant_killed_while_it_cuts_a_torn_line_has_every_message_once_in_its_log() {
    let torn = "# id alice\n# epoch 00000000000000aa\n# last 0\n1\t-\tbob\twhole\n2\t-\tbo";
    let kinds = [Kind::Truncate, Kind::Sync, Kind::SyncDirectory];
    walk("torn line", &Chain::all(&kinds), |plan| reader::run(plan, torn));
}

#[test]
fn a_participant_killed_at_any_call_has_sent_each_text_of_its_outbox_once() {
    walk("outbox", &Chain::all(&WITH_OUTBOX), |plan| writer::run(plan, ""));
}

#[test]
fn a_participant_killed_while_it_cuts_a_torn_outbox_has_sent_each_text_once() {
    let torn = "# groupcast outbox of alice\n06c84562\ttext\t1\t-\t17953419";
    let kinds = [Kind::Truncate, Kind::Sync, Kind::SyncDirectory];
    walk("torn outbox", &Chain::all(&kinds), |plan| writer::run(plan, torn));
}
