//! Limits on the memory for clients that do not read their replies, each and all together.

use std::time::Duration;

use groupcast::limits::{
    CLIENT_BYTES_ALL, CLIENT_BYTES_SHARE, INPUT_BYTES_ALL, TURN_LIST_LINES_MAX,
};
use support::coordinator::Coordinator;
use support::listener::Listener;
use support::member::Member;
use support::wire::Client;
use support::{DEADLINE, Timer};

const PING: &str = "bob#ping#127.0.0.1";
const MIB: usize = 1024 * 1024;

/// Has so much kept for clients that each has to make do with its share: by lines without an end.
fn fill_up(coordinator: &Coordinator, other: &mut Member) -> Vec<Client> {
    let (timer, mut clients) = (Timer::start(DEADLINE), Vec::new());
    while other.command.stat("client_bytes") < CLIENT_BYTES_ALL as u64 {
        assert!(timer.left().is_some(), "so much is not kept");
        let mut client = coordinator.client();
        client.write(&vec![b'x'; 15 * MIB]);
        clients.push(client);
    }
    coordinator.until_quiet(other.socket());
    clients
}

const LONG_LINES: [&str; 2] = ["max_line=16m", "line_timeout=600"];
const LIST: &str = "x#members#127.0.0.1\n";

/// Registers and drops members until a list of them is longer than a client's share.
fn long_list(coordinator: &Coordinator) -> usize {
    let mut client = coordinator.client();
    let listener = Listener::bind(&coordinator.transcript, "127.0.0.1");
    for number in 0..100 {
        client.say(&format!("{number:064}#register {}#127.0.0.1", listener.port()));
        client.expect_start("OK register ");
        listener.accept();
    }
    let count = client.members().len();
    assert!(count * 64 > CLIENT_BYTES_SHARE);
    count
}

#[test]
fn those_who_are_kept_much_for_leave_the_others_a_share_and_who_reads_does_not_notice() {
    let coordinator = Coordinator::start(600, &LONG_LINES);
    let mut bob = coordinator.join("bob", "");
    let mut alice = coordinator.join("alice", "");
    let members = long_list(&coordinator);
    let mut greedy = fill_up(&coordinator, &mut alice);
    let (before, rss_bytes) = (alice.command.stat("client_bytes"), coordinator.rss_bytes());

    // Requests behind a list that waits, and requests for replies that nobody reads.
    let mut waiting: Vec<_> = (0..4).map(|_| coordinator.client()).collect();
    let behind = format!("nobody#msend {}#127.0.0.1\n", "x".repeat(1000)).repeat(60);
    waiting.iter_mut().for_each(|client| client.write(format!("{LIST}{behind}").as_bytes()));
    let mut unread = coordinator.client();
    let mistake = format!("{}\n", "x".repeat(99));
    let taken = unread.write_until_stuck(mistake.as_bytes());
    coordinator.until_quiet(alice.socket());
    let kept_bytes = alice.command.stat("client_bytes") - before;
    let bound = (waiting.len() + 1) * 2 * (CLIENT_BYTES_SHARE + 512);
    assert!(kept_bytes <= bound as u64, "{kept_bytes} bytes more, not {bound}");
    let grown_bytes = coordinator.rss_bytes().saturating_sub(rss_bytes);
    assert!(grown_bytes < 4 * MIB as u64, "{grown_bytes} bytes more memory");

    let timer = Timer::start(Duration::from_secs(5));
    let text = "x".repeat(60_000);
    for seq in 1..=50 {
        assert_eq!(alice.msend(&text), seq);
        bob.socket().delivery(seq, "alice", &text);
        bob.check("ping", "OK ping");
    }
    alice.command.write("alice#msend hi#127.0.0.1\n".repeat(2000).as_bytes());
    for seq in 51..=2050 {
        alice.command.expect(&format!("OK msend seq={seq}"));
        bob.socket().delivery(seq, "alice", "hi");
    }
    assert!(timer.left().is_some(), "others had to wait");

    // A client that reads at last is served on, although no memory was freed.
    (0..taken / mistake.len()).for_each(|_| drop(unread.expect_start("ERR 400 ")));
    unread.write(&mistake.as_bytes()[taken % mistake.len()..]);
    unread.expect_start("ERR 400 ");
    unread.check(PING, "OK ping");
    assert!(alice.command.stat("client_bytes") >= CLIENT_BYTES_ALL as u64);
    waiting.iter_mut().for_each(|client| client.expect_silence(Duration::from_millis(10)));
    drop(waiting.swap_remove(0));
    greedy.pop();
    for client in &mut waiting {
        client.expect(&format!("OK members {members}"));
        (0..members).for_each(|_| drop(client.line()));
        (0..60).for_each(|_| client.expect("ERR 404 not a member: register first"));
    }
    drop(greedy);
    let timer = Timer::start(DEADLINE);
    while alice.command.stat("client_bytes") > 0 {
        assert!(timer.left().is_some(), "{} bytes", alice.command.stat("client_bytes"));
    }
}

