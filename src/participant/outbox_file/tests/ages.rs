//! The ages of texts, by a clock that may be wrong.

use super::*;
use crate::limits::CLOCK_SET_AFTER_MS;

#[test]
fn the_age_of_a_text_counts_from_its_entry_and_is_never_negative() {
    let fixture = OutboxFixture::new();
    let mut file = fixture.open().file;
    write(&mut file, &[text(1, "hello"), number(1, 3)]);
    drop(file);
    for (now, age_ms) in [(NOW.0 + 5_000, 5_000), (NOW.0 - 5_000, 0), (u64::MAX, u64::MAX - NOW.0)]
    {
        let opened = OutboxFile::open(&fixture.path(), "alice", false, UnixMillis(now)).unwrap();
        assert_eq!(opened.stored.texts, [StoredText { age_ms, ..stored(1, 3, "hello") }]);
    }
}

#[test]
fn a_text_that_was_stored_before_the_clock_was_set_has_no_age() {
    for (stored_at, age_ms) in [
        (120_000, 0),
        (CLOCK_SET_AFTER_MS - 1, 0),
        (CLOCK_SET_AFTER_MS, NOW.0 - CLOCK_SET_AFTER_MS),
    ] {
        let fixture = OutboxFixture::new();
        let mut file = fixture.open().file;
        run_at(&mut file, &[text(1, "hello"), number(1, 3)], UnixMillis(stored_at));
        drop(file);
        let opened = fixture.open();
        assert_eq!(opened.stored.texts, [StoredText { age_ms, ..stored(1, 3, "hello") }]);
    }
}
