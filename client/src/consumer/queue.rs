//! The bounded queue between connections and the user.

use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Message;

/// Messages that came and were not yet asked for.
///
/// It holds as many as may be in flight, and what one read of each connection brings on top. Connections wait at the bound,
/// which they reach only when nsqd delivers again what timed out here, or more than it was allowed.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    space: Notify,
}

#[derive(Debug)]
struct State {
    messages: VecDeque<Message>,
    capacity: usize,
    waker: Option<Waker>,
    // Connections from which messages may come.
    sources: usize,
    is_stopping: bool,
    // The user is gone: what comes goes back.
    is_abandoned: bool,
    is_awaited: bool,
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        let state = State {
            messages: VecDeque::new(),
            capacity: capacity.max(1),
            waker: None,
            sources: 0,
            is_stopping: false,
            is_abandoned: false,
            is_awaited: false,
        };
        Self { state: Mutex::new(state), space: Notify::new() }
    }

    /// Adds a batch, when there is room. Until then nothing is taken from `batch`, also if the wait is given up.
    pub(super) async fn push(&self, batch: &mut Vec<Message>) {
        loop {
            let space = self.space.notified();
            tokio::pin!(space);
            {
                let mut state = self.state.lock();
                if state.is_abandoned {
                    drop(state);
                    batch.drain(..).for_each(Message::give_back);
                    return;
                }
                if state.messages.len() < state.capacity {
                    state.messages.extend(batch.drain(..));
                    let waker = state.waker.take();
                    drop(state);
                    if let Some(waker) = waker {
                        waker.wake();
                    }
                    return;
                }
                state.is_awaited = true;
                // Before unlocking, so that no space goes unnoticed.
                space.as_mut().enable();
            }
            space.await;
        }
    }

    /// Takes all there is into `taken`, which is empty. `false`: there is nothing and nothing will come.
    pub(super) fn poll_take(&self, taken: &mut VecDeque<Message>, context: &mut Context<'_>) -> Poll<bool> {
        let mut state = self.state.lock();
        if state.messages.is_empty() {
            if state.is_stopping && state.sources == 0 {
                return Poll::Ready(false);
            }
            if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                state.waker = Some(context.waker().clone());
            }
            return Poll::Pending;
        }
        std::mem::swap(&mut state.messages, taken);
        let is_awaited = std::mem::take(&mut state.is_awaited);
        drop(state);
        if is_awaited {
            self.space.notify_waiters();
        }
        Poll::Ready(true)
    }

    /// The capacity only rises: what was allowed once may still be in flight.
    pub(super) fn raise_capacity(&self, capacity: usize) {
        let mut state = self.state.lock();
        state.capacity = state.capacity.max(capacity);
    }

    pub(super) fn begin_source(&self) {
        self.state.lock().sources += 1;
    }

    pub(super) fn end_source(&self) {
        self.change(|state| state.sources -= 1);
    }

    /// No source begins any more.
    pub(super) fn stop(&self) {
        self.change(|state| state.is_stopping = true);
    }

    /// Nobody asks any more. Returns what is there.
    pub(super) fn abandon(&self) -> VecDeque<Message> {
        let mut state = self.state.lock();
        state.is_abandoned = true;
        let left = std::mem::take(&mut state.messages);
        drop(state);
        self.space.notify_waiters();
        left
    }

    fn change(&self, act: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        act(&mut state);
        let is_over = state.is_stopping && state.sources == 0;
        let waker = if is_over { state.waker.take() } else { None };
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
