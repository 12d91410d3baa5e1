//! Parses the head of an HTTP request, and checks whether the request may be served.

use httparse::{EMPTY_HEADER, Header, Request, Status};

use super::response::StatusCode;
use crate::limits::http::HTTP_FIELDS_MAX;

/// A request that can be answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HttpRequest {
    /// Path of the target, without a query.
    pub(super) path: Box<str>,
    /// True for `HEAD`: the response has no body.
    pub(super) is_head: bool,
    /// True if the connection ends after the response.
    pub(super) closes: bool,
    /// Value of `Authorization`.
    pub(super) authorization: Option<Box<[u8]>>,
}

/// Names under which a browser may reach the server.
///
/// A page of another site can make its own name point to this address (DNS rebinding), and so read
/// what the server answers. Such a request names the other site in `Host`. Numeric addresses and
/// `localhost` cannot be made to point elsewhere.
#[derive(Clone, Debug, Default)]
pub(super) struct HostNames(Vec<String>);

impl HostNames {
    /// Allows these names, beside `localhost` and numeric addresses.
    pub(super) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let normal = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
        Self(names.into_iter().map(normal).filter(|name| !name.is_empty()).collect())
    }

    /// Returns true if the value of a `Host` field, with or without a port, is allowed.
    fn allow(&self, host: &str) -> bool {
        if let Some(rest) = host.strip_prefix('[') {
            let Some((address, port)) = rest.split_once(']') else { return false };
            return address.parse::<std::net::Ipv6Addr>().is_ok() && is_port(port);
        }
        let (name, port) = match host.rfind(':') {
            Some(at) => host.split_at_checked(at).unwrap_or((host, "")),
            None => (host, ""),
        };
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let is_local = name == "localhost" || name.ends_with(".localhost");
        let is_address = name.parse::<std::net::Ipv4Addr>().is_ok();
        is_port(port) && (is_local || is_address || self.0.contains(&name))
    }
}

