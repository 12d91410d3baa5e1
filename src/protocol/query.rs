//! Queries: commands without arguments that change nothing. Any client may send them.

/// A command that only asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    /// Asks for a list.
    List(Listing),
    /// Asks for a reply.
    Ping,
}

/// A list: the reply has more lines, one for each entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// Entries are [`MemberLine`](super::MemberLine)s.
    Members,
    /// Entries are counters, of the form `<key> <value>`.
    Stats,
}

impl Query {
    /// All queries, in the order of error texts and of `help`. Queries that are missing here are
    /// not parsed.
    pub const ALL: [Self; 3] =
        [Self::List(Listing::Members), Self::List(Listing::Stats), Self::Ping];

    /// Returns the query with this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|query| query.word() == word)
    }

    /// Returns the word of the command.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::List(Listing::Members) => "members",
            Self::List(Listing::Stats) => "stats",
            Self::Ping => "ping",
        }
    }

    /// Returns the purpose of the command, for `help`.
    #[must_use]
    pub const fn purpose(self) -> &'static str {
        match self {
            Self::List(Listing::Members) => "list the members",
            Self::List(Listing::Stats) => "show the coordinator's counters",
            Self::Ping => "check that the coordinator answers",
        }
    }
}
