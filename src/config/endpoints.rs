//! The coordinators of a participant, in the order in which they are tried.

use std::fmt;

use super::participant::option_error;
use super::{ConfigError, Endpoint, Host};
use crate::limits::COORDINATORS_MAX;

/// At least one endpoint, none of them twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    first: Endpoint,
    others: Vec<Endpoint>,
}

impl Endpoints {
    pub(super) const fn new(first: Endpoint) -> Self {
        Self { first, others: Vec::new() }
    }

    /// Parses the texts of an option, or of a variable; `None` if there is no text.
    pub(super) fn of<'a>(
        field: &'static str,
        texts: impl Iterator<Item = &'a str>,
    ) -> Result<Option<Self>, ConfigError> {
        let mut found: Option<Self> = None;
        for text in texts {
            let error = |expected: &str| option_error(field, text.to_owned(), expected);
            let endpoint = Endpoint::parse(text).map_err(error)?;
            match &mut found {
                None => found = Some(Self::new(endpoint)),
                Some(found) => found.push(endpoint).map_err(|expected| error(&expected))?,
            }
        }
        Ok(found)
    }

    /// Returns the position of an endpoint, from 0.
    pub(super) fn position(&self, endpoint: &Endpoint) -> Option<usize> {
        self.iter().position(|other| is_same(other, endpoint))
    }

    /// Adds an endpoint. Returns a description of what is expected if there are too many, or if it
    /// is there already.
    pub(super) fn push(&mut self, endpoint: Endpoint) -> Result<(), String> {
        if self.position(&endpoint).is_some() {
            return Err("each coordinator once".to_owned());
        }
        if self.len() >= COORDINATORS_MAX {
            return Err(format!("at most {COORDINATORS_MAX} coordinators"));
        }
        self.others.push(endpoint);
        Ok(())
    }

    /// Returns endpoints with these names or addresses and ports, for tests.
    #[cfg(test)]
    pub(crate) fn of_test(all: &[(&str, u16)]) -> Self {
        let texts: Vec<String> = all.iter().map(|(host, port)| format!("{host} {port}")).collect();
        Self::of("coordinator", texts.iter().map(String::as_str)).unwrap().unwrap()
    }

    /// Returns the endpoints in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Endpoint> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Returns the number of endpoints: at least 1.
    #[expect(clippy::len_without_is_empty, reason = "there is at least one")]
    #[must_use]
    pub fn len(&self) -> usize {
        self.others.len().saturating_add(1)
    }
}

/// Host names are the same in upper case and in lower case.
fn is_same(one: &Endpoint, other: &Endpoint) -> bool {
    let is_same_host = match (&one.host, &other.host) {
        (Host::Name(one), Host::Name(other)) => one.eq_ignore_ascii_case(other),
        (Host::Address(one), Host::Address(other)) => one == other,
        (Host::Name(_), Host::Address(_)) | (Host::Address(_), Host::Name(_)) => false,
    };
    is_same_host && one.port == other.port
}

impl fmt::Display for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)?;
        self.others.iter().try_for_each(|endpoint| write!(f, ", {endpoint}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(text: &str) -> Endpoint {
        Endpoint::parse(text).unwrap()
    }

    #[test]
    fn endpoints_keep_their_order_and_are_bounded() {
        let mut endpoints = Endpoints::new(endpoint("hub:1"));
        for port in 2..=COORDINATORS_MAX {
            assert_eq!(endpoints.len(), port - 1);
            assert_eq!(endpoints.push(endpoint(&format!("hub:{port}"))), Ok(()));
        }
        let ports = endpoints.iter().map(|it| usize::from(it.port));
        assert!(ports.eq(1..=COORDINATORS_MAX));
        let wrong = endpoints.push(endpoint("hub:17"));
        assert_eq!(wrong, Err("at most 16 coordinators".to_owned()));
        let mut two = Endpoints::new(endpoint("hub:1"));
        two.push(endpoint("[::1]:1")).unwrap();
        assert_eq!(two.to_string(), "hub:1, [::1]:1");
    }

    #[test]
    fn the_same_coordinator_stands_once() {
        let mut endpoints = Endpoints::new(endpoint("hub:1"));
        for (text, is_new) in [
            ("hub:1", false),
            ("Hub:1", false),
            ("hub:2", true),
            ("10.0.0.1:1", true),
            ("::ffff:10.0.0.1 1", false),
            ("10.0.0.2:1", true),
            ("hub.:1", true),
        ] {
            assert_eq!(endpoints.push(endpoint(text)).is_ok(), is_new, "{text}");
        }
    }
}
