//! Who looks at what: the poller asks for what is looked at, and more often while somebody looks.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, watch};

use super::{history::History, snapshot::Snapshot, view::View};

/// The living cluster, for those who show it.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    snapshots: watch::Receiver<Arc<Snapshot>>,
    history: Arc<RwLock<History>>,
    interests: Arc<Interests>,
}

/// What is looked at.
#[derive(Debug, Default)]
pub(super) struct Interests {
    /// With how many look at it.
    views: Mutex<HashMap<View, usize>>,
    wanted: Notify,
}

/// Somebody who looks, until it is dropped.
#[derive(Debug)]
pub(crate) struct Interest {
    interests: Arc<Interests>,
    view: View,
}

impl Live {
    pub(super) fn new(
        snapshots: watch::Receiver<Arc<Snapshot>>,
        history: Arc<RwLock<History>>,
        interests: Arc<Interests>,
    ) -> Self {
        Self { snapshots, history, interests }
    }

    /// Begins to look. The next snapshot comes soon, if the view needs what the present one does not have.
    pub(crate) fn look(&self, view: View) -> Interest {
        let is_first = {
            let mut views = self.interests.views.lock();
            let count = views.entry(view.clone()).or_default();
            *count += 1;
            *count == 1
        };
        if is_first {
            self.interests.wanted.notify_one();
        }
        Interest { interests: Arc::clone(&self.interests), view }
    }

    /// Has the cluster looked at soon: something was done.
    pub(crate) fn hurry(&self) {
        self.interests.wanted.notify_one();
    }

    /// Whether an nsqd did not answer at the last look.
    pub(crate) fn is_down(&self, node: &str) -> bool {
        self.snapshots.borrow().node(node).is_some_and(|node| !node.is_up())
    }

    /// The snapshots as they come.
    pub(crate) fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    /// The past.
    pub(crate) fn history(&self) -> &RwLock<History> {
        &self.history
    }
}

impl Interests {
    /// All that is looked at now.
    pub(super) fn views(&self) -> HashSet<View> {
        self.views.lock().keys().cloned().collect()
    }

    pub(super) fn is_any(&self) -> bool {
        !self.views.lock().is_empty()
    }

    /// Until somebody wants to see something soon. What was wanted before the call counts.
    pub(super) async fn wanted(&self) {
        self.wanted.notified().await;
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        let mut views = self.interests.views.lock();
        if let Some(count) = views.get_mut(&self.view) {
            *count -= 1;
            if *count == 0 {
                views.remove(&self.view);
            }
        }
    }
}
