//! Snapshots as server-sent events, for one reader.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use super::{
    documents::{document, topics_patch},
    interest::Live,
    snapshot::Snapshot,
    view::View,
};

/// Without news, something is sent all the same: who has gone is noticed, and proxies do not think that nothing comes.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The first document waits no longer for what the view needs.
const FIRST_MAX: Duration = Duration::from_secs(1);
/// Events that wait for a reader. One that is so far behind is cut off: it comes back, and begins with what is then.
pub(crate) const EVENTS_MAX: usize = 4;

/// Why no more is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The reader has gone, or the daemon stops.
    Gone,
    /// The reader is too slow.
    Slow,
}

/// Sends what a view shows until the reader goes, or does not keep up.
pub(crate) async fn feed(live: &Live, view: &View, tx: &mpsc::Sender<Bytes>) -> End {
    let _interest = live.look(view.clone());
    let mut snapshots = live.snapshots();
    let mut sent = first(&mut snapshots, view).await;
    let text = format!("retry: 1000\n\n{}", event("state", &document(view, &sent)));
    if let Some(end) = send(tx, text) {
        return end;
    }
    loop {
        let changed = tokio::select! {
            biased;
            () = tx.closed() => return End::Gone,
            changed = timeout(KEEP_ALIVE, snapshots.changed()) => changed,
        };
        let text = match changed {
            Ok(Ok(())) => {
                let snapshot = Arc::clone(&snapshots.borrow_and_update());
                let text = match view {
                    View::Topics => event("patch", &topics_patch(&sent.rows, &snapshot)),
                    _ => event("state", &document(view, &snapshot)),
                };
                sent = snapshot;
                text
            }
            // Nobody looks at the cluster any more: the daemon stops.
            Ok(Err(_)) => return End::Gone,
            Err(_) => ": keep-alive\n\n".to_owned(),
        };
        if let Some(end) = send(tx, text) {
            return end;
        }
    }
}

/// A snapshot with all that the view shows, or, if that takes too long, whatever there is.
async fn first(snapshots: &mut watch::Receiver<Arc<Snapshot>>, view: &View) -> Arc<Snapshot> {
    let mut seen = snapshots.clone();
    let needs = |snapshot: &Arc<Snapshot>| match view {
        View::Overview | View::Topics | View::Nodes | View::Counter => {
            snapshot.number != 0 && !snapshot.views.is_empty()
        }
        _ => snapshot.views.contains(view),
    };
    let is_whole = matches!(timeout(FIRST_MAX, seen.wait_for(needs)).await, Ok(Ok(_)));
    if !is_whole {
        // An empty one would say that there is nothing.
        let _ = seen.wait_for(|snapshot| snapshot.number != 0).await;
    }
    Arc::clone(&snapshots.borrow_and_update())
}

fn event(name: &str, json: &str) -> String {
    format!("event: {name}\ndata: {json}\n\n")
}

fn send(tx: &mpsc::Sender<Bytes>, text: String) -> Option<End> {
    match tx.try_send(text.into()) {
        Ok(()) => None,
        Err(mpsc::error::TrySendError::Full(_)) => Some(End::Slow),
        Err(mpsc::error::TrySendError::Closed(_)) => Some(End::Gone),
    }
}
