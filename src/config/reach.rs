//! The way in which messages reach a participant: over its listener, or on the command socket.

use std::net::{IpAddr, Ipv6Addr};

use super::{ConfigError, FoundValue, Location, value};
use crate::limits::LISTEN_PORT_MIN;

/// The way in which messages reach a participant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// True if messages come on the command socket of the request, and there is no listener.
    pub is_passive: bool,
    /// Address of the listener; `None`: all addresses, or loopback for a coordinator there.
    pub listen: Option<IpAddr>,
    /// Address at which the coordinator reaches the listener; `None`: the address of this machine.
    pub advertised: Option<AdvertisedAddress>,
}

/// Address and port of a listener, as the coordinator reaches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdvertisedAddress {
    /// Address that requests name.
    pub ip: IpAddr,
    /// Port that requests name; `None`: the port of the listener.
    pub port: Option<u16>,
}

/// Values of the options, as they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ReachOptions {
    /// True for `--passive`.
    pub(super) is_passive: bool,
    /// Value of `--listen`.
    pub(super) listen: Option<String>,
    /// Value of `--advertise`.
    pub(super) advertise: Option<String>,
}

impl Reach {
    /// Sets a key of the config file. Returns a description of the valid values if
    /// the text is none.
    pub(super) fn assign_in_file(&mut self, key: &str, text: &str) -> Result<(), String> {
        self.assign(key, text)?;
        match self.is_contradictory() {
            true => Err(CONTRADICTION.to_owned()),
            false => Ok(()),
        }
    }

    /// Returns the way with the options, which win: `--passive` drops the keys of a listener, and
    /// an option of the listener drops `passive=yes`.
    pub(super) fn with_options(mut self, options: &ReachOptions) -> Result<Self, ConfigError> {
        let ReachOptions { is_passive, listen, advertise } = options;
        if *is_passive {
            return Ok(Self { is_passive: true, ..Self::default() });
        }
        for (key, text) in [("listen", listen), ("advertise", advertise)] {
            let Some(text) = text else { continue };
            self.is_passive = false;
            self.assign(key, text).map_err(|expected| ConfigError::Field {
                location: Location::Option,
                field: key,
                found: FoundValue::Text(text.clone()),
                expected,
            })?;
        }
        Ok(self)
    }

    /// Sets a key. Returns a description of the valid values if the text is none.
    fn assign(&mut self, key: &str, text: &str) -> Result<(), String> {
        match key {
            "passive" => self.is_passive = value::yes_or_no(text)?,
            "listen" => self.listen = Some(value::local_ip(text)?),
            _ => self.advertised = Some(AdvertisedAddress::parse(text)?),
        }
        Ok(())
    }

    const fn is_contradictory(&self) -> bool {
        self.is_passive && (self.listen.is_some() || self.advertised.is_some())
    }
}

impl AdvertisedAddress {
    /// Parses `IP` or `IP:PORT`. Before a colon, an IPv6 address must be in brackets.
    fn parse(text: &str) -> Result<Self, String> {
        let (ip, port) = match text.rsplit_once(':') {
            _ if text.ends_with(']') || text.parse::<Ipv6Addr>().is_ok() => (text, None),
            Some((ip, port)) => (ip, Some(port)),
            None => (text, None),
        };
        let in_brackets = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']'));
        let ip = in_brackets.unwrap_or(ip);
        if value::is_link_local(ip) {
            return Err(value::NOT_LINK_LOCAL.to_owned());
        }
        // Without brackets, the colon before the port is ambiguous.
        let is_ambiguous = in_brackets.is_none() && port.is_some() && ip.contains(':');
        let ports = u64::from(LISTEN_PORT_MIN)..=u64::from(u16::MAX);
        let port = port.map(|port| value::whole(port, ports)).transpose();
        match (value::peer_ip(ip).filter(|_| !is_ambiguous), port) {
            (Some(ip), Ok(port)) => {
                Ok(Self { ip, port: port.and_then(|port| u16::try_from(port).ok()) })
            }
            (None, _) | (_, Err(_)) => Err(ADVERTISE_EXPECTED.to_owned()),
        }
    }
}

const CONTRADICTION: &str = "passive=yes alone, or listen and advertise without it: a passive \
                             participant has no listener";

