//! The verdicts of the registry, one by one.

use std::time::Duration;

use protocol::{ChannelName, LookupPeer, TopicName};

use super::*;

/// Active for 100 ns, tombstoned for 30 ns.
pub(super) fn registry() -> Registry {
    registry_with(Limits::DEFAULT)
}

fn registry_with(limits: Limits) -> Registry {
    let lifetimes = Lifetimes {
        inactive_producer_timeout: Duration::from_nanos(100),
        tombstone_lifetime: Duration::from_nanos(30),
    };
    Registry::new(lifetimes, limits)
}

/// A node whose connection has this number.
pub(super) fn producer(broadcast_address: &str, http_port: i64, number: usize) -> Producer {
    let peer = LookupPeer {
        broadcast_address: broadcast_address.to_owned(),
        http_port,
        tcp_port: 4150,
        version: "1.3.0".to_owned(),
        ..LookupPeer::default()
    };
    Producer { peer, remote_address: format!("10.0.0.1:{number}") }
}

/// Of the connection.
pub(super) fn number(producer: &Producer) -> usize {
    producer.remote_address.rsplit_once(':').unwrap().1.parse().unwrap()
}

pub(super) fn at(mono_ns: u64) -> Now {
    Now { mono_ns, unix_ns: 1_000_000 + mono_ns }
}

pub(super) fn topic(name: &str) -> TopicName {
    name.parse().unwrap()
}

pub(super) fn channel(name: &str) -> ChannelName {
    name.parse().unwrap()
}

