//! Memory of connections without traffic.

use std::fs;
use std::os::unix::net::UnixStream;

use super::*;

const CONNECTIONS: usize = 1000;
/// Most bytes of resident memory for each connection without traffic, both sides alike.
const IDLE_BYTES_MAX: usize = 4608;

impl Wire for UnixStream {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(std::net::Shutdown::Write)
    }
}

fn resident_bytes() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[test]
#[ignore = "other tests at the same time take memory, too"]
fn a_connection_without_traffic_takes_little_memory() {
    let context = TlsContext::new();
    let trust = Trust::Keys(vec![COORDINATOR.name]);
    let client_side = context.client(&identity(&ALICE), trust).unwrap();
    let server_side = context.server(&identity(&COORDINATOR)).unwrap();
    let mut connections = Vec::with_capacity(2 * CONNECTIONS);
    let mut add = |count: usize| {
        for _ in 0..count {
            let (near, far) = UnixStream::pair().unwrap();
            [&near, &far].iter().for_each(|end| end.set_nonblocking(true).unwrap());
            let mut client = Box::new(TlsStream::client(near, &client_side).unwrap());
            let mut server = Box::new(TlsStream::server(far, &server_side).unwrap());
            while !(client.handshake().unwrap() & server.handshake().unwrap()) {}
            client.write_all(&[b'x'; 20_000]).unwrap();
            let mut buffer = vec![0; 20_000];
            server.read_exact(&mut buffer).unwrap();
            connections.extend([client, server]);
        }
    };
    add(10);
    let before = resident_bytes();
    add(CONNECTIONS);
    let each = (resident_bytes() - before) / (2 * CONNECTIONS);
    eprintln!(
        "{each} bytes for each side, {} of them one block",
        size_of::<TlsStream<UnixStream>>()
    );
    assert!(each <= IDLE_BYTES_MAX, "{each} bytes for each side");
}
