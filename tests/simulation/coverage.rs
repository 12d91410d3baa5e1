//! Situations that runs have met. Promises that no run tests are not shown to hold, so each of
//! these situations must occur in some run.

use std::collections::BTreeMap;

use crate::SEEDS;

/// Something that a promise is for, and that chance has to bring about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CoveragePoint {
    /// A member that comes back names a number below its `acked`.
    SinceBelowAcked,
    /// A connect-back under way was cancelled or overtaken.
    ReconnectCancelled,
    /// A member acknowledged what it was never sent.
    AckAboveSent,
    /// A member wrote a line that is no acknowledgement.
    AckGarbled,
    /// A member took nothing for too long.
    Stalled,
    /// The machine of a member did not answer.
    MachineGone,
    /// A client did not end its line in time.
    LineUnfinished,
    /// A client that took no replies was not served.
    Throttled,
    /// A member was announced online.
    AnnouncedOnline,
    /// A member was announced offline.
    AnnouncedOffline,
    /// The end of a member was announced.
    AnnouncedEnd,
    /// An announcement waited for room.
    AnnouncementWaited,
    /// Announcements were turned on.
    AnnouncementsBegan,
    /// Announcements were turned off.
    AnnouncementsEnded,
    /// A gap went out.
    GapReported,
    /// The backlog was full, and a message refused.
    BacklogFull,
    /// The backlog was full, and the oldest messages went.
    OldestDropped,
    /// A request was refused as nothing could be written down.
    JournalRefused,
    /// The journal could not be written any more.
    JournalFailed,
    /// After that, it could.
    JournalMended,
    /// Texts waited for the coordinator, and were sent.
    TextsWaited,
    /// A connection to a listener was not the coordinator's, and that was reported.
    StrangerReported,
    /// A text was given up before it was sent.
    TextNotSent,
    /// As much waited for the disk as may.
    JournalFull,
    /// A participant has lost what it had acknowledged.
    MemoryLost,
    /// A coordinator came back from the journal of one that ended in good order.
    BackFromOrder,
    /// From what a kill has left.
    BackFromKill,
    /// From what a power loss has left, and no number can have been lost.
    BackFromPowerLoss,
    /// From what a power loss has left, in a new epoch.
    BackInNewEpoch,
    /// A message that nobody was promised did not come back.
    MessageLost,
    /// A registration or its end that nobody was promised did not come back.
    RegistrationLost,
    /// A member was offline for too long.
    MemberForgotten,
    /// An operator took a member away.
    MemberTakenAway,
    /// A command socket on which nothing had come gave way to another one.
    GaveWay,
    /// A new epoch began as a member named a number that was never given out.
    NewEpochBegun,
    /// It did not, as another one had just begun.
    NewEpochRefused,
    /// A coordinator came back from a copy, in the epoch of the copy.
    BackFromCopy,
    /// A participant said that the numbers went back.
    NumbersWentBack,
    /// The numbers had passed those of a member before it came back from before the copy was put
    /// back: it misses messages, and nobody can know.
    NobodyCouldKnow,
    /// A number that was accepted before came again.
    DuplicateSent,
    /// A number came too early.
    NumberTooHigh,
    /// A newcomer got messages from before its registration.
    NewcomerGotPast,
    /// A visit ended, and its id was a member.
    MemberVisited,
    /// A visit ended, and its id was no member any more.
    StrangerVisited,
    /// A visit ended with an error.
    VisitFailed,
    /// A command socket became a message socket.
    Upgraded,
    /// A command socket was to become a message socket, and its member went offline before.
    UpgradeEnded,
    /// A participant with a message socket from a connect-back got another one with `here`.
    TakeoverToHere,
    /// The other way round.
    TakeoverFromHere,
    /// A participant took a gap from a message socket that was a command socket.
    GapTakenHere,
    /// The coordinator was killed while a participant had such a message socket.
    KilledWithMemberHere,
    /// A client spoke without TLS to a coordinator with TLS.
    SpokeWithoutTls,
    /// A member came back at another address.
    CameBackElsewhere,
    /// A client was refused an id of another one.
    ImpostorRefused,
    /// A client without a certificate was refused.
    NoCertificateRefused,
    /// The owner of an id was recovered from a journal.
    OwnerRecovered,
    /// A config file with a shorter time to live ended messages.
    ExpiredByReload,
    /// A config file had a longer time to live, and messages had expired before.
    TtlMadeLonger,
    /// A member was set offline by a new access file.
    AccessRevoked,
    /// A registration or reconnect under way was refused by a new access file.
    ConnectBackRevoked,
    /// A member may no longer receive.
    ReceiveLost,
    /// A member may receive again.
    ReceiveGained,
    /// A text was refused as the id may not send it.
    RightMissing,
    /// A text was refused as it came too soon after others.
    RateRefused,
    /// A key or an address has as many ids as it may.
    IdsRefused,
    /// Members that only send would have filled the backlog.
    SenderHeldNothingUp,
}

/// Number of times that each situation occurred.
pub(crate) type Coverage = BTreeMap<CoveragePoint, u64>;

impl CoveragePoint {
    /// Returns the number of runs in which the situation must occur at least once.
    pub(crate) fn seeds(self) -> u64 {
        let is_rare = matches!(self, Self::NobodyCouldKnow | Self::MachineGone);
        if is_rare { 300 } else { SEEDS }
    }

    pub(crate) const ALL: [Self; 66] = [
        Self::SinceBelowAcked,
        Self::ReconnectCancelled,
        Self::AckAboveSent,
        Self::AckGarbled,
        Self::Stalled,
        Self::MachineGone,
        Self::Throttled,
        Self::LineUnfinished,
        Self::AnnouncedOnline,
        Self::AnnouncedOffline,
        Self::AnnouncedEnd,
        Self::AnnouncementWaited,
        Self::AnnouncementsBegan,
        Self::AnnouncementsEnded,
        Self::GapReported,
        Self::BacklogFull,
        Self::OldestDropped,
        Self::JournalRefused,
        Self::JournalFailed,
        Self::JournalMended,
        Self::TextsWaited,
        Self::TextNotSent,
        Self::JournalFull,
        Self::StrangerReported,
        Self::MemoryLost,
        Self::BackFromOrder,
        Self::BackFromKill,
        Self::BackFromPowerLoss,
        Self::BackInNewEpoch,
        Self::MessageLost,
        Self::RegistrationLost,
        Self::MemberForgotten,
        Self::MemberTakenAway,
        Self::GaveWay,
        Self::NewEpochBegun,
        Self::NewEpochRefused,
        Self::BackFromCopy,
        Self::NumbersWentBack,
        Self::NobodyCouldKnow,
        Self::DuplicateSent,
        Self::NumberTooHigh,
        Self::NewcomerGotPast,
        Self::MemberVisited,
        Self::StrangerVisited,
        Self::VisitFailed,
        Self::Upgraded,
        Self::UpgradeEnded,
        Self::TakeoverToHere,
        Self::TakeoverFromHere,
        Self::GapTakenHere,
        Self::KilledWithMemberHere,
        Self::SpokeWithoutTls,
        Self::CameBackElsewhere,
        Self::ImpostorRefused,
        Self::NoCertificateRefused,
        Self::OwnerRecovered,
        Self::ExpiredByReload,
        Self::TtlMadeLonger,
        Self::AccessRevoked,
        Self::ConnectBackRevoked,
        Self::ReceiveLost,
        Self::ReceiveGained,
        Self::RightMissing,
        Self::RateRefused,
        Self::IdsRefused,
        Self::SenderHeldNothingUp,
    ];
}
