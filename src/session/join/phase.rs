//! The step that one attempt of a join has reached.

use super::JoinWay;
use crate::session::SessionEffect;
use crate::session::output::SessionOutput;
use crate::time::Millis;

/// The step that an attempt has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JoinPhase {
    /// The next attempt starts after a pause.
    Paused { until: Millis },
    /// The listener is being opened.
    Opening,
    /// The request can be sent.
    Ready,
    /// The request was sent.
    Asked,
    /// `OK` has come, the hello has not.
    Confirmed { until: Millis },
}

impl JoinPhase {
    /// Begins an attempt: opens the listener, if the way needs one.
    pub(super) fn open(way: JoinWay, output: &mut SessionOutput) -> Self {
        match way {
            JoinWay::Listen(port) => {
                output.push(SessionEffect::Listen { port: port.number });
                Self::Opening
            }
            JoinWay::Here => Self::Ready,
        }
    }
}
