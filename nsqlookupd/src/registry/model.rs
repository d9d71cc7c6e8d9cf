//! The registry as NSQ describes it, small enough to be believed: a set of keys, a set of keys with producers, and times.
//! Random operations do the same to both.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{tests::*, *};

const TOPICS: [&str; 3] = ["a", "b-1", "t#ephemeral"];
const CHANNELS: [&str; 3] = ["x", "y.1", "z#ephemeral"];
const NODES: [(&str, i64); 3] = [("n1", 1), ("fd00::1", 2), ("n1", 3)];

/// A topic, or a channel of one.
type Name = (String, Option<String>);

fn name(topic: usize, channel: Option<usize>) -> Name {
    (TOPICS[topic].to_owned(), channel.map(|channel| CHANNELS[channel].to_owned()))
}

#[derive(Default)]
struct Model {
    names: BTreeSet<Name>,
    registrations: BTreeSet<(Name, usize)>,
    tombstones: BTreeMap<(String, usize), Now>,
    updates: BTreeMap<usize, Now>,
}

impl Model {
    fn remove_name(&mut self, name: &Name) {
        self.names.remove(name);
        self.registrations.retain(|(other, _)| other != name);
        if name.1.is_none() {
            let channels: Vec<Name> = self.names.iter().filter(|other| other.0 == name.0).cloned().collect();
            for channel in channels {
                self.remove_name(&channel);
            }
            self.tombstones.retain(|(topic, _), _| *topic != name.0);
        }
    }

    fn leave(&mut self, name: &Name, producer: usize) {
        if !self.registrations.remove(&(name.clone(), producer)) {
            return;
        }
        if name.1.is_none() {
            self.tombstones.remove(&(name.0.clone(), producer));
        }
        let last = name.1.as_ref().unwrap_or(&name.0);
        let is_empty = !self.registrations.iter().any(|(other, _)| other == name);
        if is_empty && last.ends_with("#ephemeral") {
            self.remove_name(name);
        }
    }

    fn leave_all(&mut self, names: &[Name], producer: usize) {
        for name in names {
            self.leave(name, producer);
        }
    }

    fn of(&self, producer: usize, topic: Option<&str>) -> Vec<Name> {
        let mine = self
            .registrations
            .iter()
            .filter(|(name, other)| *other == producer && topic.is_none_or(|topic| name.0 == topic));
        let mut names: Vec<Name> = mine.map(|(name, _)| name.clone()).collect();
        // Channels first.
        names.sort_by_key(|name| name.1.is_none());
        names
    }

    fn is_active(&self, producer: usize, now: Now) -> bool {
        now.mono_ns - self.updates[&producer].mono_ns <= 100
    }

    fn is_hidden(&self, topic: &str, producer: usize, now: Now) -> bool {
        let at = self.tombstones.get(&(topic.to_owned(), producer));
        at.is_some_and(|at| now.mono_ns - at.mono_ns < 30)
    }
}

#[derive(Debug, Clone)]
enum Operation {
    Identify(usize),
    Ping(usize),
    Register(usize, usize, Option<usize>),
    Unregister(usize, usize, Option<usize>),
    Disconnect(usize),
    Create(usize, Option<usize>),
    Delete(usize, Option<usize>),
    Tombstone(usize, usize),
    Wait(u64),
}

fn operation() -> impl Strategy<Value = Operation> {
    let channel = || prop::option::of(0..CHANNELS.len());
    let who = 0..6_usize;
    prop_oneof![
        2 => (0..NODES.len()).prop_map(Operation::Identify),
        2 => who.clone().prop_map(Operation::Ping),
        8 => (who.clone(), 0..TOPICS.len(), channel()).prop_map(|(p, t, c)| Operation::Register(p, t, c)),
        4 => (who.clone(), 0..TOPICS.len(), channel()).prop_map(|(p, t, c)| Operation::Unregister(p, t, c)),
        1 => who.prop_map(Operation::Disconnect),
        1 => (0..TOPICS.len(), channel()).prop_map(|(t, c)| Operation::Create(t, c)),
        1 => (0..TOPICS.len(), channel()).prop_map(|(t, c)| Operation::Delete(t, c)),
        2 => (0..TOPICS.len(), 0..NODES.len()).prop_map(|(t, n)| Operation::Tombstone(t, n)),
        3 => (1..60_u64).prop_map(Operation::Wait),
    ]
}