/// Returns true for nothing, or a colon and the digits of a port.
fn is_port(text: &str) -> bool {
    text.is_empty()
        || text.strip_prefix(':').is_some_and(|digits| {
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
}

/// Parses a head, with its empty line.
///
/// # Errors
///
/// The status of the refusal, after which the connection is closed.
pub(super) fn parse(head: &[u8], names: &HostNames) -> Result<HttpRequest, StatusCode> {
    let known = with_known_version(head);
    let head = known.as_deref().unwrap_or(head);
    let mut fields = [EMPTY_HEADER; HTTP_FIELDS_MAX];
    let mut request = Request::new(&mut fields);
    match request.parse(head) {
        Ok(Status::Complete(_)) => (),
        Err(httparse::Error::TooManyHeaders) => return Err(StatusCode::HeadTooLarge),
        Err(httparse::Error::Version) => return Err(StatusCode::VersionNotSupported),
        Ok(Status::Partial) | Err(_) => return Err(StatusCode::BadRequest),
    }
    let Request { method: Some(method), path: Some(target), version: Some(version), headers } =
        request
    else {
        return Err(StatusCode::BadRequest);
    };
    let is_head = match method {
        "GET" => false,
        "HEAD" => true,
        _ => return Err(StatusCode::MethodNotAllowed),
    };
    let (authority, path) = split_target(target).ok_or(StatusCode::BadRequest)?;
    let host = host(headers, version)?;
    if let Some(host) = authority.or(host)
        && !names.allow(host)
    {
        return Err(StatusCode::Misdirected);
    }
    if is_of_another_site(headers) {
        return Err(StatusCode::Forbidden);
    }
    if has_body(headers) {
        return Err(StatusCode::BadRequest);
    }
    let authorization = field(headers, "authorization").map(Box::from);
    let path = path.split(['?', '#']).next().unwrap_or_default().into();
    Ok(HttpRequest { path, is_head, closes: closes(headers, version), authorization })
}

/// Returns a head of a later minor version as one of HTTP/1.1, the last that is known (RFC 9110,
/// section 2.5). `None` for all other heads.
fn with_known_version(head: &[u8]) -> Option<Vec<u8>> {
    let end = head.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
    let (line, rest) = head.split_at_checked(end)?;
    let (minor, before) = line.split_last()?;
    let is_later = before.ends_with(b" HTTP/1.") && matches!(minor, b'2'..=b'9');
    is_later.then(|| [before, b"1", rest].concat())
}

/// Splits a target into its authority, if there is one, and its path (RFC 9112, section 3.2).
fn split_target(target: &str) -> Option<(Option<&str>, &str)> {
    if target.starts_with('/') {
        return Some((None, target));
    }
    let scheme = target.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("http://"))?;
    let rest = target.strip_prefix(scheme)?;
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(at)?;
    Some((Some(authority), if path.starts_with('/') { path } else { "/" }))
}

/// Returns the only `Host` field. HTTP/1.1 requires one.
fn host<'a>(fields: &'a [Header<'a>], version: u8) -> Result<Option<&'a str>, StatusCode> {
    let mut hosts = fields.iter().filter(|field| field.name.eq_ignore_ascii_case("host"));
    match (hosts.next(), hosts.next(), version) {
        (Some(host), None, _) => match std::str::from_utf8(host.value) {
            Ok(host) => Ok(Some(host.trim())),
            Err(_) => Err(StatusCode::BadRequest),
        },
        (None, None, 0) => Ok(None),
        (None, None, _) | (_, Some(_), _) => Err(StatusCode::BadRequest),
    }
}

fn field<'a>(fields: &'a [Header<'a>], name: &str) -> Option<&'a [u8]> {
    fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
}

/// Returns true if a browser has sent the request for a page of another site, other than to show
/// what is here. Such a page cannot read the answer, but could take all places of readers.
fn is_of_another_site(fields: &[Header<'_>]) -> bool {
    let has = |name: &str, words: &[&[u8]]| {
        let mut all = fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        all.any(|field| words.iter().any(|it| field.value.trim_ascii().eq_ignore_ascii_case(it)))
    };
    has("sec-fetch-site", &[b"cross-site", b"same-site"]) && !has("sec-fetch-mode", &[b"navigate"])
}

/// Returns true if a body follows the head.
fn has_body(fields: &[Header<'_>]) -> bool {
    fields.iter().any(|field| {
        field.name.eq_ignore_ascii_case("transfer-encoding")
            || field.name.eq_ignore_ascii_case("content-length") && field.value.trim_ascii() != b"0"
    })
}

/// Returns true if the connection ends after the response.
fn closes(fields: &[Header<'_>], version: u8) -> bool {
    let has = |word: &str| {
        let all = fields.iter().filter(|field| field.name.eq_ignore_ascii_case("connection"));
        all.filter_map(|field| std::str::from_utf8(field.value).ok())
            .flat_map(|value| value.split(','))
            .any(|option| option.trim().eq_ignore_ascii_case(word))
    };
    // A client of HTTP/1.0 reads up to the end of the connection, unless it is told otherwise.
    has("close") || version == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(head: &str, expected: Result<(&str, bool, bool), StatusCode>) {
        let names = HostNames::new(["box.lan"]);
        let found = parse(head.replace('\n', "\r\n").as_bytes(), &names);
        let found = found.map(|it| (it.path.to_string(), it.is_head, it.closes));
        let expected = expected.map(|(path, is_head, closes)| (path.to_owned(), is_head, closes));
        assert_eq!(found, expected, "{head}");
    }

    #[test]
    fn get_and_head_of_one_target_are_served() {
        check("GET / HTTP/1.1\nHost: box.lan\n\n", Ok(("/", false, false)));
        check("HEAD /metrics HTTP/1.1\nHost: 127.0.0.1:9090\n\n", Ok(("/metrics", true, false)));
        check("GET /a?b=/c HTTP/1.1\nHost: [::1]:1\n\n", Ok(("/a", false, false)));
        check(
            "GET / HTTP/1.1\nHost: x.localhost.\nConnection: x, Close\n\n",
            Ok(("/", false, true)),
        );
        check("GET / HTTP/1.0\n\n", Ok(("/", false, true)));
        check("GET / HTTP/1.0\nConnection: keep-alive\n\n", Ok(("/", false, true)));
        let absolute = "GET http://localhost:1/metrics?x HTTP/1.1\nHost: evil.example\n\n";
        check(absolute, Ok(("/metrics", false, false)));
        check("GET http://localhost?x HTTP/1.1\nHost: a\n\n", Ok(("/", false, false)));
        check("GET / HTTP/1.1\nHost: BOX.lan:80\nContent-Length: 0\n\n", Ok(("/", false, false)));
    }

    #[test]
    fn other_methods_bodies_and_faults_are_refused() {
        let host = "Host: localhost\n";
        for (head, status) in [
            (format!("POST / HTTP/1.1\n{host}\n"), StatusCode::MethodNotAllowed),
            (format!("OPTIONS * HTTP/1.1\n{host}\n"), StatusCode::MethodNotAllowed),
            (format!("GET / HTTP/1.1\n{host}Content-Length: 5\n\n"), StatusCode::BadRequest),
            (
                format!("GET / HTTP/1.1\n{host}Transfer-Encoding: chunked\n\n"),
                StatusCode::BadRequest,
            ),
            (format!("GET / HTTP/1.1\n{host}{host}\n"), StatusCode::BadRequest),
            ("GET / HTTP/1.1\n\n".to_owned(), StatusCode::BadRequest),
            (format!("GET x HTTP/1.1\n{host}\n"), StatusCode::BadRequest),
            (format!("GET / HTTP/2.0\n{host}\n"), StatusCode::VersionNotSupported),
            (format!("GET / HTTP/1.1\n{host}a b: c\n\n"), StatusCode::BadRequest),
            (format!("GET / HTTP/1.1\n{host}{}\n", "a: b\n".repeat(70)), StatusCode::HeadTooLarge),
        ] {
            check(&head, Err(status));
        }
    }

    #[test]
    fn a_later_minor_version_is_served_as_the_last_known_one() {
        check("GET / HTTP/1.2\nHost: localhost\n\n", Ok(("/", false, false)));
        check("GET / HTTP/1.9\n\n", Err(StatusCode::BadRequest)); // Without `Host`.
        check("GET / HTTP/1.10\nHost: localhost\n\n", Err(StatusCode::BadRequest));
        for version in ["HTTP/0.9", "HTTP/1.", "HTTP/1.x", "HTTP/2.1", "HTTP/11.1"] {
            let head = format!("GET / {version}\nHost: localhost\n\n");
            check(&head, Err(StatusCode::VersionNotSupported));
        }
    }

    #[test]
    fn a_page_of_another_site_reads_nothing_but_a_link_there_is_followed() {
        for (fields, is_allowed) in [
            ("", true),
            ("Sec-Fetch-Site: none\nSec-Fetch-Mode: navigate\n", true),
            ("Sec-Fetch-Site: same-origin\nSec-Fetch-Mode: cors\n", true),
            ("Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\n", true),
            ("sec-fetch-site: Cross-Site\nsec-fetch-mode: Navigate \n", true),
            ("Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: cors\n", false),
            ("Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: no-cors\n", false),
            ("Sec-Fetch-Site: CROSS-SITE\n", false),
            ("Sec-Fetch-Site: same-site\nSec-Fetch-Mode: cors\n", false),
            ("Sec-Fetch-Site: none\nSec-Fetch-Site: cross-site\n", false),
        ] {
            let expected =
                if is_allowed { Ok(("/", false, false)) } else { Err(StatusCode::Forbidden) };
            check(&format!("GET / HTTP/1.1\nHost: localhost\n{fields}\n"), expected);
        }
    }

    #[test]
    fn a_name_of_another_site_is_refused() {
        for host in
            ["evil.example", "box.lan.evil.example", "localhost.evil", "[::1", "[x]", "", "a:b"]
        {
            check(&format!("GET / HTTP/1.1\nHost: {host}\n\n"), Err(StatusCode::Misdirected));
        }
        let rebound = "GET http://evil.example/ HTTP/1.1\nHost: localhost\n\n";
        check(rebound, Err(StatusCode::Misdirected));
    }
}
