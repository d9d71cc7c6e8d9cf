//! Kills nsqd under load, again and again, and counts what was acknowledged.
//!
//! The promise: a message whose publish was answered `OK` is delivered, byte for byte, on every channel, unless a FIN for
//! it was sent. Each round starts nsqd on what the last one left, consumes until everything that is owed has come, puts
//! it under load from publishers of every kind and from consumers, and kills it at a random moment.
//!
//! `NSQ_CRASH_ROUNDS` (200) is how many, `NSQ_CRASH_SEED` repeats the choices of a run that failed.
#![expect(clippy::panic, reason = "a test fails by a panic")]

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use parking_lot::Mutex;
use tests::{Client, HttpConnection, Message, Nsqd, Received, within};
use tokio::task::JoinSet;

const TOPIC: &str = "crash";

/// Rounds on one data path; then a new one, since duplicates of killed rounds pile up.
const ROUNDS_PER_DATA_PATH: u32 = 20;

/// Channels that a data path gets one after the other.
const CHANNELS: [&str; 3] = ["c0", "c1", "c2"];

/// Messages a consumer of the check has in flight.
const CHECK_RDY: u32 = 500;

/// Messages that a publisher has under way.
const PIPELINE_MAX: usize = 40;

/// What is owed, and what has been counted.
#[derive(Default)]
struct Ledger {
    last_number: u64,
    /// Acknowledged while there was no channel: the first one gets them.
    without_channel: HashSet<u64>,
    channels: Vec<ChannelLedger>,
    acknowledged: u64,
    deliveries: u64,
    duplicates: u64,
}

/// What one channel owes.
#[derive(Default)]
struct ChannelLedger {
    owed: HashSet<u64>,
    /// A FIN was sent, or tried to: the message may come again, or not.
    finished: HashSet<u64>,
}

type SharedLedger = Arc<Mutex<Ledger>>;

impl Ledger {
    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn acknowledge(&mut self, numbers: &[u64]) {
        self.acknowledged += numbers.len() as u64;
        if self.channels.is_empty() {
            self.without_channel.extend(numbers);
        }
        for channel in &mut self.channels {
            // A consumer can have finished it before its publisher saw the OK.
            channel.owed.extend(numbers.iter().filter(|number| !channel.finished.contains(number)));
        }
    }

    fn add_channel(&mut self) {
        let owed = std::mem::take(&mut self.without_channel);
        self.channels.push(ChannelLedger { owed, finished: HashSet::new() });
    }

    /// Checks a delivered message and returns its number.
    fn deliver(&mut self, channel: usize, message: &Message) -> u64 {
        let number = number_of(message);
        assert!(message.body == body_of(number), "message {number} has another body than was published");
        self.deliveries += 1;
        self.duplicates += u64::from(self.channels[channel].finished.contains(&number));
        number
    }

    fn finish(&mut self, channel: usize, number: u64) {
        let channel = &mut self.channels[channel];
        channel.owed.remove(&number);
        channel.finished.insert(number);
    }
}

/// The body of a message: its number, and bytes that follow from it.
fn body_of(number: u64) -> Vec<u8> {
    let mut rng = Rng::with_seed(number);
    let filler_bytes = if rng.u32(..300) == 0 { rng.usize(..100_000) } else { rng.usize(..400) };
    let mut body = number.to_be_bytes().to_vec();
    body.extend(std::iter::repeat_with(|| rng.u8(..)).take(filler_bytes));
    body
}

fn number_of(message: &Message) -> u64 {
    let head = message.body.first_chunk().expect("every body begins with its number");
    u64::from_be_bytes(*head)
}

