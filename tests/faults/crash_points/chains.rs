//! The calls that are hit, and the program that makes them.

use std::collections::BTreeMap;
use std::env;
use std::sync::Mutex;
use std::thread;

use support::preload::{Action, Kind, Plan};

/// Runs at once: most of their time is spent in waiting for one another.
const WORKERS: usize = 4;
/// Of the calls on sockets, if nobody says.
const STRIDE: u64 = 7;

/// All calls of a kind, hit in one way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain {
    kind: Kind,
    action: Action,
    first: u64,
    stride: u64,
}

impl Chain {
    pub(crate) fn all(kinds: &[Kind]) -> Vec<Self> {
        let stride = env::var("CRASH_STRIDE").map_or(STRIDE, |it| it.parse().expect("a number"));
        let mut chains = Vec::new();
        for kind in kinds.iter().copied() {
            let is_transfer =
                [Kind::Read, Kind::Write, Kind::Receive, Kind::Send, Kind::Say].contains(&kind);
            let is_rare = kind < Kind::Read || Kind::Read < kind && kind < Kind::Close;
            let stride = if is_rare { 1 } else { stride };
            let actions = [Action::KillBefore, Action::KillAfter, Action::KillWithin];
            for (shift, action) in actions.into_iter().enumerate() {
                if action != Action::KillWithin || is_transfer {
                    // So that the three hit different calls, if not all.
                    let first = 1 + shift as u64 * 2 % stride;
                    chains.push(Self { kind, action, first, stride });
                }
            }
        }
        chains
    }
}

/// Has `run` hit all calls of all chains, one a run; it answers whether there was such a call.
pub(crate) fn walk(what: &str, chains: &[Chain], run: impl Fn(Plan) -> bool + Sync) {
    let waiting = Mutex::new(chains.to_vec());
    let kills: Mutex<BTreeMap<Kind, u64>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            let (waiting, kills, run) = (&waiting, &kills, &run);
            scope.spawn(move || {
                loop {
                    let Some(chain) = waiting.lock().unwrap().pop() else { return };
                    let Chain { kind, action, first, stride } = chain;
                    let mut call = first;
                    // Each call is cut at another byte.
                    let plan = |call| Plan { action, kind, call, errno: 0, part: call * 97 % 256 };
                    while run(plan(call)) {
                        *kills.lock().unwrap().entry(kind).or_default() += 1;
                        call += stride;
                    }
                }
            });
        }
    });
    let kills = kills.into_inner().unwrap();
    println!("{what}: {} kills survived: {kills:?}", kills.values().sum::<u64>());
    for Chain { kind, .. } in chains {
        assert!(kills.contains_key(kind), "{what}: no {kind:?} was ever hit");
    }
}
