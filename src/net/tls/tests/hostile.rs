//! Peers that break the protocol, and rare messages.

use super::peers::{Forger, Peer};
use super::*;
use crate::limits::tls::{
    NO_TEXT_BYTES_MAX, RECORD_BYTES_MAX, TEXT_BYTES_MAX, TEXT_BYTES_PER_OTHER,
};

// Inner types of records.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const TEXT: u8 = 23;

const KEY_UPDATE: [u8; 5] = [24, 0, 0, 1, 0];
const KEY_UPDATE_REQUESTED: [u8; 5] = [24, 0, 0, 1, 1];

/// Returns our server with a client whose keys the test has.
fn forged() -> (Forger, TlsStream<End>) {
    let mut peer = Peer::client(Some((&ALICE.certificate, &ALICE.private_key)));
    let mut server = peer.with_server(&identity(&COORDINATOR));
    peer.shake(&mut server).unwrap();
    (peer.forger(), server)
}

#[test]
fn forged_records_are_taken_as_those_of_others() {
    let (mut forger, mut server) = forged();
    forger.send(TEXT, b"one\n", 0);
    forger.send(TEXT, b"", 0);
    forger.send(TEXT, b"two\n", 100);
    forger.send(TEXT, &[b'x'; TEXT_BYTES_MAX], 0);
    let text = read_now(&mut server);
    assert_eq!((&text[..8], text.len()), (&b"one\ntwo\n"[..], 8 + TEXT_BYTES_MAX));
    forger.send(ALERT, &[1, 0], 0);
    assert!(read_all(&mut server).1.is_ok(), "a close_notify");
}

#[test]
fn a_change_in_any_byte_ends_the_connection_after_the_text_before_it() {
    let (mut forger, _) = forged();
    let length = forger.seal(TEXT, b"text\n", 0).len();
    for byte in 0..length {
        let (mut forger, mut server) = forged();
        forger.send(TEXT, b"before\n", 0);
        let mut record = forger.seal(TEXT, b"text\n", 0);
        record[byte] ^= 1;
        forger.wire.write_all(&record).unwrap();
        forger.send(TEXT, b"after\n", 0);
        let (text, end) = read_all(&mut server);
        if byte < 3 && end.as_ref().is_err_and(|end| end.kind() == ErrorKind::WouldBlock) {
            // rustls takes type and version of the header as what they must be.
            assert_eq!(text, b"before\ntext\nafter\n", "{byte}");
            continue;
        }
        assert_eq!(text, b"before\n", "{byte}");
        let end = end.unwrap_err();
        // With another length the record may end later than the bytes.
        let is_waiting = byte == 3 && end.kind() == ErrorKind::WouldBlock;
        assert!(is_waiting || end.kind() == ErrorKind::InvalidData, "{byte}: {end}");
        if !is_waiting {
            assert_eq!(server.write(b"x").unwrap_err().kind(), ErrorKind::InvalidData);
            assert_eq!(server.kept_capacity(), 0);
        }
    }
}

#[test]
fn records_that_are_repeated_missing_or_in_another_order_end_the_connection() {
    let orders: [&[usize]; 4] = [&[0, 0], &[1], &[0, 2], &[0, 1, 0]];
    for order in orders {
        let (mut forger, mut server) = forged();
        let records = [b"0", b"1", b"2"].map(|text| forger.seal(TEXT, text, 0));
        order.iter().for_each(|index| forger.wire.write_all(&records[*index]).unwrap());
        let (text, end) = read_all(&mut server);
        assert!(b"012".starts_with(&text) && text.len() < order.len().max(1), "{order:?}");
        assert_eq!(end.unwrap_err().kind(), ErrorKind::InvalidData);
    }
}

