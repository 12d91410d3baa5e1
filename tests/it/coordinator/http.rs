//! The HTTP server: its answers, its limits, and clients that do it harm.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use support::coordinator::Coordinator;
use support::http::{connect_http, exchange_http, get, get_with, http_address};
use support::transcript::lock;
use support::{DEADLINE, Timer};

const HOST: &str = "Host: localhost\r\n";

/// Lines of `/events`.
struct Events {
    lines: BufReader<TcpStream>,
}

impl Events {
    fn of(address: SocketAddr) -> Self {
        let mut stream = connect_http(address);
        stream.write_all(format!("GET /events HTTP/1.1\r\n{HOST}\r\n").as_bytes()).unwrap();
        let mut events = Self { lines: BufReader::new(stream) };
        let head = events.block();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("\r\nContent-Type: text/event-stream\r\n"), "{head}");
        events
    }

    /// The lines up to an empty one.
    fn block(&mut self) -> String {
        let mut block = String::new();
        while !block.ends_with("\n\n") && !block.ends_with("\r\n\r\n") {
            let read = self.lines.read_line(&mut block).unwrap();
            assert!(read > 0, "the stream ends after {block:?}");
        }
        block
    }

    /// The next event: its kind and its data.
    fn next(&mut self) -> (String, Value) {
        let block = self.block();
        let (kind, data) = block.trim_end().split_once('\n').unwrap();
        let data = data.strip_prefix("data: ").unwrap();
        (kind.strip_prefix("event: ").unwrap().to_owned(), serde_json::from_str(data).unwrap())
    }

    /// The next update that fits.
    fn until(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        let timer = Timer::start(DEADLINE);
        while timer.left().is_some() {
            let (kind, data) = self.next();
            assert_eq!(kind, "update");
            if fits(&data) {
                return data;
            }
        }
        panic!("no update fits")
    }
}

fn started(options: &[&str]) -> (Coordinator, SocketAddr) {
    let options = [&["http=0"], options].concat();
    let coordinator = Coordinator::start(60, &options);
    let address = http_address(&coordinator);
    (coordinator, address)
}

#[test]
fn each_path_has_its_answer_and_every_answer_its_safety_fields() {
    let (_coordinator, address) = started(&[]);
    for (path, status, media, part) in [
        ("/", 200, "text/html; charset=utf-8", "<!doctype html>"),
        ("/?a=b", 200, "text/html; charset=utf-8", "<!doctype html>"),
        ("/metrics", 200, "text/plain; version=0.0.4; charset=utf-8", "\ngroupcast_members 0\n"),
        ("/healthz", 200, "text/plain; charset=utf-8", "ok\n"),
        ("/readyz", 200, "text/plain; charset=utf-8", "ready\n"),
        ("/status.json", 200, "application/json", "\"ready\":true"),
        ("/favicon.ico", 404, "text/plain; charset=utf-8", "/metrics"),
        ("/../etc/passwd", 404, "text/plain; charset=utf-8", "/metrics"),
        ("//", 404, "text/plain; charset=utf-8", "/metrics"),
    ] {
        let response = get(address, path);
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(response.field("Content-Type"), Some(media), "{path}");
        assert!(response.body.contains(part), "{path}: {}", response.body);
        let length = response.body.len().to_string();
        assert_eq!(response.field("Content-Length"), Some(&*length), "{path}");
        let policy = response.field("Content-Security-Policy").unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(response.field("X-Content-Type-Options"), Some("nosniff"));
        assert_eq!(response.field("Cache-Control"), Some("no-store"));
        assert_eq!(response.field("Set-Cookie"), None);
        let request = format!("HEAD {path} HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n");
        let head = exchange_http(address, request.as_bytes());
        assert_eq!((head.status(), &*head.body), (status, ""), "HEAD {path}");
        if path != "/metrics" && path != "/status.json" {
            assert_eq!(head.field("Content-Length"), Some(&*length), "HEAD {path}");
        }
    }
}