/// Both, and who is connected: the number of the connection, its node, its id.
struct Pair {
    model: Model,
    registry: Registry,
    connections: Vec<(usize, usize, ProducerId)>,
    count: usize,
    now: Now,
}

impl Pair {
    fn who(&self, index: usize) -> Option<(usize, ProducerId)> {
        let (number, _, id) = self.connections.get(index % self.connections.len().max(1))?;
        Some((*number, *id))
    }

    fn apply(&mut self, operation: &Operation) {
        match *operation {
            Operation::Identify(node) => {
                let (address, port) = NODES[node];
                let id = self.registry.identify(producer(address, port, self.count), self.now);
                self.model.updates.insert(self.count, self.now);
                self.connections.push((self.count, node, id));
                self.count += 1;
            }
            Operation::Wait(ns) => self.now = at(self.now.mono_ns + ns),
            Operation::Ping(who) => {
                let Some((number, id)) = self.who(who) else { return };
                self.registry.ping(id, self.now);
                self.model.updates.insert(number, self.now);
            }
            Operation::Register(who, t, c) => {
                let Some((number, id)) = self.who(who) else { return };
                let channel_name = c.map(|c| channel(CHANNELS[c]));
                self.registry.register(id, &topic(TOPICS[t]), channel_name.as_ref()).unwrap();
                for name in [name(t, None), name(t, c)] {
                    self.model.names.insert(name.clone());
                    self.model.registrations.insert((name, number));
                }
            }
            Operation::Unregister(who, t, c) => {
                let Some((number, id)) = self.who(who) else { return };
                self.registry.unregister(id, TOPICS[t], c.map(|c| CHANNELS[c]));
                let all = || self.model.of(number, Some(TOPICS[t]));
                self.model.leave_all(&c.map_or_else(all, |_| vec![name(t, c)]), number);
            }
            Operation::Disconnect(who) => self.disconnect(who),
            Operation::Create(t, None) => {
                self.registry.create_topic(&topic(TOPICS[t])).unwrap();
                self.model.names.insert(name(t, None));
            }
            Operation::Create(t, Some(c)) => {
                self.registry.create_channel(&topic(TOPICS[t]), &channel(CHANNELS[c])).unwrap();
                self.model.names.extend([name(t, None), name(t, Some(c))]);
            }
            Operation::Delete(t, c) => {
                let is_known = self.model.names.contains(&name(t, c));
                let is_deleted = match c {
                    None => self.registry.delete_topic(TOPICS[t]).is_some(),
                    Some(c) => self.registry.delete_channel(TOPICS[t], CHANNELS[c]),
                };
                assert_eq!(is_deleted, is_known);
                self.model.remove_name(&name(t, c));
            }
            Operation::Tombstone(t, node) => self.tombstone(t, node),
        }
    }

    fn disconnect(&mut self, who: usize) {
        let Some((number, id)) = self.who(who) else { return };
        let mut removed = self.registry.disconnect(id);
        removed.sort();
        let names = self.model.of(number, None);
        let mut expected = names.clone();
        expected.sort();
        let text =
            |(topic, channel): &Removed| (topic.to_string(), channel.as_ref().map(ToString::to_string));
        assert_eq!(removed.iter().map(text).collect::<Vec<_>>(), expected);
        self.model.leave_all(&names, number);
        self.model.updates.remove(&number);
        self.connections.retain(|(other, ..)| *other != number);
    }

