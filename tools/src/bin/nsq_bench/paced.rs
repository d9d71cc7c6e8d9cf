//! Publishing on a fixed schedule.
//!
//! A thread writes what is due, another reads the OKs, so a slow answer never holds back the next command. Latencies
//! count from the scheduled time: a stall of the server is seen by every message that it delays.

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;

use crate::args::Extent;
use crate::checksum::Tally;
use crate::connection::Connection;
use crate::publish::{Published, Publisher, read_acks, share};
use crate::report::{latency_histogram, nanoseconds};
use crate::run::{Run, join_all};
use crate::template::Template;

/// When each command of one connection is due.
#[derive(Debug, Clone, Copy)]
struct Schedule {
    start: Instant,
    /// Messages a second on all connections, and in each command.
    rate: u64,
    batch: u64,
    /// Connections take turns.
    connections: u64,
    index: u64,
    /// Commands of this connection.
    commands: u64,
}

impl Schedule {
    /// Nanoseconds from the start of the run to the `n`-th command.
    fn due_ns(&self, n: u64) -> u64 {
        let messages = u128::from(n * self.connections + self.index) * u128::from(self.batch);
        u64::try_from(messages * 1_000_000_000 / u128::from(self.rate)).unwrap_or(u64::MAX)
    }

    fn due(&self, n: u64) -> Instant {
        self.start + Duration::from_nanos(self.due_ns(n))
    }

    /// How many commands from the `n`-th on are due at `now`, at most `max`.
    fn due_count(&self, n: u64, now: Instant, max: u64) -> u64 {
        (n..self.commands.min(n.saturating_add(max))).take_while(|n| self.due(*n) <= now).count() as u64
    }
}

/// Publishes `rate` messages a second in all, from `start` on. Bodies carry their intended time.
pub(crate) fn publish_all(
    publishers: Vec<Publisher>,
    rate: u64,
    extent: Extent,
    start: Instant,
    run: &Run,
) -> Result<Published> {
    let connections = publishers.len() as u64;
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for (publisher, index) in publishers.into_iter().zip(0..) {
            let batch = publisher.template.batch();
            let in_time =
                extent.time_limit().map(|limit| limit.as_nanos() * u128::from(rate) / 1_000_000_000);
            let in_time = in_time.map_or(u64::MAX, |messages| u64::try_from(messages).unwrap_or(u64::MAX));
            let commands = publisher.quota.min(share(in_time.div_ceil(batch), connections, index));
            let schedule = Schedule { start, rate, batch, connections, index, commands };
            threads.push(scope.spawn(move || run.watch(publish(publisher, schedule, run))));
        }
        join_all(threads).map(Published::merge)
    })
}

fn publish(publisher: Publisher, schedule: Schedule, run: &Run) -> Result<Published> {
    let Publisher { mut connection, template, first_number, .. } = publisher;
    let stream = connection.plain_socket()?.try_clone().context("cannot share the socket")?;
    // Between two commands silence is no stall.
    let pause = Duration::from_nanos(schedule.due_ns(1) - schedule.due_ns(0));
    connection.set_read_timeout(stream.read_timeout()?.unwrap_or_default() + pause)?;
    let body_bytes = template.body_bytes();
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || write_due(stream, template, first_number, schedule, run));
        let acked = run.watch(await_acks(&mut connection, schedule, run));
        if acked.is_err() {
            // The writer may be blocked in a write. If it is too late for this, it has ended already.
            drop(connection.socket().shutdown(Shutdown::Both));
        }
        let written = writer.join().expect("a panic aborts the process");
        // The reader knows the server's reason, the writer only that the connection broke.
        let (acks, ack_latency, ended) = acked?;
        let send_delay = written?;
        let tally = Tally::of_published(first_number, acks * schedule.batch, body_bytes);
        Ok(Published { tally, ack_latency, send_delay, ended })
    })
}

/// Writes each command when it is due and returns by how much the writes were late.
fn write_due(
    mut stream: TcpStream,
    mut template: Template,
    first_number: u64,
    schedule: Schedule,
    run: &Run,
) -> Result<Histogram<u64>> {
    // A sleep otherwise ends up to 50 µs late, which would be counted as the server's.
    nix::sys::prctl::set_timerslack(1).context("cannot set the timer slack")?;
    let mut delay = latency_histogram();
    let mut sent = 0;
    while sent < schedule.commands && !run.has_failed() {
        let early = schedule.due(sent).saturating_duration_since(Instant::now());
        if !early.is_zero() {
            std::thread::sleep(early);
        }
        let now = Instant::now();
        let due = schedule.due_count(sent, now, WRITE_COMMANDS_MAX);
        if due == 0 {
            continue;
        }
        let number = first_number + sent * schedule.batch;
        let (bytes, count) =
            template.take_stamped(usize::try_from(due)?, number, |index| schedule.due_ns(sent + index));
        for index in 0..count as u64 {
            delay.saturating_record(nanoseconds(now.saturating_duration_since(schedule.due(sent + index))));
        }
        stream.write_all(bytes).context("connection lost while writing")?;
        sent += count as u64;
    }
    Ok(delay)
}

// Bounds the look ahead; a template may hold fewer.
const WRITE_COMMANDS_MAX: u64 = 1024;

/// Reads all OKs; they come in the order of the commands.
fn await_acks(
    connection: &mut Connection,
    schedule: Schedule,
    run: &Run,
) -> Result<(u64, Histogram<u64>, Instant)> {
    let mut latency = latency_histogram();
    let mut acked = 0;
    let mut now = Instant::now();
    while acked < schedule.commands && !run.has_failed() {
        let answered = read_acks(connection)?;
        now = Instant::now();
        for n in acked..acked + answered {
            latency.saturating_record(nanoseconds(now.saturating_duration_since(schedule.due(n))));
        }
        acked += answered;
        run.add_done(answered * schedule.batch);
    }
    Ok((acked, latency, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_take_turns_on_one_schedule() {
        let start = Instant::now();
        let of = |index| Schedule { start, rate: 1000, batch: 10, connections: 2, index, commands: 100 };
        assert_eq!([of(0).due_ns(0), of(1).due_ns(0), of(0).due_ns(1)], [0, 10_000_000, 20_000_000]);
    }

    #[test]
    fn what_became_due_during_a_stall_is_due_at_once() {
        let start = Instant::now();
        let schedule = Schedule { start, rate: 1000, batch: 1, connections: 1, index: 0, commands: 100 };
        let now = start + Duration::from_millis(50);
        assert_eq!(schedule.due_count(10, now, 1000), 41);
        assert_eq!(schedule.due_count(10, now, 5), 5);
        assert_eq!(schedule.due_count(90, start + Duration::from_secs(9), 1000), 10);
        assert_eq!(schedule.due_count(51, now, 1000), 0);
    }
}
