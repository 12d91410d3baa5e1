//! Tasks that a start of a site takes over from the start or the service before it.

use super::io::{Doubt, SiteEnd};
use super::names::ListPosition;

/// Tasks of a start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StartTasks {
    /// Entry of which the process before this one was not sure.
    pub doubt: Option<Doubt>,
    /// True if a new epoch must begin.
    pub begins_epoch: bool,
    /// Last entry that the engine does not have. The list is read from the first whole snapshot
    /// behind it; [`ListPosition::ZERO`] if no entry is known to be missing.
    pub missing: ListPosition,
}

impl StartTasks {
    /// Returns the tasks of the next start, after the end of a start with these tasks, or of its
    /// service; `None` if the process must end.
    #[must_use]
    pub fn after(self, end: &SiteEnd) -> Option<Self> {
        match *end {
            SiteEnd::Doubtful { doubt, has_served: true } => {
                Some(Self { doubt: Some(doubt), ..Self::default() })
            }
            // It has confirmed nothing, so its own doubt does not count.
            SiteEnd::Doubtful { has_served: false, .. } => {
                Some(Self { missing: ListPosition::ZERO, ..self })
            }
            SiteEnd::FellBehind { last, has_served, .. } => {
                let open = if has_served { Self::default() } else { self };
                Some(Self { missing: last, ..open })
            }
            SiteEnd::NotFounded
            | SiteEnd::OtherRules { .. }
            | SiteEnd::NameInUse(_)
            | SiteEnd::Superseded(_)
            | SiteEnd::TooManySites
            | SiteEnd::NewerVersion(_)
            | SiteEnd::NoSnapshot { .. }
            | SiteEnd::Gone(_) => None,
        }
    }
}
