//! Text in records.

use std::io::IoSlice;

use super::*;
use crate::limits::tls::{
    TEXT_BYTES_BLOCKED, TEXT_BYTES_MAX, WAITING_BYTES_MAX, WRITE_RECORDS_MAX,
};

/// Bytes of a record besides its text: header, type and tag.
const OVERHEAD: usize = 5 + 1 + 16;

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 31 % 251) as u8).collect()
}

/// Returns the bytes of text in each record from the client.
fn records(pair: &Pair) -> Vec<usize> {
    let lengths = record_lengths(&pair.up.borrow().bytes);
    lengths.into_iter().map(|length| length - OVERHEAD).collect()
}

#[test]
fn a_run_leaves_in_records_of_16_kib_and_never_one_for_each_message() {
    let cases: [(Vec<usize>, &[usize]); 8] = [
        (vec![127], &[127]),
        (vec![127; 100], &[12_700]),
        (vec![64 * 1024], &[16_384; 4]),
        (vec![TEXT_BYTES_MAX + 1], &[16_384, 1]),
        (vec![1, 0, TEXT_BYTES_MAX, 0], &[16_384, 1]),
        (vec![0, 0, 1], &[1]),
        (vec![30_000, 5, 30_000, 7], &[16_384, 16_384, 16_384, 10_860]),
        (vec![100_000; 3], &[[16_384; 18].as_slice(), &[5088]].concat()),
    ];
    for (slices, expected) in cases {
        let mut pair = Pair::open();
        let slices: Vec<Vec<u8>> = slices.into_iter().map(text).collect();
        let io_slices: Vec<IoSlice> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
        let sent = slices.concat();
        assert_eq!(pair.client.write_vectored(&io_slices).unwrap(), sent.len());
        assert_eq!(records(&pair), expected);
        let writes = expected.len().div_ceil(WRITE_RECORDS_MAX);
        assert_eq!(pair.up.borrow().writes.len(), 2 + writes, "one write for eight records");
        assert!(read_now(&mut pair.server) == sent);
    }
}

#[test]
fn text_is_never_on_the_wire() {
    let mut pair = Pair::open();
    pair.client.write_all(b"the quick brown fox").unwrap();
    let bytes: Vec<u8> = pair.up.borrow().bytes.iter().copied().collect();
    assert!(
        !bytes.windows(5).any(|window| b"the quick brown fox".windows(5).any(|it| it == window))
    );
}

#[test]
fn empty_writes_leave_no_record() {
    let mut pair = Pair::open();
    assert_eq!(pair.client.write(b"").unwrap(), 0);
    assert_eq!(pair.client.write_vectored(&[]).unwrap(), 0);
    assert_eq!(pair.client.write_vectored(&[IoSlice::new(b""), IoSlice::new(b"")]).unwrap(), 0);
    assert_eq!(records(&pair), [0; 0]);
}