    fn tombstone(&mut self, t: usize, node: usize) {
        let (address, port) = NODES[node];
        self.registry.tombstone(TOPICS[t], &format!("{address}:{port}"), self.now);
        for (number, ..) in self.connections.iter().filter(|(_, other, _)| *other == node) {
            if self.model.registrations.contains(&(name(t, None), *number)) {
                self.model.tombstones.insert((TOPICS[t].to_owned(), *number), self.now);
            }
        }
    }

    fn compare(&self) {
        self.registry.check();
        let (model, registry, now) = (&self.model, &self.registry, self.now);
        let topics: Vec<_> = model.names.iter().filter(|n| n.1.is_none()).map(|n| n.0.clone()).collect();
        assert_eq!(texts(&registry.topics()), topics);
        for name in TOPICS {
            let channels: Vec<String> =
                model.names.iter().filter(|n| n.0 == name).filter_map(|n| n.1.clone()).collect();
            assert_eq!(texts(&registry.channels(name)), channels);
            let is_shown = |number: &usize| {
                model.registrations.contains(&((name.to_owned(), None), *number))
                    && model.is_active(*number, now)
                    && !model.is_hidden(name, *number, now)
            };
            let shown: BTreeSet<usize> = model.updates.keys().copied().filter(is_shown).collect();
            let lookup = registry.lookup(name, now);
            assert_eq!(lookup.is_some(), topics.iter().any(|topic| topic == name));
            if let Some(lookup) = lookup {
                assert_eq!(texts(&lookup.channels), channels);
                assert_eq!(lookup.producers.iter().map(|p| number(p)).collect::<BTreeSet<_>>(), shown);
            }
        }
        let mut nodes = BTreeMap::new();
        let mut from = 0;
        while let Some((node, next)) = registry.node(from, now) {
            let topics: BTreeMap<_, _> =
                node.topics.iter().map(|(topic, hidden)| (topic.to_string(), *hidden)).collect();
            nodes.insert(number(&node.producer), topics);
            from = next;
        }
        let active = model.updates.keys().filter(|number| model.is_active(**number, now));
        let expected: BTreeMap<usize, BTreeMap<String, bool>> = active
            .map(|number| {
                let topics = model.of(*number, None).into_iter().filter(|name| name.1.is_none());
                (*number, topics.map(|(t, _)| (t.clone(), model.is_hidden(&t, *number, now))).collect())
            })
            .collect();
        assert_eq!(nodes, expected);
        self.compare_dump();
    }

    fn compare_dump(&self) {
        let mut expected: BTreeMap<String, BTreeMap<usize, (Now, Option<Now>)>> = BTreeMap::new();
        for (number, update) in &self.model.updates {
            expected.entry("client::".to_owned()).or_default().insert(*number, (*update, None));
        }
        for ((topic, channel), number) in &self.model.registrations {
            let (key, tombstone) = match channel {
                Some(channel) => (format!("channel:{topic}:{channel}"), None),
                None => {
                    (format!("topic:{topic}:"), self.model.tombstones.get(&(topic.clone(), *number)).copied())
                }
            };
            expected.entry(key).or_default().insert(*number, (self.model.updates[number], tombstone));
        }
        let keys = self.registry.keys();
        assert_eq!(texts(&keys), expected.keys().cloned().collect::<Vec<_>>());
        for key in keys {
            let entries = self.registry.entries(&key).into_iter();
            let entries: BTreeMap<_, _> =
                entries.map(|e| (number(&e.producer), (e.last_update, e.tombstoned_at))).collect();
            assert_eq!(entries, expected[&key.to_string()], "{key}");
        }
    }
}

proptest! {
    /// Protects all of it: whatever comes in whatever order, the registry says what NSQ's description says.
    #[test]
    fn the_registry_is_what_the_model_is(operations in prop::collection::vec(operation(), 1..120)) {
        let mut pair = Pair {
            model: Model::default(),
            registry: registry(),
            connections: Vec::new(),
            count: 0,
            now: at(1),
        };
        for operation in operations {
            pair.apply(&operation);
            pair.compare();
        }
    }
}
