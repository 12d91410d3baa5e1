//! The status page of a site: the page of a coordinator, with a table of the sites.

use std::fmt;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::net::tls::sha256;

/// Parts of the page of a coordinator, each there once, and what stands in their places.
const PARTS: [(&str, &str); 5] = [
    ("</main>\n", concat!(include_str!("sites.html"), "</main>\n")),
    ("  function show(data) {\n", concat!(include_str!("sites.js"), "  function show(data) {\n")),
    ("    showMembers();\n  }\n", "    showMembers();\n    showSites();\n  }\n"),
    (
        "data.address || 'none',\n",
        "(data.address || 'none') + (data.site ? `, ${data.site}` : ''),\n",
    ),
    (
        "'No journal: members and messages are in memory only.'",
        concat!(
            "now.site ? engineInWords() :\n",
            "        'No journal: members and messages are in memory only.'"
        ),
    ),
];

/// The page as a site serves it.
pub(super) static PAGE: LazyLock<String> = LazyLock::new(|| {
    let page = include_str!("page.html").to_owned();
    PARTS.iter().fold(page, |page, (old, new)| page.replacen(old, new, 1))
});

/// SHA-256 of the only script of the page, in base64.
static HASH: LazyLock<String> = LazyLock::new(|| {
    let (_, script) = PAGE.split_once("<script>").unwrap_or_default();
    let (script, _) = script.split_once("</script>").unwrap_or_default();
    STANDARD.encode(sha256(script.as_bytes()))
});

/// The same, for a text.
pub(super) const SCRIPT_SHA256: ScriptHash = ScriptHash;

#[derive(Clone, Copy, Debug)]
pub(super) struct ScriptHash;

impl fmt::Display for ScriptHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HASH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_stands_once_in_the_page_of_a_coordinator() {
        let page = include_str!("page.html");
        for (old, new) in PARTS {
            assert_eq!(page.matches(old).count(), 1, "{old}");
            assert_eq!(PAGE.matches(new).count(), 1, "{new}");
        }
    }
}
