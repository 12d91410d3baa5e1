//! Dark and light, narrow and wide, and less motion.

use serde_json::json;
use support::wire::Client;

use crate::page::{Page, update_of};
use crate::served::Served;

/// Texts whose contrast to their background is below 4.5 (WCAG 2, AA), or 3 if they are large.
const PALE_TEXTS: &str = include_str!("pale_texts.js");

/// Returns the texts that are hard to read.
fn pale_texts(page: &Page) -> serde_json::Value {
    page.browser.script(PALE_TEXTS, &[])
}

/// A coordinator whose page shows all it can: members of both states, problems, changes.
fn busy() -> (Served, [Client; 2]) {
    let served = Served::start_with_journal();
    let sender = served.crowd(4, 3);
    let long = served.register_here(&"m".repeat(64));
    (served, [sender, long])
}

#[test]
fn each_text_can_be_read_in_light_and_dark() {
    let (served, _online) = busy();
    let Some(page) = Page::open(&served) else { return };
    let mut backs = Vec::new();
    for theme in ["light", "dark"] {
        page.prefer("prefers-color-scheme", theme);
        assert_eq!(pale_texts(&page), json!([]), "{theme}");
        backs.push(
            page.browser.script("return getComputedStyle(document.body).backgroundColor", &[]),
        );
        page.browser.picture(&format!("theme-{theme}"));
    }
    assert_eq!(backs, ["rgb(255, 255, 255)", "rgb(16, 20, 24)"]);
    let mut update = update_of(&served.status());
    update["ready"] = json!(false);
    update["reasons"] = json!(["the journal cannot be written\u{202e}"]);
    page.hand("update", &update);
    for theme in ["light", "dark"] {
        page.prefer("prefers-color-scheme", theme);
        assert_eq!(pale_texts(&page), json!([]), "{theme}, with problems");
        page.browser.picture(&format!("problem-{theme}"));
    }
    page.finish();
}

#[test]
fn a_pale_text_is_seen() {
    let served = Served::start();
    let Some(page) = Page::open(&served) else { return };
    page.browser.script(
        "document.getElementById('sentence').style.color = '#999999';
        document.getElementById('updated').style.color = '#8a8a8a';",
        &[],
    );
    let found = pale_texts(&page).to_string();
    assert!(found.contains("#sentence") && found.contains("#updated"), "{found}");
    page.finish();
}

#[test]
fn nothing_needs_a_scroll_to_the_side() {
    let (served, _online) = busy();
    let Some(page) = Page::open(&served) else { return };
    page.until_shows("#sentence", "2 of 14 members online");
    for (width, height) in [(320, 640), (360, 740), (768, 1024), (1024, 768), (1920, 1080)] {
        page.resize(width, height);
        let outside = page.browser.script(
            "
            const outside = [...document.querySelectorAll('body *')].filter((it) => {
                const box = it.getBoundingClientRect();
                return box.width > 1 && (box.right > innerWidth + 0.5 || box.left < -0.5);
            });
            return [document.documentElement.scrollWidth <= innerWidth,
                outside.map((it) => it.outerHTML.slice(0, 80))];",
            &[],
        );
        assert_eq!(outside, json!([true, []]), "{width} pixels");
        page.browser.picture(&format!("width-{width}"));
    }
    page.resize(360, 740);
    let cut = page.browser.script(
        "return [...document.querySelectorAll('td, th, button')]
        .filter((it) => it.scrollWidth > it.clientWidth + 1).map((it) => it.outerHTML);",
        &[],
    );
    assert_eq!(cut, json!([]), "no text is cut");
    page.finish();
}

#[test]
fn a_page_with_less_motion_moves_its_plots_seldom() {
    let served = Served::start();
    let Some(page) = Page::open(&served) else { return };
    page.prefer("prefers-reduced-motion", "reduce");
    let update = update_of(&served.status());
    let line = || {
        page.browser.script(
            "return document.querySelector('#accepted .line')
        .getAttribute('d')",
            &[],
        )
    };
    page.hand("update", &update);
    let before = line();
    page.hand("update", &update);
    assert_eq!(line(), before, "less motion");
    page.prefer("prefers-reduced-motion", "no-preference");
    page.hand("update", &update);
    assert_ne!(line(), before, "motion");
    let moving = page.browser.script("return document.getAnimations().length", &[]);
    assert_eq!(moving, json!(0));
    page.finish();
}
