//! The operations: how often, with what, and what each does to the topics and to the model.

use fastrand::Rng;

use super::world::World;
use crate::log::Check;

/// Most messages of one publish.
const BATCH_MAX: usize = 12;
/// More outstanding messages than this only make a run slow: publishes then are rarer.
const OUTSTANDING_MAX: usize = 400;

/// One step of a run. Everything random is drawn before, so that a step prints as what it does.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    /// Bodies of these sizes, at once or deferred by so many ns.
    Publish {
        topic: &'static str,
        sizes: Vec<usize>,
        delay_ns: Option<u64>,
    },
    Take {
        consumer: u64,
        messages: u32,
        bytes: u32,
    },
    /// Messages of a consumer, by their place among those it has, in this order.
    Finish {
        consumer: u64,
        places: Vec<usize>,
    },
    Requeue {
        consumer: u64,
        place: usize,
        delay_ns: Option<u64>,
    },
    TimeOut {
        consumer: u64,
        count: usize,
    },
    Join {
        topic: &'static str,
        channel: &'static str,
    },
    Leave {
        consumer: u64,
    },
    NotReady {
        consumer: u64,
    },
    Clock {
        by_ns: u64,
    },
    CreateTopic {
        topic: &'static str,
    },
    CreateChannel {
        topic: &'static str,
        channel: &'static str,
    },
    /// `listed`: the list of topics is written before anything else happens, as it is for HTTP.
    DeleteTopic {
        topic: &'static str,
        listed: bool,
    },
    DeleteChannel {
        topic: &'static str,
        channel: &'static str,
    },
    PauseTopic {
        topic: &'static str,
        paused: bool,
    },
    /// `saved`: the checkpoint is written before anything else happens, as it is for HTTP.
    PauseChannel {
        topic: &'static str,
        channel: &'static str,
        paused: bool,
        saved: bool,
    },
    EmptyTopic {
        topic: &'static str,
    },
    /// To the oldest message that is there.
    SeekChannel {
        topic: &'static str,
        channel: &'static str,
    },
    EmptyChannel {
        topic: &'static str,
        channel: &'static str,
    },
    /// Checkpoints, syncs and releases of segments, as every sync interval.
    Round,
    Release {
        topic: &'static str,
    },
    /// What is left of old segments is joined.
    Compact {
        topic: &'static str,
    },
    /// An orderly stop and a start. `leave`: connections end before.
    Restart {
        leave: bool,
        check: Check,
    },
    Kill {
        check: Check,
    },
}

impl Operation {
    /// The one topic that it may change, if it names it.
    pub(super) fn topic(&self) -> Option<&'static str> {
        match *self {
            Self::Publish { topic, .. }
            | Self::Join { topic, .. }
            | Self::CreateTopic { topic }
            | Self::CreateChannel { topic, .. }
            | Self::DeleteTopic { topic, .. }
            | Self::DeleteChannel { topic, .. }
            | Self::PauseTopic { topic, .. }
            | Self::PauseChannel { topic, .. }
            | Self::EmptyTopic { topic }
            | Self::EmptyChannel { topic, .. }
            | Self::SeekChannel { topic, .. }
            | Self::Release { topic }
            | Self::Compact { topic } => Some(topic),
            _ => None,
        }
    }

    /// The one consumer that it concerns, if it does.
    pub(super) fn consumer(&self) -> Option<u64> {
        match *self {
            Self::Take { consumer, .. }
            | Self::Finish { consumer, .. }
            | Self::Requeue { consumer, .. }
            | Self::TimeOut { consumer, .. }
            | Self::Leave { consumer }
            | Self::NotReady { consumer } => Some(consumer),
            _ => None,
        }
    }
}

/// Kinds of operations and how often each is drawn, in about thousandths.
const WEIGHTS: [(u32, Kind); 23] = [
    (215, Kind::Publish),
    (285, Kind::Take),
    (235, Kind::Finish),
    (60, Kind::Requeue),
    (25, Kind::TimeOut),
    (35, Kind::Join),
    (8, Kind::Leave),
    (7, Kind::NotReady),
    (45, Kind::Clock),
    (10, Kind::CreateTopic),
    (14, Kind::CreateChannel),
    (1, Kind::DeleteTopic),
    (2, Kind::DeleteChannel),
    (6, Kind::PauseTopic),
    (6, Kind::PauseChannel),
    (4, Kind::EmptyTopic),
    (2, Kind::EmptyChannel),
    (2, Kind::SeekChannel),
    (15, Kind::Round),
    (20, Kind::Release),
    (9, Kind::Compact),
    (2, Kind::Restart),
    (3, Kind::Kill),
];

#[derive(Debug, Clone, Copy)]
enum Kind {
    Publish,
    Take,
    Finish,
    Requeue,
    TimeOut,
    Join,
    Leave,
    NotReady,
    Clock,
    CreateTopic,
    CreateChannel,
    DeleteTopic,
    DeleteChannel,
    PauseTopic,
    PauseChannel,
    EmptyTopic,
    EmptyChannel,
    SeekChannel,
    Round,
    Release,
    Compact,
    Restart,
    Kill,
}

/// Draws the next operation. One that has no object now, such as a take without consumers, is drawn again.
pub(super) fn draw(random: &mut Rng, world: &World) -> Operation {
    let total = WEIGHTS.iter().map(|(weight, _)| weight).sum();
    loop {
        let mut at = random.u32(0..total);
        let drawn = WEIGHTS.iter().find(|(weight, _)| {
            let is_it = at < *weight;
            at = at.saturating_sub(*weight);
            is_it
        });
        let kind = drawn.expect("less than the total").1;
        if let Some(operation) = of_kind(kind, random, world) {
            return operation;
        }
    }
}

