//! The table of members: sorting by pointer and by keyboard, and 1,000 rows.

use serde_json::{Value, json};
use support::wire::Client;

use crate::browser::{ENTER, TAB};
use crate::page::{Page, update_of};
use crate::served::Served;

/// Most CPU time to sort 1,000 rows, their layout included, in milliseconds.
const SORT_MS_MAX: f64 = 50.0;
/// Most CPU time to take an update that changes 1,000 rows.
const UPDATE_MS_MAX: f64 = 100.0;

/// Returns the texts of a column, the first one being 1.
fn column(page: &Page, number: usize) -> Vec<String> {
    page.texts(&format!("tbody tr > :nth-child({number})"))
}

fn pending(page: &Page) -> Vec<u64> {
    let first = |text: &String| text.split(' ').next().unwrap().replace(',', "").parse().unwrap();
    column(page, 4).iter().map(first).collect()
}

fn click(page: &Page, key: &str) {
    let body = "document.querySelector(`th[data-key=${arguments[0]}] button`).click();";
    page.browser.script(body, &[json!(key)]);
}

/// The column that is said to be sorted, and its direction.
fn sorted(page: &Page) -> Value {
    let body = "return [...document.querySelectorAll('[aria-sort]')]
        .map((it) => [it.textContent, it.getAttribute('aria-sort')]);";
    page.browser.script(body, &[])
}

fn is_ascending<T: PartialOrd>(all: &[T]) -> bool {
    all.is_sorted() && all.first() < all.last()
}

#[test]
fn members_are_sorted_by_each_column_both_ways() {
    let served = Served::start();
    let _sender = served.crowd(3, 4);
    let Some(page) = Page::open(&served) else { return };
    page.until_shows("#sentence", "1 of 13 members online, messages wait.");
    assert_eq!(sorted(&page), json!([["Member", "ascending"]]));
    let ids = column(&page, 1);
    assert_eq!(ids[..3], ["member-0", "member-1", "member-2"]);
    assert_eq!(ids[9..], ["member-9", "member-10", "member-11", "sender"]);
    click(&page, "rank");
    assert_eq!(sorted(&page), json!([["Member", "descending"]]));
    assert_eq!(column(&page, 1), Vec::from_iter(ids.into_iter().rev()));

    click(&page, "pending");
    assert_eq!(sorted(&page), json!([["Pending", "descending"]]));
    assert_eq!(pending(&page), [3, 3, 3, 3, 2, 2, 2, 2, 1, 1, 1, 1, 0]);
    click(&page, "pending");
    assert_eq!(sorted(&page), json!([["Pending", "ascending"]]));
    assert!(is_ascending(&pending(&page)), "{:?}", pending(&page));

    click(&page, "online");
    assert_eq!(column(&page, 2).last().unwrap(), "online");
    click(&page, "online");
    assert_eq!(column(&page, 2)[0], "online");
    click(&page, "since_ms");
    assert!(column(&page, 6).is_sorted_by(|a, b| a >= b), "{:?}", column(&page, 6));
    click(&page, "address");
    assert_eq!(sorted(&page), json!([["Address", "ascending"]]));
    click(&page, "lag");
    assert_eq!(column(&page, 1).last().unwrap(), "sender", "nothing waits for the sender");
    page.finish();
}

#[test]
fn the_order_follows_what_changes() {
    let served = Served::start();
    let _sender = served.crowd(1, 4);
    let Some(page) = Page::open(&served) else { return };
    click(&page, "pending");
    let mut update = update_of(&served.status());
    let mut row = served.status()["rows"][2].clone();
    row["pending"] = json!(9);
    update["changed"] = json!([row]);
    page.hand("update", &update);
    assert_eq!(column(&page, 1), ["member-2", "member-0", "member-1", "member-3", "sender"]);
    update["changed"] = json!([]);
    update["removed"] = json!(["member-0"]);
    page.hand("update", &update);
    assert_eq!(column(&page, 1), ["member-2", "member-1", "member-3", "sender"]);
    page.finish();
}

