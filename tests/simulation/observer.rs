//! Shows the model each input of the group before the group handles it, and each effect.

use groupcast::coordinator::Observer;
use groupcast::facts::FactIndex;
use groupcast::group::{Effect, Group, Input, SocketEnd};
use groupcast::protocol::Listing;
use groupcast::time::Now;

use crate::coverage::CoveragePoint;
use crate::model::Model;
use crate::outside::{Lent, Outside, Sockets};
use crate::replies::Answer;

/// Compares the group with the model.
#[derive(Debug)]
pub(crate) struct SimObserver {
    outside: Outside,
    /// The last input was the end of the deliveries of a turn.
    has_delivered: bool,
    /// The last input was a tick, which may announce changes of members.
    has_ticked: bool,
}

impl SimObserver {
    pub(crate) fn new(outside: Outside) -> Self {
        Self { outside, has_delivered: false, has_ticked: false }
    }
}

/// Returns the reason for the `bye` line; `None` if the socket can no longer take one.
fn reason(how: &SocketEnd) -> Option<&'static str> {
    match how {
        SocketEnd::Closed => Some("closed"),
        SocketEnd::Stalled { .. } => Some("stalled"),
        SocketEnd::Reset | SocketEnd::TimedOut | SocketEnd::Failed(_) => None,
    }
}

impl Observer for SimObserver {
    fn before_input(&mut self, input: &Input<'_>, now: Now) {
        self.has_delivered = matches!(input, Input::Delivered);
        self.has_ticked = matches!(input, Input::Tick);
        self.outside.with(|Lent { environment, model }, sockets| {
            if sockets.is_loud && !matches!(input, Input::Tick | Input::Delivered) {
                println!("       {:>9} ms  hub: {input:?}", environment.now);
            }
            model.expire(now.steady.as_u64());
            if let Input::Request { origin, request } = input {
                let end = sockets.client(origin.conn).expect("a request of an open socket");
                let client = environment.client(end);
                assert_eq!(origin.peer, client.ip, "of another client: {request}");
                assert_eq!(*origin.credentials, client.credentials(), "of another: {request}");
                sockets.replies.on_request(end, request);
                return model.request((**origin, client), request, now);
            }
            show(input, model, sockets, now);
        });
    }

    fn after_input(&mut self, group: &Group, now: Now) {
        group.check();
        self.outside.with(|Lent { model, .. }, sockets| {
            sockets.replies.on_committed(group.committed());
            if self.has_ticked {
                model.check_owners(group);
                model.take_announcements(group, now.steady.as_u64());
            }
            if self.has_delivered {
                model.check_newcomers(group, now.steady.as_u64());
                for (link, _) in sockets.messages.links() {
                    let is_due = group.run_for(link).is_some();
                    assert_eq!(is_due, model.is_due(link), "link {link}: what is due");
                }
            }
        });
    }

    fn on_effect(&mut self, effect: Option<&Effect>, group: &Group, now: Now) {
        self.outside.with(|Lent { model, .. }, sockets| match effect {
            Some(effect) => show_effect(effect, model, sockets, group, now),
            None => {
                model.update_offline(now.steady.as_u64());
                assert_eq!(group.members().count(), model.members.len(), "members differ");
                model.is_satisfied();
            }
        });
    }
}

fn show(input: &Input<'_>, model: &mut Model, sockets: &mut Sockets, now: Now) {
    match input {
        Input::Request { .. } => unreachable!("shown above"),
        // A handshake may end in the turn in which the group closes the link.
        Input::Connected { link } if !sockets.messages.has_link(*link) => (),
        Input::Connected { link } => model.connected(*link, now.steady.as_u64()),
        Input::ConnectFailed { link, .. } => model.connect_failed(*link),
        Input::Wrote { link, bytes, .. } => {
            model.wrote(*link, &sockets.messages.report(*link, *bytes));
        }
        Input::Delivered => model.delivered(),
        Input::Acknowledged { link, seq } => model.acknowledged(*link, seq.as_u64()),
        Input::Garbled { link } => {
            model.cover(CoveragePoint::AckGarbled);
            model.lost(*link, Some("bad ack"));
        }
        Input::Lost { link, how } => {
            sockets.messages.refuse_upgrade(*link, |end| sockets.replies.is_asking(end));
            match how {
                SocketEnd::Stalled { .. } => model.cover(CoveragePoint::Stalled),
                SocketEnd::TimedOut => model.cover(CoveragePoint::MachineGone),
                SocketEnd::Closed | SocketEnd::Reset | SocketEnd::Failed(_) => (),
            }
            model.lost(*link, reason(how));
        }
        Input::Committed { through } => model.committed(through.last),
        Input::DrawnEpoch(epoch) => model.drawn = Some(*epoch),
        Input::BeginEpoch => model.begin_epoch(),
        Input::EpochCommitted => model.epoch_committed(now.steady.as_u64()),
        Input::JournalFails(fails) => {
            sockets.has_failed |= fails;
            model.is_failing = *fails;
            model.cover(if *fails {
                CoveragePoint::JournalFailed
            } else {
                CoveragePoint::JournalMended
            });
        }
        Input::JournalFull(is_full) => {
            model.is_full = *is_full;
            if *is_full {
                model.cover(CoveragePoint::JournalFull);
            }
        }
        Input::CertificateExpired { .. } => unreachable!("no certificate expires on a connection"),
        Input::AccessChanged { .. } => model.access_changed(),
        Input::RulesChanged { rules } => model.rules_changed(rules, now.steady.as_u64()),
        Input::Tick => model.tick(now.steady.as_u64()),
        Input::ShutDown => model.shut_down(),
    }
}

fn show_effect(effect: &Effect, model: &mut Model, sockets: &mut Sockets, group: &Group, now: Now) {
    let (to, answer) = match effect {
        Effect::Reply { to, reply, after } => {
            let text = reply.to_string();
            model.on_reply(*to, &text);
            (*to, Answer::new(&text, *after, model.facts.remove(to)))
        }
        Effect::List { to, listing: Listing::Members } => {
            (*to, Answer::new(&model.take_list(*to), FactIndex::ZERO, None))
        }
        Effect::List { to, listing: Listing::Stats } => {
            sockets.has_stats = true;
            (*to, Answer::of_stats(stats(group, model)))
        }
        Effect::Connect { link, address, .. } => {
            model.on_connect(*link, *address);
            return sockets.messages.on_connect(*link);
        }
        Effect::Upgrade { from, link } => {
            model.on_upgrade(*from, *link, now.steady.as_u64());
            let end = sockets.client(*from).expect("an open socket");
            return sockets.messages.on_upgrade(*link, end);
        }
        Effect::Close { link, closing_bytes } => {
            model.on_close(*link, closing_bytes);
            if let Some(end) = sockets.messages.end_upgrade(*link) {
                model.cover(CoveragePoint::UpgradeEnded);
                return sockets.replies.end_upgrade(end, closing_bytes);
            }
            return sockets.messages.on_close(*link, closing_bytes);
        }
        Effect::DrawEpoch | Effect::MemberChange(_) | Effect::Backlog(_) => return,
    };
    if let Some(end) = sockets.client(to) {
        sockets.replies.on_answer(end, answer);
    }
}

/// Returns lines that must be in the reply to `stats`.
fn stats(group: &Group, model: &Model) -> String {
    let online = model.members.values().filter(|member| member.link.is_some()).count();
    assert_eq!(group.last().as_u64(), model.life().last());
    format!(
        "epoch {}\nnext_seq {}\nmembers {}\nonline {online}\n",
        model.epoch,
        model.life().last() + 1,
        model.members.len(),
    )
}
