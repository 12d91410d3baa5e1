//! Ends of streams: `close_notify`, the end of the socket, and both in any order.

use super::*;

#[test]
fn a_close_notify_ends_a_stream_and_the_other_direction_goes_on() {
    let mut pair = Pair::open();
    pair.client.write_all(b"last\n").unwrap();
    pair.client.shutdown_write().unwrap();
    assert!(pair.up.borrow().is_closed, "the socket ends, too");
    let (text, end) = read_all(&mut pair.server);
    assert_eq!((text, end.is_ok()), (b"last\n".to_vec(), true));
    assert!(read_all(&mut pair.server).1.is_ok(), "it stays ended");
    pair.server.write_all(b"answer\n").unwrap();
    pair.server.shutdown_write().unwrap();
    assert_eq!(read_all(&mut pair.client).0, b"answer\n");
    assert_eq!(pair.client.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    pair.client.shutdown_write().unwrap();
}

#[test]
fn the_end_of_the_socket_alone_is_an_error_at_every_byte() {
    let mut whole = Pair::open();
    whole.client.write_all(b"one\n").unwrap();
    whole.client.write_all(b"disconnect").unwrap();
    let before_close = whole.up.borrow().bytes.len();
    whole.client.shutdown_write().unwrap();
    let total = whole.up.borrow().bytes.len();
    for cut in 0..=total {
        let mut pair = Pair::open();
        pair.client.write_all(b"one\n").unwrap();
        pair.client.write_all(b"disconnect").unwrap();
        pair.client.shutdown_write().unwrap();
        pair.up.borrow_mut().bytes.truncate(cut);
        let (text, end) = read_all(&mut pair.server);
        let expected = [&b""[..], b"one\n", b"one\ndisconnect"];
        let count = usize::from(cut >= 26) + usize::from(cut >= before_close);
        assert_eq!(text, expected[count], "{cut}");
        if cut == total {
            end.unwrap();
        } else {
            assert_eq!(reason(end), TlsError::Truncated, "{cut}");
            let again = read_all(&mut pair.server).1;
            assert_eq!(again.unwrap_err().kind(), ErrorKind::UnexpectedEof);
        }
    }
}

#[test]
fn a_close_notify_waits_behind_a_record() {
    for room in 0..60 {
        let mut pair = Pair::open();
        pair.up.borrow_mut().room = room;
        pair.client.write_all(b"text").unwrap();
        pair.client.shutdown_write().unwrap();
        let is_done = room >= 26 + 24;
        assert_eq!(pair.client.wants_write(), !is_done, "{room}");
        assert_eq!(pair.up.borrow().is_closed, is_done, "{room}");
        assert_eq!(pair.client.write(b"more").unwrap_err().kind(), ErrorKind::BrokenPipe);
        pair.up.borrow_mut().room = usize::MAX;
        pair.client.flush().unwrap();
        assert!(!pair.client.wants_write() && pair.up.borrow().is_closed);
        let (text, end) = read_all(&mut pair.server);
        assert_eq!((&text[..], end.is_ok()), (&b"text"[..], true));
    }
}

#[test]
fn bytes_behind_a_close_notify_are_ignored() {
    let mut pair = Pair::open();
    pair.client.write_all(b"text").unwrap();
    pair.client.shutdown_write().unwrap();
    pair.up.borrow_mut().bytes.extend([0xFF; 100]);
    let (text, end) = read_all(&mut pair.server);
    assert_eq!((&text[..], end.is_ok()), (&b"text"[..], true));
    assert_eq!(pair.server.kept_capacity(), 0);
}

#[test]
fn an_end_before_the_handshake_ends_the_socket() {
    let mut pair = Pair::strangers();
    pair.server.shutdown_write().unwrap();
    assert!(pair.down.borrow().is_closed);
    assert_eq!(reason(pair.client.handshake()), TlsError::ClosedInHandshake);
}
