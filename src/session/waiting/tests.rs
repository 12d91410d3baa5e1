use super::*;
use crate::limits::{WAITING_MAX, WAITING_MS_MAX};
use crate::session::{Notice, SessionEffect};

fn ask(text: &str) -> Ask {
    Ask::Msend(text.into())
}

fn new() -> (WaitingRequests, SessionOutput) {
    (WaitingRequests::new(1, WaitingLimits::MEMORY), SessionOutput::default())
}

fn shown(output: &mut SessionOutput) -> Vec<Notice> {
    let effects = std::iter::from_fn(|| output.poll());
    let notice = |effect| {
        let SessionEffect::Show(notice) = effect else { panic!("no notice: {effect:?}") };
        notice
    };
    effects.map(notice).collect()
}

#[test]
fn a_request_that_was_in_flight_goes_before_the_later_ones() {
    let (mut waiting, _) = new();
    let requests = ["a", "b", "c"].map(|text| waiting.number(ask(text), Millis::ZERO));
    let [a, b, c] = requests.clone();
    for request in [b, c, a] {
        waiting.insert(request);
        waiting.check();
    }
    let popped = std::iter::from_fn(|| waiting.pop()).collect::<Vec<_>>();
    assert_eq!(popped, requests);
    waiting.check();
}

#[test]
fn requests_have_a_limited_number_and_wait_a_limited_time() {
    let (mut waiting, _) = new();
    for number in 0..WAITING_MAX {
        assert!(waiting.has_room());
        let request = waiting.number(ask("x"), Millis::new(number.min(1) as u64));
        waiting.insert(request);
    }
    assert!(!waiting.has_room());
    let due = Millis::ZERO.plus(WAITING_MS_MAX);
    assert_eq!(waiting.deadline(), Some(due));
    assert_eq!(waiting.expire(due).len(), 1);
    assert_eq!(waiting.len(), WAITING_MAX - 1);
    assert_eq!(waiting.take_unsent().len(), WAITING_MAX - 1);
    waiting.check();
}

#[test]
fn a_text_that_may_be_accepted_stays_with_the_numbers_below_it() {
    let (mut waiting, _) = new();
    for number in 1..=4_u64 {
        let mut request = waiting.number(ask("x"), Millis::ZERO);
        request.set_number(NonZeroU64::new(number).unwrap());
        if number == 3 {
            request.mark_unanswered();
        }
        waiting.insert(request);
    }
    let expired = waiting.expire(Millis::ZERO.plus(WAITING_MS_MAX));
    assert_eq!(expired.iter().map(UserRequest::order).collect::<Vec<_>>(), [4]);
    assert_eq!(waiting.deadline(), None);
    assert!(waiting.take_unsent().is_empty());
    let given_up = waiting.take_numbers();
    assert_eq!(given_up.iter().map(UserRequest::order).collect::<Vec<_>>(), [3]);
    assert_eq!(waiting.last_number(), None);
    assert_eq!(waiting.expire(Millis::ZERO.plus(WAITING_MS_MAX)).len(), 2);
    waiting.check();
}

#[test]
fn an_outage_and_its_end_are_shown_once() {
    let (mut waiting, mut output) = new();
    waiting.report(true, &mut output);
    assert_eq!(shown(&mut output), [], "nothing waits");
    for text in ["a", "b"] {
        let request = waiting.number(ask(text), Millis::ZERO);
        waiting.insert(request);
        waiting.report(true, &mut output);
    }
    let limits = WaitingLimits::MEMORY;
    assert_eq!(shown(&mut output), [Notice::Waiting { refused: None, limits }]);
    waiting.pop_to_send(&mut output).unwrap();
    waiting.pop_to_send(&mut output).unwrap();
    assert_eq!(
        shown(&mut output),
        [Notice::SendingWaiting(WaitingCount { number: 2, are_messages: true })]
    );
}

#[test]
fn a_pause_ends_at_its_time_when_online_again_or_when_nothing_waits() {
    let (mut waiting, _) = new();
    let request = waiting.number(ask("x"), Millis::ZERO);
    waiting.insert(request);
    waiting.delay_sending(Millis::ZERO);
    let until = waiting.deadline().unwrap();
    waiting.delay_sending(Millis::new(1));
    assert_eq!(waiting.deadline(), Some(until), "one pause at a time");
    waiting.expire(until);
    assert!(!waiting.is_paused());
    waiting.delay_sending(until);
    waiting.release();
    assert!(!waiting.is_paused());
    waiting.delay_sending(until);
    waiting.pop();
    assert!(!waiting.is_paused());
}
