//! Changes from outside: connections that succeed and end, access files, and restarts.

use super::model::most;
use super::*;

impl World {
    pub(super) fn join(
        &mut self,
        link: LinkId,
        (id, client): (&'static str, Client),
        registers: bool,
    ) {
        let (owner, last) = (client.owner().expect("no TLS without a key"), self.messages.len());
        if registers {
            let member = Member { owner, online: None, receives: true, acked: last };
            assert!(self.members.insert(id, member).is_none(), "registered twice");
        }
        let member = self.members.get_mut(id).unwrap();
        member.owner = owner;
        member.online = Some((link, client));
        let granted = decide(&self.file, client, (id, Some(owner)), None);
        self.set_receives(id, granted.expect("a line fits").receive);
    }

    fn set_receives(&mut self, id: &str, receives: bool) {
        let last = self.messages.len();
        let member = self.members.get_mut(id).unwrap();
        if !receives || !member.receives {
            member.acked = last;
        }
        member.receives = receives;
    }

    /// A connect-back succeeds, or fails.
    pub(super) fn connect(&mut self) {
        let links: Vec<LinkId> = self.dialing.keys().copied().collect();
        if links.is_empty() {
            return;
        }
        let link = self.rng.pick(&links);
        let (id, client, registers) = self.dialing.remove(&link).unwrap();
        if self.rng.percent(20) {
            self.input(Input::ConnectFailed { link, reason: "refused".into() });
            return;
        }
        let effects = self.input(Input::Connected { link });
        let mut replies = effects.iter().filter_map(replied).map(|(_, reply)| reply);
        assert!(replies.any(|it| it.starts_with("OK re")), "{id} {client:?}: {effects:?}");
        self.join(link, (id, client), registers);
    }

    pub(super) fn lose(&mut self) {
        let online = self.members.values().filter_map(|member| Some(member.online?.0));
        let online: Vec<LinkId> = online.collect();
        if !online.is_empty() {
            let link = self.rng.pick(&online);
            self.input(Input::Lost { link, how: SocketEnd::Closed });
            let lost =
                self.members.values_mut().find(|it| it.online.is_some_and(|at| at.0 == link));
            lost.unwrap().online = None;
        }
    }

    /// Another access file: exactly those connections end that no line fits.
    pub(super) fn reload(&mut self) {
        let is_open = self.rng.percent(30);
        self.file = if is_open { Line::open() } else { Line::file(&mut self.rng) };
        let effects = self.input(Input::AccessChanged { table: table(&self.file), checked: &[] });
        let mut expected = Vec::new();
        // A client that registers counts as the owner already: its secret is not kept.
        let refused = self.dialing.iter().filter(|(_, (id, client, _))| {
            let owner = self.members.get(id).map_or(client.owner(), |member| Some(member.owner));
            decide(&self.file, *client, (id, owner), None).is_none()
        });
        expected.extend(refused.map(|(link, _)| *link));
        self.dialing.retain(|link, _| !expected.contains(link));
        for id in self.members.keys().copied().collect::<Vec<&str>>() {
            let Member { owner, online, receives, .. } = self.members[id];
            let granted = match online {
                Some((_, client)) => decide(&self.file, client, (id, Some(owner)), None),
                None => most(&self.file, id, owner),
            };
            match (granted, online) {
                (Some(granted), _) => {
                    if granted.receive != receives {
                        self.see(if receives { "receive lost" } else { "receive gained" });
                    }
                    self.set_receives(id, granted.receive);
                }
                (None, Some((link, _))) => {
                    expected.push(link);
                    self.members.get_mut(id).unwrap().online = None;
                    self.see("revoked online");
                }
                (None, None) => self.see("no line fits an absent member"),
            }
        }
        let mut closed: Vec<LinkId> = effects.iter().filter_map(closed).collect();
        closed.sort_unstable();
        expected.sort_unstable();
        assert_eq!(closed, expected, "{:?}\n{:?}", self.members, self.file);
    }

    /// The next coordinator has the owners and messages of this one, and the rules of the file.
    pub(super) fn restart(&mut self) {
        let mut next = Group::recovering(rules(&self.file));
        let at = Millis::new(self.now);
        let ordered = Ordered { ticket: None, is_committed: true };
        let epoch = self.group.epoch();
        next.apply(Fact::Snapshot { epoch, last: Seq::ZERO }, ordered, at);
        for (_, line, at) in self.group.lines(Seq::ZERO) {
            let text = std::str::from_utf8(line).unwrap().trim_end_matches('\n');
            let delivery = Delivery::parse(text).unwrap();
            next.apply(Fact::Numbered { delivery, line, number: None }, ordered, at);
        }
        for (state, own) in self.group.member_states() {
            next.apply(Fact::Member(state), ordered, at);
            next.apply(Fact::Own { id: state.id, ranges: &own }, ordered, at);
        }
        next.apply(Fact::AllNamed, ordered, at);
        next.apply(Fact::Recovered { epoch }, ordered, at);
        next.check();
        self.group = next;
        self.dialing.clear();
        self.buckets = Buckets::default();
        for id in self.members.keys().copied().collect::<Vec<&str>>() {
            let owner = self.members[id].owner;
            let granted = most(&self.file, id, owner);
            let member = self.members.get_mut(id).unwrap();
            (member.online, member.receives) = (None, true);
            self.set_receives(id, granted.is_none_or(|granted| granted.receive));
        }
        self.see("restart");
    }
}

fn closed(effect: &Effect) -> Option<LinkId> {
    let Effect::Close { link, .. } = effect else { return None };
    Some(*link)
}
