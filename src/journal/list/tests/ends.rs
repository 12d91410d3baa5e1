//! Sites whose service has ended.

use super::sites::ReadingSite;
use super::*;
use crate::journal::list::io::ListJob;
use crate::limits::list::{LIST_CURSORS_MS, PUBLISH_AGAIN_MS, PULSE_MS};

#[test]
fn nothing_is_sent_after_the_end_of_the_service() {
    let mut site = ReadingSite::serving(rules());
    site.steady = site.steady.plus(PULSE_MS);
    site.commit(); // A batch is under way.
    let later = header("oslo", 1, site.journal.list());
    let later = BatchHeader { life: Life { began: later.seen, random: 9 }, ..later };
    site.read(&encode(&later, &[ListRecord::Life]));
    assert!(site.journal.ended().is_some(), "another process serves under the name");
    assert_eq!(site.journal.deadline(), None);
    for pause_ms in [LIST_CURSORS_MS, PUBLISH_AGAIN_MS, 1000, 60_000] {
        site.steady = site.steady.plus(pause_ms);
        let now = Now { steady: site.steady, unix: STORED };
        site.journal.commit(&mut site.group, now, || Some(3));
        let job = site.journal.poll_job();
        assert!(!matches!(job, Some(ListJob::Publish { .. })), "{job:?}");
    }
}
