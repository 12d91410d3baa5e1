//! A terminal that shows a whole screen, and returns keys at once.

use std::io::{self, IsTerminal as _, Write as _};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::termios::{
    OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};

use super::overview::Size;

/// Token of standard input.
pub(super) const KEYBOARD: Token = Token(usize::MAX - 4);

/// Size of a terminal that does not tell its own.
const USUAL: Size = Size { columns: 80, lines: 24 };

/// A terminal in raw mode with the alternate screen. Dropping it restores both.
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

    /// Enters raw mode and the alternate screen. Keys are events under [`KEYBOARD`].
    pub(super) fn enter(registry: &Registry) -> io::Result<Self> {
        let found = tcgetattr(io::stdin())?;
        let mut raw = found.clone();
        raw.make_raw();
        raw.output_modes = found.output_modes; // A line feed still starts a new line.
        // A read returns at once, also without a key.
        raw.special_codes[SpecialCodeIndex::VMIN] = 0;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        registry.register(&mut SourceFd(&libc::STDIN_FILENO), KEYBOARD, Interest::READABLE)?;
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        let terminal = Self { found };
        let mut out = io::stdout().lock();
        out.write_all(b"\x1b[?1049h\x1b[?25l")?; // Alternate screen, no cursor (xterm).
        out.flush()?;
        Ok(terminal)
    }

    pub(super) fn size() -> Size {
        match tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                Size { columns: size.ws_col.into(), lines: size.ws_row.into() }
            }
            Ok(_) | Err(_) => USUAL,
        }
    }

    /// Returns the bytes that were typed. Bytes of an escape sequence (arrow keys) are no keys.
    #[expect(clippy::unused_self, reason = "only a terminal in raw mode returns at once")]
    pub(super) fn keys(&self) -> io::Result<Vec<u8>> {
        let (mut keys, mut bytes) = (Vec::new(), [0; 64]);
        loop {
            let read = rustix::io::read(io::stdin(), &mut bytes)?;
            let Some(typed @ [_, ..]) = bytes.get(..read) else { return Ok(keys) };
            if typed.first() != Some(&0x1b) {
                keys.extend_from_slice(typed);
            }
        }
    }

    /// Replaces the screen by these lines.
    #[expect(clippy::unused_self, reason = "only the alternate screen may be replaced")]
    pub(super) fn write(&self, lines: &[String]) -> io::Result<()> {
        let end = "\x1b[K"; // Clears the rest of a line, `J` that of the screen.
        let text = format!("\x1b[H{}{end}\x1b[J", lines.join(&format!("{end}\n")));
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        let mut out = io::stdout().lock();
        let _ = out.write_all(b"\x1b[?25h\x1b[?1049l").and_then(|()| out.flush());
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.found);
    }
}
