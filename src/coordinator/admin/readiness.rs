//! Answer to `/readyz`: whether clients can use the group, and the reasons why not.

/// State that `/readyz` answers: ready, or the reasons why not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ReadyState {
    /// Reasons why the coordinator is not ready. Ready if there is none.
    pub(super) reasons: Vec<String>,
}

/// Parts of the coordinator that must work.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadyParts {
    /// The coordinator has begun to shut down.
    pub(super) is_shutting_down: bool,
    /// Accepting pauses because no file descriptor is free.
    pub(super) is_out_of_files: bool,
    /// The journal cannot be written.
    pub(super) is_journal_failing: bool,
    /// Too many bytes wait for the disk.
    pub(super) is_journal_full: bool,
    /// Bytes of the backlog and of the longest message, and the limit of the backlog. `None` if old
    /// messages are dropped at the limit.
    pub(super) backlog: Option<(u64, u64, u64)>,
    /// The engine of a site does not answer, or cannot be reached.
    #[cfg(feature = "engine")]
    pub(super) engine_fault: Option<&'static str>,
}

impl ReadyParts {
    pub(super) fn readiness(self) -> ReadyState {
        let mut reasons = Vec::new();
        if self.is_shutting_down {
            reasons.push("the coordinator shuts down".to_owned());
        }
        if self.is_out_of_files {
            reasons.push("no file descriptor is free: connections are not accepted".to_owned());
        }
        if self.is_journal_failing {
            reasons.push("the journal cannot be written: texts get ERR 506".to_owned());
        }
        if self.is_journal_full {
            reasons.push("the disk is slow: texts get ERR 506".to_owned());
        }
        if let Some((bytes, longest, max)) = self.backlog
            && bytes.saturating_add(longest) > max
        {
            reasons
                .push(format!("the backlog is full ({bytes} of {max} bytes): texts get ERR 507"));
        }
        #[cfg(feature = "engine")]
        reasons.extend(self.engine_fault.map(str::to_owned));
        ReadyState { reasons }
    }
}
