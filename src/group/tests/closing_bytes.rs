use super::*;

impl World {
    /// Returns the last bytes of each message socket that this input closes.
    fn closing_bytes(&mut self, input: Input<'_>) -> Vec<String> {
        let closed = self.input(input).into_iter().filter_map(|effect| match effect {
            Effect::Close { closing_bytes, .. } => {
                Some(String::from_utf8(closing_bytes.into()).unwrap())
            }
            Effect::Reply { .. }
            | Effect::List { .. }
            | Effect::Connect { .. }
            | Effect::Upgrade { .. }
            | Effect::Backlog(_)
            | Effect::DrawEpoch
            | Effect::MemberChange(_) => None,
        });
        closed.collect()
    }
}

#[test]
fn a_line_that_was_begun_is_finished_before_the_bye_wherever_it_was_cut() {
    let lines = "hello#aB#0000000000000001\n1#bob#0#one\n2#bob#0#two\n";
    for taken in 0..lines.len() {
        let mut world = World::new(60_000);
        let ann = world.register("ann", "nonce=aB acks=1");
        world.register("bob", "");
        ["one", "two"].iter().for_each(|text| world.send("bob", text));
        let before = world.take(ann, taken);
        let has_begun = !before.is_empty() && !before.ends_with('\n');
        // The `hello` line is due from the start, and no byte may come before it.
        let is_due = has_begun || before.is_empty();
        let end = lines.get(taken..).unwrap().split_inclusive('\n').next().unwrap();
        let expected = format!("{}bye#closed\n", if is_due { end } else { "" });
        let lost = Input::Lost { link: ann, how: SocketEnd::Closed };
        assert_eq!(world.closing_bytes(lost), [expected], "cut at {taken}");
    }
}

#[test]
fn a_member_without_acks_gets_no_bye() {
    let mut world = World::new(60_000);
    let (ann, bob) = (world.register("ann", ""), world.register("bob", ""));
    world.send("bob", "text");
    world.take(ann, 3);
    assert_eq!(world.closing_bytes(Input::Lost { link: ann, how: SocketEnd::Closed }), [""]);
    assert_eq!(world.group.shutdown_bytes(bob), Box::default());
}

#[test]
fn a_failed_socket_gets_no_bye() {
    for how in [SocketEnd::Reset, SocketEnd::TimedOut, SocketEnd::Failed("no route".into())] {
        let mut world = World::new(60_000);
        let ann = world.register("ann", "acks=1");
        assert_eq!(world.closing_bytes(Input::Lost { link: ann, how }), [""]);
    }
}