#[test]
fn the_keyboard_reaches_each_column_and_sorts_by_it() {
    let served = Served::start();
    let _sender = served.crowd(3, 1);
    let Some(page) = Page::open(&served) else { return };
    let focused = || page.browser.script("return document.activeElement.textContent", &[]);
    let tabs = (1..20).find(|_| {
        page.browser.press(&[TAB]);
        focused() == json!("Member")
    });
    assert!(tabs.is_some(), "the keyboard does not reach the table");
    let outline = page.browser.script(
        "const style = getComputedStyle(document.activeElement);
         return [style.outlineStyle, parseFloat(style.outlineWidth) >= 2];",
        &[],
    );
    assert_eq!(outline, json!(["solid", true]), "the focus is visible");
    for column in ["State", "Lag", "Pending"] {
        page.browser.press(&[TAB]);
        assert_eq!(focused(), json!(column));
    }
    page.browser.press(&[ENTER]);
    assert_eq!(sorted(&page), json!([["Pending", "descending"]]));
    assert_eq!(pending(&page), [3, 2, 1, 0]);
    page.browser.press(&[' ']);
    assert_eq!(sorted(&page), json!([["Pending", "ascending"]]));
    assert_eq!(pending(&page), [0, 1, 2, 3]);
    assert_eq!(focused(), json!("Pending"), "the focus stays");
    page.finish();
}

/// A coordinator with 1,000 members, and its page.
fn thousand() -> Option<(Served, Client, Page)> {
    let served = Served::start();
    let sender = served.crowd(37, 27);
    let page = Page::open(&served)?;
    page.until_shows("#sentence", "1 of 1,000 members online, messages wait.");
    Some((served, sender, page))
}

#[test]
fn a_thousand_members_are_shown_and_sorted_without_delay() {
    let Some((_served, _sender, page)) = thousand() else { return };
    assert_eq!(column(&page, 1).len(), 1000);
    for key in ["pending", "rank", "online", "lag", "since_ms", "address"] {
        let body = "document.querySelector(`th[data-key=${arguments[0]}] button`).click();";
        let ms = page.best_cpu_ms(|_| page.browser.script(body, &[json!(key)]));
        println!("sorting 1,000 members by {key}: {ms:.1} ms");
        assert!(ms < SORT_MS_MAX, "{key}: {ms} ms");
    }
    click(&page, "pending");
    assert!(pending(&page).is_sorted_by(|a, b| a >= b));
    page.browser.picture("members-1000");
    page.finish();
}

#[test]
fn an_update_touches_only_the_rows_that_changed() {
    let Some((served, _sender, page)) = thousand() else { return };
    let status = served.status();
    let mut update = update_of(&status);
    let mut row = status["rows"][500].clone();
    row["pending"] = json!(1);
    update["changed"] = json!([row]);
    // The lag of each member grows with the time, which is the same in both updates.
    page.hand("update", &update_of(&status));
    page.browser.script(
        "window.touched = new Set();
        const row = (node) => (node.closest ? node : node.parentElement).closest('tr');
        const note = ({ target }) => window.touched.add(
            row(target)?.firstElementChild.textContent ?? 'no row');
        new MutationObserver((all) => all.forEach(note)).observe(
            document.getElementById('members'),
            { subtree: true, childList: true, characterData: true, attributes: true });",
        &[],
    );
    page.hand("update", &update);
    let touched = page.browser.script("return [...window.touched]", &[]);
    assert_eq!(touched, json!([row["id"]]));
    page.finish();
}

#[test]
fn an_update_of_a_thousand_members_is_shown_without_delay() {
    let Some((served, _sender, page)) = thousand() else { return };
    let status = served.status();
    let rows = status["rows"].as_array().unwrap();
    let update = |turn: usize| {
        let mut update = update_of(&status);
        let changed = rows.iter().enumerate().map(|(at, row)| {
            let mut row = row.clone();
            row["pending"] = json!((at * 7919 + turn * 13) % 1000);
            row
        });
        update["changed"] = changed.collect();
        update
    };
    let updates: Vec<Value> = (0..5).map(update).collect();
    click(&page, "pending");
    let ms = page.best_cpu_ms(|turn| {
        page.hand("update", &updates[turn]);
        Value::Null
    });
    println!("an update of 1,000 members: {ms:.1} ms");
    assert!(ms < UPDATE_MS_MAX, "{ms} ms");
    page.finish();
}
