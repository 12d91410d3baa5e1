//! Ids and reasons that try to be more than text.

use serde_json::{Value, json};

use crate::page::{Page, update_of};
use crate::served::Served;

/// Texts, and how the page must show them.
const HOSTILE: [(&str, &str); 9] = [
    ("<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
    ("</script><script>alert(2)</script>", "</script><script>alert(2)</script>"),
    ("&lt;b&gt;&#x41;", "&lt;b&gt;&#x41;"),
    ("\u{202e}gnp.exe", "\\u{202e}gnp.exe"),
    ("bob\u{200b}", "bob\\u{200b}"),
    ("two\nlines\tand \u{1b}[31mred", "two\\u{a}lines\\u{9}and \\u{1b}[31mred"),
    ("a\u{2066}b\u{2069}\u{2028}c", "a\\u{2066}b\\u{2069}\\u{2028}c"),
    ("\u{5d0}\u{5d1}\u{5d2} 123", "\u{5d0}\u{5d1}\u{5d2} 123"),
    ("__proto__", "__proto__"),
];

/// Ids that the protocol allows, and that are names of properties or very long.
const ALLOWED: [&str; 5] = ["__proto__", "constructor", "toString", "..", "-"];

fn elements(page: &Page) -> Value {
    let body = "return [...new Set([...document.querySelectorAll('body *')]
        .map((it) => it.localName))].sort();";
    page.browser.script(body, &[])
}

#[test]
fn hostile_ids_and_reasons_are_shown_as_text() {
    let served = Served::start();
    let _alice = served.coordinator.join("alice", "");
    let Some(page) = Page::open_sized(&served, 1280, 1600) else { return };
    page.until_shows("#recent", "alice registered");
    let known = elements(&page);
    let mut status = served.status();
    let now = status["at_ms"].clone();
    for (id, _) in HOSTILE {
        let row = json!({ "id": id, "online": true, "address": id, "since_ms": now, "pending": 1,
            "pending_bytes": 1, "lag_s": 1 });
        status["rows"].as_array_mut().unwrap().push(row);
        let change = json!({ "n": 1, "at_ms": now, "id": id, "what": id, "reason": id });
        status["events"].as_array_mut().unwrap().push(change);
    }
    let all: Vec<&str> = HOSTILE.map(|(text, _)| text).into();
    for field in ["name", "version", "listen", "epoch"] {
        status[field] = json!(all.concat());
    }
    status["ready"] = json!(false);
    status["reasons"] = json!(all);
    status["deepest"] = json!({ "id": all.concat(), "pending": 1, "pending_bytes": 1 });
    status["backlog"]["messages"] = json!(1);
    status["version"] = served.status()["version"].clone(); // Another one loads the page again.
    page.hand("status", &status);

    let ids = page.texts("tbody th");
    let addresses = page.texts("tbody td:nth-child(5)");
    let changes = page.texts("#recent li");
    for (text, shown) in HOSTILE {
        assert!(ids.contains(&shown.to_owned()), "id {text:?}: {ids:#?}");
        assert!(addresses.contains(&shown.to_owned()), "address {text:?}: {addresses:#?}");
        let change = format!("{shown} {shown}: {shown}");
        assert!(changes.iter().any(|it| it.ends_with(&change)), "{change}: {changes:#?}");
        for selector in ["#problems", "#name", "#about", "#waiting"] {
            let all = page.texts(selector).concat();
            assert!(all.contains(shown), "{selector}, {text:?}: {all}");
        }
    }
    let title = page.browser.script("return document.title", &[]);
    assert!(title.as_str().unwrap().contains("\\u{202e}gnp.exe"), "{title}");
    // A `span` is the frame of an escaped character.
    let mut expected: Vec<Value> = known.as_array().unwrap().clone();
    expected.extend([json!("li"), json!("span")]);
    expected.sort_by_key(Value::to_string);
    expected.dedup();
    assert_eq!(elements(&page), Value::Array(expected), "no further elements");
    page.browser.picture("hostile");

    // A row that came is removed by its id, too.
    let mut update = update_of(&status);
    update["removed"] = json!(all);
    page.hand("update", &update);
    assert_eq!(page.texts("tbody th"), ["alice"]);
    page.finish();
}

#[test]
fn ids_with_names_of_properties_are_members_as_others() {
    let served = Served::start();
    let long = "x".repeat(64);
    let ids = [&ALLOWED[..], &[long.as_str()]].concat();
    let sockets: Vec<_> = ids.iter().map(|id| served.register_here(id)).collect();
    let Some(page) = Page::open(&served) else { return };
    page.until_shows("#sentence", "6 of 6 members online, nothing waits.");
    let mut shown = page.texts("tbody th");
    shown.sort();
    let mut expected: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    expected.sort();
    assert_eq!(shown, expected);
    drop(sockets);
    page.until_shows("#sentence", "0 of 6 members online, nothing waits.");
    page.until(
        "six members offline",
        "return document.querySelectorAll('td.offline').length === 6",
    );
    page.finish();
}