#[test]
fn requests_that_cannot_be_served_are_refused_and_end_the_connection() {
    let (coordinator, address) = started(&[]);
    let long = "x".repeat(9000);
    for (request, status) in [
        (format!("POST / HTTP/1.1\r\n{HOST}Content-Length: 3\r\n\r\nabc"), 405),
        (format!("GET / HTTP/1.1\r\n{HOST}Content-Length: 3\r\n\r\nabc"), 400),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_owned(), 421),
        (format!("GET / HTTP/3.0\r\n{HOST}\r\n"), 505),
        (format!("GET / HTTP/1.1\r\n{HOST}Sec-Fetch-Site: cross-site\r\n\r\n"), 403),
        (format!("GET /{long} HTTP/1.1\r\n{HOST}\r\n"), 431),
        (format!("GET / HTTP/1.1\r\n{HOST}{}\r\n", "A: b\r\n".repeat(2000)), 431),
        ("\u{16}\u{3}\u{1}\r\n\r\n".to_owned(), 400),
        ("alice#register here#-\n\n".to_owned(), 400),
    ] {
        let response = exchange_http(address, request.as_bytes());
        assert_eq!(response.status(), status, "{request:.80}");
        assert_eq!(response.field("Connection"), Some("close"));
    }
    assert_eq!(coordinator.client().stat("members"), 0);
}

#[test]
fn a_connection_serves_many_requests_however_they_are_split() {
    let (_coordinator, address) = started(&[]);
    let mut stream = connect_http(address);
    let one = format!("GET /healthz HTTP/1.1\r\n{HOST}\r\n");
    let all = one.repeat(5) + &format!("GET /readyz HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n");
    for part in all.as_bytes().chunks(7) {
        stream.write_all(part).unwrap();
    }
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 6, "{answers}");
    assert!(answers.ends_with("\r\n\r\nready\n"), "{answers}");
    let bare = exchange_http(address, b"\r\nGET /healthz HTTP/1.0\n\n");
    assert_eq!((bare.status(), &*bare.body), (200, "ok\n"));
}

#[test]
fn events_tell_the_state_and_then_each_change_once() {
    let (coordinator, address) = started(&[]);
    let mut alice = coordinator.join("alice", "");
    let mut events = Events::of(address);
    let (kind, status) = events.next();
    assert_eq!(kind, "status");
    assert_eq!(status["members"]["online"], 1);
    assert_eq!(status["rows"][0]["id"], "alice");
    assert_eq!(status["events"][0]["what"], "registered");
    let mut bob = coordinator.join("bob", "");
    let update = events.until(|update| update["changed"][0]["id"] == "bob");
    assert_eq!(update["changed"].as_array().unwrap().len(), 1, "alice has not changed");
    assert_eq!(update["new_events"][0]["id"], "bob");
    bob.disconnect();
    alice.msend("one");
    alice.msend("two");
    let update = events.until(|update| update["changed"][0]["pending"] == 2);
    assert_eq!(update["changed"][0]["online"], false);
    assert_eq!(update["deepest"]["id"], "bob");
    let quiet = events.until(|update| update["changed"].as_array().unwrap().is_empty());
    assert_eq!(quiet["new_events"].as_array().unwrap().len(), 0);
    let reply = bob.ask("deregister");
    assert_eq!(reply, "OK deregister");
    let update = events.until(|update| update["removed"][0] == "bob");
    assert_eq!(update["members"]["all"], 1);
    let whole: Value = serde_json::from_str(&get(address, "/status.json").body).unwrap();
    assert!(whole["rates"]["accepted"].as_array().unwrap().iter().any(|rate| *rate == 2));
    assert_eq!(whole["messages"]["accepted"], 2);
}

#[test]
fn a_late_reader_of_events_gets_the_same_state() {
    let (coordinator, address) = started(&[]);
    let mut first = Events::of(address);
    assert_eq!(first.next().0, "status");
    let _alice = coordinator.join("alice", "");
    let mut second = Events::of(address);
    let mut shown = second.next().1["rows"].as_array().unwrap().len();
    while shown == 0 {
        shown += second.next().1["changed"].as_array().unwrap().len();
    }
    assert_eq!(shown, 1, "the row comes once");
    first.until(|update| update["changed"][0]["id"] == "alice");
}

