use std::net::SocketAddr;

use super::*;
use crate::limits::DIAL_TIMEOUT_MS;

const NOW: Millis = Millis::ZERO;

/// Requests with an open command socket, and the effects so far.
fn open() -> (Requests, SessionOutput) {
    let (mut requests, mut output) = (Requests::default(), SessionOutput::default());
    assert!(!requests.open(&mut output, NOW), "it is dialed");
    assert!(!requests.open(&mut output, NOW), "once");
    let dial = SessionEffect::Dial { socket: CommandSocket(1), coordinator: 0 };
    assert_eq!((output.poll(), output.poll()), (Some(dial), None));
    let ip = IpAddr::from([127, 0, 0, 1]);
    let coordinator = SocketAddr::new(ip, 5000);
    assert_eq!(requests.on_dialed(CommandSocket(1), ip, coordinator), Some(coordinator));
    assert_eq!(requests.on_dialed(CommandSocket(1), ip, coordinator), None, "it is open");
    (requests, output)
}

fn send(requests: &mut Requests, output: &mut SessionOutput, source: RequestSource) {
    let command = Command::Disconnect;
    let line = requests.line("bob", &command).unwrap();
    assert_eq!(&*line, "bob#disconnect#127.0.0.1\n");
    requests.send(source, command.word(), line, output, NOW);
    assert!(matches!(output.poll(), Some(SessionEffect::Send { .. })));
    requests.check();
}

#[test]
fn each_line_answers_the_oldest_request() {
    let (mut requests, mut output) = open();
    send(&mut requests, &mut output, RequestSource::Leave);
    send(&mut requests, &mut output, RequestSource::GivenUp);
    let answer = requests.take_line(b"OK disconnect", &mut output, NOW);
    assert!(matches!(answer, Answer::Ok { source: RequestSource::Leave, .. }), "{answer:?}");
    let answer = requests.take_line(b"ERR 409 already offline", &mut output, NOW);
    let Answer::Refused { source, code, closes, .. } = answer else { panic!("{answer:?}") };
    assert_eq!((source, code, closes), (RequestSource::GivenUp, 409, false));
    let answer = requests.take_line(b"OK disconnect", &mut output, NOW);
    assert!(matches!(answer, Answer::Bad), "nothing is in flight: {answer:?}");
    requests.check();
}

#[test]
fn a_line_that_is_no_reply_and_a_refusal_that_closes_are_reported() {
    for line in [&b"OK ping"[..], b"\xff", b"", b"ERR 4 x"] {
        let (mut requests, mut output) = open();
        send(&mut requests, &mut output, RequestSource::Leave);
        let answer = requests.take_line(line, &mut output, NOW);
        assert!(matches!(answer, Answer::Bad), "{line:?}: {answer:?}");
    }
    for code in [408, 413, 421] {
        let (mut requests, mut output) = open();
        send(&mut requests, &mut output, RequestSource::Leave);
        let line = format!("ERR {code} closed");
        let answer = requests.take_line(line.as_bytes(), &mut output, NOW);
        assert!(matches!(answer, Answer::Refused { closes: true, .. }), "{answer:?}");
    }
}

#[test]
fn both_deadlines_are_reported() {
    let (mut requests, mut output) = open();
    assert_eq!(requests.expire(&mut output, Millis::new(u64::MAX)), None, "nothing is due");
    send(&mut requests, &mut output, RequestSource::Leave);
    let due = NOW.plus(REPLY_TIMEOUT_MS);
    assert_eq!(requests.deadline(), Some(due));
    assert_eq!(requests.expire(&mut output, due), Some(MissedDeadline::Reply));
    assert_eq!(requests.abort(&mut output), Some(CommandSocket(1)));
    let (in_flight, handed_over) = requests.close(0);
    assert_eq!((in_flight.len(), handed_over), (1, 1));
    output.poll();
    assert!(!requests.open(&mut output, due));
    output.poll();
    let late = MissedDeadline::Dial(CommandSocket(2));
    assert_eq!(requests.expire(&mut output, due.plus(DIAL_TIMEOUT_MS)), Some(late));
    assert!(requests.on_dial_failed(CommandSocket(2)) && requests.deadline().is_none());
    assert!(!requests.on_dial_failed(CommandSocket(2)), "it is closed already");
}
