//! State of the bytes that were written to a socket and not acknowledged by the peer's machine.

use std::io;
use std::os::fd::AsFd;

/// State of the bytes that were written to a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnackedBytes {
    /// The peer's machine acknowledged all bytes.
    Nothing,
    /// Bytes are on their way, or the peer's window is full because its program does not read.
    Pending,
    /// Retransmissions or window probes were not answered.
    Unanswered {
        /// Number of tries.
        tries: u8,
        /// Milliseconds since the last segment from the peer.
        silent_ms: u32,
    },
    /// The operating system does not report the state.
    Unknown,
}

/// Returns the state of the bytes written to `stream`.
///
/// # Errors
///
/// The error of the operating system.
#[cfg(not(target_os = "linux"))]
pub(super) fn outstanding(_: &impl AsFd) -> io::Result<UnackedBytes> {
    Ok(UnackedBytes::Unknown)
}

#[cfg(target_os = "linux")]
pub(super) use linux::outstanding;

#[cfg(target_os = "linux")]
mod linux {
    use std::sync::LazyLock;

    use nix::getsockopt_impl;
    use nix::sys::socket::getsockopt;

    use super::{AsFd, UnackedBytes, io};

    /// First fields of Linux's `struct tcp_info`. New fields are only added at its end.
    #[repr(C)]
    #[derive(Clone, Copy, Debug)]
    struct TcpInfo {
        before_retransmits: [u8; 2],
        /// Retransmissions of the first unacknowledged segment. Window probes do not count.
        retransmits: u8,
        /// Unanswered probes of a closed window or of a silent peer.
        probes: u8,
        before_unacked: [u32; 5],
        /// Segments on their way.
        unacked: u32,
        before_last_ack_received: [u32; 7],
        /// Milliseconds since the last segment came, even if it acknowledged nothing new.
        last_ack_received_ms: u32,
        before_unsent: [u32; 21],
        /// Bytes that were never sent.
        unsent_bytes: u32,
    }

    /// The socket option `TCP_INFO`.
    #[derive(Clone, Copy)]
    struct TcpInfoOption;

    getsockopt_impl!(
        TcpInfoOption,
        libc::IPPROTO_TCP,
        libc::TCP_INFO,
        TcpInfo,
        nix::sys::socket::sockopt::GetStruct<TcpInfo>
    );

    /// True if this Linux (4.6 or later) fills all fields of [`TcpInfo`].
    static IS_KNOWN: LazyLock<bool> = LazyLock::new(|| {
        let uname = rustix::system::uname();
        is_recent(&uname.release().to_string_lossy())
    });

    fn is_recent(release: &str) -> bool {
        let mut numbers = release.split(|letter: char| !letter.is_ascii_digit());
        let mut number = || numbers.next().and_then(|digits| digits.parse::<u32>().ok());
        (number(), number()) >= (Some(4), Some(6))
    }

    pub(crate) fn outstanding(stream: &impl AsFd) -> io::Result<UnackedBytes> {
        if *IS_KNOWN {
            Ok(read(&getsockopt(stream, TcpInfoOption)?))
        } else {
            Ok(UnackedBytes::Unknown)
        }
    }

    fn read(info: &TcpInfo) -> UnackedBytes {
        let tries = match (info.unacked, info.unsent_bytes) {
            (0, 0) => return UnackedBytes::Nothing,
            // The window is closed. The kernel probes the peer, at most every two minutes.
            (0, _) => info.probes,
            (_, _) => info.retransmits,
        };
        match tries {
            0 => UnackedBytes::Pending,
            _ => UnackedBytes::Unanswered { tries, silent_ms: info.last_ack_received_ms },
        }
    }
}
