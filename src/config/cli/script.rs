//! Options of the participant for scripts: texts to send, and the conditions of its end.

use getopts::{Matches, Options};

use crate::config::value::{seconds, whole};
use crate::config::{ConfigError, FoundValue, Location};
use crate::limits::{COUNT_MAX, TIMEOUT_MS_MAX};

/// Options for scripts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptOptions {
    /// Send each line of standard input as a message.
    pub lines: bool,
    /// Texts to send.
    pub send: Vec<String>,
    /// Number of messages, or of lines of `--top`, after which the program ends.
    pub count: Option<u64>,
    /// Milliseconds after which the program ends.
    pub timeout_ms: Option<u64>,
    /// Messages from before a registration that come first.
    pub last: Option<u64>,
    /// Print JSON objects.
    pub json: bool,
    /// Shell command to run for each message.
    pub exec: Option<String>,
}

impl ScriptOptions {
    /// Adds the options to those of the program.
    pub(super) fn declare(options: &mut Options) {
        options
            .optmulti("", "send", SEND, "TEXT")
            .optflag("", "lines", LINES)
            .optopt("", "count", COUNT, "N")
            .optopt("", "timeout", TIMEOUT, "SECONDS")
            .optopt("", "last", LAST, "N")
            .optflag("", "json", JSON)
            .optopt("", "exec", EXEC, "CMD");
    }

    /// Returns the options that were found.
    pub(super) fn of(matches: &Matches) -> Result<Self, ConfigError> {
        Ok(Self {
            lines: matches.opt_present("lines"),
            send: matches.opt_strs("send"),
            count: value(matches, "count", |text| whole(text, 1..=COUNT_MAX))?,
            timeout_ms: value(matches, "timeout", |text| seconds(text, 1..=TIMEOUT_MS_MAX))?,
            last: value(matches, "last", |text| whole(text, 0..=u64::MAX))?,
            json: matches.opt_present("json"),
            exec: matches.opt_str("exec"),
        })
    }

    /// Returns the command that comes first to be online.
    pub(super) fn join(&self) -> String {
        match self.last {
            Some(last) => format!("join last={last}"),
            None => "join".to_owned(),
        }
    }

    /// Returns true if texts are sent.
    #[must_use]
    pub fn sends(&self) -> bool {
        self.lines || !self.send.is_empty()
    }

    /// Returns true if messages are taken.
    #[must_use]
    pub fn receives(&self) -> bool {
        self.count.is_some() || self.exec.is_some()
    }

    /// Returns true if these options say what the participant does.
    #[must_use]
    pub fn has_verb(&self) -> bool {
        self.sends() || self.receives()
    }
}

fn value<T>(
    matches: &Matches,
    name: &'static str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, ConfigError> {
    let Some(text) = matches.opt_str(name) else { return Ok(None) };
    parse(&text).map(Some).map_err(|expected| ConfigError::Field {
        location: Location::Option,
        field: name,
        found: FoundValue::Text(text),
        expected,
    })
}

const SEND: &str = "send TEXT, and leave as found: online elsewhere, offline, or unknown; may be \
                    repeated";

const LINES: &str = "send each line of standard input as a message, and leave as found";

const COUNT: &str = "end after N messages, and leave as found; with --top: after N lines";

const LAST: &str = "with --join or --count, and a new message log: get the last N messages of the \
                    group first";

const TIMEOUT: &str = "end after SECONDS (0.001 or more), with exit code 3";

const JSON: &str = "print one JSON object a line, all of them on standard output";

const EXEC: &str = "run this shell command for each message, one at a time: the text on its \
                    standard input, GROUPCAST_SEQ, GROUPCAST_SENDER and GROUPCAST_TIME in its \
                    environment";
