//! Access files of a run: one at the start, others at random moments, and a last one for everybody.
//!
//! In a share of the runs there is an access file. Somebody exchanges it and sends SIGHUP. A
//! coordinator that works has the new rules within its next turn (`Coordinator::change_access`),
//! and a coordinator that starts reads the file as it is then.

use crate::access::model::{How, Line, table};
use crate::coordinator::SimCoordinator;
use crate::environment::{Event, Node};
use crate::identities::IDS;
use crate::world::World;
use groupcast::time::Now;
use support::rng::Rng;

/// The access file, and the person that exchanges it.
#[derive(Debug)]
pub(crate) struct AccessFiles {
    rng: Rng,
    file: Vec<Line>,
    /// SIGHUP was sent, and no turn has begun since.
    is_signalled: bool,
}

impl AccessFiles {
    fn draw(&mut self, world: &World) -> Vec<Line> {
        if self.rng.percent(25) {
            return Line::open();
        }
        let count = self.rng.between(1, 6);
        (0..count).map(|_| self.draw_line(world)).collect()
    }

    fn draw_line(&mut self, world: &World) -> Line {
        let rng = &mut self.rng;
        let has_tls = world.environment.identities.has_tls;
        let prefixes = ["p*", "r*", "p*", "*", "*", "*", "*", "*"];
        let who = if rng.percent(40) { rng.pick(&IDS) } else { rng.pick(&prefixes) };
        let addresses = world.participants.iter().map(|participant| participant.ip);
        let addresses = addresses.chain(world.raws.iter().map(|raw| raw.address.ip()));
        let addresses = addresses.collect::<Vec<_>>();
        let how = match rng.below(10) {
            0 => How::Address(rng.pick(&addresses)),
            1..=2 if has_tls => How::Key(u8::try_from(rng.between(1, 8)).unwrap()),
            3 if has_tls => How::Secret(u8::try_from(rng.between(1, 3)).unwrap()),
            4 if has_tls => How::Ca,
            _ => How::Anyone,
        };
        let [send, receive, list] = [90, 60, 70].map(|percent| rng.percent(percent));
        let max_text = if send && rng.percent(20) { Some(rng.pick(&[20, 400])) } else { None };
        let ids = if who.ends_with('*') && rng.percent(50) { Some(1) } else { None };
        Line { who, how, send, receive, list, rate: send && rng.percent(20), max_text, ids }
    }
}

impl World {
    /// Draws the first access file, if this run has one.
    pub(crate) fn draw_access_file(&mut self) {
        let mut rng = Rng::new(self.seed().rotate_left(53));
        let percent = if self.environment.identities.has_tls { 65 } else { 15 };
        if rng.percent(percent) {
            if rng.percent(50) {
                self.model.rules.backlog_bytes_max = 9_000; // Members that only send would fill it.
            }
            let mut files = AccessFiles { rng, file: Vec::new(), is_signalled: false };
            files.file = files.draw(self);
            self.access_files = Some(files);
            self.environment.after(1_500, Event::AccessFile);
        }
    }

    /// Somebody exchanges the access file.
    pub(crate) fn on_access_file(&mut self) {
        if self.environment.calm {
            return;
        }
        let mut files = self.access_files.take().expect("a run with an access file");
        let hurry = files.rng.pick(&[1_000, 10_000, 60_000, 90_000]);
        let pause = files.rng.between(100, hurry);
        let file = files.draw(self);
        self.access_files = Some(files);
        self.environment.after(pause, Event::AccessFile);
        self.put_access_file(file);
    }

    fn put_access_file(&mut self, file: Vec<Line>) {
        self.trace(|| format!("access file: {file:?}"));
        let Some(files) = &mut self.access_files else { return };
        files.file = file;
        files.is_signalled = true;
        self.environment.wake_soon(Node::Coordinator);
    }

    /// The last file lets everybody in with all rights. Ids that another key has registered go back
    /// to their own keys.
    pub(crate) fn open_access(&mut self) {
        let keys = self.environment.identities.keys();
        let lines = keys.map(|(id, key)| Line::all_rights(id, How::Key(key)));
        let file = lines.flat_map(|line| {
            let anyone = Line::all_rights(line.who, How::Anyone);
            [line, anyone]
        });
        let file = file.chain(Line::open()).collect();
        self.put_access_file(file);
    }

    /// A coordinator that starts reads the file.
    pub(crate) fn read_access_file(&mut self) {
        let Some(files) = &mut self.access_files else { return };
        files.is_signalled = false;
        self.model.set_access(files.file.clone());
    }

    /// Returns the file that a running coordinator must read in this turn.
    pub(crate) fn take_hangup(&mut self) -> Option<Vec<Line>> {
        let files = self.access_files.as_mut()?;
        let is_due = std::mem::take(&mut files.is_signalled);
        is_due.then(|| files.file.clone())
    }
}

impl SimCoordinator {
    /// Puts the rules of the file in force. Checks the number of members that this sets offline.
    pub(crate) fn reload(&mut self, file: &[Line], now: Now) {
        self.outside.with(|lent, _| lent.model.access.exchange(file));
        let closed = self.program.change_access(table(file), &[], now);
        let expected = self.outside.with(|lent, _| lent.model.access.take_revoked());
        assert_eq!(closed, expected, "members that went offline");
    }
}
