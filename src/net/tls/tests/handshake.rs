//! Handshakes: in pieces, cut, without TLS, and with other versions.

use rcgen::{CertificateParams, KeyPair};

use super::peers::pem_identity;
use super::*;
use crate::net::tls::context::{has_aes, suites};

/// Returns two sides whose handshakes have all the same length: signatures of ECDSA differ in it.
fn equals() -> Pair {
    static PEM: LazyLock<String> = LazyLock::new(|| {
        let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        CertificateParams::default().self_signed(&key).unwrap().pem() + &key.serialize_pem()
    });
    let identity = pem_identity(&[&PEM]);
    Pair::new(&identity, &identity, Trust::Keys(vec![identity.key_name()]))
}

/// Returns the bytes of each direction that a handshake takes.
fn handshake_bytes() -> [usize; 2] {
    let mut pair = equals();
    assert_eq!(pair.shake(), [Ok(true), Ok(true)]);
    [&pair.up, &pair.down].map(|line| line.borrow().writes.iter().sum())
}

#[test]
fn both_sides_know_the_key_of_the_other_one() {
    let mut pair = Pair::strangers();
    assert_eq!((pair.client.peer_key(), pair.server.peer_key()), (None, None));
    assert_eq!(pair.shake(), [Ok(true), Ok(true)]);
    assert_eq!(pair.client.peer_key(), Some(COORDINATOR.name));
    assert_eq!(pair.server.peer_key(), Some(ALICE.name));
    assert_eq!([&pair.up, &pair.down].map(|line| line.borrow().bytes.len()), [0, 0], "tickets");
}

#[test]
fn a_handshake_may_arrive_in_two_parts_at_every_byte() {
    let totals = handshake_bytes();
    for (direction, total) in totals.into_iter().enumerate() {
        for first in 0..total {
            let mut pair = equals();
            let line = Rc::clone([&pair.up, &pair.down][direction]);
            line.borrow_mut().arriving = first;
            let done = pair.shake();
            assert!(done.contains(&Ok(false)), "{direction} {first}: {done:?}");
            line.borrow_mut().arriving = usize::MAX;
            assert_eq!(pair.shake(), [Ok(true), Ok(true)], "{direction} {first}");
        }
    }
}

#[test]
fn a_handshake_may_leave_in_pieces_of_every_small_size() {
    for piece in 1..40 {
        let mut pair = equals();
        [&pair.up, &pair.down].iter().for_each(|line| line.borrow_mut().piece = piece);
        assert_eq!(pair.shake(), [Ok(true), Ok(true)], "{piece}");
    }
}

#[test]
fn a_handshake_waits_for_room_at_every_byte() {
    let totals = handshake_bytes();
    for (direction, total) in totals.into_iter().enumerate() {
        for room in (0..total).step_by(7) {
            let mut pair = equals();
            let line = Rc::clone([&pair.up, &pair.down][direction]);
            line.borrow_mut().room = room;
            let done = pair.shake();
            assert_eq!(done[direction], Ok(false), "{direction} {room}");
            assert!([pair.client.wants_write(), pair.server.wants_write()][direction]);
            line.borrow_mut().room = usize::MAX;
            assert_eq!(pair.shake(), [Ok(true), Ok(true)], "{direction} {room}");
        }
    }
}

#[test]
fn a_handshake_that_is_cut_at_any_byte_fails() {
    let totals = handshake_bytes();
    for (direction, total) in totals.into_iter().enumerate() {
        for cut in 0..total {
            let mut pair = equals();
            let line = Rc::clone([&pair.up, &pair.down][direction]);
            line.borrow_mut().arriving = cut;
            let _ = pair.shake();
            line.borrow_mut().bytes.clear();
            line.borrow_mut().is_closed = true;
            // The other end must not write to a wire that has ended.
            let mut receiver = [pair.server, pair.client].into_iter().nth(direction).unwrap();
            assert_eq!(reason(receiver.handshake()), TlsError::ClosedInHandshake, "{cut}");
            let read = reason(receiver.read(&mut [0; 9]));
            assert_eq!(read, TlsError::ClosedInHandshake, "{direction} {cut}");
        }
    }
}

#[test]
fn no_text_is_written_or_read_before_the_handshake_is_done() {
    let mut pair = Pair::strangers();
    for stream in [&mut pair.client, &mut pair.server] {
        assert_eq!(stream.write(b"text").unwrap_err().kind(), ErrorKind::NotConnected);
        assert_eq!(stream.read(&mut [0; 9]).unwrap_err().kind(), ErrorKind::NotConnected);
    }
}