#[test]
fn the_longest_record_is_taken_and_a_longer_one_is_not() {
    let (mut forger, mut server) = forged();
    let zeros = RECORD_BYTES_MAX - TEXT_BYTES_MAX - 5 - 16 - 1;
    let record = forger.seal(TEXT, &[b'x'; TEXT_BYTES_MAX - 1000], zeros + 1000);
    assert_eq!(record.len(), RECORD_BYTES_MAX);
    // In pieces, it needs all of the memory.
    forger.wire.outgoing.borrow_mut().arriving = RECORD_BYTES_MAX - 1;
    forger.wire.write_all(&record).unwrap();
    assert_eq!(read_now(&mut server), b"");
    forger.wire.outgoing.borrow_mut().arriving = 1;
    let _ = read_all(&mut server).0;
    for announced in [RECORD_BYTES_MAX - 4, 18_432, 18_433, 0xFFFF] {
        let (mut forger, mut server) = forged();
        let header = [0x17, 3, 3, (announced >> 8) as u8, announced as u8];
        forger.wire.write_all(&header).unwrap();
        forger.wire.write_all(&[0; RECORD_BYTES_MAX]).unwrap();
        let end = read_all(&mut server).1;
        assert_eq!(reason(end), TlsError::TooLong, "{announced}");
        assert_eq!(server.kept_capacity(), 0);
    }
}

#[test]
fn keys_may_change_in_both_directions_while_text_flows() {
    let mut peer = Peer::client(None);
    let mut server = peer.with_server(&identity(&COORDINATOR));
    peer.shake(&mut server).unwrap();
    for round in 0..40 {
        peer.refresh_keys();
        let text = format!("round {round}\n");
        peer.write(text.as_bytes());
        assert_eq!(read_now(&mut server), text.as_bytes());
        server.write_all(text.as_bytes()).unwrap();
        assert_eq!(peer.read(), text.as_bytes());
    }
    assert_eq!(server.kept_capacity(), 0);
}

#[test]
fn changes_of_keys_without_text_are_bounded() {
    let mut peer = Peer::client(None);
    let mut server = peer.with_server(&identity(&COORDINATOR));
    peer.shake(&mut server).unwrap();
    let failed_after = (0..100).find(|_| {
        peer.refresh_keys();
        let end = read_all(&mut server).1.unwrap_err();
        end.kind() != ErrorKind::WouldBlock
    });
    assert_eq!(failed_after, Some(32));
}

#[test]
fn changes_of_keys_with_hardly_any_text_between_are_bounded() {
    let mut peer = Peer::client(None);
    let mut server = peer.with_server(&identity(&COORDINATOR));
    peer.shake(&mut server).unwrap();
    let failed_after = (0..1000).find(|_| {
        (0..32).for_each(|_| peer.refresh_keys());
        peer.write(b"x");
        let end = read_all(&mut server).1.unwrap_err();
        end.kind() != ErrorKind::WouldBlock
    });
    assert_eq!(failed_after, Some(NO_TEXT_BYTES_MAX / (32 * 27)));
}

#[test]
fn text_in_many_short_records_is_no_abuse() {
    let (mut forger, mut server) = forged();
    for _ in 0..NO_TEXT_BYTES_MAX {
        forger.send(TEXT, b"x", 0);
    }
    assert_eq!(read_now(&mut server).len(), NO_TEXT_BYTES_MAX);
}

#[test]
fn records_without_text_are_bounded() {
    // Tickets: only a client may get them.
    let mut peer = Peer::server(&COORDINATOR.certificate, &COORDINATOR.private_key);
    let mut client = peer.with_client(&identity(&ALICE), Trust::AnyKey);
    peer.shake(&mut client).unwrap();
    let mut forger = peer.forger();
    let ticket = [&[4, 0, 0, 19, 0, 0, 0, 9, 0, 0, 0, 0, 1, 7, 0, 5][..], b"x", &[7; 4], &[0; 2]];
    let ticket = ticket.concat();
    let record = ticket.len() + 5 + 1 + 16;
    let most = NO_TEXT_BYTES_MAX / record;
    for _ in 0..2 {
        for _ in 0..TEXT_BYTES_PER_OTHER {
            forger.send(TEXT, &[b'x'; TEXT_BYTES_MAX], 0); // Text counts against the others.
            assert_eq!(read_now(&mut client).len(), TEXT_BYTES_MAX);
        }
        for _ in 0..most {
            forger.send(HANDSHAKE, &ticket, 0);
            assert_eq!(read_now(&mut client), b"");
        }
    }
    forger.send(TEXT, b"", 0); // A record without text counts, too.
    assert_eq!(reason(read_all(&mut client).1), TlsError::TooLong);
}

