//! Rules: the lines of the access file, as values.

use std::fmt;

use crate::protocol::{KeyName, Right, SecretName, is_id};

use super::{AddressRange, Rights};

/// A line of the access file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRule {
    /// Ids that the rule is about.
    pub who: Who,
    /// Proof that the client must give.
    pub proof: Proof,
    /// Rights of a client that gives the proof.
    pub rights: Rights,
}

/// Ids that a rule is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// Exactly this id.
    Id(Box<str>),
    /// All ids that begin with this text. The empty prefix is `*`.
    Prefix(Box<str>),
    /// Operators, who may list and remove any id. They need no id.
    Operator,
}

/// Proof that a client must give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// The connection shows this key.
    Key(KeyName),
    /// The certificate is of the operator's CA, and names the id.
    Ca,
    /// The `register` brings the secret with this name. Later connections show the same key.
    Secret(SecretName),
    /// The connection comes from one of these addresses.
    Address(AddressRange),
    /// None. The id belongs to the client that registers it: with TLS to its key, without TLS to
    /// its address.
    Anyone,
}

/// Word for operators in the access file, and their name in a certificate.
pub const OPERATOR: &str = "@operator";

impl Who {
    /// Parses the first word of a line.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word.strip_suffix('*') {
            Some(prefix) if prefix.is_empty() || is_id(prefix) => Some(Self::Prefix(prefix.into())),
            None if word == OPERATOR => Some(Self::Operator),
            None if is_id(word) => Some(Self::Id(word.into())),
            Some(_) | None => None,
        }
    }
}

impl fmt::Display for AccessRule {
    /// Writes the line of the access file, with all rights that it gives.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { who, proof, rights } = self;
        write!(f, "{who} {proof}")?;
        if *who == Who::Operator {
            return Ok(());
        }
        for right in Right::ALL.iter().filter(|right| rights.check(**right).is_ok()) {
            write!(f, " {}", right.word())?;
        }
        if let Some(rate) = rights.rate {
            write!(f, " rate={rate}")?;
        }
        if let Some(bytes) = rights.text_bytes_max {
            write!(f, " max_text={bytes}")?;
        }
        match rights.ids_max {
            Some(ids) => write!(f, " ids={ids}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => f.write_str(id),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
            Self::Operator => f.write_str(OPERATOR),
        }
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "key={key}"),
            Self::Ca => f.write_str("ca"),
            Self::Secret(name) => write!(f, "secret={name}"),
            Self::Address(range) => write!(f, "address={range}"),
            Self::Anyone => f.write_str("anyone"),
        }
    }
}