#[test]
fn the_records_of_one_write_wait_for_the_socket_and_their_text_counts_as_written() {
    let (text_bytes, bytes) = (8 * TEXT_BYTES_MAX, 8 * (TEXT_BYTES_MAX + OVERHEAD));
    for room in [0, 1, OVERHEAD, 5000, TEXT_BYTES_MAX + OVERHEAD, bytes - 1] {
        let (mut pair, sent) = (Pair::open(), text(200_000));
        pair.up.borrow_mut().room = room;
        assert_eq!(pair.client.write(&sent).unwrap(), text_bytes, "{room}");
        assert!(pair.client.wants_write());
        assert_eq!(pair.client.write(b"more").unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(pair.client.flush().unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(pair.client.sealed_bytes(), bytes - room);
        assert_eq!(pair.context.waiting_bytes.get(), bytes - room);
        pair.up.borrow_mut().room = usize::MAX;
        pair.client.flush().unwrap();
        assert!(!pair.client.wants_write() && pair.client.sealed_bytes() == 0);
        assert_eq!(pair.context.waiting_bytes.get(), 0);
        assert!(read_now(&mut pair.server) == sent[..text_bytes]);
    }
}

/// Returns a pair whose client has written what its wire did not take.
fn blocked(context: &Rc<TlsContext>) -> Pair {
    let trust = Trust::Keys(vec![COORDINATOR.name]);
    let mut pair = Pair::within(context, &identity(&ALICE), &identity(&COORDINATOR), trust);
    assert_eq!(pair.shake(), [Ok(true), Ok(true)]);
    pair.up.borrow_mut().room = 0;
    assert!(pair.client.write(&text(200_000)).unwrap() > 0);
    pair
}

#[test]
fn many_connections_that_cannot_send_keep_one_record_each() {
    let context = TlsContext::new();
    context.set_time(NOW);
    let first_ones = WAITING_BYTES_MAX / (8 * TEXT_BYTES_MAX);
    let mut pairs: Vec<Pair> = (0..first_ones + 3).map(|_| blocked(&context)).collect();
    let kept: Vec<usize> = pairs.iter().map(|pair| pair.client.sealed_bytes()).collect();
    let record = TEXT_BYTES_MAX + OVERHEAD;
    assert_eq!(kept, [vec![8 * record; first_ones], vec![record; 3]].concat());
    assert_eq!(context.waiting_bytes.get(), kept.iter().sum::<usize>());

    // Each end of a connection gives its share back.
    drop(pairs.swap_remove(0));
    assert_eq!(context.waiting_bytes.get(), kept.iter().sum::<usize>() - 8 * record);
    let mut pair = blocked(&context);
    assert_eq!(pair.client.sealed_bytes(), 8 * record, "there is room again");
    pair.down.borrow_mut().bytes.extend([0xFF; 9]);
    assert!(pair.client.read(&mut [0; 9]).is_err());
    assert_eq!(pair.client.sealed_bytes(), 0, "a faulty record of the peer");
    pairs.clear();
    assert_eq!(context.waiting_bytes.get(), 0);
}

#[test]
fn records_are_4_kib_from_one_that_was_not_taken_whole_to_one_that_was() {
    let (mut pair, sent) = (Pair::open(), text(300_000));
    let (mut written, mut taken) = (0, Vec::new());
    let mut write = |pair: &mut Pair, room: usize| {
        pair.up.borrow_mut().room = room;
        let bytes = pair.client.write(&sent[written..]).unwrap();
        written += bytes;
        taken.push(bytes);
    };
    write(&mut pair, 100); // Not taken whole.
    let whole = 8 * (TEXT_BYTES_MAX + OVERHEAD);
    write(&mut pair, whole - 100 + 200); // The rest, and 200 of the next one.
    write(&mut pair, TEXT_BYTES_BLOCKED + OVERHEAD - 200); // The rest, and 0 of the next one.
    assert_eq!(pair.client.write(b"more").unwrap_err().kind(), ErrorKind::WouldBlock);
    write(&mut pair, usize::MAX);
    assert_eq!(taken[..3], [8 * TEXT_BYTES_MAX, TEXT_BYTES_BLOCKED, TEXT_BYTES_BLOCKED]);
    assert_eq!(records(&pair)[7..13], [16_384, 4096, 4096, 4096, 16_384, 16_384]);
    assert!(read_now(&mut pair.server) == sent);
}

#[test]
fn records_may_arrive_in_two_parts_at_every_byte() {
    let sent = [&b"one\n"[..], b"two\n", &text(40)];
    let mut whole = Pair::open();
    sent.iter().for_each(|piece| whole.client.write_all(piece).unwrap());
    let total = whole.up.borrow().bytes.len();
    let mut pair = Pair::open();
    for first in 0..=total {
        sent.iter().for_each(|piece| pair.client.write_all(piece).unwrap());
        pair.up.borrow_mut().arriving = first;
        let mut read = read_now(&mut pair.server);
        let whole_records = [(0, 0), (26, 4), (52, 8), (total, 48)];
        let expected = whole_records.iter().rev().find(|(bytes, _)| *bytes <= first).unwrap().1;
        assert_eq!(read.len(), expected, "{first}");
        pair.up.borrow_mut().arriving = usize::MAX;
        read.extend(read_now(&mut pair.server));
        assert!(read == sent.concat(), "{first}");
    }
}

#[test]
fn text_is_read_in_pieces_of_every_small_size_and_little_is_kept() {
    let sent = text(50_000);
    for piece in (1..40).chain([1000, 16_383, 16_384, 16_385]) {
        let mut pair = Pair::open();
        pair.client.write_all(&sent).unwrap();
        let (mut read, mut buffer) = (Vec::new(), vec![0; piece]);
        let error = loop {
            match pair.server.read(&mut buffer) {
                Ok(count) => read.extend_from_slice(&buffer[..count]),
                Err(error) => break error,
            }
            let kept = pair.server.partial_bytes() + pair.server.text_bytes();
            assert!(kept <= TEXT_BYTES_MAX + 256, "{kept}");
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert!(read == sent, "{piece}");
    }
}

#[test]
fn the_last_records_of_a_run_leave_at_once_and_the_others_wait_for_them() {
    let write_bytes_max = WRITE_RECORDS_MAX * TEXT_BYTES_MAX;
    let long = text(2 * write_bytes_max + 1);
    for bytes in [1, 100, TEXT_BYTES_MAX + 1, write_bytes_max, write_bytes_max + 1, long.len()] {
        for cut in [0, 1, bytes / 2, bytes] {
            let mut pair = Pair::open();
            let before = pair.down.borrow().writes.len();
            let (first, second) = long[..bytes].split_at(cut);
            let slices = [&b""[..], first, b"", second, b""].map(IoSlice::new);
            assert_eq!(pair.server.write_vectored(&slices).unwrap(), bytes);
            let (writes, down) = (bytes.div_ceil(write_bytes_max), pair.down.borrow());
            assert_eq!(down.writes.len() - before, writes, "{bytes} bytes, cut at {cut}");
            assert_eq!((down.announced, down.is_unfinished), (writes - 1, false));
        }
    }
}

#[test]
fn records_that_waited_leave_at_once() {
    let mut pair = Pair::open();
    pair.down.borrow_mut().room = 100;
    assert_eq!(pair.server.write(&text(20 * TEXT_BYTES_MAX)).unwrap(), 8 * TEXT_BYTES_MAX);
    assert!(pair.server.wants_write());
    pair.down.borrow_mut().room = usize::MAX;
    pair.server.flush().unwrap();
    assert!(!pair.server.wants_write() && !pair.down.borrow().is_unfinished);
}

#[test]
fn a_connection_without_traffic_holds_no_buffer() {
    let mut pair = Pair::open();
    for direction in 0..4 {
        assert_eq!([pair.client.kept_capacity(), pair.server.kept_capacity()], [0, 0]);
        let (from, to) = match direction % 2 {
            0 => (&mut pair.client, &mut pair.server),
            _ => (&mut pair.server, &mut pair.client),
        };
        from.write_all(&text(40_000)).unwrap();
        assert_eq!(read_now(to).len(), 40_000);
    }
    pair.client.write_all(&text(100)).unwrap();
    pair.up.borrow_mut().arriving = 50;
    read_now(&mut pair.server);
    assert!((50..200).contains(&pair.server.kept_capacity()), "a part of a record");
}

#[test]
fn a_failed_write_ends_our_side_and_not_the_other_one() {
    struct Broken(End);
    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }
    impl Write for Broken {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if bytes.len() == OVERHEAD + 1 {
                return Err(ErrorKind::ConnectionReset.into());
            }
            self.0.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl Wire for Broken {
        fn shutdown_write(&mut self) -> io::Result<()> {
            unreachable!("the system has ended our side")
        }
    }
    let context = TlsContext::new();
    let ([near, far], _) = wire();
    let side = context.client(&identity(&ALICE), Trust::AnyKey).unwrap();
    let mut client = TlsStream::client(Broken(near), &side).unwrap();
    let side = context.server(&identity(&COORDINATOR)).unwrap();
    let mut server = TlsStream::server(far, &side).unwrap();
    while !(client.handshake().unwrap() & server.handshake().unwrap()) {}
    assert_eq!(client.write(b"x").unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(client.write(b"four").unwrap_err().kind(), ErrorKind::BrokenPipe);
    client.shutdown_write().unwrap();
    assert!(!client.wants_write());
    server.write_all(b"text").unwrap();
    assert_eq!(client.read(&mut [0; 9]).unwrap(), 4);
}