#[test]
fn a_write_between_the_parts_of_a_message_is_harmless() {
    for first in 1..KEY_UPDATE_REQUESTED.len() {
        let (mut forger, mut server) = forged();
        let (head, tail) = KEY_UPDATE_REQUESTED.split_at(first);
        forger.send(HANDSHAKE, head, 0);
        assert_eq!(read_now(&mut server), b"");
        server.write_all(b"between").unwrap();
        forger.send(HANDSHAKE, tail, 0);
        assert_eq!(read_now(&mut server), b"");
        assert_eq!(server.kept_capacity(), 0);
        server.write_all(b"after").unwrap();
        server.shutdown_write().unwrap();
        // The keys have changed, so these ones have no effect.
        forger.send(TEXT, b"text", 0);
        assert_eq!(read_all(&mut server).1.unwrap_err().kind(), ErrorKind::InvalidData);
    }
}

#[test]
fn messages_that_do_not_belong_after_the_handshake_end_the_connection() {
    let cases: [(u8, &[u8]); 9] = [
        (HANDSHAKE, &[1, 0, 0, 0]),                     // ClientHello
        (HANDSHAKE, &[4, 0, 0, 0]),                     // a ticket, to a server
        (HANDSHAKE, &[20, 0, 0, 0]),                    // Finished
        (HANDSHAKE, &[24, 0, 0, 1, 7]),                 // KeyUpdate of no kind
        (HANDSHAKE, &[&KEY_UPDATE[..], &[0]].concat()), // A message across a change of keys
        (20, &[1]),                                     // ChangeCipherSpec, encrypted
        (ALERT, &[2, 40]),                              // handshake_failure
        (ALERT, &[7]),
        (99, b"text"),
    ];
    for (kind, message) in cases {
        let (mut forger, mut server) = forged();
        forger.send(kind, message, 0);
        forger.send(TEXT, b"text\n", 0);
        let (text, end) = read_all(&mut server);
        assert_eq!(
            (&text[..], end.unwrap_err().kind()),
            (&b""[..], ErrorKind::InvalidData),
            "{kind}"
        );
    }
}

#[test]
fn an_alert_is_named_and_answers_are_bounded() {
    let (mut forger, mut server) = forged();
    forger.send(ALERT, &[2, 49], 0);
    let error = read_all(&mut server).1.unwrap_err().to_string();
    assert_eq!(error, "the peer ended TLS with the alert AccessDenied");
    let (mut forger, mut server) = forged();
    for _ in 0..100 {
        forger.send(TEXT, b"", 0);
    }
    assert_eq!(read_all(&mut server).1.unwrap_err().kind(), ErrorKind::InvalidData);
}

#[test]
fn garbage_ends_a_handshake_of_either_side() {
    let mut random = 1_u64;
    let mut next = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 56) as u8
    };
    for _ in 0..500 {
        let mut pair = Pair::strangers();
        let mut bytes: Vec<u8> = (0..next()).map(|_| next()).collect();
        let length = bytes.len() as u8;
        bytes.splice(..0, [0x16, 3, 1, 0, length]);
        pair.client.wire_mut().write_all(&bytes).unwrap();
        pair.server.wire_mut().write_all(&bytes).unwrap();
        for stream in [&mut pair.client, &mut pair.server] {
            let result = stream.handshake();
            assert!(!matches!(result, Ok(true)), "{bytes:?}");
            assert!(stream.peer_key().is_none());
        }
    }
}
