//! The alerts for Prometheus of real sites in real faults. `promtool` of the Debian package
//! `prometheus` evaluates `config/alerts.yml` over values that a site has shown.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::Command;
use std::thread;

use support::http::{get, http_address};
use tempfile::TempDir;

use crate::group::{eventually, founded, start, start_with};
use crate::operation::value;
use crate::raw::Raw;

fn scrape(address: SocketAddr) -> String {
    get(address, "/metrics").body
}

/// Scrapes until a series has an expected value, and returns all values.
#[track_caller]
fn scrape_until(address: SocketAddr, series: &str, is_it: impl Fn(f64) -> bool) -> String {
    let mut body = String::new();
    eventually(series, || {
        body = scrape(address);
        value(&body, series).is_some_and(&is_it)
    });
    body
}

/// Returns a test for promtool: the values of `before`, then for 20 minutes those of `after`.
fn rules_test(before: &str, after: &str, firing: &[&str]) -> String {
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/config/alerts.yml");
    let mut test = format!("rule_files: [{rules}]\nevaluation_interval: 15s\ntests:\n");
    test.push_str("- interval: 15s\n  input_series:\n");
    let up = "up 1";
    for line in after.lines().chain([up]).filter(|line| !line.starts_with('#')) {
        let (series, last) = line.rsplit_once(' ').unwrap();
        let before = before.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let series = format!("{name}{{job=\"groupcast\",instance=\"a\",{labels}");
        let first = before.unwrap_or(last);
        writeln!(test, "  - {{series: '{series}', values: '{first}x4 {last}x80'}}").unwrap();
    }
    let samples =
        firing.iter().map(|alert| format!("{{labels: '{{alertname=\"{alert}\"}}', value: 1}}"));
    let samples = samples.collect::<Vec<_>>().join(", ");
    let expr = "count by (alertname) (ALERTS{alertstate=\"firing\"})";
    let expected = format!("expr: '{expr}', eval_time: 5m, exp_samples: [{samples}]");
    writeln!(test, "  promql_expr_test: [{{{expected}}}]").unwrap();
    test
}

/// Checks that exactly these alerts fire.
#[track_caller]
fn check_firing(before: &str, after: &str, firing: &[&str]) {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("alerts_test.yml");
    std::fs::write(&file, rules_test(before, after, firing)).unwrap();
    match Command::new("promtool").args(["test", "rules"]).arg(&file).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let said = said + &String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}\n{after}");
        }
        Err(error) => {
            let test = thread::current().name().unwrap_or_default().to_owned();
            let _ = writeln!(io::stderr(), "SKIPPED {test}: promtool: {error}");
        }
    }
}

#[test]
fn a_stranger_in_the_list_and_an_engine_that_is_gone_raise_their_alerts() {
    let Some(mut servers) = founded(1) else { return };
    let (oslo, _cairo) = (start_with(&servers, "oslo", &["http=0"]), start(&servers, "cairo"));
    let _ann = oslo.join("ann", "acks=1");
    let address = http_address(&oslo);
    let healthy = scrape_until(address, "site_position{site=\"cairo\"}", |at| at > 0.0);
    check_firing(&healthy, &healthy, &[]);
    Raw::connect(&servers.all[0]).ask("groupcast.g.log", "from a stranger");
    let void = "list_batches_void_total{reason=\"damaged\"}";
    let void = scrape_until(address, void, |count| count > 0.0);
    check_firing(&healthy, &void, &["GroupcastBatchesVoid"]);
    servers.all[0].kill();
    let gone = scrape_until(address, "engine_connected", |is_connected| is_connected == 0.0);
    check_firing(&void, &gone, &["GroupcastNotReady", "GroupcastSiteWithoutEngine"]);
}

#[test]
fn a_site_that_is_killed_raises_an_alert_at_another_one() {
    let Some(servers) = founded(1) else { return };
    let (oslo, cairo) = (start_with(&servers, "oslo", &["http=0"]), start(&servers, "cairo"));
    let _members = [oslo.join("ann", "acks=1"), cairo.join("bob", "acks=1")];
    let address = http_address(&oslo);
    let healthy = scrape_until(address, "site_live{site=\"cairo\"}", |is_live| is_live == 1.0);
    cairo.kill();
    let silent = scrape_until(address, "site_live{site=\"cairo\"}", |is_live| is_live == 0.0);
    check_firing(&healthy, &silent, &["GroupcastSiteSilent"]);
    assert_eq!(value(&silent, "members_online"), Some(1.0), "bob is offline");
}

#[test]
fn an_engine_that_does_not_answer_raises_an_alert_about_the_age_of_the_last_entry() {
    let Some(servers) = founded(1) else { return };
    let oslo = start_with(&servers, "oslo", &["http=0"]);
    let _ann = oslo.join("ann", "acks=1");
    let address = http_address(&oslo);
    let healthy = scrape(address);
    servers.all[0].pause();
    scrape_until(address, "list_last_entry_age_seconds", |age| age > 15.0);
    // The connection is given up at about the same time.
    let old = scrape_until(address, "engine_connected", |is_connected| is_connected == 0.0);
    let firing = ["GroupcastNotReady", "GroupcastSiteLags", "GroupcastSiteWithoutEngine"];
    check_firing(&healthy, &old, &firing);
    servers.all[0].resume();
}
