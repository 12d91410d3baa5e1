//! CPU of the participant for a message, from its socket into its message log.
//!
//! ```text
//!   a small coordinator ── deliveries ──> participant ──> message log, /dev/null
//!           └─────────────── ack ────────────────┘
//! ```
//!
//! The coordinator here registers one member and writes. It is always ahead of the participant.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use super::fan_out::spread;
use super::{Report, Setup};
use crate::command::CommandSocket;
use crate::peers::Programs;
use crate::process::Server;
use crate::table::{Samples, count, ratio};
use crate::texts::Texts;

const MESSAGES: u64 = 1_000_000;
const TEXT_BYTES: usize = 100;

/// Messages for a participant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) messages: u64,
    /// Bytes of one write.
    pub(crate) piece_bytes: usize,
    /// Each write waits until all messages before it are acknowledged, and until no thread of the
    /// participant has work. Otherwise the threads share more or fewer turns in each run.
    pub(crate) is_in_steps: bool,
}

/// Writes of more than the participant reads at once.
const LOAD: Load = Load { messages: MESSAGES, piece_bytes: 256 * 1024, is_in_steps: false };

pub(super) fn measure(setup: &Setup, report: &mut Report) -> Result<()> {
    let rounds = setup.rounds;
    report.title(
        "participant",
        format_args!(
            "{MESSAGES} messages of {TEXT_BYTES} bytes as fast as possible, {}",
            count(rounds, "round")
        ),
    );
    let samples = (0..rounds).map(|_| Ok(ratio(cpu_ns(&setup.programs, LOAD)?, MESSAGES)));
    let cpu_ns = Samples::new(samples.collect::<Result<_>>()?);
    report.value("ns CPU of a message, least / median / greatest", spread(&cpu_ns, 0));
    report.target("CPU of a message, all threads", cpu_ns.quantile(0.5), 400.0, "ns");
    Ok(())
}

/// Returns the CPU time of a participant for all messages.
pub(crate) fn cpu_ns(programs: &Programs, load: Load) -> Result<u64> {
    let directory = tempfile::tempdir()?;
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    let log_path = directory.path().join("message.log");
    let config = format!("taker\n{}\n127.0.0.1 {port}\n", log_path.display());
    fs::write(directory.path().join("config"), config).context("the participant's files")?;
    // The output of the participant goes to `/dev/null`.
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" \"$@\" > /dev/null 2>&1"]).arg(&programs.participant);
    command.args(["--interactive", "--execute", "register 0"]).arg(directory.path().join("config"));
    let command = command.stdin(Stdio::piped());
    let mut participant = Server::start("the participant", command, programs.cores)?;
    let Some(mut typed) = participant.child.stdin.take() else {
        bail!("a participant without standard input");
    };
    let mut member = Member::accept(&listener)?;
    let before = participant.usage()?;
    member.deliver(&participant, load)?;
    let after = participant.usage()?;
    typed.write_all(b"quit\n").context("cannot type")?;
    member.finish()?;
    participant.stop()?;
    verify(&fs::read(log_path).context("the participant's files")?, load.messages)?;
    Ok(after.cpu_ns_since(&before))
}

/// Requires that the message log has every text once and in order.
fn verify(log: &[u8], messages: u64) -> Result<()> {
    let mut expectation = Texts::new(TEXT_BYTES).expectation(1, 0..0);
    let lines = log.split(|&byte| byte == b'\n');
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with(b"#")) {
        let text = line.rsplit(|&byte| byte == b'\t').next().unwrap_or_default();
        expectation.take(text)?;
    }
    let logged = expectation.taken;
    ensure!(logged == messages, "{logged} of {messages} messages are in the message log");
    Ok(())
}

/// The participant, from the view of its coordinator.
#[derive(Debug)]
struct Member {
    commands: CommandSocket,
    messages: CommandSocket,
}

impl Member {
    /// Carries out the first request, a `register`.
    fn accept(listener: &TcpListener) -> Result<Self> {
        let (stream, peer) = listener.accept().context("no participant came")?;
        let mut commands = CommandSocket::new(stream, None)?;
        let request = commands.line()?;
        let asked = request.split_once("#register ").and_then(|(_, behind)| {
            let (port, behind) = behind.split_once(' ')?;
            let (_, nonce) = behind.split_once("nonce=")?;
            Some((port.parse().ok()?, nonce.split(['#', ' ']).next()?))
        });
        let Some((port, nonce)) = asked else {
            bail!("no register: {request:?}");
        };
        let mut messages = CommandSocket::connect(SocketAddr::new(peer.ip(), port))?;
        let epoch = "00000000000000aa";
        messages.write(format!("hello#{nonce}#{epoch}\n").as_bytes())?;
        commands.write(format!("OK register epoch={epoch} next=1 ttl=60\n").as_bytes())?;
        Ok(Self { commands, messages })
    }

    /// Writes all messages, then reads until the last one is acknowledged. The buffer of the socket
    /// holds all acknowledgements, because each one is for many messages.
    fn deliver(&mut self, participant: &Server, load: Load) -> Result<()> {
        let mut piece = Vec::with_capacity(2 * load.piece_bytes);
        let mut texts = Texts::new(TEXT_BYTES);
        for number in 0..load.messages {
            // A hundred messages in each millisecond.
            let accepted = 1_700_000_000_000 + number / 100;
            piece.extend_from_slice(format!("{}#sender#{accepted}#", number + 1).as_bytes());
            piece.extend_from_slice(texts.text(0, number));
            piece.push(b'\n');
            if piece.len() >= load.piece_bytes {
                self.messages.write(&piece)?;
                piece.clear();
                if load.is_in_steps {
                    self.await_ack(number + 1)?;
                    participant.await_idle()?;
                }
            }
        }
        let is_acked = piece.is_empty() && load.is_in_steps;
        self.messages.write(&piece)?;
        if is_acked { Ok(()) } else { self.await_ack(load.messages) }
    }

    fn await_ack(&mut self, number: u64) -> Result<()> {
        let ack = format!("ack {number}");
        while self.messages.line()? != ack {}
        Ok(())
    }

    /// Carries out the `disconnect`, and waits until the participant ends.
    fn finish(mut self) -> Result<()> {
        let request = self.commands.line()?;
        ensure!(request.contains("#disconnect#"), "no disconnect: {request:?}");
        self.commands.write(b"OK disconnect\n")?;
        drop(self.messages);
        self.commands.read_to_end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_log_has_every_message_once_in_order() {
        let mut texts = Texts::new(TEXT_BYTES);
        for (numbers, is_whole) in [
            (&[0, 1, 2][..], true),
            (&[0, 1], false),
            (&[0, 2], false),
            (&[0, 2, 1], false),
            (&[0, 1, 1, 2], false),
        ] {
            let mut log = b"# id reader\n".to_vec();
            for number in numbers {
                log.extend_from_slice(b"1\t2026-01-01T00:00:00.000Z\tpublisher\t");
                log.extend_from_slice(texts.text(0, *number));
                log.push(b'\n');
            }
            assert_eq!(verify(&log, 3).is_ok(), is_whole, "{numbers:?}");
        }
    }
}
