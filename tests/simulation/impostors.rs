//! Clients that use ids of others: with another key, without a certificate, from another address.

use std::net::IpAddr;

use crate::access::model::{Client, Shown};
use crate::coordinator::HUB;
use crate::environment::{Event, Node};
use crate::identities::STRANGER;
use crate::world::World;
use support::rng::Rng;

/// Ids of strangers, all at one address.
pub(crate) const STRANGER_IDS: [&str; 2] = ["x0", "x1"];

/// Draws the requests of impostors from an own seed.
#[derive(Debug)]
pub(crate) struct Impostors {
    rng: Rng,
    are_there: bool,
    /// Number of texts that they have sent.
    texts: u32,
}

impl Impostors {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed.rotate_left(47));
        let are_there = rng.percent(50);
        Self { rng, are_there, texts: 0 }
    }

    /// Returns true if this run has impostors.
    pub(crate) fn are_there(&self) -> bool {
        self.are_there
    }
}

impl World {
    /// A client sends requests in the name of another one. With access rules, strangers may
    /// register ids that nobody else uses.
    pub(crate) fn on_impostor(&mut self) {
        if self.environment.calm {
            return;
        }
        let World {
            environment,
            impostors: Impostors { rng, texts, .. },
            participants,
            raws,
            access_files,
            ..
        } = self;
        environment.after(rng.between(200, 4_000), Event::Impostor);
        let ids = participants.iter().map(|it| &*it.id).chain(raws.iter().map(|it| &*it.id));
        let ids = ids.collect::<Vec<&str>>();
        let may_register = access_files.is_some() && rng.percent(30);
        let id = if may_register { rng.pick(&STRANGER_IDS) } else { rng.pick(&ids) };
        let mut shown = vec![Shown::Plain];
        if environment.identities.has_tls {
            shown = environment.identities.known();
            shown.extend([Shown::Key(STRANGER), Shown::Nothing, Shown::Nothing]);
        }
        let ip = IpAddr::from([10, 0, 9, 3]);
        let client = Client { ip, shown: rng.pick(&shown) };
        let end = environment.dial(Node::Nobody, ip, HUB);
        environment.conns[end.conn].shown = client.shown;
        for _ in 0..rng.between(1, 3) {
            *texts += 1;
            let command = match rng.below(10) {
                0..=1 if may_register => "register here".to_owned(),
                2 if may_register => "register 3000".to_owned(),
                0..=2 => "reconnect here".to_owned(),
                3 => "reconnect 3000 acks=1".to_owned(),
                4 => "deregister".to_owned(),
                5 => "disconnect".to_owned(),
                6 => rng.pick(&["members", "stats", "ping"]).to_owned(),
                7 => format!("send 1 impostor-{texts}"),
                _ => format!("msend impostor-{texts}"),
            };
            if !environment.identities.is_of(client, id) {
                let _ = environment.write(end, format!("{id}#{command}#-\n").as_bytes());
            }
        }
        let stay = rng.between(1, 20_000);
        environment.after(stay, Event::Leave(end));
    }
}