#[tokio::test]
async fn what_was_acknowledged_survives_kills() {
    // Protects the promise of this daemon.
    if !tests::ours_only("what is in memory is lost with the process") {
        return;
    }
    let rounds = setting("NSQ_CRASH_ROUNDS").unwrap_or(200);
    let seed = setting("NSQ_CRASH_SEED").unwrap_or_else(|| Rng::new().u64(..));
    report(&format!("crash test: {rounds} rounds, NSQ_CRASH_SEED={seed}"));
    let started = Instant::now();
    let mut rng = Rng::with_seed(seed);
    let (mut acknowledged, mut deliveries, mut duplicates, mut done) = (0, 0, 0, 0);
    while done < rounds {
        let count = (rounds - done).min(ROUNDS_PER_DATA_PATH.into());
        let ledger = SharedLedger::default();
        run_data_path(count, &mut rng, &ledger).await;
        let ledger = ledger.lock();
        acknowledged += ledger.acknowledged;
        deliveries += ledger.deliveries;
        duplicates += ledger.duplicates;
        done += count;
    }
    report(&format!(
        "crash test: {rounds} kills in {:.1?}: {acknowledged} messages acknowledged, none lost; {deliveries} deliveries, \
         {duplicates} of them again after their FIN was sent",
        started.elapsed()
    ));
    assert!(acknowledged > 0, "nothing was acknowledged, so nothing was tested");
}

/// `rounds` rounds on a new data path, and a last check of what it holds.
async fn run_data_path(rounds: u64, rng: &mut Rng, ledger: &SharedLedger) {
    let mut nsqd = Nsqd::start_with(&flags(rng)).await;
    for round in 0..rounds {
        // The first round has no channel: its messages wait in the topic.
        let channels = ledger.lock().channels.len();
        if channels < CHANNELS.len() && (round == 1 || round % 4 == 2) {
            nsqd.create_channel(TOPIC, CHANNELS[channels]).await;
            ledger.lock().add_channel();
        }
        check_what_is_owed(&nsqd, ledger).await;
        let load = start_load(&nsqd, rng, ledger).await;
        tokio::time::sleep(Duration::from_micros(rng.u64(1_000..50_000))).await;
        // An orderly stop now and then leaves another state behind than a kill.
        if rng.u32(..12) == 0 {
            assert!(nsqd.terminate().await.success());
        } else {
            nsqd.kill().await;
        }
        within("the end of the load", load.join_all()).await;
        nsqd = nsqd.start_again_with(&flags(rng)).await;
    }
    check_what_is_owed(&nsqd, ledger).await;
    assert!(nsqd.terminate().await.success());
}

/// Flags that decide when nsqd writes and cuts its files.
fn flags(rng: &mut Rng) -> [&'static str; 3] {
    let sync_timeout = rng.choice(["--sync-timeout=10ms", "--sync-timeout=100ms", "--sync-timeout=2s"]);
    let sync_every = rng.choice(["--sync-every=1", "--sync-every=100", "--sync-every=2500"]);
    let file_bytes = rng.choice(["--max-bytes-per-file=1048576", "--max-bytes-per-file=104857600"]);
    let chosen = [sync_timeout, sync_every, file_bytes];
    chosen.map(|flag| flag.expect("there are flags to choose from"))
}

/// Consumes every channel until all that it owes has come.
async fn check_what_is_owed(nsqd: &Nsqd, ledger: &SharedLedger) {
    let count = ledger.lock().channels.len();
    for (index, channel) in CHANNELS.iter().enumerate().take(count) {
        let mut consumer = nsqd.consumer(TOPIC, channel, CHECK_RDY).await;
        while !ledger.lock().channels[index].owed.is_empty() {
            let message = tokio::time::timeout(tests::DEADLINE, consumer.read_message()).await;
            let Ok(Some(message)) = message else { report_lost(channel, &ledger.lock().channels[index]) };
            {
                let mut ledger = ledger.lock();
                let number = ledger.deliver(index, &message);
                ledger.finish(index, number);
            }
            consumer.fin(message.id).await;
        }
    }
}

fn report_lost(channel: &str, ledger: &ChannelLedger) -> ! {
    let mut numbers: Vec<_> = ledger.owed.iter().copied().collect();
    numbers.sort_unstable();
    numbers.truncate(20);
    panic!(
        "{channel} owes {} acknowledged messages that do not come, such as {numbers:?}",
        ledger.owed.len()
    );
}

/// Publishers of every kind and consumers that finish, requeue and hold back. Each task ends with its connection and
/// returns how many answers or messages it got.
async fn start_load(nsqd: &Nsqd, rng: &mut Rng, ledger: &SharedLedger) -> JoinSet<u64> {
    let mut tasks = JoinSet::new();
    for kind in [Publish::One, Publish::One, Publish::Deferred, Publish::Batch] {
        tasks.spawn(publish_over_tcp(nsqd.connect().await, kind, rng.fork(), ledger.clone()));
    }
    tasks.spawn(publish_over_http(nsqd.http().await, ledger.clone()));
    let count = ledger.lock().channels.len();
    for (index, channel) in CHANNELS.iter().enumerate().take(count) {
        for _ in 0..2 {
            let consumer = nsqd.consumer(TOPIC, channel, rng.u32(1..200)).await;
            tasks.spawn(consume(consumer, index, rng.fork(), ledger.clone()));
        }
    }
    tasks
}