/// A line that is never finished waits for nothing: no timeout of a read or a write ends it soon.
#[test]
fn unfinished_lines_of_all_clients_are_bounded_and_the_longest_are_refused() {
    let coordinator = Coordinator::start(600, &["line_timeout=600"]);
    let mut other = coordinator.client();
    let mut short = coordinator.client();
    short.write(format!("{PING}\n{}", "y".repeat(CLIENT_BYTES_SHARE - 1)).as_bytes());
    short.expect("OK ping");
    let (count, length, rss_bytes) = (1_500, 60_000, coordinator.rss_bytes());
    let line = "x".repeat(length);
    let mut greedy: Vec<Client> = Vec::new();
    for _ in 0..count {
        let mut client = coordinator.client();
        client.write(line.as_bytes());
        greedy.push(client);
        assert!(other.stat("input_bytes") <= (INPUT_BYTES_ALL + 2 * length) as u64);
    }
    let timer = Timer::start(DEADLINE);
    let refused = (count - INPUT_BYTES_ALL / length) as u64;
    while other.stat("errors") < refused {
        assert!(timer.left().is_some(), "{} were refused", other.stat("errors"));
    }
    let grown_bytes = coordinator.rss_bytes().saturating_sub(rss_bytes);
    assert!(grown_bytes < 3 * INPUT_BYTES_ALL as u64, "{grown_bytes} bytes more memory");
    let (mut refused, mut finished) = (0, 0);
    for client in &mut greedy {
        // Some have been refused, and do not read what is still written.
        use std::io::Write as _;
        let _ = client.stream.write_all(b"\n");
        if client.expect_start("ERR 4").starts_with("ERR 413 line of 60000 bytes is not finished") {
            client.expect_eof();
            refused += 1;
        } else {
            client.check(PING, "OK ping");
            finished += 1;
        }
    }
    assert!(finished > INPUT_BYTES_ALL / length / 2, "{finished} were left, {refused} refused");
    assert_eq!(other.stat("input_bytes"), CLIENT_BYTES_SHARE as u64 - 1);
    short.write(b"\n");
    short.expect_start("ERR 400 ");
    assert_eq!(other.stat("input_bytes"), 0);
}

#[test]
fn the_beginning_of_a_line_holds_no_memory_of_what_came_before_it() {
    let (crowd, requests) = (300, 60);
    let coordinator = Coordinator::start(30, &["line_timeout=600"]);
    let mut other = coordinator.client();
    let piece = format!("{}x", format!("{}\n", "x".repeat(1000)).repeat(requests));
    let (timer, rss_bytes) = (Timer::start(DEADLINE), coordinator.rss_bytes());
    let mut clients: Vec<_> = (0..crowd).map(|_| coordinator.client()).collect();
    clients.iter_mut().for_each(|client| client.write(piece.as_bytes()));
    while other.stat("errors") < (crowd * requests) as u64 {
        assert!(timer.left().is_some(), "they are not carried out");
    }
    let grown_bytes = coordinator.rss_bytes().saturating_sub(rss_bytes);
    assert!(grown_bytes < (crowd * piece.len() / 4) as u64, "{grown_bytes} bytes more memory");
}

#[test]
fn nothing_is_kept_for_one_that_is_gone() {
    let coordinator = Coordinator::start(30, &[]);
    let (mut client, mut other) = (coordinator.client(), coordinator.client());
    let (timer, mut mistakes) = (Timer::start(DEADLINE), 0);
    while other.stat("client_bytes") == 0 {
        client.write(&b"\n".repeat(1000));
        mistakes += 1000;
        while other.stat("errors") < mistakes {
            assert!(timer.left().is_some(), "they are not carried out");
        }
    }
    let files = coordinator.files();
    client.write(&vec![b'x'; 70_000]); // It is refused, and nobody reads so.
    coordinator.until_files(files - 1);
    assert_eq!(other.stat("client_bytes"), 0);
}

