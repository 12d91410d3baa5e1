//! Errors of the access rules: the reasons of `ERR 401` and of some `ERR 403`.

use std::fmt;
use std::net::IpAddr;

use super::KeyName;

/// Name of a client, and of the owner of an id: the key with TLS, the address without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PeerName {
    /// All programs at this IP address.
    Address(IpAddr),
    /// All connections that show this key.
    Key(KeyName),
}

/// 401: no line of the access file fits a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unauthorized {
    /// The client speaks without TLS to a port with TLS.
    NoTls,
    /// The connection has TLS and shows no certificate, so that it has no key.
    NoCertificate,
    /// The lines that decide about the id name other keys or addresses.
    NoLine {
        /// Name of the client.
        peer: PeerName,
    },
    /// The key is not known, and the request brings no secret.
    SecretMissing {
        /// Key of the client.
        key: KeyName,
    },
    /// No line has the name of this secret.
    SecretWrong {
        /// Key of the client.
        key: KeyName,
    },
    /// The lines ask for a certificate of the operator's CA, and this one is of another CA or not
    /// made for clients.
    CertificateUnknown {
        /// Key of the client.
        key: KeyName,
    },
    /// The certificate is of the operator's CA, but its dates do not include the present time.
    CertificateExpired {
        /// Key of the client.
        key: KeyName,
    },
}

/// 403: a known client that may not do this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forbidden {
    /// The id belongs to another client.
    OwnedByOther {
        /// Name of this client.
        peer: PeerName,
    },
    /// The access file or a member names the key, but no line lets the key use this id.
    OtherId {
        /// Key of the client.
        key: KeyName,
    },
    /// The certificate is of the operator's CA, but names other ids.
    CertificateNamesOther {
        /// Key of the client.
        key: KeyName,
    },
    /// The access file does not give this right to the id.
    RightMissing(Right),
    /// The text is longer than `max_text` of the id.
    TextTooLong {
        /// Bytes of the text.
        bytes: usize,
        /// Most bytes of a text.
        max: usize,
    },
}

/// A right in the access file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// The right to send texts.
    Send,
    /// The right to receive the messages of others.
    Receive,
    /// The right to ask for `members` and `stats`.
    List,
}

impl Right {
    /// All rights, in the order of the documents.
    pub const ALL: [Self; 3] = [Self::Send, Self::Receive, Self::List];

    /// Returns the word in the access file.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Receive => "receive",
            Self::List => "list",
        }
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(ip) => ip.fmt(f),
            Self::Key(key) => key.fmt(f),
        }
    }
}

impl fmt::Display for Unauthorized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTls => f.write_str(
                "tls: this port speaks TLS 1.3 only: start the participant with a keys file",
            ),
            Self::NoCertificate => f.write_str(
                "certificate: this connection shows none: start the participant with a keys file",
            ),
            Self::NoLine { peer: PeerName::Address(ip) } => write!(
                f,
                "address: no line of the access file lets {ip} use this id: ask the operator to \
                 add one"
            ),
            Self::NoLine { peer: PeerName::Key(key) } => write!(
                f,
                "key: no line of the access file lets {key} use this id: ask the operator to add \
                 one"
            ),
            Self::SecretMissing { key } => write!(
                f,
                "secret: missing, and {key} does not own this id: register with the secret of an \
                 invitation"
            ),
            Self::SecretWrong { key } => {
                write!(f, "secret: not valid, from {key}: ask the operator for another invitation")
            }
            Self::CertificateUnknown { key } => write!(
                f,
                "certificate: of another CA than the operator's, or not made for clients \
                 (clientAuth): ask the operator for a certificate for {key}"
            ),
            Self::CertificateExpired { key } => write!(
                f,
                "certificate: expired or not valid yet: renew the one of {key}, and check the \
                 clocks"
            ),
        }
    }
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnedByOther { peer } => write!(
                f,
                "id: belongs to another client, not to {peer}: use another id, or ask the operator \
                 to deregister this one"
            ),
            Self::OtherId { key } => write!(
                f,
                "id: no line of the access file lets {key} use it: use the id of this key, or ask \
                 the operator"
            ),
            Self::CertificateNamesOther { key } => {
                write!(
                    f,
                    "certificate: does not name this id: use the id that the one of {key} names"
                )
            }
            Self::RightMissing(right) => write!(
                f,
                "right: the access file does not give {} to this id: ask the operator for it",
                right.word()
            ),
            Self::TextTooLong { bytes, max } => write!(
                f,
                "text: {bytes} bytes exceed {max} (max_text of this id): send a shorter text"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{LimitReached, RequestError};

    const KEY: &str = "sha256:0707070707070707070707070707070707070707070707070707070707070707";

    #[track_caller]
    fn check(refusal: impl Into<RequestError>, expected: &str) {
        assert_eq!(refusal.into().to_string(), expected.replace("KEY", KEY));
    }

    #[test]
    fn a_refusal_of_an_unknown_client_names_the_client() {
        let (key, ip) = (KeyName([7; 32]), IpAddr::from([10, 0, 0, 7]));
        check(
            Unauthorized::NoTls,
            "401 tls: this port speaks TLS 1.3 only: start the participant with a keys file",
        );
        check(
            Unauthorized::NoCertificate,
            "401 certificate: this connection shows none: start the participant with a keys file",
        );
        check(
            Unauthorized::NoLine { peer: PeerName::Address(ip) },
            "401 address: no line of the access file lets 10.0.0.7 use this id: ask the operator \
             to add one",
        );
        check(
            Unauthorized::NoLine { peer: PeerName::Key(key) },
            "401 key: no line of the access file lets KEY use this id: ask the operator to add one",
        );
        check(
            Unauthorized::SecretMissing { key },
            "401 secret: missing, and KEY does not own this id: register with the secret of an \
             invitation",
        );
        check(
            Unauthorized::SecretWrong { key },
            "401 secret: not valid, from KEY: ask the operator for another invitation",
        );
        check(
            Unauthorized::CertificateUnknown { key },
            "401 certificate: of another CA than the operator's, or not made for clients \
             (clientAuth): ask the operator for a certificate for KEY",
        );
        check(
            Unauthorized::CertificateExpired { key },
            "401 certificate: expired or not valid yet: renew the one of KEY, and check the clocks",
        );
        check(
            Forbidden::OtherId { key },
            "403 id: no line of the access file lets KEY use it: use the id of this key, or ask \
             the operator",
        );
        check(
            Forbidden::CertificateNamesOther { key },
            "403 certificate: does not name this id: use the id that the one of KEY names",
        );
    }

    #[test]
    fn a_refusal_of_a_known_client_begins_with_the_part_that_is_wrong() {
        let key = KeyName([7; 32]);
        check(
            Forbidden::OwnedByOther { peer: PeerName::Key(key) },
            "403 id: belongs to another client, not to KEY: use another id, or ask the operator \
             to deregister this one",
        );
        check(
            Forbidden::RightMissing(Right::Send),
            "403 right: the access file does not give send to this id: ask the operator for it",
        );
        check(
            Forbidden::TextTooLong { bytes: 2000, max: 1024 },
            "403 text: 2000 bytes exceed 1024 (max_text of this id): send a shorter text",
        );
        check(
            LimitReached::MembersOf { owner: PeerName::Key(key).to_string().into(), max: 3 },
            "421 too many members of KEY: 3 is the limit (ids of the access file): deregister one \
             of them first",
        );
        check(
            RequestError::TooFast { rate: 10, wait_ms: 100 },
            "429 rate: at most 10 a second: try again in 100 ms",
        );
    }
}
