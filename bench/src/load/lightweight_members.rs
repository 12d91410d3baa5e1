//! Lightweight members as a team.

use std::time::Duration;

use mio::Token;
use mio::net::TcpStream;

use super::lightweight::{BOTH, Crowd, command_token};
use super::member::Commands;
use super::members::{State, Team};
use super::recorder::Book;
use super::verifier::fault::Fault;
use crate::failure::Result;

/// How long is listened for what should not come.
const AFTERMATH: Duration = Duration::from_millis(200);

impl Team for Crowd {
    fn count(&self) -> usize {
        self.members.len()
    }

    fn state(&self, index: usize) -> State {
        self.members.get(index).map_or(State::Away, |member| member.state)
    }

    fn may_publish(&self, index: usize) -> bool {
        self.members.get(index).is_some_and(|member| member.may_publish())
    }

    fn under_way(&self, book: &Book, index: usize) -> u64 {
        let answered = self.members.get(index).map_or(0, |member| member.under_way.len());
        (book.verifier.unanswered(index) + answered) as u64
    }

    fn publish(&mut self, book: &mut Book, index: usize, due_ns: u64, size: usize) {
        if let Some(member) = self.members.get_mut(index) {
            member.publish(book, due_ns, size);
        }
    }

    fn write(&mut self, book: &mut Book, index: usize) {
        if let Some(member) = self.members.get_mut(index) {
            member.write(book);
        }
    }

    fn leave(&mut self, book: &mut Book, index: usize) {
        if let Some(member) = self.members.get_mut(index) {
            member.leave(book);
        }
    }

    fn crash(&mut self, book: &mut Book, index: usize) {
        if let Some(member) = self.members.get_mut(index) {
            member.crash(book);
        }
    }

    fn come_back(&mut self, book: &mut Book, index: usize) {
        let Some(member) = self.members.get_mut(index) else { return };
        if member.commands.is_some() {
            return member.come_back(book, self.port, &self.epoch);
        }
        let dialled = TcpStream::connect(self.coordinator).and_then(|mut stream| {
            let token = Token(command_token(index));
            self.poll.registry().register(&mut stream, token, BOTH)?;
            Ok(stream)
        });
        match dialled {
            Ok(stream) => {
                member.commands = Some(Commands::new(stream));
                member.state = State::Dialing;
            }
            Err(error) => book.fail(index, &Fault::Stuck { what: format!("cannot dial: {error}") }),
        }
    }

    fn turn(&mut self, book: &mut Book, timeout: Duration, timer_ns: Option<u64>) -> Result<()> {
        self.timer.wait(&mut self.poll, &mut self.events, timeout, timer_ns)?;
        let events = std::mem::replace(&mut self.events, mio::Events::with_capacity(0));
        for event in &events {
            self.on_event(book, event);
        }
        self.events = events;
        if self.keeps_under_way {
            self.open_windows(book);
        }
        Ok(())
    }

    fn is_complete(&mut self, book: &mut Book) -> Result<bool> {
        Ok(book.verifier.is_complete())
    }

    fn finish(&mut self, book: &mut Book) -> Result<()> {
        let end_ns = book.now_ns() + AFTERMATH.as_nanos() as u64;
        while book.now_ns() < end_ns && !book.is_over {
            self.turn(book, AFTERMATH, None)?;
        }
        Ok(())
    }

    fn cpu_ns(&self) -> Option<u64> {
        None
    }
}

impl Crowd {
    /// Takes messages out of the windows that everybody who is online has.
    fn open_windows(&mut self, book: &Book) {
        let others = self.online().saturating_sub(1);
        for member in &mut self.members {
            while let Some(seq) = member.under_way.front()
                && book.verifier.is_with(*seq, others)
            {
                member.under_way.pop_front();
            }
        }
    }
}
