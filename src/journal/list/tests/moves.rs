//! Members that go from one site to another, and requests of theirs that come late.

use super::sites::ReadingSite;
use super::*;

fn put(site: &mut ReadingSite, name: &str, number: u64, records: &[ListRecord<'_>]) {
    let entry = encode(&header(name, number, site.journal.list()), records);
    site.read(&entry);
}

/// Returns the site at which ann is, and her visit.
fn home(site: &ReadingSite) -> Option<(&str, MemberVisit)> {
    let home = site.journal.list().homes().of("ann")?;
    Some((home.site.as_str(), home.visit))
}

fn come_back(visit: MemberVisit) -> ListRecord<'static> {
    let (before, owner, acked, id) = (of_ip(), of_ip(), Seq::ZERO, "ann");
    ListRecord::Return { before, owner, visit, address: address(), acked, id }
}

fn leave(visit: MemberVisit) -> ListRecord<'static> {
    ListRecord::Leave { before: of_ip(), visit, is_forgotten: false, id: "ann" }
}

#[test]
fn a_request_at_a_site_that_does_not_know_where_the_member_has_gone_is_void() {
    let mut site = ReadingSite::serving(rules());
    put(&mut site, "cairo", 1, &[ListRecord::Life]);
    put(&mut site, "dakar", 1, &[ListRecord::Life]);
    let enter =
        ListRecord::Enter { owner: of_ip(), address: address(), start: Seq::ZERO, id: "ann" };
    put(&mut site, "cairo", 2, &[enter]);
    let (_, first) = home(&site).unwrap();
    // The request waits at cairo, and the member goes to dakar meanwhile.
    put(&mut site, "dakar", 2, &[come_back(first)]);
    let (at, second) = home(&site).unwrap();
    assert_eq!(at, "dakar");
    put(&mut site, "cairo", 3, &[come_back(first)]);
    put(&mut site, "cairo", 4, &[leave(first)]);
    assert_eq!(home(&site), Some(("dakar", second)));
    // A site orders the requests that it has got, whichever visit they name.
    put(&mut site, "dakar", 3, &[come_back(first)]);
    let (at, third) = home(&site).unwrap();
    assert!(at == "dakar" && third > second);
    put(&mut site, "cairo", 5, &[come_back(third)]);
    assert_eq!(home(&site).unwrap().0, "cairo");
    put(&mut site, "dakar", 4, &[leave(third)]);
    assert_eq!(home(&site).unwrap().0, "cairo", "late");
    put(&mut site, "cairo", 6, &[leave(third)]);
    assert_eq!(home(&site), None);
}

#[test]
fn the_cursor_of_a_member_that_was_away_for_long_stays_below_what_it_has_missed() {
    let mut site = ReadingSite::serving(rules());
    let enter =
        ListRecord::Enter { owner: of_ip(), address: address(), start: Seq::ZERO, id: "ann" };
    put(&mut site, "cairo", 1, &[ListRecord::Life]);
    put(&mut site, "cairo", 2, &[enter]);
    let (_, visit) = home(&site).unwrap();
    put(&mut site, "cairo", 3, &[ListRecord::Imported { id: "bob", text: Text::from("hi") }; 9]);
    put(&mut site, "cairo", 4, &[ListRecord::Acked { visit, acked: Seq::new(2), id: "ann" }]);
    // No member can go back below the seq of an old snapshot, but ann has not come that far.
    let (base, time) = (site.journal.list.position(), UnixMillis(0));
    site.journal.list.marks.push_back(SnapshotMark { base, last: Seq::new(7), time });
    site.journal.list.time = UnixMillis(10_000_000);
    site.journal.list.raise_horizon(Seq::new(9));
    assert_eq!(site.journal.list.horizon(), Seq::new(7));
    for (acked, cursor) in [(1, 2), (4, 4), (8, 8), (3, 7)] {
        let (_, visit) = home(&site).unwrap();
        let record = ListRecord::Return {
            before: of_ip(),
            owner: of_ip(),
            visit,
            address: address(),
            acked: Seq::new(acked),
            id: "ann",
        };
        let number = site.journal.list.site(&name("cairo")).unwrap().number + 1;
        put(&mut site, "cairo", number, &[record]);
        let home = site.journal.list.homes().of("ann").unwrap();
        let member = site.group.member_state("ann").unwrap();
        assert_eq!((home.acked, member.acked), (Seq::new(cursor), Seq::new(cursor)), "{acked}");
    }
}
