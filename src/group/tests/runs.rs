//! Runs: the bytes for a message socket.

use super::*;
use crate::group::history::{BegunLines, History, NewcomerLimits};
use crate::group::outbound::Outbound;

/// Writes all runs to a member with acks. Returns their bytes, and the message that each names.
fn runs(lost: Option<u64>) -> Vec<(String, Option<Seq>)> {
    let (mut history, own) =
        (History::new(60_000, NewcomerLimits::default()), SeqRanges::default());
    for seq in 1..=5 {
        match lost == Some(seq) {
            true => history.append_lost(Millis::ZERO),
            false => drop(history.append(format!("{seq};").as_bytes(), Millis::ZERO)),
        }
    }
    history.release(Seq::new(5));
    let mut outbound = Outbound::new(true, None, Seq::ZERO);
    let mut begun_lines = BegunLines::default();
    let mut runs = Vec::new();
    while let Some(run) = outbound.run(&history, &own) {
        let (bytes, through) = run.write(|slices, through| {
            (slices.iter().flat_map(|slice| slice.to_vec()).collect::<Vec<u8>>(), through)
        });
        match through {
            Some(through) => drop(outbound.wrote_through(through, &own)),
            None => drop(outbound.wrote(bytes.len(), &history, &own, &mut begun_lines)),
        }
        outbound.skip_missing(&history, &own);
        runs.push((String::from_utf8(bytes).unwrap(), through));
    }
    assert_eq!(outbound.sent(), Seq::new(5));
    runs
}

#[test]
fn a_run_names_its_last_message_only_if_nothing_else_is_due() {
    assert_eq!(runs(None), [("1;2;3;4;5;".to_owned(), Some(Seq::new(5)))]);
    let expected = [("1;2;", None), ("gap#1#3#3\n4;5;", None)];
    assert_eq!(runs(Some(3)), expected.map(|(bytes, through)| (bytes.to_owned(), through)));
}
