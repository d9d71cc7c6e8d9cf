//! The daemon's shared parts, as its TCP and HTTP faces use them.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::RwLock;

use crate::{alarms::Alarms, client::Client, clock, options::Start, tcp, topic::Topics};

/// Topics, clients and settings.
#[derive(Debug)]
pub(crate) struct Nsqd {
    pub(crate) start: Start,
    pub(crate) log: daemon::log::Log,
    pub(crate) topics: Arc<Topics>,
    pub(crate) alarms: Arc<Alarms>,
    pub(crate) clients: Clients,
    /// Limits and defaults of TCP connections.
    pub(crate) tcp: Arc<tcp::Settings>,
    pub(crate) hostname: String,
    pub(crate) start_unix: i64,
    pub(crate) ports: Ports,
}

/// The ports that are bound.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    /// −1 for a unix socket.
    pub(crate) tcp: i32,
    /// −1 for a unix socket, 0 without HTTP.
    pub(crate) http: i32,
    /// 0 without HTTPS.
    pub(crate) https: i32,
}

impl Nsqd {
    pub(crate) fn new(
        start: Start,
        log: daemon::log::Log,
        topics: Arc<Topics>,
        alarms: Arc<Alarms>,
        tcp: Arc<tcp::Settings>,
        hostname: String,
        ports: Ports,
    ) -> Arc<Self> {
        let clients = Clients::default();
        let start_unix = clock::unix_seconds();
        Arc::new(Self { start, log, topics, alarms, clients, tcp, hostname, start_unix, ports })
    }

    /// `OK`, or `NOK - ` and why some topic cannot store messages. May try whether there is room again.
    pub(crate) fn health(&self) -> Result<(), String> {
        self.topics.failure().map_or(Ok(()), |failure| Err(format!("NOK - {failure}")))
    }
}

/// All TCP connections.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    next_id: AtomicU64,
    map: RwLock<HashMap<u64, Arc<Client>>>,
}

impl Clients {
    /// Registers a new connection.
    pub(crate) fn add(&self, remote_address: String, remote_ip: &str) -> Arc<Client> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let client = Client::new(id, remote_address, remote_ip, clock::unix_seconds());
        self.map.write().insert(id, Arc::clone(&client));
        client
    }

    pub(crate) fn remove(&self, client: &Client) {
        self.map.write().remove(&client.id);
    }

    /// All, in the order in which they connected.
    pub(crate) fn all(&self) -> Vec<Arc<Client>> {
        let mut clients: Vec<_> = self.map.read().values().cloned().collect();
        clients.sort_unstable_by_key(|client| client.id);
        clients
    }
}
