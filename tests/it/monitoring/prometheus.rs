//! A real Prometheus that scrapes a live coordinator.

use std::fmt::Write as _;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use support::Timer;
use support::coordinator::Coordinator;
use support::member::Member;
use support::port::ReservedPort;
use support::transcript::lock;
use tempfile::TempDir;

use super::{expressions, is_of_sites, is_there, promtool, read};

/// Longest time for what a scrape or a rule must bring about.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(60);

/// A running Prometheus, with the files that it uses.
struct Prometheus {
    child: Child,
    port: ReservedPort,
    directory: TempDir,
}

impl Prometheus {
    /// Starts one by the sample of `config` that scrapes `target` each second, with further rules
    /// that record each expression of the dashboard.
    fn start(target: &ReservedPort) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let rules = write("dashboard.yml", &recorded(&expressions()));
        promtool(&["check", "rules", &rules]);
        write("alerts.yml", &read("config/alerts.yml"));
        let sample = read("config/prometheus.yml");
        let port = target.to_string();
        let config = replaced(&sample, "8080", &port);
        let config = replaced(&config, "  - alerts.yml", &format!("  - alerts.yml\n  - {rules}"));
        let each_second = "scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s";
        let config = format!("{config}\nglobal: {{{each_second}}}\n");
        let config = write("prometheus.yml", &config);
        promtool(&["check", "config", &config]);
        let port = ReservedPort::new();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={config}"))
            .arg(format!("--storage.tsdb.path={}", directory.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(directory.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        Self { child, port, directory }
    }

    /// Returns the series of an expression, one a line; empty while Prometheus starts.
    fn query(&self, expression: &str) -> Vec<String> {
        let server = format!("http://127.0.0.1:{}", self.port);
        let output =
            Command::new("promtool").args(["query", "instant", &server, expression]).output();
        let output = String::from_utf8(output.unwrap().stdout).unwrap();
        output.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// Asks until the series of an expression are as many as expected.
    #[track_caller]
    fn until_count(&self, expression: &str, count: usize) {
        let timer = Timer::start(DEADLINE);
        loop {
            let found = self.query(expression);
            if found.len() == count {
                return;
            }
            if timer.left().is_none() {
                let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap();
                panic!("{expression}: {count} series expected, there are {found:#?}\n{log}");
            }
        }
    }
}

/// Replaces each line's `from`, which must stand there.
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from:?} is not in\n{text}");
    text.replace(from, to)
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Rules that record each expression with its number. Grafana fills in what begins with `$`.
fn recorded(expressions: &[String]) -> String {
    let mut rules = "groups:\n- name: dashboard\n  rules:\n".to_owned();
    for (number, expression) in expressions.iter().enumerate() {
        let expression = expression
            .replace("$job", "groupcast")
            .replace("$instance", ".*")
            .replace("$__rate_interval", "10s");
        assert!(!expression.contains('$') && !expression.contains('\''), "{expression}");
        let record = format!("dashboard:expression_{number}");
        writeln!(rules, "  - {{record: '{record}', expr: 'count({expression})'}}").unwrap();
    }
    rules
}

/// A coordinator with a journal and a member, with each kind of event that a panel shows.
fn busy(port: &ReservedPort) -> (Coordinator, Member) {
    let http = format!("http=127.0.0.1:{port}");
    let coordinator = Coordinator::start_with_data_dir(600, &[&http]);
    let mut alice = coordinator.join("alice", "acks=1");
    let mut bob = coordinator.join("bob", "acks=1");
    alice.msend("one");
    bob.socket().delivery(1, "alice", "one");
    bob.socket().ack(1);
    bob.until_acked(1);
    bob.disconnect();
    alice.msend("two");
    alice.refused("nonsense", 400);
    (coordinator, alice)
}

/// Limits the size of the files of a coordinator, as a full disk does.
fn limit_files(coordinator: &Coordinator, current: Option<u64>) {
    let pid = Pid::from_child(&lock(&coordinator.transcript.child));
    prlimit(Some(pid), Resource::Fsize, Rlimit { current, maximum: None }).unwrap();
}

#[test]
fn prometheus_reads_a_live_coordinator_and_evaluates_the_dashboard_and_the_alerts() {
    if !is_there("prometheus") || !is_there("promtool") {
        return;
    }
    let port = ReservedPort::new();
    let (coordinator, mut alice) = busy(&port);
    let prometheus = Prometheus::start(&port);
    prometheus.until_count("up{job=\"groupcast\"} == 1", 1);
    prometheus.until_count("groupcast_members == 2", 1);
    // A coordinator alone has no sites.
    let panels = expressions().iter().filter(|it| !is_of_sites(it)).count();
    assert!(panels > 20 && panels < expressions().len(), "{panels}");
    prometheus.until_count("{__name__=~\"dashboard:expression_.*\"}", panels);
    let firing = "ALERTS{alertstate=\"firing\",alertname=\"GroupcastJournalFailing\"}";
    prometheus.until_count(firing, 0);

    limit_files(&coordinator, Some(0));
    alice.command.say("alice#msend three#127.0.0.1");
    prometheus.until_count(firing, 1);
    prometheus.until_count("groupcast_ready == 0", 1);
    limit_files(&coordinator, None);
    prometheus.until_count("groupcast_ready == 1", 1);

    coordinator.terminate();
    coordinator.wait();
    prometheus.until_count("ALERTS{alertname=\"GroupcastDown\"}", 1);
}

#[test]
fn what_grafana_fills_in_is_filled_in() {
    let rules =
        recorded(&["rate(a{job=\"$job\",instance=~\"$instance\"}[$__rate_interval])".into()]);
    assert!(
        rules.ends_with(
            "  - {record: 'dashboard:expression_0', \
         expr: 'count(rate(a{job=\"groupcast\",instance=~\".*\"}[10s]))'}\n"
        ),
        "{rules}"
    );
}
