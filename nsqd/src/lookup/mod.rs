//! nsqd as a client of nsqlookupds: it tells them what it has, and asks them what a new topic has elsewhere.
//!
//! Each nsqlookupd has a task of its own, so that one that is slow or dead holds up nobody. A task does not replay events:
//! it compares what there is with what it has announced, so that nothing can be missed and nothing piles up.

mod announced;
mod channels;
mod peer;
mod secure;

pub(crate) use secure::Secure;

use std::{collections::HashMap, sync::Arc};

use daemon::ask::Asker;
use parking_lot::Mutex;
use protocol::{LookupIdentified, LookupIdentify};
use tokio::task::{AbortHandle, JoinSet};
use tracing::{info, warn};

use crate::nsqd::Nsqd;

/// What is known of each nsqlookupd since it was first reached, by its address.
type Known = Arc<Mutex<HashMap<String, Option<LookupIdentified>>>>;

/// Announces this nsqd, for ever, to the nsqlookupds that are listed at the time.
///
/// With `secure`, over TLS; `asker` is for those in clear.
pub(crate) async fn run(nsqd: Arc<Nsqd>, asker: Asker, secure: Option<Arc<Secure>>) {
    let Some(identify) = identify(&nsqd) else {
        return unregistered(&nsqd).await;
    };
    let known = Known::default();
    let secure = secure.as_ref();
    tokio::join!(
        follow(&nsqd, &identify, secure, &known),
        channels::run(&nsqd, &asker, secure.map(AsRef::as_ref), &known)
    );
}

/// Keeps a task for each nsqlookupd of the list, for ever.
async fn follow(nsqd: &Arc<Nsqd>, identify: &LookupIdentify, secure: Option<&Arc<Secure>>, known: &Known) {
    let mut lists = nsqd.lookupds.subscribe();
    let mut peers: HashMap<String, AbortHandle> = HashMap::new();
    let mut tasks = JoinSet::new();
    loop {
        let list = lists.borrow_and_update().clone();
        peers.retain(|address, task| {
            let stays = list.contains(address);
            if !stays {
                info!("LOOKUP({address}): removing peer");
                // Its connection closes, by which the nsqlookupd knows that we are gone.
                task.abort();
                known.lock().remove(address);
            }
            stays
        });
        for address in list {
            // Twice in the list is one connection.
            peers.entry(address).or_insert_with_key(|address| {
                info!("LOOKUP({address}): adding peer");
                known.lock().insert(address.clone(), None);
                let (nsqd, secure, known) = (Arc::clone(nsqd), secure.cloned(), Arc::clone(known));
                tasks.spawn(peer::run(nsqd, address.clone(), identify.clone(), secure, known))
            });
        }
        if lists.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        while tasks.try_join_next().is_some() {}
    }
}

/// Without a port that others could use: says so whenever there are nsqlookupds, for ever.
async fn unregistered(nsqd: &Nsqd) {
    let mut lists = nsqd.lookupds.subscribe();
    let warned = async {
        loop {
            if !lists.borrow_and_update().is_empty() {
                warn!(
                    "LOOKUPD: this nsqd cannot be registered, having no TCP port or no HTTP port; \
                     give --broadcast-tcp-port and --broadcast-http-port"
                );
            }
            if lists.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::join!(warned, channels::release_all(nsqd));
}

/// `None` if there is no port that others could use.
fn identify(nsqd: &Nsqd) -> Option<LookupIdentify> {
    let options = &nsqd.start.options;
    Some(LookupIdentify {
        broadcast_address: options.broadcast_address.clone(),
        hostname: nsqd.hostname.clone(),
        http_port: options.broadcast_http_port?,
        tcp_port: options.broadcast_tcp_port?,
        topology_region: options.topology_region.clone(),
        topology_zone: options.topology_zone.clone(),
        version: daemon::version::COMPATIBLE.to_owned(),
    })
}
