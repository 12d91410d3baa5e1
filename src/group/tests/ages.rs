//! Ages in the lines of `members`.

use super::*;

/// Returns `seconds` and `oldest` of a member, as of now.
fn ages(world: &mut World, id: &str) -> [u64; 2] {
    world.input(Input::Tick);
    let line = world.group.members().find(|line| line.id == id).unwrap();
    [line.seconds, line.oldest_s]
}

#[test]
fn the_seconds_of_a_member_begin_when_it_becomes_online_or_offline() {
    let mut world = World::new(60_000);
    world.now = 10_500;
    let ann = world.register("ann", "");
    assert_eq!(ages(&mut world, "ann"), [0, 0]);
    world.now = 12_499;
    assert_eq!(ages(&mut world, "ann"), [1, 0]);
    world.connect("ann", "reconnect");
    world.now = 12_500;
    assert_eq!(ages(&mut world, "ann"), [2, 0], "a takeover changes nothing");
    assert_eq!(world.group.next_deadline(), None, "{ann} was taken over");
    world.request("ann#disconnect");
    assert_eq!(ages(&mut world, "ann"), [0, 0]);
    world.now = 20_500;
    world.dial(1, "ann#reconnect 9100");
    assert_eq!(ages(&mut world, "ann"), [8, 0], "it is not back yet");
    world.connect("ann", "reconnect");
    assert_eq!(ages(&mut world, "ann"), [0, 0]);
}

#[test]
fn the_oldest_message_is_one_of_others_that_is_kept() {
    let mut world = World::new(60_000);
    let ann = world.register("ann", "acks=1");
    let bob = world.register("bob", "acks=1");
    world.send("ann", "own");
    world.now = 3_000;
    world.send("ann", "own");
    assert_eq!(ages(&mut world, "ann"), [3, 0]);
    assert_eq!(ages(&mut world, "bob"), [3, 3]);
    world.now = 5_000;
    world.send("bob", "of another");
    world.now = 9_000;
    assert_eq!(ages(&mut world, "ann"), [9, 4]);
    assert_eq!(ages(&mut world, "bob"), [9, 9]);
    for link in [ann, bob] {
        world.take(link, usize::MAX);
    }
    world.ack(bob, 1);
    assert_eq!(ages(&mut world, "bob"), [9, 6]);
    world.ack(bob, 2);
    world.ack(ann, 3);
    assert_eq!((ages(&mut world, "ann"), ages(&mut world, "bob")), ([9, 0], [9, 0]));
    world.request("bob#disconnect");
    world.send("ann", "expires");
    world.now = 29_000;
    world.send("ann", "is kept");
    world.now = 69_000;
    assert_eq!(ages(&mut world, "bob"), [60, 60]);
    world.now = 69_001;
    assert_eq!(ages(&mut world, "bob"), [60, 40], "the older one has expired");
    let mut world = World::new(10_000);
    world.register("ann", "acks=1");
    world.register("bob", "acks=1");
    world.send("bob", "expires");
    world.now = 4_000;
    world.send("ann", "own");
    world.now = 6_000;
    world.send("bob", "is kept");
    world.now = 10_001;
    assert_eq!(ages(&mut world, "ann"), [10, 4]);
}
