//! The tasks that find nsqds and keep them connected.

use std::{collections::HashSet, sync::Arc, time::Duration};

use parking_lot::Mutex;
use reqwest::Url;
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

use super::{
    connection::{Subscribed, Subscriber},
    lookup_client::LookupClient,
};
use crate::config::format_duration;

/// Tries of a poll, each at the next nsqlookupd.
const TRIES_MAX: usize = 3;
/// A connection that is lost sooner does not make us ask nsqlookupd at once, or two would keep each other busy.
const SHORT_LIVED: Duration = Duration::from_secs(1);

/// Keeps a fixed nsqd connected, until the consumer stops.
pub(super) async fn keep_connected(subscriber: Arc<Subscriber>, address: String, first: Subscribed) {
    let (hub, label) = (&subscriber.hub, subscriber.hub.label());
    let interval = hub.config().lookupd_poll_interval;
    let mut connection = Some(first);
    loop {
        if let Some(connection) = connection.take() {
            connection.run().await;
        }
        if hub.stopping().is_cancelled() {
            return;
        }
        tracing::info!("{label} ({address}) re-connecting in {}", format_duration(interval));
        tokio::select! {
            () = sleep(interval) => {}
            () = hub.stopping().cancelled() => return,
        }
        match subscriber.subscribe(&address).await {
            Ok(next) => connection = next,
            Err(cause) => tracing::error!("{label} ({address}) error connecting to nsqd - {cause}"),
        }
    }
}

/// Asks nsqlookupds.
pub(super) struct Finder {
    subscriber: Arc<Subscriber>,
    client: LookupClient,
    urls: Vec<Url>,
    // The next to ask.
    turn: usize,
    state: Arc<State>,
}

/// What connections tell the finder.
#[derive(Default)]
struct State {
    // Connected, or about to be.
    addresses: Mutex<HashSet<String>>,
    lost: Notify,
}

impl Finder {
    pub(super) fn new(subscriber: Arc<Subscriber>, client: LookupClient, urls: Vec<Url>) -> Self {
        Self { subscriber, client, urls, turn: 0, state: Arc::default() }
    }

    /// Polls until the consumer stops.
    pub(super) async fn run(mut self) {
        let subscriber = Arc::clone(&self.subscriber);
        let hub = &subscriber.hub;
        let config = hub.config();
        let interval = config.lookupd_poll_interval;
        // So that consumers that begin together do not ask together for ever.
        let jitter = interval.mul_f64(fastrand::f64() * config.lookupd_poll_jitter);
        let polling = async {
            self.poll().await;
            let mut next = Instant::now() + jitter + interval;
            loop {
                tokio::select! {
                    () = tokio::time::sleep_until(next) => next += interval,
                    () = self.state.lost.notified() => {}
                }
                next = next.max(Instant::now());
                self.poll().await;
            }
        };
        tokio::select! {
            () = polling => {}
            () = hub.stopping().cancelled() => {}
        }
        tracing::info!("{} exiting lookupdLoop", hub.label());
    }

    /// Asks one nsqlookupd, or another one if it fails, and connects to what is new.
    async fn poll(&mut self) {
        let label = self.subscriber.hub.label().clone();
        for attempt in 1..=TRIES_MAX {
            let url = &self.urls[self.turn % self.urls.len()];
            self.turn = (self.turn + 1) % self.urls.len();
            tracing::info!("{label} querying nsqlookupd {url}");
            match self.client.nsqds(url).await {
                Ok(addresses) => return self.connect(addresses),
                Err(cause) => tracing::error!("{label} error querying nsqlookupd ({url}) - {cause}"),
            }
            if attempt < TRIES_MAX {
                tracing::info!("{label} retrying with next nsqlookupd");
            }
        }
    }

    fn connect(&self, addresses: Vec<String>) {
        for address in addresses {
            if self.state.addresses.lock().insert(address.clone()) {
                let connecting = connect(Arc::clone(&self.subscriber), address, Arc::clone(&self.state));
                self.subscriber.hub.tasks().spawn(connecting);
            }
        }
    }
}

/// One life of a connection that was found. nsqlookupd says whether there is to be another.
async fn connect(subscriber: Arc<Subscriber>, address: String, state: Arc<State>) {
    let began = Instant::now();
    match subscriber.subscribe(&address).await {
        Ok(Some(connection)) => {
            connection.run().await;
            state.addresses.lock().remove(&address);
            if SHORT_LIVED <= began.elapsed() {
                state.lost.notify_one();
            }
        }
        Ok(None) => {}
        Err(cause) => {
            state.addresses.lock().remove(&address);
            let label = subscriber.hub.label();
            tracing::error!("{label} ({address}) error connecting to nsqd - {cause}");
        }
    }
}