const ADVERTISE_EXPECTED: &str = "an address of one machine and, if it differs from the \
                                  listener's, a port from 1024 to 65535, as in 192.0.2.1, \
                                  192.0.2.1:9001 or [2001:db8::1]:9001";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::lines::ConfigLines;
    use crate::config::participant_lines::ParticipantLines;
    use crate::config::{Endpoint, Endpoints};

    fn of_file(text: &str) -> Result<Reach, String> {
        let mut lines = ConfigLines::new(Path::new("p.txt"), text.as_bytes());
        let mut coordinators = Endpoints::new(Endpoint::parse("hub:1").unwrap());
        let lines = ParticipantLines::take(&mut lines, &mut coordinators, 0);
        let lines = lines.map_err(|error| error.to_string())?;
        assert_eq!(lines.keys, None);
        Ok(lines.reach)
    }

    #[test]
    fn each_key_has_its_values() {
        assert_eq!(of_file(""), Ok(Reach::default()));
        assert_eq!(of_file("passive=no\n\nlisten = ::1").unwrap().listen, "::1".parse().ok());
        assert!(of_file("passive=yes").unwrap().is_passive);
        for (text, ip, port) in [
            ("192.0.2.1", "192.0.2.1", None),
            ("192.0.2.1:1024", "192.0.2.1", Some(1024)),
            ("2001:db8::1", "2001:db8::1", None),
            ("[2001:db8::1]", "2001:db8::1", None),
            ("[2001:db8::1]:65535", "2001:db8::1", Some(65535)),
        ] {
            let expected = AdvertisedAddress { ip: ip.parse().unwrap(), port };
            assert_eq!(AdvertisedAddress::parse(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "hub",
            "hub:9001",
            "0.0.0.0",
            "255.255.255.255",
            "192.0.2.1:1023",
            "192.0.2.1:",
            "192.0.2.1:65536",
            "1.2.3.4:x",
            "[::1",
            "::",
            "1:2:3:4:5:6:7:8:9001",
            "[fe80::1]:9001",
        ] {
            assert!(AdvertisedAddress::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_error_names_the_line_and_the_valid_values() {
        for (text, error) in [
            ("passive=1", "p.txt:1: passive: found \"1\", expected yes or no".to_owned()),
            (
                "sync=always",
                "p.txt:1: key: found \"sync\", expected passive, listen, advertise, keys, \
                 keepalive, user_timeout"
                    .to_owned(),
            ),
            (
                "passive",
                "p.txt:1: line: found \"passive\", expected key=value, one more coordinator, as \
                 in 10.0.0.2 5000, or a comment that begins with //"
                    .to_owned(),
            ),
            (
                "passive=yes\nlisten=::1",
                format!("p.txt:2: listen: found \"::1\", expected {CONTRADICTION}"),
            ),
            (
                "advertise=192.0.2.1\npassive=yes",
                format!("p.txt:2: passive: found \"yes\", expected {CONTRADICTION}"),
            ),
            (
                "advertise=hub",
                format!("p.txt:1: advertise: found \"hub\", expected {ADVERTISE_EXPECTED}"),
            ),
        ] {
            assert_eq!(of_file(text), Err(error));
        }
        assert!(of_file("passive=no\npassive=no").unwrap_err().starts_with("p.txt:2: passive: "));
    }

    #[test]
    fn an_option_wins_over_the_file() {
        let options = |is_passive, listen: Option<&str>, advertise: Option<&str>| ReachOptions {
            is_passive,
            listen: listen.map(str::to_owned),
            advertise: advertise.map(str::to_owned),
        };
        let passive = of_file("passive=yes").unwrap();
        let listening = of_file("listen=::1\nadvertise=192.0.2.1").unwrap();
        let with =
            |reach: Reach, options| reach.with_options(&options).map_err(|error| error.to_string());
        for reach in [passive, listening] {
            assert_eq!(with(reach, options(false, None, None)), Ok(reach));
            assert_eq!(with(reach, options(true, None, None)), Ok(passive));
        }
        let listen = with(passive, options(false, Some("127.0.0.1"), None)).unwrap();
        assert_eq!((listen.is_passive, listen.listen), (false, "127.0.0.1".parse().ok()));
        let both = with(listening, options(false, None, Some("192.0.2.2:9001"))).unwrap();
        assert_eq!((both.listen, both.advertised.unwrap().port), (listening.listen, Some(9001)));
        let wrong = with(passive, options(false, None, Some("hub")));
        assert_eq!(
            wrong,
            Err(format!("--advertise: found \"hub\", expected {ADVERTISE_EXPECTED}"))
        );
    }
}