#[test]
fn the_coordinator_is_not_ready_while_the_backlog_is_full_or_it_ends() {
    let (coordinator, address) = started(&["max_backlog=2k", "max_line=1k"]);
    let mut alice = coordinator.join("alice", "");
    let mut bob = coordinator.join("bob", "");
    bob.disconnect();
    alice.msend(&"x".repeat(900));
    assert_eq!(get(address, "/readyz").body, "ready\n");
    alice.msend(&"x".repeat(900));
    let response = get(address, "/readyz");
    assert_eq!(response.status(), 503);
    assert!(response.body.starts_with("the backlog is full ("), "{}", response.body);
    assert_eq!(get(address, "/healthz").status(), 200, "the loop turns");
    let status: Value = serde_json::from_str(&get(address, "/status.json").body).unwrap();
    assert_eq!(status["ready"], false);
    assert!(get(address, "/metrics").body.contains("\ngroupcast_ready 0\n"));
}

#[test]
fn a_token_opens_everything_but_health() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token.txt");
    std::fs::write(&path, "0123456789abcdef\n").unwrap();
    std::os::unix::fs::chown(&path, None, None).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&path, mode).unwrap();
    let (_coordinator, address) = started(&[&format!("http_token_file={}", path.display())]);
    for path in ["/", "/metrics", "/status.json", "/events", "/other"] {
        for fields in ["", "Authorization: Bearer 0123456789abcdeX\r\n"] {
            let response = get_with(address, path, fields);
            assert_eq!(response.status(), 401, "{path}");
            let asks = "Basic realm=\"groupcast\", charset=\"UTF-8\"";
            assert_eq!(response.field("WWW-Authenticate"), Some(asks));
        }
    }
    assert_eq!(get(address, "/healthz").status(), 200);
    assert_eq!(get(address, "/readyz").status(), 200);
    for right in ["Bearer 0123456789abcdef", "Basic Z3JvdXBjYXN0OjAxMjM0NTY3ODlhYmNkZWY="] {
        let response = get_with(address, "/metrics", &format!("Authorization: {right}\r\n"));
        assert_eq!(response.status(), 200, "{right}");
    }
}

#[test]
fn idle_connections_make_room_for_new_ones() {
    let (coordinator, address) = started(&[]);
    let mut idle: Vec<TcpStream> = (0..64).map(|_| connect_http(address)).collect();
    for stream in &mut idle {
        stream.write_all(format!("GET /healthz HTTP/1.1\r\n{HOST}\r\n").as_bytes()).unwrap();
        let mut answer = [0; 15];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
    }
    for _ in 0..100 {
        assert_eq!(get(address, "/healthz").body, "ok\n");
    }
    coordinator.client().check("x#ping#127.0.0.1", "OK ping");
}

#[test]
fn clients_that_read_slowly_make_room_for_health_checks() {
    let (_coordinator, address) = started(&[]);
    let requests = format!("GET / HTTP/1.1\r\n{HOST}\r\n").repeat(100);
    let mut slow: Vec<TcpStream> = (0..64).map(|_| connect_http(address)).collect();
    for stream in &mut slow {
        rustix::net::sockopt::set_socket_recv_buffer_size(&*stream, 16 * 1024).unwrap();
        stream.write_all(requests.as_bytes()).unwrap();
        stream.read_exact(&mut [0; 15]).unwrap();
    }
    let timer = Timer::start(2 * DEADLINE);
    let mut is_served = false;
    while !is_served && timer.left().is_some() {
        // Each of them gets something all the time.
        slow.iter_mut().for_each(|stream| drop(stream.read(&mut [0; 4 * 1024])));
        let mut check = connect_http(address);
        let request = format!("GET /healthz HTTP/1.1\r\n{HOST}\r\n");
        let mut answer = [0; 15];
        is_served = check.write_all(request.as_bytes()).is_ok()
            && check.read_exact(&mut answer).is_ok()
            && &answer == b"HTTP/1.1 200 OK";
        thread::park_timeout(Duration::from_millis(100));
    }
    assert!(is_served, "all places stay taken");
}

