//! A terminal that shows a whole screen, and returns keys at once.

use std::io::{self, IsTerminal as _};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use super::overview::Size;

/// Token of standard input.
pub(super) const KEYBOARD: Token = Token(usize::MAX - 4);

/// Enters the alternate screen, without a cursor (xterm).
pub(super) const ENTER_SCREEN: &str = "\x1b[?1049h\x1b[?25l";
/// Leaves the alternate screen.
pub(super) const LEAVE_SCREEN: &str = "\x1b[?25h\x1b[?1049l";

/// First byte of the sequence that an arrow key sends.
const ESCAPE: u8 = 0x1b;

/// Size of a terminal that does not tell its own.
const USUAL: Size = Size { columns: 80, lines: 24 };

/// A terminal in raw mode. Dropping it restores the settings.
#[derive(Debug)]
pub(super) struct RawTerminal {
    /// Settings before raw mode.
    found: Termios,
}

impl RawTerminal {
    /// Returns true if both standard input and standard output are a terminal.
    pub(super) fn is_possible() -> bool {
        io::stdin().is_terminal() && io::stdout().is_terminal()
    }

    /// Enters raw mode. Keys are events under [`KEYBOARD`].
    pub(super) fn enter(registry: &Registry) -> io::Result<Self> {
        let terminal = Self { found: tcgetattr(io::stdin())? };
        registry.register(&mut SourceFd(&libc::STDIN_FILENO), KEYBOARD, Interest::READABLE)?;
        terminal.resume()?;
        Ok(terminal)
    }

    /// Enters raw mode again: a shell may have used the terminal.
    pub(super) fn resume(&self) -> io::Result<()> {
        let mut raw = self.found.clone();
        raw.make_raw();
        raw.output_modes = self.found.output_modes; // A line feed still starts a new line.
        tcsetattr(io::stdin(), OptionalActions::Now, &raw).map_err(io::Error::from)
    }

    pub(super) fn size() -> Size {
        match tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                Size { columns: size.ws_col.into(), lines: size.ws_row.into() }
            }
            Ok(_) | Err(_) => USUAL,
        }
    }

    /// Returns the bytes that were typed. Bytes of an escape sequence (arrow keys) are no keys. A
    /// read without bytes would block, and an event may come without bytes.
    #[expect(clippy::unused_self, reason = "only a terminal in raw mode returns single keys")]
    pub(super) fn keys(&self) -> io::Result<Vec<u8>> {
        let (stdin, mut keys, mut bytes) = (io::stdin(), Vec::new(), [0; 64]);
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        while poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&at_once))? > 0 {
            let read = rustix::io::read(&stdin, &mut bytes)?;
            let Some(typed @ [first, ..]) = bytes.get(..read) else { break };
            if *first != ESCAPE {
                keys.extend_from_slice(typed);
            }
        }
        Ok(keys)
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.found);
    }
}

/// Returns the text that replaces the screen by these lines.
pub(super) fn screen_text(lines: &[String]) -> String {
    let end = "\x1b[K"; // Clears the rest of a line, `J` that of the screen.
    format!("\x1b[H{}{end}\x1b[J", lines.join(&format!("{end}\n")))
}
