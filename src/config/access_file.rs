//! Parses the access file: one rule per line, `<who> <how> [<right>...]`.

use std::collections::BTreeMap;
use std::path::Path;

use super::lines::{self, ConfigLine, ConfigLines, Fifos};
use super::{ConfigError, FoundValue, SecurityConfig, value};
use crate::access::{AccessRule, AccessTable, Proof, Rights, Who};
use crate::limits::{ACCESS_FILE_BYTES_MAX, LINE_BYTES_HIGHEST, MEMBERS_HIGHEST, RATE_HIGHEST};
use crate::protocol::SecretName;

/// The checked access file of a coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessFile {
    /// Rules in the order of the lines.
    pub rules: Vec<AccessRule>,
}

/// Proofs that clients of a coordinator can give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PossibleProofs {
    /// The coordinator has no `tls`, so that clients have no keys.
    Addresses,
    /// The coordinator has `tls`, and no `ca`.
    Keys,
    /// The coordinator has `tls` and `ca`.
    KeysAndCertificates,
}

/// Words of a line behind `who` and `how`.
#[derive(Debug, Default)]
struct WrittenRights<'a> {
    send: bool,
    receive: bool,
    list: bool,
    /// Each limit as written, with its value.
    rate: Option<(&'a str, u32)>,
    max_text: Option<(&'a str, usize)>,
    ids: Option<(&'a str, usize)>,
}

impl AccessFile {
    /// Loads the file at `path`.
    ///
    /// # Errors
    ///
    /// The first fault in the file. A file without a rule is a fault, so that a truncated file
    /// never opens the group to everybody, or closes it to all.
    pub fn load(path: &Path, possible: PossibleProofs, fifos: Fifos) -> Result<Self, ConfigError> {
        Self::parse(path, &lines::read_guarded(ACCESS_FILE_BYTES_MAX, path, fifos)?, possible)
    }

    /// Parses `bytes`, the content of the file at `path`.
    ///
    /// # Errors
    ///
    /// As [`AccessFile::load`].
    pub fn parse(path: &Path, bytes: &[u8], possible: PossibleProofs) -> Result<Self, ConfigError> {
        let mut lines = ConfigLines::new(path, bytes);
        let mut rules = Vec::new();
        let mut numbers = BTreeMap::new();
        let mut by_who: BTreeMap<Who, RightsOfIds> = BTreeMap::new();
        while let Some(line) = lines.next()? {
            let rule = parse_rule(&line, possible)?;
            if let Some(first) = numbers.insert((rule.who.clone(), rule.proof), line.number) {
                return Err(line.found("line", FoundValue::Again { first }, ONE_LINE));
            }
            by_who.entry(rule.who.clone()).or_default().add(&line, &rule)?;
            rules.push(rule);
        }
        match rules.is_empty() {
            true => Err(lines.error("who", FoundValue::EndOfFile, WHO_EXPECTED)),
            false => Ok(Self { rules }),
        }
    }

    /// Returns the line of a further secret for all ids that no other line names: with the rights
    /// that the secrets of these ids have, and with all if there are none.
    #[must_use]
    pub fn line_of_secret(&self, name: SecretName) -> String {
        let who = Who::Prefix("".into());
        let is_secret = |rule: &&AccessRule| matches!(rule.proof, Proof::Secret(_));
        let others = self.rules.iter().filter(|rule| rule.who == who);
        let rights = others.clone().find(is_secret).map_or(Rights::ALL, |rule| rule.rights);
        let proof = Proof::Secret(name);
        match rights == Rights::ALL {
            true => format!("{who} {proof}"),
            false => AccessRule { who, proof, rights }.to_string(),
        }
    }

    /// Returns the table of the rules.
    #[must_use]
    pub fn into_table(self) -> AccessTable {
        AccessTable::new(self.rules)
    }
}

/// Rights of the lines for the same ids, as far as a line with a secret must be compared with them.
///
/// After a `register` only the key of the owner is known, and not the line that let it in. So all
/// secrets count for each owner. No owner may gain rights by that.
#[derive(Debug, Default)]
struct RightsOfIds {
    /// Number of the first line with a secret, and its rights.
    of_secrets: Option<(usize, Rights)>,
    /// The same of the lines before that one.
    of_others: Vec<(usize, Rights)>,
}

impl RightsOfIds {
    /// Adds a line, and compares it with those before it. No line is compared with all others.
    fn add(&mut self, line: &ConfigLine<'_>, rule: &AccessRule) -> Result<(), ConfigError> {
        let has_all = |all: Rights, rights| all.union(rights) == all;
        let number = match (rule.proof, self.of_secrets) {
            (Proof::Secret(_), Some((first, rights))) => (rights != rule.rights).then_some(first),
            (Proof::Secret(_), None) => {
                self.of_secrets = Some((line.number, rule.rights));
                let others = std::mem::take(&mut self.of_others);
                let fewer = others.iter().find(|(_, rights)| !has_all(*rights, rule.rights));
                fewer.map(|(number, _)| *number)
            }
            (_, Some((first, rights))) => (!has_all(rule.rights, rights)).then_some(first),
            (_, None) => {
                self.of_others.push((line.number, rule.rights));
                None
            }
        };
        let Some(number) = number else { return Ok(()) };
        let written = rule.to_string();
        let before = format!("{} {} ", rule.who, rule.proof);
        let found = written.strip_prefix(&before).unwrap_or_default().to_owned();
        let expected = format!(
            "the rights of line {number}, or a line for other ids: the secrets of the same ids \
             count for all that have registered"
        );
        Err(line.found("right", FoundValue::Text(found), expected))
    }
}

const WHO_EXPECTED: &str = "an id, the start of ids and *, * alone, or @operator";
const ONE_LINE: &str = "one line for the same ids and the same proof";

fn parse_rule(line: &ConfigLine<'_>, possible: PossibleProofs) -> Result<AccessRule, ConfigError> {
    let mut words = line.text.split([' ', '\t']).filter(|word| !word.is_empty());
    let word = words.next().unwrap_or_default();
    let who = Who::parse(word).ok_or_else(|| error(line, "who", word, WHO_EXPECTED))?;
    let Some(word) = words.next() else {
        return Err(line.found("how", FoundValue::EndOfLine, possible.expected()));
    };
    let proof = parse_proof(line, word, possible)?;
    if who == Who::Operator {
        return parse_operator(line, who, (word, proof), words.next());
    }
    let mut written = WrittenRights::default();
    for word in words {
        written.take(line, word)?;
    }
    let rights = written.check(line, &who)?;
    Ok(AccessRule { who, proof, rights })
}

fn parse_operator(
    line: &ConfigLine<'_>,
    who: Who,
    (word, proof): (&str, Proof),
    right: Option<&str>,
) -> Result<AccessRule, ConfigError> {
    match (proof, right) {
        (Proof::Secret(_) | Proof::Anyone, _) => {
            Err(error(line, "how", word, "key=, ca or address= for @operator"))
        }
        (Proof::Key(_) | Proof::Ca | Proof::Address(_), Some(right)) => {
            Err(error(line, "right", right, "nothing more: @operator has its own rights"))
        }
        (Proof::Key(_) | Proof::Ca | Proof::Address(_), None) => {
            Ok(AccessRule { who, proof, rights: Rights::ALL })
        }
    }
}

fn parse_proof(
    line: &ConfigLine<'_>,
    word: &str,
    possible: PossibleProofs,
) -> Result<Proof, ConfigError> {
    const NAME: &str = "sha256: and 64 lower-case hex digits";
    let (how, value) = word.split_once('=').map_or((word, None), |(how, it)| (how, Some(it)));
    let proof = match (how, value) {
        ("anyone", None) => Proof::Anyone,
        ("ca", None) => Proof::Ca,
        ("address", Some(range)) => {
            let range = range.parse().map(Proof::Address);
            range.map_err(|_| error(line, "address", value.unwrap_or_default(), RANGE_EXPECTED))?
        }
        ("key", Some(name)) => {
            Proof::Key(name.parse().map_err(|_| error(line, "key", name, NAME))?)
        }
        // It may be the secret itself.
        ("secret", Some(name)) => {
            Proof::Secret(name.parse().map_err(|_| line.found("secret", FoundValue::Hidden, NAME))?)
        }
        _ => return Err(error(line, "how", word, possible.expected())),
    };
    match possible.include(proof) {
        true => Ok(proof),
        false => Err(error(line, "how", word, possible.expected())),
    }
}

const RANGE_EXPECTED: &str =
    "an IP address, or the lowest address of a range and its bits, as in 10.0.0.0/8";

impl PossibleProofs {
    /// Returns the proofs that the settings of a coordinator allow.
    #[must_use]
    pub const fn of(config: &SecurityConfig) -> Self {
        match (&config.tls, &config.ca) {
            (None, _) => Self::Addresses,
            (Some(_), None) => Self::Keys,
            (Some(_), Some(_)) => Self::KeysAndCertificates,
        }
    }

    fn include(self, proof: Proof) -> bool {
        match proof {
            Proof::Address(_) | Proof::Anyone => true,
            Proof::Key(_) | Proof::Secret(_) => self != Self::Addresses,
            Proof::Ca => self == Self::KeysAndCertificates,
        }
    }

    const fn expected(self) -> &'static str {
        match self {
            Self::Addresses => "address= or anyone: without tls, clients have no keys",
            Self::Keys => "key=, secret=, address= or anyone, and ca only with the key ca",
            Self::KeysAndCertificates => "key=, ca, secret=, address= or anyone",
        }
    }
}

impl<'a> WrittenRights<'a> {
    fn take(&mut self, line: &ConfigLine<'_>, word: &'a str) -> Result<(), ConfigError> {
        let (name, text) = word.split_once('=').map_or((word, None), |(it, text)| (it, Some(text)));
        let fault = |field, expected: String| error(line, field, text.unwrap_or(word), expected);
        let is_doubled = match (name, text) {
            ("send", None) => std::mem::replace(&mut self.send, true),
            ("receive", None) => std::mem::replace(&mut self.receive, true),
            ("list", None) => std::mem::replace(&mut self.list, true),
            ("rate", Some(text)) => {
                let rate = value::whole(text, 1..=u64::from(RATE_HIGHEST));
                let rate = rate.map_err(|expected| fault("rate", expected))?;
                let rate = u32::try_from(rate).unwrap_or(RATE_HIGHEST);
                self.rate.replace((word, rate)).is_some()
            }
            ("max_text", Some(text)) => {
                let bytes = value::memory_size(text, 1..=LINE_BYTES_HIGHEST);
                let bytes = bytes.map_err(|expected| fault("max_text", expected))?;
                self.max_text.replace((word, bytes)).is_some()
            }
            ("ids", Some(text)) => {
                let ids = value::count(text, 1..=MEMBERS_HIGHEST);
                let ids = ids.map_err(|expected| fault("ids", expected))?;
                self.ids.replace((word, ids)).is_some()
            }
            _ => return Err(error(line, "right", word, RIGHT_EXPECTED)),
        };
        match is_doubled {
            true => Err(error(line, "right", word, "each right once in a line")),
            false => Ok(()),
        }
    }

    /// Returns the rights, if no word contradicts another one.
    fn check(&self, line: &ConfigLine<'_>, who: &Who) -> Result<Rights, ConfigError> {
        let is_none_written = !(self.send || self.receive || self.list);
        let may_send = self.send || is_none_written;
        let limit = self.rate.map(|(word, _)| word).or(self.max_text.map(|(word, _)| word));
        if let Some(word) = limit.filter(|_| !may_send) {
            let expected = "send too: rate and max_text limit what an id sends";
            return Err(error(line, "right", word, expected));
        }
        if let (Some((word, _)), Who::Id(_)) = (self.ids, who) {
            let expected = "ids only for a start of ids with *, as one id is one member";
            return Err(error(line, "right", word, expected));
        }
        Ok(Rights {
            may_send,
            may_receive: self.receive || is_none_written,
            may_list: self.list || is_none_written,
            rate: self.rate.map(|(_, rate)| rate),
            text_bytes_max: self.max_text.map(|(_, bytes)| bytes),
            ids_max: self.ids.map(|(_, ids)| ids),
        })
    }
}

const RIGHT_EXPECTED: &str = "send, receive, list, rate=, max_text= or ids=";

/// Creates an error that shows no secret.
fn error(
    line: &ConfigLine<'_>,
    field: &'static str,
    text: &str,
    expected: impl Into<String>,
) -> ConfigError {
    line.found(field, FoundValue::masked(text), expected)
}

#[cfg(test)]
mod tests;
