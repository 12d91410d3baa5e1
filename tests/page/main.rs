//! The status page in Chromium, with a real coordinator and real members behind it.
//!
//! ```text
//!   Browser ── WebDriver over HTTP ── chromedriver ── Chromium ── Page
//!   Served  ── Coordinator with `http=` ─────────────────────────┘
//! ```
//!
//! Without `chromium` and `chromedriver` each test says that it is skipped. Screenshots stand in
//! `target/page`. Nothing here sleeps: a test asks the page until it shows what must come.

#![cfg(test)]

mod browser;
mod content;
mod http;
mod looks;
mod members;
mod names;
mod outage;
mod page;
mod policy;
mod served;
mod sites;
mod strangers;