#[derive(Clone, Copy)]
enum Publish {
    One,
    Deferred,
    Batch,
}

async fn publish_over_tcp(mut client: Client, kind: Publish, mut rng: Rng, ledger: SharedLedger) -> u64 {
    let mut answers = 0;
    loop {
        // Several commands under way at once; each answer acknowledges one of them.
        let mut bytes = Vec::new();
        let mut commands = Vec::new();
        for _ in 0..rng.usize(1..PIPELINE_MAX) {
            let numbers = match kind {
                Publish::One | Publish::Deferred => vec![ledger.lock().next_number()],
                Publish::Batch => (0..rng.usize(1..50)).map(|_| ledger.lock().next_number()).collect(),
            };
            put_publish(&mut bytes, kind, &numbers, &mut rng);
            commands.push(numbers);
        }
        if client.try_send(&bytes).await.is_err() {
            // What was answered before can still be read.
            bytes.clear();
        }
        for numbers in commands {
            match client.read_frame().await {
                Some(Received::Response(data)) if data == b"OK" => ledger.lock().acknowledge(&numbers),
                None => return answers,
                // Not acknowledged, as it may be while nsqd stops.
                Some(Received::Error(text)) if text.ends_with(b" exiting") => {}
                Some(other) => panic!("a publish was answered by {other:?}"),
            }
            answers += 1;
        }
    }
}

fn put_publish(out: &mut Vec<u8>, kind: Publish, numbers: &[u64], rng: &mut Rng) {
    let bodies: Vec<_> = numbers.iter().map(|number| body_of(*number)).collect();
    let size = |count: usize| u32::try_from(count).expect("bodies are small").to_be_bytes();
    match kind {
        Publish::One => out.extend_from_slice(format!("PUB {TOPIC}\n").as_bytes()),
        Publish::Deferred => out.extend_from_slice(format!("DPUB {TOPIC} {}\n", rng.u32(..150)).as_bytes()),
        Publish::Batch => {
            out.extend_from_slice(format!("MPUB {TOPIC}\n").as_bytes());
            out.extend_from_slice(&size(4 + bodies.iter().map(|body| 4 + body.len()).sum::<usize>()));
            out.extend_from_slice(&size(bodies.len()));
        }
    }
    for body in bodies {
        out.extend_from_slice(&size(body.len()));
        out.extend_from_slice(&body);
    }
}

async fn publish_over_http(mut http: HttpConnection, ledger: SharedLedger) -> u64 {
    let target = format!("/pub?topic={TOPIC}");
    let mut answers = 0;
    loop {
        let number = ledger.lock().next_number();
        let Some(response) = http.try_request("POST", &target, &body_of(number)).await else {
            return answers;
        };
        match response.status {
            200 => ledger.lock().acknowledge(&[number]),
            // Refused, as it may be while nsqd stops; then the connection ends soon.
            503 => {}
            other => panic!("a publish was answered by {other} {}", response.text()),
        }
        answers += 1;
    }
}

async fn consume(mut client: Client, channel: usize, mut rng: Rng, ledger: SharedLedger) -> u64 {
    let mut messages = 0;
    while let Some(message) = client.read_message().await {
        messages += 1;
        let number = ledger.lock().deliver(channel, &message);
        let sent = match rng.u32(..100) {
            0..85 => {
                ledger.lock().finish(channel, number);
                client.try_send(format!("FIN {}\n", message.id)).await
            }
            85..96 => client.try_send(format!("REQ {} {}\n", message.id, rng.u32(..50))).await,
            // Left in flight.
            _ => Ok(()),
        };
        if sent.is_err() {
            break;
        }
    }
    messages
}

fn setting(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")))
}

#[expect(clippy::print_stdout, reason = "the figures of a run, and the seed of one that fails")]
fn report(line: &str) {
    println!("{line}");
}