fn of_kind(kind: Kind, random: &mut Rng, world: &World) -> Option<Operation> {
    use Operation as O;
    match kind {
        Kind::Publish | Kind::Clock | Kind::Round | Kind::Restart | Kind::Kill => {
            of_node(kind, random, world)
        }
        Kind::Take | Kind::Finish | Kind::Requeue | Kind::TimeOut | Kind::Leave | Kind::NotReady => {
            of_consumer(kind, random, world)
        }
        Kind::CreateTopic => {
            let topic = *random.choice(world.profile.topics)?;
            (!world.models.contains_key(topic)).then_some(O::CreateTopic { topic })
        }
        Kind::CreateChannel => {
            let (topic, channel) = (pick_topic(random, world)?, *random.choice(world.profile.channels)?);
            (!world.models[topic].channels.contains_key(channel))
                .then_some(O::CreateChannel { topic, channel })
        }
        Kind::DeleteTopic => {
            Some(O::DeleteTopic { topic: pick_topic(random, world)?, listed: random.bool() })
        }
        // Rarely for long, or nothing would be delivered.
        Kind::PauseTopic => {
            let topic = pick_topic(random, world)?;
            Some(O::PauseTopic { topic, paused: !world.models[topic].paused })
        }
        Kind::EmptyTopic => Some(O::EmptyTopic { topic: pick_topic(random, world)? }),
        Kind::Release => Some(O::Release { topic: pick_topic(random, world)? }),
        Kind::Compact => Some(O::Compact { topic: pick_topic(random, world)? }),
        Kind::Join | Kind::DeleteChannel | Kind::PauseChannel | Kind::EmptyChannel | Kind::SeekChannel => {
            let topic = pick_topic(random, world)?;
            let channel = *random.choice(world.models[topic].channels.keys())?;
            Some(match kind {
                Kind::Join => O::Join { topic, channel },
                Kind::DeleteChannel => O::DeleteChannel { topic, channel },
                Kind::EmptyChannel => O::EmptyChannel { topic, channel },
                Kind::SeekChannel => O::SeekChannel { topic, channel },
                _ => {
                    let paused = !world.models[topic].channels[channel].paused;
                    O::PauseChannel { topic, channel, paused, saved: random.u8(..4) != 0 }
                }
            })
        }
    }
}

fn of_node(kind: Kind, random: &mut Rng, world: &World) -> Option<Operation> {
    use Operation as O;
    Some(match kind {
        Kind::Publish => {
            let topic = pick_topic(random, world)?;
            let outstanding: usize =
                world.models[topic].channels.values().map(|channel| channel.messages.len()).sum();
            if OUTSTANDING_MAX < outstanding + world.models[topic].waiting.len() && random.u8(..8) != 0 {
                return None;
            }
            let delay_ns = (world.profile.defers && random.u8(..7) == 0).then(|| delay(random));
            O::Publish { topic, sizes: sizes(random), delay_ns }
        }
        Kind::Clock => O::Clock { by_ns: delay(random) },
        Kind::Round => O::Round,
        Kind::Restart => {
            O::Restart { leave: random.bool(), check: *random.choice(&[Check::Growing, Check::All])? }
        }
        _ if world.profile.kills => O::Kill { check: *random.choice(&[Check::Unsynced, Check::All])? },
        _ => return None,
    })
}

fn of_consumer(kind: Kind, random: &mut Rng, world: &World) -> Option<Operation> {
    use Operation as O;
    let (id, held) = *random.choice(&world.consumers())?;
    let consumer = id;
    if held == 0 && matches!(kind, Kind::Finish | Kind::Requeue | Kind::TimeOut) {
        return None;
    }
    Some(match kind {
        Kind::Take => {
            let bytes = if random.u8(..4) == 0 { random.u32(1..6000) } else { u32::MAX };
            O::Take { consumer, messages: random.u32(1..20), bytes }
        }
        Kind::Finish => {
            let count = random.usize(1..=held);
            let mut places: Vec<usize> = (0..held).collect();
            if random.bool() {
                random.shuffle(&mut places);
            }
            places.truncate(count);
            O::Finish { consumer, places }
        }
        Kind::Requeue => {
            let delay_ns = (world.profile.defers && random.bool()).then(|| delay(random));
            O::Requeue { consumer, place: random.usize(..held), delay_ns }
        }
        Kind::TimeOut => O::TimeOut { consumer, count: random.usize(1..=held) },
        Kind::Leave => O::Leave { consumer },
        _ => O::NotReady { consumer },
    })
}

fn pick_topic(random: &mut Rng, world: &World) -> Option<&'static str> {
    random.choice(world.models.keys()).copied()
}

/// From a moment to ten seconds.
fn delay(random: &mut Rng) -> u64 {
    match random.u8(..3) {
        0 => random.u64(1..1000),
        1 => random.u64(1..1_000_000_000),
        _ => random.u64(1..10_000_000_000),
    }
}

/// Mostly small bodies, now and then one that fills a segment or needs one of its own.
fn sizes(random: &mut Rng) -> Vec<usize> {
    match random.u8(..20) {
        0 => vec![random.usize(..2)],
        1 => vec![random.usize(2..40_000)],
        2..8 => vec![random.usize(2..300)],
        _ => {
            let count = random.usize(2..=BATCH_MAX);
            std::iter::repeat_with(|| random.usize(2..200)).take(count).collect()
        }
    }
}
