//! The Content-Security-Policy that the coordinator sends with the page.

use serde_json::json;
use support::tls::write_private;

use crate::page::Page;
use crate::served::Served;

#[test]
fn the_policy_allows_the_page_and_nothing_else() {
    let served = Served::start();
    let answer = served.get("/");
    assert_eq!(answer.status, 200);
    assert!(answer.body.len() < 60 * 1024, "{} bytes", answer.body.len());
    let policy = answer.field("content-security-policy").expect("a policy");
    let mut parts: Vec<&str> = policy.split(';').map(str::trim).collect();
    parts.sort_unstable();
    let (hashed, fixed): (Vec<&str>, Vec<&str>) =
        parts.into_iter().partition(|part| part.contains("sha256-"));
    assert_eq!(
        fixed,
        [
            "base-uri 'none'",
            "connect-src 'self'",
            "default-src 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "img-src data:",
        ]
    );
    assert!(hashed[0].starts_with("script-src 'sha256-"), "{hashed:?}");
    assert!(hashed[1].starts_with("style-src 'sha256-"), "{hashed:?}");
    assert!(hashed.iter().all(|part| part.split(' ').count() == 2), "{hashed:?}");
}

#[test]
fn a_script_or_style_that_comes_later_does_not_count() {
    let served = Served::start();
    let Some(page) = Page::open(&served) else { return };
    let broken = page.browser.script(
        "
        window.broken = [];
        document.addEventListener('securitypolicyviolation',
            (event) => window.broken.push(event.effectiveDirective));
        const script = document.createElement('script');
        script.textContent = 'window.stranger = true';
        document.body.append(script);
        const style = document.createElement('style');
        style.textContent = 'body { display: none }';
        document.body.append(style);
        document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">x</p>');
        return [window.stranger ?? null, getComputedStyle(document.body).display];",
        &[],
    );
    assert_eq!(broken, json!([null, "block"]));
    page.until("three violations", "return window.broken.length === 3");
    assert_eq!(page.browser.log("browser").len(), 3, "the console names them");
    page.finish();
}

#[test]
fn a_page_behind_a_token_gets_its_events() {
    let token = "0123456789abcdefABCDEF";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    write_private(&file, token);
    let served = Served::start_with(&format!("http_token_file={}", file.display()));
    assert_eq!(served.get("/").status, 401);
    let Some(page) = Page::open_as(&served, "groupcast", token) else { return };
    let _alice = served.coordinator.join("alice", "");
    page.until_shows("#sentence", "1 of 1 member online, nothing waits.");
    page.finish();
}
