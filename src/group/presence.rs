//! Presence of a member: online or offline, and since when.

use crate::time::Millis;

/// State of a member. A takeover does not change the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// The member has a message socket.
    Online { since: Millis },
    /// The member has no message socket.
    Offline { since: Millis },
    /// The member is at another site of several.
    #[cfg(feature = "engine")]
    Elsewhere { is_online: bool, since: Millis },
}

impl Presence {
    pub(super) fn is_online(self) -> bool {
        match self {
            Self::Online { .. } => true,
            Self::Offline { .. } => false,
            #[cfg(feature = "engine")]
            Self::Elsewhere { is_online, .. } => is_online,
        }
    }

    /// Returns the time at which the state began.
    pub(super) fn since(self) -> Millis {
        match self {
            Self::Online { since } | Self::Offline { since } => since,
            #[cfg(feature = "engine")]
            Self::Elsewhere { since, .. } => since,
        }
    }

    /// Returns the state after a change of the member's links.
    pub(super) fn updated(self, is_online: bool, now: Millis) -> Self {
        #[cfg(feature = "engine")]
        if matches!(self, Self::Elsewhere { .. }) {
            return self;
        }
        match is_online {
            _ if is_online == self.is_online() => self,
            true => Self::Online { since: now },
            false => Self::Offline { since: now },
        }
    }
}