#[test]
fn readers_of_events_leave_room_for_health_checks() {
    let (_coordinator, address) = started(&[]);
    let readers: Vec<Events> = (0..32).map(|_| Events::of(address)).collect();
    let _silent: Vec<TcpStream> = (0..32).map(|_| connect_http(address)).collect();
    assert_eq!(get(address, "/events").status(), 503);
    assert_eq!(get(address, "/healthz").status(), 200);
    assert_eq!(get(address, "/metrics").status(), 200);
    drop(readers);
    let timer = Timer::start(DEADLINE);
    while timer.left().is_some() {
        let mut stream = connect_http(address);
        stream.write_all(format!("GET /events HTTP/1.1\r\n{HOST}\r\n").as_bytes()).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        if &answer == b"HTTP/1.1 200" {
            return;
        }
    }
    panic!("no reader is served after the others have ended");
}

#[test]
fn many_requests_of_one_connection_do_not_wait_for_a_tick() {
    // Several times the input that the server may keep.
    const REQUESTS: usize = 2000;
    let (_coordinator, address) = started(&[]);
    let mut stream = connect_http(address);
    let one = format!("GET /healthz HTTP/1.1\r\n{HOST}\r\n");
    let last = format!("GET /readyz HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n");
    let timer = Timer::start(DEADLINE);
    let mut writer = stream.try_clone().unwrap();
    let sent = std::thread::spawn(move || {
        writer.write_all((one.repeat(REQUESTS) + &last).as_bytes()).unwrap();
    });
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    sent.join().unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), REQUESTS + 1);
    assert!(timer.left().is_some(), "four requests in each second are too few");
}

#[test]
fn a_late_reader_of_events_gets_the_present_lag() {
    let (coordinator, address) = started(&[]);
    let mut alice = coordinator.join("alice", "");
    let mut bob = coordinator.join("bob", "");
    bob.disconnect();
    let mut first = Events::of(address);
    assert_eq!(first.next().0, "status");
    alice.msend("one");
    let update = first.until(|update| update["changed"][0]["pending"] == 1);
    let begin = update["uptime_s"].as_f64().unwrap();
    let update = first.until(|update| update["uptime_s"].as_f64().unwrap() > begin + 1.5);
    assert_eq!(update["changed"].as_array().unwrap().len(), 0, "only time has passed");
    let (_, status) = Events::of(address).next();
    assert!(status["rows"][1]["lag_s"].as_f64().unwrap() > 1.0, "{status}");
}

#[test]
fn http_does_not_delay_the_end_of_the_coordinator() {
    let (coordinator, address) = started(&[]);
    let _alice = coordinator.join("alice", "");
    let _readers: Vec<Events> = (0..3).map(|_| Events::of(address)).collect();
    let flood = std::thread::spawn(move || {
        let mut stream = connect_http(address);
        stream.write_all(format!("GET /events HTTP/1.1\r\n{HOST}\r\n").as_bytes()).unwrap();
        while stream.write_all(&[b'0'; 65536]).is_ok() {}
    });
    assert_eq!(get(address, "/healthz").status(), 200);
    coordinator.terminate();
    assert!(coordinator.wait().success());
    flood.join().unwrap();
    let log = String::from_utf8_lossy(&lock(&coordinator.transcript.stderr)).into_owned();
    assert!(!log.contains("shutdown timeout"), "{log}");
}

#[test]
fn a_reader_that_stops_costs_no_other_reader_anything() {
    let (coordinator, address) = started(&["metrics_members=2000"]);
    let mut stuck = connect_http(address);
    let request = format!("GET /metrics HTTP/1.1\r\n{HOST}\r\n");
    stuck.set_nonblocking(true).unwrap();
    // As many requests as the server takes, and no answer is read.
    let mut sent = 0;
    while sent < 20_000 && stuck.write_all(request.as_bytes()).is_ok() {
        sent += 1;
    }
    let mut alice = coordinator.join("alice", "");
    alice.msend("one");
    assert_eq!(get(address, "/healthz").status(), 200);
    let mut events = Events::of(address);
    assert_eq!(events.next().0, "status");
}
