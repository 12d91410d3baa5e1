//! The page as a screen reader gets it: names, roles, headings, landmarks.

use serde_json::{Value, json};

use crate::page::Page;
use crate::served::Served;

/// Nodes of the accessibility tree with this role.
fn nodes(page: &Page, role: &str) -> Vec<Value> {
    let tree = page.browser.tools("Accessibility.getFullAXTree", &json!({}));
    let nodes = tree["nodes"].as_array().unwrap().clone().into_iter();
    nodes.filter(|node| node["role"]["value"] == role && node["ignored"] != true).collect()
}

fn names(page: &Page, role: &str) -> Vec<String> {
    let name = |node: &Value| node["name"]["value"].as_str().unwrap_or_default().to_owned();
    nodes(page, role).iter().map(name).collect()
}

/// Faults of the document that tools such as axe report.
const FAULTS: &str = "
    const faults = [];
    const seen = new Set();
    for (const { id } of document.querySelectorAll('[id]')) {
        if (seen.has(id)) faults.push(`twice: ${id}`);
        seen.add(id);
    }
    for (const it of document.querySelectorAll('[aria-labelledby]')) {
        for (const id of it.getAttribute('aria-labelledby').split(' ')) {
            if (!document.getElementById(id)?.textContent.trim()) faults.push(`no name: ${id}`);
        }
    }
    for (const it of document.querySelectorAll('[style], [onclick], [onload], [onerror]')) {
        if (!it.closest('svg')) faults.push(`attribute: ${it.outerHTML}`);
    }
    if (document.documentElement.lang !== 'en') faults.push('no language');
    if (document.title === '') faults.push('no title');
    if (document.querySelectorAll('h1').length !== 1) faults.push('not one h1');
    if (document.querySelector('main') === null) faults.push('no main');
    if (/user-scalable|maximum-scale/.test(document.querySelector('[name=viewport]').content)) {
        faults.push('no zoom');
    }
    let level = 0;
    for (const it of document.querySelectorAll('h1, h2, h3, h4')) {
        const next = Number(it.localName[1]);
        if (next > level + 1) faults.push(`heading: ${it.textContent}`);
        level = next;
    }
    for (const it of document.querySelectorAll('button, a')) {
        const box = it.getBoundingClientRect();
        if (it.localName === 'button' && box.height < 24) faults.push(`small: ${it.textContent}`);
        if (!it.textContent.trim()) faults.push(`no text: ${it.outerHTML}`);
    }
    return faults;";

#[test]
fn controls_tables_plots_and_gauges_have_names() {
    let served = Served::start_with_journal();
    let _sender = served.crowd(2, 2);
    let Some(page) = Page::open(&served) else { return };
    page.until_shows("#sentence", "1 of 5 members online");
    page.until_shows("#gauges", "Disk of the journal");
    for width in [1280, 360] {
        page.resize(width, 900);
        assert_eq!(page.browser.script(FAULTS, &[]), json!([]), "{width}");
        assert_eq!(
            names(&page, "button"),
            ["Member", "State", "Lag", "Pending", "Address", "Since"],
            "{width}: the arrow is no part of a name"
        );
        assert_eq!(names(&page, "table"), ["Members"], "{width}");
        assert_eq!(names(&page, "columnheader").len(), 6, "{width}");
        assert_eq!(names(&page, "rowheader").len(), 5, "{width}");
        assert_eq!(nodes(&page, "row").len(), 6, "{width}");
        assert_eq!(nodes(&page, "cell").len(), 25, "{width}");
        assert_eq!(
            names(&page, "meter"),
            ["Backlog", "Journal", "Members", "Connections", "Disk of the journal"],
            "{width}"
        );
        let plots = [names(&page, "image"), names(&page, "img")].concat();
        assert_eq!(plots.len(), 2, "{width}: {plots:?}");
        assert!(plots[0].starts_with("Messages per second: "), "{plots:?}");
        assert!(plots[1].starts_with("Deliveries per second: "), "{plots:?}");
        let mut headings = names(&page, "heading");
        headings.sort();
        assert_eq!(
            headings,
            [
                "Deliveries",
                "Last joins and leaves",
                "Limits",
                "Members",
                "Messages",
                "Messages and deliveries per second",
                "groupcast"
            ],
            "{width}"
        );
    }
    page.finish();
}
