//! The line of a channel: ready consumers for whom there was nothing, oldest first.

use std::sync::{Arc, atomic::Ordering};

use super::channel::{Channel, Inner};
use crate::client::Client;

impl Channel {
    pub(super) fn join_line(&self, inner: &mut Inner, client: &Arc<Client>) {
        if !client.is_waiting.swap(true, Ordering::Relaxed) {
            inner.line.push_back(Arc::clone(client));
            self.line.store(inner.line.len(), Ordering::SeqCst);
            self.setup.fan_out.waiting.fetch_add(1, Ordering::SeqCst);
        }
    }

    pub(super) fn leave_line(&self, inner: &mut Inner, client: &Client) {
        if client.is_waiting.swap(false, Ordering::Relaxed) {
            inner.line.retain(|waiting| waiting.id != client.id);
            self.line.store(inner.line.len(), Ordering::SeqCst);
            self.setup.fan_out.waiting.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// A consumer that is no longer ready gives its place in line up.
    pub(crate) fn not_ready(&self, client: &Client) {
        if client.is_waiting.load(Ordering::Relaxed) {
            let mut inner = self.inner.lock();
            self.leave_line(&mut inner, client);
        }
    }

    /// Wakes the first in line if there is something for it. When it has taken its share, it wakes the next.
    pub(crate) fn wake_first(&self) {
        if self.line.load(Ordering::Relaxed) != 0 {
            self.wake_line(self.inner.lock());
        }
    }

    pub(super) fn wake_line(&self, mut inner: parking_lot::MutexGuard<'_, Inner>) {
        if inner.paused || !inner.state.has_waiting(self.fan_out()) {
            return;
        }
        let Some(first) = self.pop_line(&mut inner) else { return };
        first.is_waiting.store(false, Ordering::Relaxed);
        self.line.store(inner.line.len(), Ordering::SeqCst);
        self.setup.fan_out.waiting.fetch_sub(1, Ordering::SeqCst);
        drop(inner);
        first.wake();
    }

    /// The next: the oldest, or, among consumers of which some are nearer, the oldest of the nearest.
    fn pop_line(&self, inner: &mut Inner) -> Option<Arc<Client>> {
        if !self.setup.prefers_near {
            return inner.line.pop_front();
        }
        let nearest = inner.line.iter().map(|client| client.nearness()).max()?;
        let at = inner.line.iter().position(|client| client.nearness() == nearest)?;
        let client = inner.line.remove(at)?;
        inner.called.push((client.id, nearest));
        Some(client)
    }

    /// It came, or will not come.
    pub(super) fn answer_call(&self, inner: &mut Inner, client: &Client) {
        if self.setup.prefers_near {
            inner.called.retain(|(id, _)| *id != client.id);
        }
    }

    /// A consumer that was woken wants nothing: the next in line may.
    pub(crate) fn pass_on(&self, client: &Client) {
        if self.setup.prefers_near {
            self.answer_call(&mut self.inner.lock(), client);
        }
        self.wake_first();
    }
}

impl Inner {
    /// Whether somebody nearer than `client` stands in line.
    pub(super) fn is_nearer_in_line(&self, client: &Client) -> bool {
        let nearness = client.nearness();
        self.line.iter().any(|waiting| nearness < waiting.nearness())
    }

    /// Whether somebody nearer than `client` was woken and is on the way.
    pub(super) fn is_nearer_called(&self, client: &Client) -> bool {
        let nearness = client.nearness();
        self.called.iter().any(|(_, called)| nearness < *called)
    }
}
