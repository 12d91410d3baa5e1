//! The status page as it stands in a browser.

use serde_json::{Value, json};
use support::Timer;

use crate::browser::Browser;
use crate::served::Served;

/// Longest time for what a page must show.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(30);

/// Keeps the stream of events of the page for [`Page::hand`].
const KEEP_STREAM: &str = "
    const Native = EventSource;
    window.streams = [];
    window.EventSource = class extends Native {
        constructor(...args) { super(...args); window.streams.push(this); }
    };";

/// A page in a browser of its own.
pub(crate) struct Page {
    pub(crate) browser: Browser,
    origin: String,
}

impl Page {
    /// Opens the page of a coordinator; `None` without a browser.
    pub(crate) fn open(served: &Served) -> Option<Self> {
        Self::open_sized(served, 1280, 1000)
    }

    /// Opens it as the browser does when a user has typed a name and a password.
    pub(crate) fn open_as(served: &Served, user: &str, password: &str) -> Option<Self> {
        let page = Self::blank(format!("http://{user}:{password}@{}", served.http()))?;
        page.load();
        Some(page)
    }

    /// Opens it in a window of this size.
    pub(crate) fn open_sized(served: &Served, width: u32, height: u32) -> Option<Self> {
        let page = Self::blank(format!("http://{}", served.http()))?;
        page.resize(width, height);
        page.load();
        Some(page)
    }

    fn blank(origin: String) -> Option<Self> {
        let page = Self { browser: Browser::start()?, origin };
        let script = json!({ "source": KEEP_STREAM });
        page.browser.tools("Page.addScriptToEvaluateOnNewDocument", &script);
        Some(page)
    }

    fn load(&self) {
        self.browser.command("url", &json!({ "url": format!("{}/", self.origin) }));
        let shows = "return document.getElementById('updated').textContent !== ''";
        self.until("a first update", shows);
    }

    pub(crate) fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1,
            "mobile": false });
        self.browser.tools("Emulation.setDeviceMetricsOverride", &size);
    }

    /// Sets a media feature, as the settings of the device do.
    pub(crate) fn prefer(&self, feature: &str, value: &str) {
        let features = json!({ "features": [{ "name": feature, "value": value }] });
        self.browser.tools("Emulation.setEmulatedMedia", &features);
    }

    /// Waits until the body of a function returns true in the page.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, body: &str) {
        let timer = Timer::start(DEADLINE);
        while self.browser.script(body, &[]) != json!(true) {
            assert!(
                timer.left().is_some(),
                "in vain waited for {what}; the page shows:\n{}",
                self.all()
            );
        }
    }

    /// Waits until an element shows a text that contains `part`.
    #[track_caller]
    pub(crate) fn until_shows(&self, selector: &str, part: &str) {
        let timer = Timer::start(DEADLINE);
        while !self.text(selector).contains(part) {
            assert!(
                timer.left().is_some(),
                "{selector} shows {:?}, not {part:?}; all:\n{}",
                self.text(selector),
                self.all()
            );
        }
    }

    /// Returns the text that an element shows; empty if it is hidden.
    #[track_caller]
    pub(crate) fn text(&self, selector: &str) -> String {
        let body = "const it = document.querySelector(arguments[0]);
            return it?.checkVisibility() ? it.innerText : '';";
        self.browser.script(body, &[json!(selector)]).as_str().unwrap().to_owned()
    }

    /// Returns the texts of all elements that a selector finds.
    #[track_caller]
    pub(crate) fn texts(&self, selector: &str) -> Vec<String> {
        let body =
            "return [...document.querySelectorAll(arguments[0])].map((it) => it.textContent);";
        let texts = self.browser.script(body, &[json!(selector)]);
        texts.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    }

    fn all(&self) -> String {
        self.text("body")
    }

    /// Hands the page an event in place of the coordinator, whose events end with that.
    #[track_caller]
    pub(crate) fn hand(&self, name: &str, data: &Value) {
        let body = "const stream = window.streams.at(-1);
            stream.close();
            stream.dispatchEvent(new MessageEvent(arguments[0], { data: arguments[1] }));";
        self.browser.script(body, &[json!(name), json!(data.to_string())]);
    }

    /// Returns the least CPU time in five turns of some work and the layout that it makes, in
    /// milliseconds. Other programs on the same cores do not count.
    pub(crate) fn best_cpu_ms(&self, mut work: impl FnMut(usize) -> Value) -> f64 {
        self.browser.tools("Performance.enable", &json!({ "timeDomain": "threadTicks" }));
        let turns = (0..5).map(|turn| {
            let before = self.cpu_ms();
            work(turn);
            self.browser.script("document.body.offsetHeight", &[]);
            self.cpu_ms() - before
        });
        turns.fold(f64::INFINITY, f64::min)
    }

    fn cpu_ms(&self) -> f64 {
        let metrics = self.browser.tools("Performance.getMetrics", &json!({}));
        let metrics = metrics["metrics"].as_array().unwrap().iter();
        let kinds = ["ScriptDuration", "LayoutDuration", "RecalcStyleDuration"];
        let of_kind = metrics.filter(|it| kinds.iter().any(|kind| it["name"] == *kind));
        of_kind.map(|it| it["value"].as_f64().unwrap() * 1000.0).sum()
    }

    /// Looks for errors in the console, and for requests to anyone but the coordinator.
    #[track_caller]
    pub(crate) fn finish(self) {
        let console = self.browser.log("browser");
        assert!(console.is_empty(), "the console has {console:#?}");
        self.finish_after_outage();
    }

    /// As [`Page::finish`], for a page whose coordinator was away: the console names that.
    #[track_caller]
    pub(crate) fn finish_after_outage(self) {
        let urls = self.requested();
        assert!(!urls.is_empty(), "no request is in the log");
        let is_own = |url: &String| url.starts_with(&self.origin) || url.starts_with("data:,");
        let foreign: Vec<&String> = urls.iter().filter(|url| !is_own(url)).collect();
        assert!(foreign.is_empty(), "the page asked {foreign:#?}");
    }

    /// Returns the addresses of all requests of the page.
    fn requested(&self) -> Vec<String> {
        let entries = self.browser.log("performance").into_iter().filter_map(|entry| {
            let entry: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
            let message = &entry["message"];
            let is_request = message["method"] == "Network.requestWillBeSent";
            is_request.then(|| message["params"]["request"]["url"].as_str().map(str::to_owned))?
        });
        entries.collect()
    }
}

/// The update that the coordinator sends if nothing changed since `status`.
pub(crate) fn update_of(status: &Value) -> Value {
    let mut update = status.clone();
    let fields = update.as_object_mut().unwrap();
    for list in ["rates", "rows", "events"] {
        fields.remove(list);
    }
    fields.insert("rate".to_owned(), json!({ "accepted": 0, "delivered": 0 }));
    for list in ["changed", "removed", "new_events"] {
        fields.insert(list.to_owned(), json!([]));
    }
    update
}

#[test]
fn an_update_has_no_lists_of_the_status() {
    let update = update_of(&json!({ "name": "x", "rates": {}, "rows": [1], "events": [] }));
    assert_eq!((update.get("rows"), &update["name"]), (None, &json!("x")));
}
