//! nsqd as a client of nsqlookupds: it tells them what it has, and asks them what a new topic has elsewhere.
//!
//! Each nsqlookupd has a task of its own, so that one that is slow or dead holds up nobody. A task does not replay events:
//! it compares what there is with what it has announced, so that nothing can be missed and nothing piles up.

mod announced;
mod channels;
mod peer;

use std::sync::Arc;

use parking_lot::Mutex;
use protocol::{LookupIdentified, LookupIdentify};
use tokio::task::JoinSet;
use tracing::warn;

use crate::{ask::Asker, nsqd::Nsqd};

/// What is known of each nsqlookupd since it was first reached.
type Known = Arc<Mutex<Option<LookupIdentified>>>;

/// Announces this nsqd, for ever. Without nsqlookupds it does nothing.
pub(crate) async fn run(nsqd: Arc<Nsqd>, asker: Asker) {
    let options = &nsqd.start.options;
    if options.lookupd_tcp_addresses.is_empty() {
        return std::future::pending().await;
    }
    let Some(identify) = identify(&nsqd) else {
        warn!(
            "LOOKUPD: this nsqd cannot be registered, having no TCP port or no HTTP port; \
             give --broadcast-tcp-port and --broadcast-http-port"
        );
        return channels::release_all(&nsqd).await;
    };
    let mut peers = JoinSet::new();
    let mut known = Vec::new();
    for address in &options.lookupd_tcp_addresses {
        let info = Known::default();
        known.push(Arc::clone(&info));
        peers.spawn(peer::run(Arc::clone(&nsqd), address.clone(), identify.clone(), info));
    }
    channels::run(&nsqd, &asker, &known).await;
}

/// `None` if there is no port that others could use.
fn identify(nsqd: &Nsqd) -> Option<LookupIdentify> {
    let options = &nsqd.start.options;
    let port = |given: Option<u16>, bound: i32| {
        given.or_else(|| u16::try_from(bound).ok().filter(|port| *port != 0))
    };
    Some(LookupIdentify {
        broadcast_address: options.broadcast_address.clone(),
        hostname: nsqd.hostname.clone(),
        http_port: port(options.broadcast_http_port, nsqd.ports.http)?,
        tcp_port: port(options.broadcast_tcp_port, nsqd.ports.tcp)?,
        topology_region: options.topology_region.clone(),
        topology_zone: options.topology_zone.clone(),
        version: daemon::version::COMPATIBLE.to_owned(),
    })
}