/// Registers and drops members until a list of them takes more than one turn. Returns their ids.
fn crowd(client: &mut Client, coordinator: &Coordinator) -> Vec<String> {
    let listener = Listener::bind(&coordinator.transcript, "127.0.0.1");
    let ids = (0..TURN_LIST_LINES_MAX + 100).map(|number| format!("m{number:04}"));
    ids.inspect(|id| {
        client.say(&format!("{id}#register {}#127.0.0.1", listener.port()));
        client.expect_start("OK register ");
        listener.accept();
    })
    .collect()
}

#[test]
fn a_long_list_is_whole_and_shows_what_was_changed_before_it_was_asked_for() {
    let coordinator = Coordinator::start(600, &[]);
    let mut clients: Vec<_> = (0..10).map(|_| coordinator.client()).collect();
    let mut ids = crowd(&mut clients[0], &coordinator);
    for round in 0..3 {
        // All of them are read in one turn; every other one changes something before.
        coordinator.stop();
        let mut gone = Vec::new();
        for (at, client) in clients.iter_mut().enumerate() {
            if at % 2 == 1 {
                let id = ids.remove(at * 97 + round);
                client.write(format!("{id}#deregister#127.0.0.1\n").as_bytes());
                gone.push(id);
            }
            client.write(format!("{LIST}{PING}\n").as_bytes());
        }
        coordinator.go_on();
        let mut own = gone.iter();
        for (at, client) in clients.iter_mut().enumerate() {
            let own = if at % 2 == 1 { own.next() } else { None };
            if own.is_some() {
                client.expect("OK deregister");
            }
            let first = client.expect_start("OK members ");
            let count: usize = first.rsplit(' ').next().unwrap().parse().unwrap();
            let lines: Vec<String> = (0..count).map(|_| client.line()).collect();
            client.expect("OK ping");
            let listed: Vec<&str> =
                lines.iter().map(|line| line.split(' ').next().unwrap()).collect();
            assert!(listed.is_sorted_by(|one, next| one < next), "in order, each once");
            assert!(own.is_none_or(|id| !listed.contains(&id.as_str())), "{own:?} is gone");
            let all = |id: &&String| listed.binary_search(&id.as_str()).is_err();
            assert_eq!(ids.iter().find(all), None, "a member is missing");
            assert!(listed.len() <= ids.len() + gone.len());
        }
    }
}

#[test]
fn a_long_list_is_made_in_pieces_while_others_are_served() {
    let coordinator = Coordinator::start(600, &[]);
    let (mut asker, mut other) = (coordinator.client(), coordinator.client());
    let ids = crowd(&mut asker, &coordinator);
    other.check(PING, "OK ping");
    coordinator.stop();
    asker.write(LIST.as_bytes());
    other.say("x#stats#127.0.0.1");
    coordinator.go_on();
    // Served right behind it, this client would see the whole list among what is kept.
    let first = other.expect_start("OK stats ");
    let count: usize = first.rsplit(' ').next().unwrap().parse().unwrap();
    let lines: Vec<String> = (0..count).map(|_| other.line()).collect();
    let kept = lines.iter().find_map(|line| line.strip_prefix("client_bytes ")).unwrap();
    assert!(kept.parse::<usize>().unwrap() < CLIENT_BYTES_SHARE, "{kept} bytes");
    asker.expect(&format!("OK members {}", ids.len()));
    ids.iter().for_each(|id| drop(asker.expect_start(id)));
    asker.check(PING, "OK ping");
}

#[test]
fn a_client_that_waits_for_a_list_at_the_end_gets_an_error() {
    let coordinator = Coordinator::start(600, &LONG_LINES);
    let mut alice = coordinator.join("alice", "");
    long_list(&coordinator);
    let greedy = fill_up(&coordinator, &mut alice);
    let mut waiting = coordinator.client();
    waiting.write(format!("{PING}\n{LIST}").as_bytes());
    waiting.expect("OK ping");
    coordinator.terminate();
    waiting.expect("ERR 503 shutting down: try again later");
    waiting.expect_eof();
    drop((waiting, greedy, alice));
    assert!(coordinator.wait().success());
}

#[test]
fn a_client_throttled_only_because_of_others_is_served_again_when_they_are_gone() {
    let coordinator = Coordinator::start(600, &LONG_LINES);
    let mut alice = coordinator.join("alice", "");
    let greedy = fill_up(&coordinator, &mut alice);
    let mut unread = coordinator.client();
    unread.write_until_stuck(format!("{}\n", "x".repeat(99)).as_bytes());
    coordinator.until_quiet(alice.socket());
    let errors = alice.command.stat("errors") + greedy.len() as u64; // Each ends with a last line.
    drop(greedy);
    let timer = Timer::start(DEADLINE);
    while alice.command.stat("errors") <= errors {
        assert!(timer.left().is_some(), "it is still not read from");
    }
}
