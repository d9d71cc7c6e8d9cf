//! The daemon's shared parts, as its TCP and HTTP faces use them.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use daemon::{log::Log, reports::Reports};
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::{alarms::Alarms, client::Client, clock, options::Start, tcp, topic::Topics};

/// Topics, clients and settings.
#[derive(Debug)]
pub(crate) struct Nsqd {
    pub(crate) start: Start,
    pub(crate) log: Log,
    pub(crate) topics: Arc<Topics>,
    pub(crate) alarms: Arc<Alarms>,
    pub(crate) clients: Clients,
    /// Limits and defaults of TCP connections.
    pub(crate) tcp: Arc<tcp::Settings>,
    pub(crate) reports: Reports,
    pub(crate) hostname: String,
    pub(crate) start_unix: i64,
    pub(crate) ports: Ports,
    /// The nsqlookupds to register with, as host:port.
    pub(crate) lookupds: watch::Sender<Vec<String>>,
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

impl Ports {
    /// What others are told of a port: what was `given`, or the `bound` one; 0 if there is none.
    fn told(given: Option<u16>, bound: i32) -> u16 {
        given.unwrap_or_else(|| u16::try_from(bound).unwrap_or(0))
    }
}

impl Nsqd {
    /// # Errors
    /// The system has no thread left.
    pub(crate) fn new(
        mut start: Start,
        log: Log,
        topics: Arc<Topics>,
        alarms: Arc<Alarms>,
        tcp: Arc<tcp::Settings>,
        hostname: String,
        ports: Ports,
    ) -> io::Result<Arc<Self>> {
        let reports = Reports::start()?;
        let clients = Clients::default();
        let start_unix = clock::unix_seconds();
        let options = &start.options;
        let lookupds = watch::Sender::new(options.lookupd_tcp_addresses.clone());
        let tcp_port = Ports::told(options.broadcast_tcp_port, ports.tcp);
        let http_port = Ports::told(options.broadcast_http_port, ports.http);
        start.set_ports(tcp_port, http_port);
        Ok(Arc::new(Self {
            start,
            log,
            topics,
            alarms,
            clients,
            tcp,
            reports,
            hostname,
            start_unix,
            ports,
            lookupds,
        }))
    }

    /// Registers with these nsqlookupds from now on.
    pub(crate) fn set_lookupds(&self, addresses: Vec<String>) {
        self.topics.set_asks_elsewhere(!addresses.is_empty());
        self.lookupds.send_replace(addresses);
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