#[test]
fn text_may_arrive_with_the_last_bytes_of_the_handshake() {
    let mut pair = Pair::strangers();
    assert!(!pair.client.handshake().unwrap());
    assert!(!pair.server.handshake().unwrap());
    assert!(pair.client.handshake().unwrap());
    pair.client.write_all(b"alice#msend hello\n").unwrap();
    assert!(pair.server.handshake().unwrap());
    assert_eq!(read_now(&mut pair.server), b"alice#msend hello\n");
}

#[test]
fn a_server_tells_plain_text_from_tls_by_the_first_byte() {
    for first in (0..=255).filter(|first| *first != 0x16) {
        let mut pair = Pair::strangers();
        pair.client.wire_mut().write_all(&[first, b'x', b'\n']).unwrap();
        assert!(!pair.server.answer_in_plain_text());
        assert_eq!(reason(pair.server.handshake()), TlsError::PlainText, "{first}");
        assert_eq!(reason(pair.server.write(b"text")), TlsError::PlainText);
        assert!(pair.server.answer_in_plain_text());
        pair.server.write_all(b"ERR 401 tls\n").unwrap();
        assert!(Iterator::eq(pair.down.borrow().bytes.iter(), b"ERR 401 tls\n"));
        pair.client.wire_mut().write_all(b"more").unwrap();
        assert_eq!(pair.server.read(&mut [0; 9]).unwrap(), 4);
        pair.server.shutdown_write().unwrap();
        assert!(pair.down.borrow().is_closed && !pair.server.wants_write());
    }
}

#[test]
fn a_client_never_speaks_without_tls() {
    for answer in [&b"ERR 400 unknown command\n"[..], b"\n", b"hello", b"\0"] {
        let mut pair = Pair::strangers();
        assert!(!pair.client.handshake().unwrap());
        let sent = pair.up.borrow().bytes.len();
        pair.server.wire_mut().write_all(answer).unwrap();
        assert_eq!(reason(pair.client.handshake()), TlsError::PlainText);
        assert!(!pair.client.answer_in_plain_text());
        assert_eq!(reason(pair.client.write(b"text")), TlsError::PlainText);
        assert_eq!(pair.up.borrow().bytes.len(), sent);
    }
}

/// Returns a record with a `ClientHello` of TLS 1.2, as a record of `version`.
fn client_hello_of_tls12(version: [u8; 2]) -> Vec<u8> {
    let mut body = vec![3, 3]; // TLS 1.2.
    body.extend([7; 32]);
    body.extend([0, 0, 4, 0xC0, 0x2B, 0xC0, 0x2F, 1, 0]); // Suites, no compression.
    let groups: &[u8] = &[0, 10, 0, 4, 0, 2, 0, 29];
    let signatures: &[u8] = &[0, 13, 0, 4, 0, 2, 4, 3];
    body.extend([0, (groups.len() + signatures.len()) as u8]);
    body.extend([groups, signatures].concat());
    let message = [&[1, 0, 0, body.len() as u8], &body[..]].concat();
    [&[0x16, version[0], version[1], 0, message.len() as u8], &message[..]].concat()
}

#[test]
fn older_versions_are_refused_with_an_alert() {
    for version in [[3, 1], [3, 3]] {
        let mut pair = Pair::strangers();
        pair.client.wire_mut().write_all(&client_hello_of_tls12(version)).unwrap();
        let error = pair.server.handshake().unwrap_err().to_string();
        assert!(error.contains("SupportedVersionsExtensionRequired"), "{error}");
        let alert: Vec<u8> = pair.down.borrow().bytes.iter().copied().collect();
        assert_eq!(alert, [0x15, 3, 3, 0, 2, 2, 70], "protocol_version");
        assert_eq!(pair.client.handshake().unwrap_err().kind(), ErrorKind::InvalidData);
    }
}

#[test]
fn a_handshake_has_a_limit() {
    let mut pair = Pair::strangers();
    // The longest message that a record announces, and then a byte at a time.
    let mut bytes = vec![0x16, 3, 1, 0x40, 0, 1, 0, 0xFF, 0xFF];
    bytes.resize(5 + 16 * 1024, 0);
    for _ in 0..4 {
        pair.client.wire_mut().write_all(&bytes).unwrap();
        bytes[5..9].fill(0);
    }
    assert_eq!(reason(pair.server.handshake()), TlsError::TooLong);
    assert!(pair.server.partial_bytes() == 0);
}

#[test]
fn the_fastest_suite_of_this_processor_is_used() {
    let names = |has_aes| suites(has_aes).map(|suite| format!("{:?}", suite.suite()));
    assert!(names(true)[0].contains("AES_128") && names(true)[1].contains("AES_256"));
    assert!(names(false)[0].contains("CHACHA20"));
    let pair = Pair::open();
    assert_eq!(pair.server.suite(), Some(suites(has_aes())[0].suite()));
}
