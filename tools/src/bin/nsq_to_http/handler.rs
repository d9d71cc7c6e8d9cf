//! What becomes of a message.

use std::time::{Duration, Instant};

use client::{Message, Requeue};
use parking_lot::Mutex;
use tools::{
    balance::{Balance, Mode},
    options::nsq_to_http::Options,
    timings::Timings,
};
use tracing::{info, warn};

use crate::requests::{Requests, SendError};

/// Sends messages, and finishes those that were taken.
#[derive(Debug)]
pub(crate) struct Handler {
    requests: Requests,
    mode: Mode,
    sample: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    balance: Balance,
    all: Timings,
    each: Vec<Timings>,
}

impl Handler {
    /// # Errors
    /// If an address or a header is no good, or the HTTP client cannot be built.
    pub(crate) fn new(options: &Options) -> anyhow::Result<Self> {
        let requests = Requests::new(options)?;
        let every = options.status_every;
        // With one address, the timings of all are its own.
        let of_each = if requests.names().len() == 1 { 0 } else { every };
        let each: Vec<_> = requests.names().map(|name| Timings::new(name, of_each)).collect();
        let all = Timings::new("aggregate", every);
        for warning in each.iter().chain([&all]).filter_map(Timings::warning) {
            warn!("{warning}");
        }
        let balance = Balance::new(options.mode, each.len(), Instant::now());
        let state = Mutex::new(State { balance, all, each });
        Ok(Self { requests, mode: options.mode, sample: options.sample, state })
    }

    /// Whether the next message is one that is sent.
    pub(crate) fn is_sampled(&self) -> bool {
        1.0 <= self.sample || fastrand::f64() < self.sample
    }

    /// Sends a message, and finishes it when it was taken; otherwise it comes again later, and the consumer pauses.
    pub(crate) async fn handle(&self, message: Message) {
        let started = Instant::now();
        let sent = match self.mode {
            Mode::All => self.send_to_all(&message).await,
            Mode::RoundRobin | Mode::HostPool | Mode::EpsilonGreedy => self.send_to_one(&message).await,
        };
        match sent {
            Ok(()) => {
                let line = self.state.lock().all.record(started.elapsed());
                say(line);
                message.finish();
            }
            Err((index, error)) => {
                let (name, id) = (self.requests.name(index), message.id);
                warn!("ERROR: msg {id} is requeued, {name} did not take it - {error}");
                message.requeue(Requeue::default());
            }
        }
    }

    /// To all in order; the first that fails ends it, and all will get the message again.
    async fn send_to_all(&self, message: &Message) -> Result<(), (usize, SendError)> {
        for index in 0..self.requests.names().len() {
            let started = Instant::now();
            self.requests.send(index, &message.body).await.map_err(|error| (index, error))?;
            self.record(index, started.elapsed());
        }
        Ok(())
    }

    async fn send_to_one(&self, message: &Message) -> Result<(), (usize, SendError)> {
        let started = Instant::now();
        let index = self.state.lock().balance.pick(started, fastrand::f64);
        let sent = self.requests.send(index, &message.body).await;
        let took = started.elapsed();
        self.state.lock().balance.mark(index, sent.is_ok(), took, Instant::now());
        sent.map_err(|error| (index, error))?;
        self.record(index, took);
        Ok(())
    }

    fn record(&self, index: usize, took: Duration) {
        let line = self.state.lock().each[index].record(took);
        say(line);
    }
}

fn say(line: Option<String>) {
    if let Some(line) = line {
        info!("{line}");
    }
}
