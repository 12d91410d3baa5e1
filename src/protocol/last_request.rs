//! The parts that most requests of a client have in common.

use std::net::IpAddr;

use super::Request;
use super::counted_text::CountedText;

/// Id, IP address and number of the last requests on a command socket.
#[derive(Debug)]
pub struct LastRequest {
    id: Box<str>,
    /// The IP address, as in the request.
    ip_text: Box<[u8]>,
    /// IP address of the last request, as [`Request::ip`]; `None` before the first request.
    ip: Option<Option<IpAddr>>,
    /// Number of the last `send`.
    number: CountedText<1>,
}

impl Default for LastRequest {
    fn default() -> Self {
        let number = CountedText::new([""], " ");
        Self { id: Box::default(), ip_text: Box::default(), ip: None, number }
    }
}

impl LastRequest {
    /// Returns the command of a line that has the id and the IP address of the last request, and
    /// that IP address.
    #[inline]
    pub(super) fn strip<'a>(&self, line: &'a [u8]) -> Option<(&'a [u8], Option<IpAddr>)> {
        let rest = line.strip_prefix(self.id.as_bytes())?.strip_prefix(b"#")?;
        let command = rest.strip_suffix(&*self.ip_text)?.strip_suffix(b"#")?;
        Some((command, self.ip?))
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn number(&mut self) -> &mut CountedText<1> {
        &mut self.number
    }

    /// Replaces the last request by the request of `line`.
    pub(super) fn replace(&mut self, request: &Request<'_>, line: &[u8]) {
        let ip_text = line.rsplit(|byte| *byte == b'#').next().unwrap_or_default();
        self.id = request.id.into();
        self.ip_text = ip_text.into();
        self.ip = Some(request.ip);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_follows_another_one_is_parsed_as_if_alone() {
        let lines = [
            "bob#msend hi#127.0.0.1",
            "bob#msend hi#127.0.0.10",
            "bob#ping#127.0.0.1",
            "bobo#ping#127.0.0.1",
            "bob#ping#::ffff:127.0.0.1",
            "bob#msend #ping#::1#127.0.0.1",
            "bob#ping#::1",
            "bob#ping#-",
            "bob#msend #-#-",
        ];
        let wrong = [
            "",
            "bob",
            "bob#127.0.0.1",
            "bob##127.0.0.1",
            "#127.0.0.1",
            "bob#ping127.0.0.1",
            "bob#ping#1127.0.0.1",
            "bob#msend #127.0.0.1",
            "bob#msend \0#127.0.0.1",
            "bob ping#127.0.0.1",
            "bob#ping-",
            "bob#ping#--",
            "-",
            "#-",
            "##-",
        ];
        for first in lines.iter().chain(&wrong) {
            for second in lines.iter().chain(&wrong) {
                let mut last = LastRequest::default();
                for line in [first, second, first] {
                    let line = line.as_bytes();
                    assert_eq!(Request::parse_after(line, &mut last), Request::parse(line));
                }
            }
        }
        let mut last = LastRequest::default();
        Request::parse_after(b"bob#ping#::1", &mut last).unwrap();
        let not_utf8 = b"bob#msend \xff\0#::1";
        assert_eq!(Request::parse_after(not_utf8, &mut last), Request::parse(not_utf8));
    }
}