pub(super) fn texts(names: &[impl ToString]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// One node `n1:4151`, in topic `t` and channel `c`, since 0.
fn with_one() -> (Registry, ProducerId) {
    let mut registry = registry();
    let id = registry.identify(producer("n1", 4151, 1), at(0));
    registry.register(id, &topic("t"), Some(&channel("c"))).unwrap();
    (registry, id)
}

#[track_caller]
fn check_producers(registry: &Registry, ns: u64, expected: &[usize]) {
    let producers = registry.lookup("t", at(ns)).unwrap().producers;
    assert_eq!(producers.iter().map(|producer| number(producer)).collect::<Vec<_>>(), expected, "at {ns}");
}

#[test]
fn a_producer_is_active_up_to_its_timeout() {
    let (mut registry, id) = with_one();
    check_producers(&registry, 100, &[1]);
    check_producers(&registry, 101, &[]);
    assert!(registry.node(0, at(101)).is_none());
    assert_eq!(texts(&registry.lookup("t", at(101)).unwrap().channels), ["c"]);
    assert_eq!(registry.ping(id, at(150)), Duration::from_nanos(150));
    check_producers(&registry, 250, &[1]);
    // REGISTER does not count.
    registry.register(id, &topic("u"), None).unwrap();
    check_producers(&registry, 251, &[]);
    assert_eq!(registry.entries(&Key::Client)[0].last_update, at(150));
}

#[test]
fn a_tombstone_hides_one_node_in_one_topic_for_a_while() {
    let (mut registry, id) = with_one();
    registry.register(id, &topic("u"), None).unwrap();
    let other = registry.identify(producer("n1", 4152, 2), at(0));
    registry.register(other, &topic("t"), None).unwrap();
    assert_eq!(registry.tombstone("t", "n1:4151", at(10)), 1);
    check_producers(&registry, 39, &[2]);
    check_producers(&registry, 40, &[1, 2]);
    assert_eq!(registry.lookup("u", at(11)).unwrap().producers.len(), 1);
    let (node, _) = registry.node(0, at(11)).unwrap();
    assert_eq!(node.topics, [(topic("t"), true), (topic("u"), false)]);
    assert_eq!(registry.entries(&Key::Topic(topic("t")))[0].tombstoned_at, Some(at(10)));
    // REGISTER does not lift it, UNREGISTER and REGISTER do.
    registry.tombstone("t", "n1:4151", at(50));
    registry.register(id, &topic("t"), None).unwrap();
    check_producers(&registry, 51, &[2]);
    registry.unregister(id, "t", None);
    registry.register(id, &topic("t"), None).unwrap();
    check_producers(&registry, 51, &[1, 2]);
}

#[test]
fn nodes_of_ipv6_are_known_with_and_without_brackets() {
    let mut registry = registry();
    for (number, address) in ["fd00::1", "[fd00::1]", "n1"].iter().enumerate() {
        let id = registry.identify(producer(address, 4151, number), at(0));
        registry.register(id, &topic("t"), None).unwrap();
    }
    for (node, expected) in [
        ("fd00::1:4151", 1),
        ("[fd00::1]:4151", 2),
        ("n1:4151", 1),
        ("[n1]:4151", 1),
        ("n1:415", 0),
        ("n1:04151", 0),
        ("n1", 0),
        ("", 0),
        ("*", 0),
    ] {
        assert_eq!(registry.tombstone("t", node, at(0)), expected, "{node}");
    }
    assert_eq!(registry.tombstone("nope", "n1:4151", at(0)), 0);
}

#[test]
fn a_star_is_no_wildcard() {
    // In NSQ each of these is about all topics, and the third deletes them.
    let (mut registry, id) = with_one();
    assert_eq!(registry.lookup("*", at(0)), None);
    assert_eq!(registry.channels("*"), []);
    assert_eq!(registry.delete_topic("*"), None);
    assert!(!registry.delete_channel("t", "*") && !registry.delete_channel("*", "c"));
    assert_eq!(registry.tombstone("*", "n1:4151", at(0)), 0);
    assert_eq!(registry.unregister(id, "*", None), Unregistered::default());
    check_producers(&registry, 0, &[1]);
}

#[test]
fn what_is_ephemeral_goes_with_its_last_producer() {
    let mut registry = registry();
    let [one, two] = [1, 2].map(|number| registry.identify(producer("n", 1, number), at(0)));
    let (t, e) = (topic("t"), topic("e#ephemeral"));
    let (c, x) = (channel("c"), channel("x#ephemeral"));
    for (id, topic, channel) in [(one, &t, &x), (two, &t, &x), (one, &e, &c), (two, &e, &x), (one, &t, &c)] {
        registry.register(id, topic, Some(channel)).unwrap();
    }
    registry.unregister(one, "t", Some("x#ephemeral"));
    assert_eq!(texts(&registry.channels("t")), ["c", "x#ephemeral"]);
    registry.unregister(two, "t", None);
    assert_eq!(texts(&registry.channels("t")), ["c"]);
    assert_eq!(registry.disconnect(two).len(), 2);
    assert_eq!(texts(&registry.channels("e#ephemeral")), ["c"]);
    // With all its channels, the durable ones too.
    let gone = registry.unregister(one, "e#ephemeral", None);
    assert_eq!((texts(&gone.channels), gone.topic), (vec!["c".to_owned()], true));
    assert_eq!(texts(&registry.topics()), ["t"]);
    registry.disconnect(one);
    assert_eq!(
        (texts(&registry.topics()), texts(&registry.channels("t"))),
        (vec!["t".into()], vec!["c".into()])
    );
    // One that nobody ever had stays until somebody deletes it.
    registry.create_channel(&e, &x).unwrap();
    assert_eq!(registry.topics().len(), 2);
    registry.check();
}

#[test]
fn what_was_deleted_is_not_registered_any_more() {
    let (mut registry, id) = with_one();
    assert!(registry.delete_channel("t", "c"));
    assert!(!registry.delete_channel("t", "c"));
    check_producers(&registry, 0, &[1]);
    registry.register(id, &topic("t"), Some(&channel("c"))).unwrap();
    assert_eq!(registry.delete_topic("t"), Some(vec![channel("c")]));
    assert_eq!(registry.delete_topic("t"), None);
    assert_eq!(registry.lookup("t", at(0)), None);
    assert_eq!(registry.unregister(id, "t", Some("c")), Unregistered::default());
    assert_eq!(registry.node(0, at(0)).unwrap().0.topics, []);
    // A topic that takes its place is another one.
    registry.create_topic(&topic("new")).unwrap();
    assert_eq!(registry.lookup("new", at(0)).unwrap().producers, []);
    registry.check();
    assert_eq!(registry.disconnect(id), []);
}

#[test]
fn bounds_refuse_and_change_nothing() {
    let mut registry = registry_with(Limits { registrations_max: 4, names_max: 6 });
    let id = registry.identify(producer("n", 1, 1), at(0));
    registry.register(id, &topic("a"), None).unwrap();
    registry.register(id, &topic("b"), Some(&channel("x"))).unwrap();
    let full = Full { what: "registrations of a connection", max: 4 };
    assert_eq!(registry.register(id, &topic("c"), Some(&channel("x"))), Err(full));
    assert_eq!(texts(&registry.topics()), ["a", "b"]);
    registry.register(id, &topic("a"), Some(&channel("x"))).unwrap();
    // At the bound what is known is still answered.
    registry.register(id, &topic("a"), Some(&channel("x"))).unwrap();
    assert_eq!(registry.register(id, &topic("c"), None), Err(full));
    let other = registry.identify(producer("n", 1, 2), at(0));
    let full = Full { what: "topics and channels", max: 6 };
    assert_eq!(registry.create_topic(&topic("c")), Ok(true));
    assert_eq!(registry.register(other, &topic("d"), Some(&channel("x"))), Err(full));
    assert_eq!(registry.create_channel(&topic("d"), &channel("x")), Err(full));
    assert_eq!(registry.create_channel(&topic("c"), &channel("x")), Ok(true));
    assert_eq!(registry.create_topic(&topic("d")), Err(full));
    assert_eq!(registry.create_topic(&topic("c")), Ok(false));
    registry.delete_channel("c", "x");
    assert_eq!(registry.create_topic(&topic("d")), Ok(true));
    registry.check();
}

#[test]
fn keys_are_sorted_by_their_texts() {
    let mut registry = registry();
    assert_eq!(registry.keys(), []);
    let id = registry.identify(producer("n", 1, 1), at(0));
    for name in ["a", "a-b", "a.b", "ab"] {
        registry.register(id, &topic(name), Some(&channel("c"))).unwrap();
    }
    registry.create_channel(&topic("empty"), &channel("c")).unwrap();
    let expected = [
        "channel:a-b:c",
        "channel:a.b:c",
        "channel:a:c",
        "channel:ab:c",
        "client::",
        "topic:a-b:",
        "topic:a.b:",
        "topic:a:",
        "topic:ab:",
    ];
    assert_eq!(texts(&registry.keys()), expected);
}
