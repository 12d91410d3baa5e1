//! Writes the lines that wait together with one call.

use std::io::{ErrorKind, Write};

use crate::limits::DIAGNOSTICS_WRITE_BYTES_MAX;

/// Writes `lines` in order, as many with each call as [`DIAGNOSTICS_WRITE_BYTES_MAX`] permits.
/// Returns the number of lines that could not be written.
pub(super) fn write_lines(out: &mut impl Write, lines: &[String]) -> usize {
    let mut failed = 0;
    let mut rest = lines;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fitting = rest.iter().take_while(|line| {
            bytes += line.len();
            bytes <= DIAGNOSTICS_WRITE_BYTES_MAX
        });
        let (group, later) = rest.split_at(fitting.count().max(1));
        failed += write_group(out, group);
        rest = later;
    }
    failed
}

/// Writes `group` with one call. After an error each line that was not begun is written alone, as a
/// short line may fit where the group does not.
fn write_group(out: &mut impl Write, group: &[String]) -> usize {
    let written = write_until_error(out, group.concat().as_bytes());
    let (mut failed, mut end) = (0, 0);
    for line in group {
        let start = end;
        end += line.len();
        if end > written {
            let is_lost = start < written || group.len() == 1;
            failed += usize::from(is_lost || out.write_all(line.as_bytes()).is_err());
        }
    }
    failed
}

/// Returns the number of bytes that were written before the first error.
fn write_until_error(out: &mut impl Write, mut bytes: &[u8]) -> usize {
    let mut total = 0;
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => break,
            Ok(written) => {
                total += written;
                bytes = bytes.get(written..).unwrap_or_default();
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => (),
            Err(_) => break,
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// Accepts whole writes while `room` lasts, as a pipe that never blocks does.
    struct Pipe {
        room: usize,
        writes: Vec<String>,
    }

    impl Pipe {
        fn new(room: usize) -> Self {
            Self { room, writes: Vec::new() }
        }
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.room =
                self.room.checked_sub(bytes.len()).ok_or(io::Error::from(ErrorKind::WouldBlock))?;
            self.writes.push(String::from_utf8(bytes.to_vec()).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| format!("{text}\n")).collect()
    }

    #[test]
    fn lines_that_wait_together_are_one_write() {
        let mut pipe = Pipe::new(usize::MAX);
        assert_eq!(write_lines(&mut pipe, &lines(&["a", "b", "c"])), 0);
        assert_eq!(pipe.writes, ["a\nb\nc\n"]);
    }

    #[test]
    fn a_write_has_whole_lines_and_exceeds_the_limit_only_for_one_long_line() {
        let half = "h".repeat(DIAGNOSTICS_WRITE_BYTES_MAX / 2 - 1);
        let long = "l".repeat(DIAGNOSTICS_WRITE_BYTES_MAX);
        let mut pipe = Pipe::new(usize::MAX);
        assert_eq!(write_lines(&mut pipe, &lines(&[&half, &half, "a", &long, "b"])), 0);
        let long = format!("{long}\n");
        assert_eq!(pipe.writes, [format!("{half}\n{half}\n"), "a\n".into(), long, "b\n".into()]);
    }

    #[test]
    fn only_the_lines_that_do_not_fit_are_lost() {
        let mut pipe = Pipe::new(5);
        assert_eq!(write_lines(&mut pipe, &lines(&["a", "long", "b"])), 1);
        assert_eq!(pipe.writes, ["a\n", "b\n"]);
    }
}
