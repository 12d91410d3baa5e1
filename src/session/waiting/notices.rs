//! Notices about requests that wait.

use crate::session::Notice;
use crate::session::output::SessionOutput;
use crate::session::waiting_count::WaitingCount;
use crate::session::waiting_limits::WaitingLimits;

/// Code of the refusal of a text that exceeds the rate of this member.
pub(in crate::session) const TOO_FAST: u16 = 429;

/// The notice that was shown last, and a reason that is not shown yet.
#[derive(Debug, Default)]
pub(super) struct WaitingNotices {
    /// The coordinator's reason for which it takes no message for now, until it is shown.
    refused: Option<Box<str>>,
    last: WaitingReport,
}

/// The notice that was shown last about requests that wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum WaitingReport {
    /// None since requests were sent.
    #[default]
    NotShown,
    /// They wait for the connection.
    Outage,
    /// They wait because the coordinator takes no text: its code. It is asked again and again, so
    /// the notice is not repeated.
    Refused(u16),
}

impl WaitingNotices {
    /// A text is refused, and waits. The reason is shown if it is not that this participant is
    /// offline.
    pub(super) fn refuse(&mut self, code: u16, line: &str) {
        if matches!(code, 421 | TOO_FAST | 506 | 507) && self.last != WaitingReport::Refused(code) {
            self.refused = Some(line.into());
            self.last = WaitingReport::Refused(code);
        }
    }

    /// Returns true if the last refusal was because of the rate of this member.
    pub(super) fn is_rate_limited(&self) -> bool {
        self.last == WaitingReport::Refused(TOO_FAST)
    }

    /// Forgets that the rate was exceeded.
    pub(super) fn end_rate_limit(&mut self) {
        if self.is_rate_limited() {
            *self = Self::default();
        }
    }

    /// Returns true if the last notice was about an outage.
    pub(super) fn is_outage(&self) -> bool {
        self.last == WaitingReport::Outage
    }

    /// Requests are sent: shows the end of an outage.
    pub(super) fn end_outage(&mut self, waiting: WaitingCount, output: &mut SessionOutput) {
        if self.is_outage() {
            self.last = WaitingReport::NotShown;
            output.show(Notice::SendingWaiting(waiting));
        }
    }

    /// A text is accepted: shows the end of the refusals, if requests wait.
    pub(super) fn end_refusals(
        &mut self,
        waiting: Option<WaitingCount>,
        output: &mut SessionOutput,
    ) {
        if self.reset_refusals()
            && let Some(waiting) = waiting
        {
            output.show(Notice::SendingWaiting(waiting));
        }
    }

    /// Shows the next refusal again. Returns true if one was shown before.
    pub(super) fn reset_refusals(&mut self) -> bool {
        let is_refused = matches!(self.last, WaitingReport::Refused(_));
        if is_refused {
            self.last = WaitingReport::NotShown;
        }
        is_refused
    }

    /// Shows once in an outage, or while the rate is limited, that requests wait. `limits` is
    /// `None` if no request waits.
    pub(super) fn show(
        &mut self,
        limits: Option<WaitingLimits>,
        is_in_outage: bool,
        output: &mut SessionOutput,
    ) {
        if is_in_outage {
            self.end_rate_limit();
        }
        let is_new = self.last == WaitingReport::NotShown;
        match (limits, is_in_outage) {
            (None, false) if !self.is_rate_limited() => self.last = WaitingReport::NotShown,
            (Some(limits), true) if is_new || self.refused.is_some() => {
                let refused = self.refused.take();
                if is_new {
                    self.last = WaitingReport::Outage;
                }
                output.show(Notice::Waiting { refused, limits });
            }
            (Some(_), false) if self.is_rate_limited() => {
                if let Some(line) = self.refused.take() {
                    output.show(Notice::RateLimited(line));
                }
            }
            (_, _) => (),
        }
    }
}
