//! What a message costs the participant itself, from its socket into its log.
//!
//! It is stopped while everything is published, so that from then on it has always more to read
//! than it can: that is saturation, and the coordinator needs little of the clients' core for it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::texts::Texts;
use super::{Case, Metric, Values};
use crate::clock;
use crate::command::{CommandSocket, DEADLINE, Door};
use crate::coordinator::{Coordinator, Start};
use crate::failure::{Failure, Result};
use crate::peers::Programs;
use crate::process::Server;

const TTL_S: u64 = 3600;
const ID: &str = "reader";
const PAUSE: Duration = Duration::from_millis(5);
/// What it shows of every message goes nowhere: only what it takes to show it is paid for.
const SCRIPT: &str = "exec \"$0\" \"$@\" >/dev/null";

pub(super) fn play(case: &Case, programs: &Programs) -> Result<Values> {
    let folder = tempfile::tempdir().map_err(Failure::system("cannot make a directory"))?;
    let coordinator = Start::new(&programs.coordinator, TTL_S, &[]).run()?;
    let log = folder.path().join("log");
    let participant = participant(programs, &coordinator, folder.path(), &log)?;
    let mut command = coordinator.command()?;
    acked(&mut command, 0)?;
    participant.pause()?;
    let door = Door::open()?;
    let _messages = door.register(&mut command, "publisher", false)?;
    super::storm::publish(&mut command, case)?;
    let before = participant.usage()?;
    participant.resume()?;
    acked(&mut command, case.messages)?;
    let after = participant.usage()?;
    participant.stop()?;
    check(&log, case)?;
    let each = after.cpu_ns_since(&before) as f64 / case.messages as f64;
    Ok(Values::from([(Metric::Cpu, each)]))
}

fn participant(
    programs: &Programs,
    coordinator: &Coordinator,
    folder: &Path,
    log: &Path,
) -> Result<Server> {
    let config = folder.join("config");
    let (address, port) = (coordinator.address.ip(), coordinator.address.port());
    let text = format!("{ID}\n{}\n{address} {port}\n", log.display());
    fs::write(&config, text).map_err(Failure::system("cannot write a participant's config"))?;
    let mut command = Command::new("sh");
    command.args(["-c", SCRIPT]).arg(&programs.participant);
    command.args(["-f", "-e", "register 0"]).arg(&config).stdin(Stdio::null());
    let mut start = || Server::start("the participant", &mut command);
    match programs.cores {
        Some(cores) => cores.start_server(start),
        None => start(),
    }
}

/// Waits until the participant has acknowledged so much: it does so once its log is written.
fn acked(command: &mut CommandSocket, number: u64) -> Result<()> {
    let (begin, awaited) = (clock::now(), format!(" acked={number}"));
    loop {
        let head = command.request("bench", "members")?;
        let count: usize = head.split(' ').nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
        let mut line = None;
        for _ in 0..count {
            line = Some(command.line()?).filter(|line| line.starts_with(ID)).or(line);
        }
        match line {
            Some(line) if line.contains(" online ") && line.ends_with(&awaited) => return Ok(()),
            line if clock::now().duration_since(begin) > DEADLINE => {
                return Err(Failure::Wrong(format!("the participant stands at {line:?}")));
            }
            Some(_) | None => clock::pause(PAUSE),
        }
    }
}

/// Whether its log has every text, once, in order.
fn check(log: &Path, case: &Case) -> Result<()> {
    let log = fs::read(log).map_err(Failure::system("cannot read the participant's log"))?;
    let mut expectation = Texts::new(case.plan.text_bytes).expectation(1, None);
    let lines = log.split(|&byte| byte == b'\n');
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with(b"#")) {
        let text = line.rsplit(|&byte| byte == b'\t').next().unwrap_or_default();
        expectation.take(text).map_err(Failure::Wrong)?;
    }
    if expectation.taken() == case.messages {
        return Ok(());
    }
    let (taken, messages) = (expectation.taken(), case.messages);
    Err(Failure::Wrong(format!("{taken} of {messages} messages are in the participant's log")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::CASES;

    #[test]
    fn a_log_has_every_message_once_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let case = Case { messages: 3, ..CASES[0] };
        let mut texts = Texts::new(case.plan.text_bytes);
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
            fs::write(&path, log).unwrap();
            assert_eq!(check(&path, &case).is_ok(), is_whole, "{numbers:?}");
        }
    }
}
