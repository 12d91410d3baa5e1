//! New epochs in the loop.

use super::Coordinator;
use crate::coordinator::platform::Platform;
use crate::group::{Input, LinkId};
use crate::protocol::Epoch;
use crate::time::Now;

/// Draws random bits for the next epoch. If this fails, the group asks again later.
pub(super) fn draw<P: Platform>(coordinator: &mut Coordinator<P>, now: Now) {
    match coordinator.platform.random() {
        Ok(bits) => coordinator.group.handle(Input::DrawnEpoch(Epoch::new(bits)), now),
        Err(error) => log::error!("cannot begin a new epoch: no random number: {error}"),
    }
}

/// Begins a new epoch if it is committed. All message sockets of the old epoch end.
pub(super) fn begin_due<P: Platform>(coordinator: &mut Coordinator<P>, now: Now) {
    if !coordinator.group.is_epoch_due() {
        return;
    }
    for link in coordinator.messages.links().collect::<Vec<LinkId>>() {
        coordinator.read_all_acks(link, now);
    }
    coordinator.handle(Input::EpochCommitted, now);
    coordinator.messages.expect_room_everywhere(); // Sockets that waited now get their hello.
}
