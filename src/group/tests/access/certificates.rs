//! Certificates of a CA: their ends, and CAs that change while members are online.

use super::*;
use crate::protocol::KeyName;

/// Returns the check of a certificate for an id.
fn valid_until(id: &str, until: UnixMillis) -> CaCheck {
    CaCheck::Valid { names: [id.to_owned()].into(), until }
}

/// Returns the credentials of the key 1 with a certificate for an id.
fn certified(id: &str, until: UnixMillis) -> Credentials {
    Credentials::of_key(KeyName([1; 32]), valid_until(id, until))
}

impl World {
    /// Asks with the credentials of `id` for a connect-back, and returns its link.
    fn dial_as(&mut self, shown: &Credentials, line: &str) -> LinkId {
        let effects = self.request_with(("10.0.0.7", shown), line);
        let Some(Effect::Connect { link, .. }) = effects.last() else { panic!("{effects:?}") };
        *link
    }

    fn join_as(&mut self, shown: &Credentials, id: &str) -> LinkId {
        let link = self.dial_as(shown, &format!("{id}#register 9000 acks=1"));
        self.input(Input::Connected { link });
        link
    }
}

fn closed(link: LinkId, bye: &str) -> Effect {
    Effect::Close { link, closing_bytes: format!("bye#{bye}\n").into_bytes().into() }
}

#[test]
fn credentials_count_until_the_certificate_expires() {
    let valid = certified("ann", UnixMillis(5000));
    for (rules, is_closed) in [("ann ca", true), ("ann ca; ann key=1", false)] {
        let mut world = World::with_rules(rules);
        let effects = world.request_with(("10.0.0.7", &valid), "ann#register 9000 acks=1");
        let Some(Effect::Connect { link, .. }) = effects.last() else { panic!("{effects:?}") };
        let link = *link;
        world.input(Input::Connected { link });
        assert_eq!(world.answer_to(("10.0.0.7", &valid), "ann#msend hi"), "OK msend seq=1");
        let effects = world.input(Input::CertificateExpired { link });
        let bye = "bye#certificate expired\n".as_bytes();
        let expected = Effect::Close { link, closing_bytes: bye.into() };
        assert_eq!(effects, if is_closed { vec![expected] } else { Vec::new() });
        assert_eq!(world.online(), if is_closed { "" } else { "ann" });
    }
}

#[test]
fn a_connect_back_whose_certificate_expires_is_refused() {
    let valid = certified("ann", UnixMillis(5000));
    for (rules, is_refused) in [("ann ca", true), ("ann ca; ann key=1", false)] {
        let mut world = World::with_rules(rules);
        let link = world.dial_as(&valid, "ann#register 9000");
        assert_eq!(world.group.certified_until(link), Some(UnixMillis(5000)));
        let effects = world.input(Input::CertificateExpired { link });
        assert_eq!(world.group.certified_until(link), None);
        let refusal = effects.iter().find_map(replied).map(|(_, reply)| reply.to_string());
        let expected = "ERR 401 certificate: expired";
        assert_eq!(refusal.is_some_and(|it| it.starts_with(expected)), is_refused, "{effects:?}");
        world.input(Input::Connected { link });
        assert_eq!(world.online(), if is_refused { "" } else { "ann" });
    }
}

#[test]
fn the_group_tells_the_end_of_each_certificate_that_counts() {
    let mut world = World::with_rules("* ca; bob anyone");
    let ann = world.join_as(&certified("ann", UnixMillis(5000)), "ann");
    let bob = world.join_as(&Credentials::of_key(KeyName([2; 32]), CaCheck::Unknown), "bob");
    let eve = world.dial_as(&certified("eve", UnixMillis(7000)), "eve#register 9000");
    for (link, until) in [(ann, Some(UnixMillis(5000))), (bob, None), (eve, Some(UnixMillis(7000)))]
    {
        assert_eq!(world.group.certified_until(link), until);
    }
    let ends = world.group.credentials().map(|(link, shown)| (link, shown.certified_until()));
    let expected = [ann, bob, eve].map(|link| (link, world.group.certified_until(link)));
    assert_eq!(ends.collect::<Vec<_>>(), expected);
    world.input(Input::Lost { link: ann, how: SocketEnd::Closed });
    assert_eq!(world.group.certified_until(ann), None);
}

#[test]
fn a_change_of_cas_closes_exactly_the_members_whose_certificates_no_longer_count() {
    let rules = "* ca; bob key=1";
    let until = UnixMillis(5000);
    let mut world = World::with_rules(rules);
    let [ann, bob, eve, dan] = ["ann", "bob", "eve", "dan"].map(|id| {
        let shown = certified(id, until);
        if id == "dan" {
            world.dial_as(&shown, "dan#register 9000")
        } else {
            world.join_as(&shown, id)
        }
    });
    let unknown = |link| (link, CaCheck::Unknown);
    let checked =
        [unknown(ann), unknown(bob), (eve, valid_until("eve", UnixMillis(9))), unknown(dan)];
    let effects = world.input(Input::AccessChanged { table: table(rules), checked: &checked });
    let closes = effects.iter().filter(|effect| matches!(effect, Effect::Close { .. }));
    let dialing = Effect::Close { link: dan, closing_bytes: Box::default() };
    assert_eq!(closes.collect::<Vec<_>>(), [&dialing, &closed(ann, "access revoked")]);
    assert_eq!(world.online(), "bob eve");
    assert_eq!(world.group.certified_until(eve), Some(UnixMillis(9)));
    // A certificate of a new CA counts, together with a line that asks for it.
    let checked = [(bob, valid_until("bob", until))];
    let effects = world.input(Input::AccessChanged { table: table("* ca"), checked: &checked });
    assert_eq!(effects, []);
    let effects =
        world.input(Input::AccessChanged { table: table("* ca"), checked: &[unknown(bob)] });
    assert_eq!(effects, [closed(bob, "access revoked")]);
}
