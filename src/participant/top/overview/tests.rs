use super::*;
use crate::metrics::STATS;
use crate::participant::top::sample::SampleReader;
use crate::time::Millis;

const SIZE: Size = Size { columns: 100, lines: 24 };

/// Returns a sample with these counters, and with members named, pending and acked.
fn sample(now: u64, counters: &[(&str, &str)], members: &[(&str, &str, u64, u64)]) -> Sample {
    let mut reader = SampleReader::default();
    let mut lines = vec![format!("OK stats {}", counters.len())];
    lines.extend(counters.iter().map(|(key, value)| format!("{key} {value}")));
    lines.push(format!("OK members {}", members.len()));
    lines.extend(members.iter().map(|(id, state, pending, acked)| {
        format!("{id} {state} 10.0.0.1:9000 pending={pending} acked={acked}")
    }));
    let mut found = None;
    for line in lines {
        found = reader.take(&line, Millis::new(now)).unwrap();
    }
    found.unwrap()
}

fn counters(uptime: &'static str, messages: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![
        ("uptime_s", uptime),
        ("epoch", "00000000000000ff"),
        ("next_seq", "41"),
        ("members", "3"),
        ("online", "2"),
        ("offline", "1"),
        ("connections", "4"),
        ("messages_in", messages),
        ("bytes_in", "2048"),
        ("deliveries_out", "80"),
        ("bytes_out", "4096"),
        ("errors", "0"),
        ("history_messages", "7"),
        ("history_bytes", "1536"),
        ("expired", "1"),
        ("dropped", "2"),
        ("gaps", "3"),
    ]
}

#[test]
fn every_shown_counter_is_a_key_of_stats() {
    let all: Vec<(&str, &str)> = STATS.iter().map(|key| (key.key, "7")).collect();
    let (before, now) = (sample(1_000, &all, &MEMBERS), sample(3_000, &all, &MEMBERS));
    let lines = summary("hub:5000", Some(&before), &now);
    assert!(!lines.concat().contains('?'), "{lines:#?}");
    assert!(lines.concat().contains("7 messages, 7 B (100 % of 7 B)"), "{lines:#?}");
    assert!(!line(&before, &now).contains('?'));
}

const MEMBERS: [(&str, &str, u64, u64); 3] =
    [("ann", "online", 0, 40), ("bob", "offline", 7, 33), ("eve", "online", 2, 38)];

fn ids(lines: &[String]) -> Vec<&str> {
    let is_head = |line: &&String| !line.starts_with("ID ");
    let rows = lines.iter().skip_while(is_head).skip(1);
    rows.filter_map(|line| line.split(' ').next()).collect()
}

#[test]
fn a_screen_shows_rates_backlog_journal_and_members() {
    let before = sample(1_000, &counters("3700", "20"), &MEMBERS);
    let now = sample(3_000, &counters("3702", "40"), &MEMBERS);
    let lines = Overview::default().draw("hub:5000", (Some(&before), Some(&now)), None, SIZE);
    assert_eq!(
        lines,
        [
            "groupcast hub:5000  up 1 h 1 min  epoch 00000000000000ff  next 41",
            "members   3: 2 online, 1 offline; 4 command sockets",
            "messages  in 10.0/s, 0 B/s; out 0.0/s, 0 B/s; 0.0/s refused requests",
            "backlog   7 messages, 1.5 KiB; 1 expired, 2 dropped, 3 gaps",
            "journal   none, in memory only",
            "sort by: l lag, i id, s state, a acked; r reverse; q quit",
            "",
            "ID   STATE           LAG         ACKED  ADDRESS",
            "bob  offline           7            33  10.0.0.1:9000",
            "eve  online            2            38  10.0.0.1:9000",
            "ann  online            0            40  10.0.0.1:9000",
        ]
    );
}

#[test]
fn members_are_sorted_by_each_key_and_reversed() {
    let now = sample(1_000, &counters("7", "1"), &MEMBERS);
    for (keys, expected) in [
        ("", ["bob", "eve", "ann"]),
        ("i", ["ann", "bob", "eve"]),
        ("ir", ["eve", "bob", "ann"]),
        ("s", ["bob", "ann", "eve"]),
        ("a", ["bob", "eve", "ann"]),
        ("ral", ["bob", "eve", "ann"]),
        ("rr", ["bob", "eve", "ann"]),
    ] {
        let mut overview = Overview::default();
        for key in keys.bytes() {
            match KeyPress::of(key) {
                Some(KeyPress::Sort(order)) => overview.sort(order),
                Some(KeyPress::Reverse) => overview.reverse(),
                Some(KeyPress::Quit) | None => panic!("{key}"),
            }
        }
        assert_eq!(ids(&overview.draw("x", (None, Some(&now)), None, SIZE)), expected, "{keys:?}");
    }
}

