//! Records a new epoch.

use super::Commits;
use crate::journal::Record;
use crate::protocol::Epoch;
use crate::time::Millis;

impl Commits {
    /// Adds the record of a new epoch, which is synced in every mode.
    pub(super) fn put_new_epoch(&mut self, epoch: Epoch, at: Millis) {
        self.put(&Record::NewEpoch { epoch }, at);
        self.must_flush = true;
        self.new_epoch = Some(self.next);
    }
}
