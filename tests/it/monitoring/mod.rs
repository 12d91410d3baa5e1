//! The alerts and the dashboard of `config`: names, rules, and a real Prometheus.

mod prometheus;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use groupcast::metrics::{Metric, MetricEntry, MetricKind, PREFIX, SITE_METRICS};
use serde_json::Value;

/// Path of a file of the project.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap()
}

/// Returns true if a program of the Debian package `prometheus` can be run. Says so otherwise.
fn is_there(program: &str) -> bool {
    let status =
        Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if let Err(error) = &status {
        // Not `eprintln!`: the output of a test that succeeds is not shown.
        let line = format!("SKIPPED {program}, to check the alerts: {error}: install prometheus");
        let _ = writeln!(std::io::stderr(), "{line}");
    }
    status.is_ok()
}

/// Runs promtool, which must succeed; returns its output.
#[track_caller]
fn promtool(arguments: &[&str]) -> String {
    let output = Command::new("promtool").args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "promtool {arguments:?}: {out}{err}");
    out
}

/// Returns the expressions of the panels of the dashboard.
fn expressions() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read("config/grafana.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// Returns the names of metrics in a text.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    let is_end = |char: char| !char.is_ascii_alphanumeric() && char != '_';
    text.split(is_end).filter(|word| word.starts_with(PREFIX)).collect()
}

/// Returns all entries, also those that only a site has.
fn entries() -> impl Iterator<Item = MetricEntry> {
    Metric::ALL.iter().map(|metric| metric.entry()).chain(SITE_METRICS.iter().copied())
}

/// Returns true if a text names a metric that only a site has.
fn is_of_sites(text: &str) -> bool {
    let is_of_site = |name: &str| {
        let name = name.trim_start_matches(PREFIX);
        SITE_METRICS.iter().any(|entry| entry.name == name)
    };
    metrics_in(text).into_iter().any(is_of_site)
}

/// Returns the names of the series of all metrics.
fn series() -> BTreeSet<String> {
    let names = entries().flat_map(|entry| {
        let endings: &[&str] = match entry.kind {
            MetricKind::Counter | MetricKind::Gauge => &[""],
            MetricKind::Histogram => &["_bucket", "_count", "_sum"],
        };
        endings.iter().map(move |ending| format!("{PREFIX}{}{ending}", entry.name))
    });
    names.collect()
}

/// Returns the metrics that a text names and that are not in the table.
fn unknown_metrics(text: &str) -> Vec<&str> {
    let known = series();
    metrics_in(text).into_iter().filter(|name| !known.contains(*name)).collect()
}

/// Returns the names of the alerts of a file of rules.
fn alerts(rules: &str) -> Vec<&str> {
    rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect()
}

#[test]
fn every_metric_of_the_alerts_and_the_dashboard_is_in_the_table() {
    for file in ["config/alerts.yml", "config/grafana.json", "tests/it/monitoring/alerts_test.yml"]
    {
        let text = read(file);
        assert!(metrics_in(&text).len() > 10, "{file}");
        assert_eq!(unknown_metrics(&text), [""; 0], "{file}");
    }
    assert_eq!(
        unknown_metrics("rate(groupcast_membres[5m]) > groupcast_members"),
        ["groupcast_membres"]
    );
    assert_eq!(
        unknown_metrics("groupcast_turn_seconds + groupcast_turn_seconds_sum"),
        ["groupcast_turn_seconds"]
    );
}

#[test]
fn each_alert_fires_when_it_must_and_not_otherwise() {
    let rules = read("config/alerts.yml");
    let tests = read("tests/it/monitoring/alerts_test.yml");
    assert_eq!(alerts(&rules).len(), 14);
    for alert in alerts(&rules) {
        let fires = [format!("alertname=\"{alert}\""), format!("alertname: {alert}")];
        assert!(fires.iter().any(|it| tests.contains(it)), "{alert} has no test");
    }
    if is_there("promtool") {
        promtool(&["check", "rules", path("config/alerts.yml").to_str().unwrap()]);
        let file = path("tests/it/monitoring/alerts_test.yml");
        promtool(&["test", "rules", file.to_str().unwrap()]);
    }
}
