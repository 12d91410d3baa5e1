//! The status page, and the Content-Security-Policy of all responses.

use super::response::MediaType;

#[cfg(feature = "engine")]
pub(super) use super::sites_page::{PAGE, SCRIPT_SHA256};

/// The page: one file without any outside resource.
#[cfg(not(feature = "engine"))]
pub(super) const PAGE: &str = include_str!("page.html");

/// SHA-256 of the only script and of the only style of the page, in base64. A test compares them.
#[cfg(not(feature = "engine"))]
const SCRIPT_SHA256: &str = "jL2xCLC86XJNmn3e3qLzyeBix/aa36YJ8G/x5y/N45U=";
const STYLE_SHA256: &str = "T9J14+gD0Av3hZZ0lGXL5c9+ciTmmWrmTjJpqQu/L9Q=";

/// Returns the policy for a response: the page may run its own script and style, and read from this
/// server. Everything else may do nothing.
pub(super) fn policy(media: MediaType) -> String {
    match media {
        MediaType::Html => format!(
            "default-src 'none'; script-src 'sha256-{SCRIPT_SHA256}'; style-src \
             'sha256-{STYLE_SHA256}'; connect-src 'self'; img-src data:; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'"
        ),
        MediaType::Text | MediaType::Metrics | MediaType::Json | MediaType::Events => {
            "default-src 'none'; frame-ancestors 'none'".to_owned()
        }
    }
}

#[cfg(test)]
#[cfg(feature = "tls")]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::net::tls::sha256;

    /// Returns the text between the only `<name>` and its end.
    fn only(name: &str) -> &'static str {
        let (begin, end) = (format!("<{name}>"), format!("</{name}>"));
        let parts: Vec<&str> = PAGE.split(&*begin).collect();
        assert_eq!(parts.len(), 2, "one {begin}");
        assert_eq!(PAGE.matches(&format!("<{name}")).count(), 1, "no other {name}");
        parts[1].split(&*end).next().unwrap()
    }

    #[test]
    fn the_policy_allows_the_script_and_the_style_of_the_page() {
        for (name, expected) in
            [("script", SCRIPT_SHA256.to_string()), ("style", STYLE_SHA256.to_owned())]
        {
            assert_eq!(expected, STANDARD.encode(sha256(only(name).as_bytes())), "{name}");
        }
    }

    #[test]
    fn the_page_is_small_and_has_no_handlers_and_no_style_attributes() {
        assert!(PAGE.len() < 60_000, "{} bytes", PAGE.len());
        for forbidden in [" style=", " onclick=", " onload=", "javascript:", "http://", "https://"]
        {
            assert!(!PAGE.contains(forbidden), "{forbidden}");
        }
    }
}