#[test]
fn a_small_terminal_cuts_lines_and_columns() {
    let now = sample(1_000, &counters("7", "1"), &MEMBERS);
    let size = Size { columns: 10, lines: 9 };
    let lines = Overview::default().draw("hub:5000", (None, Some(&now)), None, size);
    assert_eq!(lines.len(), 9);
    assert_eq!(lines[0], "groupcast ");
    assert_eq!(ids(&lines), ["bob"]);
}

#[test]
fn a_problem_stands_where_the_keys_stand_and_the_last_sample_stays() {
    let now = sample(1_000, &counters("7", "1"), &MEMBERS);
    let overview = Overview::default();
    let lines = overview.draw("x", (None, Some(&now)), Some("no answer"), SIZE);
    assert_eq!((lines[5].as_str(), ids(&lines).len()), ("no answer", 3));
    assert_eq!(overview.draw("x", (None, None), Some("no answer"), SIZE)[1], "no answer");
}

#[test]
fn a_line_for_scripts_names_rates_and_the_member_with_the_largest_lag() {
    let before = sample(1_000, &counters("7", "20"), &MEMBERS);
    let now = sample(2_000, &counters("8", "40"), &MEMBERS);
    assert_eq!(
        line(&before, &now),
        "uptime_s=8 next_seq=41 members=3 online=2 offline=1 messages_in_per_s=20.0 \
         bytes_in_per_s=0.0 deliveries_out_per_s=0.0 bytes_out_per_s=0.0 errors_per_s=0.0 \
         history_messages=7 history_bytes=1536 expired=1 dropped=2 gaps=3 lag_max=7 lag_member=bob"
    );
    let mut journaled = counters("9", "40");
    journaled.extend([("journal_bytes", "100"), ("journal_segments", "1")]);
    let idle = sample(3_000, &journaled, &[("ann", "online", 0, 40)]);
    assert!(
        line(&now, &idle).ends_with("journal_bytes=100 journal_segments=1 lag_max=0 lag_member=-")
    );
}

#[test]
fn sizes_have_units() {
    for (count, expected) in
        [(0.0, "0 B"), (1023.0, "1023 B"), (1536.0, "1.5 KiB"), (3.0 * 1048576.0, "3.0 MiB")]
    {
        assert_eq!(bytes(count), expected);
    }
}

#[test]
fn one_of_something_is_singular() {
    let mut counters = counters("7", "1");
    counters.extend([("journal_bytes", "1"), ("journal_segments", "1")]);
    for (key, value) in &mut counters {
        if ["connections", "history_messages", "gaps"].contains(key) {
            *value = "1";
        }
    }
    let now = sample(1_000, &counters, &MEMBERS);
    let lines = Overview::default().draw("hub:5000", (None, Some(&now)), None, SIZE);
    assert!(lines[1].ends_with("; 1 command socket"), "{lines:?}");
    assert_eq!(lines[3], "backlog   1 message, 1.5 KiB; 1 expired, 2 dropped, 1 gap");
    assert!(lines[4].starts_with("journal   1 B in 1 segment, "), "{lines:?}");
    counters.retain(|(key, _)| !key.starts_with("journal_"));
    counters.extend([("list_position", "9"), ("list_lag", "2")]);
    let now = sample(1_000, &counters, &MEMBERS);
    let lines = Overview::default().draw("hub:5000", (None, Some(&now)), None, SIZE);
    assert_eq!(lines[4], "journal   a list of several sites: entry 9, 2 behind the engine");
}

#[test]
fn the_site_of_a_member_is_the_last_column_if_there_are_several() {
    let mut reader = SampleReader::default();
    let lines = [
        "OK stats 1",
        "uptime_s 7",
        "OK members 2",
        "ann online 10.0.0.1:9000 pending=0 acked=9 site=oslo",
        "bob offline 10.0.0.102:9000 pending=2 acked=7 site=cairo",
    ];
    let found = lines.map(|line| reader.take(line, Millis::new(1_000)).unwrap());
    let sample = found.into_iter().flatten().next().unwrap();
    let shown = Overview::default().draw("hub:5000", (None, Some(&sample)), None, SIZE);
    let rows = shown.get(shown.len() - 3..).unwrap();
    let begin = rows[0].find("SITE").unwrap();
    let sites: Vec<&str> = rows.iter().map(|row| row.get(begin..).unwrap()).collect();
    assert_eq!(sites, ["SITE", "cairo", "oslo"], "{rows:#?}");
}
