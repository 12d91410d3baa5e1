//! Chromium without a window, driven by chromedriver through WebDriver.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::{env, fs};

use serde_json::{Value, json};

use crate::http;

/// Key that moves the focus to the next control, as WebDriver writes it.
pub(crate) const TAB: char = '\u{e004}';
pub(crate) const ENTER: char = '\u{e007}';

/// A browser with one window.
pub(crate) struct Browser {
    driver: Child,
    address: SocketAddr,
    /// Path of its session at the driver.
    session: String,
}

impl Browser {
    /// Starts one. `None` without the programs, and the test says so.
    pub(crate) fn start() -> Option<Self> {
        for program in ["chromium", "chromedriver"] {
            let path = env::var_os("PATH").unwrap_or_default();
            if !env::split_paths(&path).any(|folder| folder.join(program).is_file()) {
                let test = std::thread::current();
                let test = test.name().unwrap_or("test").to_owned();
                // Not `eprintln!`: the output of a test that succeeds is not shown.
                let line = format!("SKIPPED {test}: {program} is missing: install chromium-driver");
                let _ = writeln!(std::io::stderr(), "{line}");
                return None;
            }
        }
        // It gives up if its first choice of a port is free on one kind of address only.
        let (driver, address) = (0..5).find_map(|_| start_driver()).expect("a port of the driver");
        let mut browser = Self { driver, address, session: String::new() };
        browser.session = browser.new_session();
        Some(browser)
    }

    fn new_session(&self) -> String {
        // Chromium's sandbox does not work for root, nor its shared memory in small containers.
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--hide-scrollbars",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--no-proxy-server",
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        } } });
        let session = self.ask("POST", "/session", &wanted);
        format!("/session/{}", session["sessionId"].as_str().unwrap())
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = http::request(self.address, method, path, &body);
        let mut answer_body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(answer.status, 200, "{method} {path} {body}: {answer_body:#}");
        answer_body["value"].take()
    }

    /// Sends a command of WebDriver to the session.
    #[track_caller]
    pub(crate) fn command(&self, path: &str, body: &Value) -> Value {
        self.ask("POST", &format!("{}/{path}", self.session), body)
    }

    /// Sends a command of the protocol of Chromium's developer tools.
    #[track_caller]
    pub(crate) fn tools(&self, command: &str, parameters: &Value) -> Value {
        self.command("goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// Runs the body of a function in the page, and returns its value.
    #[track_caller]
    pub(crate) fn script(&self, body: &str, arguments: &[Value]) -> Value {
        self.command("execute/sync", &json!({ "script": body, "args": arguments }))
    }

    /// Presses keys, one after the other.
    #[track_caller]
    pub(crate) fn press(&self, keys: &[char]) {
        let actions = keys.iter().flat_map(|key| {
            ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() }))
        });
        let keyboard = json!({ "type": "key", "id": "keys", "actions": Vec::from_iter(actions) });
        self.command("actions", &json!({ "actions": [keyboard] }));
    }

    /// Returns the new entries of a log of the browser.
    pub(crate) fn log(&self, kind: &str) -> Vec<Value> {
        let entries = self.command("se/log", &json!({ "type": kind }));
        entries.as_array().unwrap().clone()
    }

    /// Keeps a picture of the window in `target/page`.
    pub(crate) fn picture(&self, name: &str) {
        let path = format!("{}/screenshot", self.session);
        let picture = self.ask("GET", &path, &Value::Null);
        let folder = pictures();
        fs::create_dir_all(&folder).unwrap();
        let bytes = bytes_of(picture.as_str().unwrap());
        fs::write(folder.join(format!("{name}.png")), bytes).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The end of the session ends Chromium. A test that already fails must not panic again.
        if !self.session.is_empty() && !std::thread::panicking() {
            self.ask("DELETE", &self.session, &Value::Null);
        } else if !self.session.is_empty() {
            let (address, session) = (self.address, self.session.clone());
            let end = move || http::request(address, "DELETE", &session, "");
            let _ = std::panic::catch_unwind(end);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Starts the driver on a port of its choice. `None` if it ends before it says which one.
fn start_driver() -> Option<(Child, SocketAddr)> {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = lines.map_while(Result::ok).find_map(|line| {
        let (_, port) = line.split_once("successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    if port.is_none() {
        driver.wait().unwrap();
    }
    port.map(|port: u16| (driver, SocketAddr::from((Ipv4Addr::LOCALHOST, port))))
}

/// The folder of the pictures: beside the folder of the test's own program.
fn pictures() -> PathBuf {
    let program = env::current_exe().unwrap();
    program.ancestors().nth(3).unwrap().join("page")
}

/// Decodes Base64 with `=` at its end.
fn bytes_of(text: &str) -> Vec<u8> {
    let value = |char: u8| match char {
        b'A'..=b'Z' => char - b'A',
        b'a'..=b'z' => char - b'a' + 26,
        b'0'..=b'9' => char - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let text = text.trim_end_matches('=').as_bytes();
    let pieces = text.chunks(4).flat_map(|piece| {
        let bits = piece.iter().fold(0, |bits, char| bits << 6 | u32::from(value(*char)));
        let bits = bits << (6 * (4 - piece.len()));
        bits.to_be_bytes()[1..piece.len()].to_vec()
    });
    pieces.collect()
}

#[test]
fn base64_is_decoded() {
    for (text, bytes) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Pz8+", "??>")]
    {
        assert_eq!(bytes_of(text), bytes.as_bytes(), "{text}");
    }
}
