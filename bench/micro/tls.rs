//! Time of TLS alone, on a wire in memory: records of a message and of 16 KiB, and handshakes.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::hint::black_box;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use groupcast::net::tls::{
    ClientSide, ServerSide, TlsContext, TlsIdentity, TlsStream, Trust, Wire, generate_key,
};

/// Bytes of a delivery with a text of 100 bytes.
const MESSAGE_BYTES: usize = 127;
const RECORD_BYTES: usize = 16 * 1024;

type Line = Rc<RefCell<VecDeque<u8>>>;

/// One end of a wire. Without an outgoing line, written bytes are lost.
struct MemoryWire {
    incoming: Line,
    outgoing: Rc<RefCell<Option<Line>>>,
}

impl Read for MemoryWire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.incoming.borrow_mut().read(buffer)? {
            0 => Err(ErrorKind::WouldBlock.into()),
            read => Ok(read),
        }
    }
}

impl Write for MemoryWire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &*self.outgoing.borrow() {
            Some(line) => line.borrow_mut().write(bytes),
            None => Ok(black_box(bytes).len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Wire for MemoryWire {
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns a result that no peer can spoil.
fn sure<T, E: fmt::Debug>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| unreachable!("{error:?}"))
}

fn sides() -> (ClientSide, ServerSide) {
    let context = TlsContext::new();
    let [client, server] = [(); 2].map(|()| {
        let key = sure(generate_key());
        let pem = key.certificate + &key.private_key;
        sure(TlsIdentity::from_pem(pem.as_bytes()))
    });
    let trust = Trust::Keys(vec![server.key_name()]);
    let client = sure(context.client(&client, trust));
    (client, sure(context.server(&server)))
}

struct Ends {
    client: TlsStream<MemoryWire>,
    server: TlsStream<MemoryWire>,
    /// The line that the client writes to.
    up: Rc<RefCell<Option<Line>>>,
}

fn ends((client, server): &(ClientSide, ServerSide)) -> Ends {
    let lines = [(); 2].map(|()| Line::default());
    let outgoing = lines.each_ref().map(|line| Rc::new(RefCell::new(Some(Rc::clone(line)))));
    let [up, down] = outgoing;
    let [from_client, from_server] = lines;
    let near = MemoryWire { incoming: from_server, outgoing: Rc::clone(&up) };
    let far = MemoryWire { incoming: from_client, outgoing: down };
    Ends {
        client: sure(TlsStream::client(near, client)),
        server: sure(TlsStream::server(far, server)),
        up,
    }
}

fn shake(ends: &mut Ends) {
    while !(ends.client.handshake().is_ok_and(|is_done| is_done)
        & ends.server.handshake().is_ok_and(|is_done| is_done))
    {}
}

fn records(criterion: &mut Criterion) {
    let sides = sides();
    let mut group = criterion.benchmark_group("tls");
    for bytes in [MESSAGE_BYTES, RECORD_BYTES] {
        let mut ends = ends(&sides);
        shake(&mut ends);
        let text = vec![b'x'; bytes];
        let mut buffer = vec![0; bytes];
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(format!("write and read a record of {bytes} bytes"), |bencher| {
            bencher.iter(|| {
                let written = ends.client.write(black_box(&text));
                assert_eq!(written.ok(), Some(bytes));
                assert_eq!(ends.server.read(&mut buffer).ok(), Some(bytes));
            });
        });
        ends.up.replace(None);
        group.bench_function(format!("write a record of {bytes} bytes"), |bencher| {
            bencher.iter(|| ends.client.write(black_box(&text)).ok());
        });
    }
    group.finish();
}

fn handshakes(criterion: &mut Criterion) {
    let sides = sides();
    let mut group = criterion.benchmark_group("tls");
    group.bench_function("handshake, both sides", |bencher| {
        bencher.iter(|| shake(&mut ends(&sides)));
    });
    group.bench_function("make a key", |bencher| bencher.iter(generate_key));
    group.finish();
}

criterion_group!(benches, records, handshakes);
criterion_main!(benches);
