//! How long to wait for a peer, and for what.

use std::{
    future::poll_fn,
    pin::pin,
    sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    task::Poll,
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// A connection may rest so long between two requests, or before the first.
const IDLE_MAX: Duration = Duration::from_secs(90);
/// A request's head is complete within this time of its first byte.
const HEAD_MAX: Duration = Duration::from_secs(10);
/// A body, or an answer on its way out, moves within this time. A slow upload that lives is not cut off.
pub const STALL_MAX: Duration = Duration::from_mins(1);

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// The first byte of a request.
    Idle = 0,
    /// The rest of its head.
    Head = 1,
    /// The rest of its body.
    Body = 2,
    /// Us. Who answers sees to the body himself.
    Answer = 3,
}

impl Phase {
    fn patience(self) -> Option<Duration> {
        match self {
            Self::Idle => Some(IDLE_MAX),
            Self::Head => Some(HEAD_MAX),
            Self::Body => Some(STALL_MAX),
            Self::Answer => None,
        }
    }
}

/// Where a connection stands. All who tell and listen are parts of one task: the atomics are for the compiler.
#[derive(Debug)]
pub struct Progress {
    start: Instant,
    phase: AtomicU8,
    /// When the phase began, or the peer moved in it, in ms.
    since_ms: AtomicU64,
    /// When the peer stopped to take our answer, in ms and one; 0: it has not.
    refuses_since_ms: AtomicU64,
    /// The head of a request began to arrive before the answer to the last one was there.
    is_head_begun: AtomicBool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
            phase: AtomicU8::new(Phase::Idle as u8),
            since_ms: AtomicU64::new(0),
            refuses_since_ms: AtomicU64::new(0),
            is_head_begun: AtomicBool::new(false),
        }
    }

    /// The peer moved, and now this is awaited. The time for a head does not start anew with each byte of it.
    pub fn set(&self, phase: Phase) {
        if phase != Phase::Head || self.phase() != Phase::Head {
            self.phase.store(phase as u8, Ordering::Relaxed);
            self.since_ms.store(self.now_ms(), Ordering::Relaxed);
        }
    }

    /// As [`Progress::set`], unless the peer waits for an answer: this is awaited behind it, then.
    pub(super) fn set_unless_answering(&self, phase: Phase) {
        self.is_head_begun.store(phase == Phase::Head, Ordering::Relaxed);
        if self.phase() != Phase::Answer {
            self.set(phase);
        }
    }

    /// The answer is made.
    pub(super) fn set_answered(&self) {
        let is_head_begun = self.is_head_begun.load(Ordering::Relaxed);
        self.set(if is_head_begun { Phase::Head } else { Phase::Idle });
    }

    /// The peer takes (part of) an answer, or does not.
    pub fn note_write(&self, is_taken: bool) {
        let refuses = self.refuses_since_ms.load(Ordering::Relaxed) != 0;
        if is_taken && refuses {
            self.refuses_since_ms.store(0, Ordering::Relaxed);
            if self.phase() == Phase::Idle {
                self.set(Phase::Idle);
            }
        } else if !is_taken && !refuses {
            self.refuses_since_ms.store(self.now_ms() + 1, Ordering::Relaxed);
        }
    }

    /// Ends when the peer has taken too long. To be polled behind whatever moves the connection, in the same task: the
    /// timer is set anew only for an earlier deadline, since most are moved back before they are due.
    pub async fn expired(&self) {
        let mut timer = pin!(sleep_until(self.start + IDLE_MAX));
        poll_fn(|context| {
            if let Some(deadline) = self.deadline()
                && deadline < timer.deadline()
            {
                timer.as_mut().reset(deadline);
            }
            while timer.as_mut().poll(context).is_ready() {
                let now = Instant::now();
                match self.deadline() {
                    Some(deadline) if deadline <= now => return Poll::Ready(()),
                    Some(deadline) => timer.as_mut().reset(deadline),
                    None => timer.as_mut().reset(now + IDLE_MAX),
                }
            }
            Poll::Pending
        })
        .await;
    }

    fn deadline(&self) -> Option<Instant> {
        let refuses_since_ms = self.refuses_since_ms.load(Ordering::Relaxed);
        if refuses_since_ms != 0 {
            return Some(self.start + Duration::from_millis(refuses_since_ms) + STALL_MAX);
        }
        let since = Duration::from_millis(self.since_ms.load(Ordering::Relaxed));
        self.phase().patience().map(|patience| self.start + since + patience)
    }

    fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Idle,
            1 => Phase::Head,
            2 => Phase::Body,
            _ => Phase::Answer,
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;

    /// Whether a connection lasts `patience` from now on, and not a second longer. The clock is the test's.
    async fn check(progress: &Progress, patience: Duration) {
        let begun = Instant::now();
        let lasted = timeout(Duration::from_mins(10), progress.expired()).await.map(|()| begun.elapsed());
        let lasted = lasted.expect("it ends");
        assert!(patience <= lasted && lasted < patience + Duration::from_secs(1), "{lasted:?}");
    }

    /// Protects: who sends nothing is let go, before the first request and behind an answer.
    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_ends() {
        let progress = Progress::new();
        check(&progress, IDLE_MAX).await;
        progress.set(Phase::Answer);
        progress.set_answered();
        check(&progress, IDLE_MAX).await;
    }

    /// Protects: a head that drips in holds its connection no longer than one that hangs; a body that drips in lives.
    #[tokio::test(start_paused = true)]
    async fn a_head_has_one_deadline_and_a_body_one_for_each_byte() {
        let dripped = Duration::from_secs(5);
        for (phase, patience) in [(Phase::Head, HEAD_MAX.saturating_sub(dripped)), (Phase::Body, STALL_MAX)] {
            let progress = Progress::new();
            for _ in 0..dripped.as_secs() {
                progress.set(phase);
                advance(Duration::from_secs(1)).await;
            }
            progress.set(phase);
            check(&progress, patience).await;
        }
    }

    /// Protects: a shorter deadline counts although the timer was set for a longer one, and a longer one likewise.
    #[tokio::test(start_paused = true)]
    async fn the_deadline_follows_the_phase() {
        let progress = Progress::new();
        let changes = async {
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_secs(50)).await;
                progress.set(Phase::Head);
                tokio::time::sleep(Duration::from_secs(9)).await;
                progress.set(Phase::Answer);
                tokio::time::sleep(Duration::from_mins(5)).await;
                progress.set_answered();
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            progress.set(Phase::Head);
            std::future::pending::<()>().await;
        };
        let begun = Instant::now();
        tokio::select! {
            biased;
            () = changes => {}
            () = progress.expired() => {}
        }
        let lasted = begun.elapsed().as_secs();
        assert_eq!(lasted, 3 * (50 + 9 + 300) + 1 + 10);
    }

    /// Protects: a head that came while the answer before it was made gets its time behind that.
    #[tokio::test(start_paused = true)]
    async fn a_head_behind_an_answer_is_awaited() {
        let progress = Progress::new();
        progress.set(Phase::Answer);
        progress.set_unless_answering(Phase::Head);
        advance(Duration::from_mins(2)).await;
        progress.set_answered();
        check(&progress, HEAD_MAX).await;
    }

    /// Protects: who does not take an answer is let go, and who takes it slowly is not.
    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_taken_ends() {
        let progress = Progress::new();
        for _ in 0..10 {
            progress.note_write(false);
            advance(Duration::from_secs(50)).await;
            progress.note_write(true);
        }
        progress.note_write(false);
        check(&progress, STALL_MAX).await;
        progress.note_write(true);
        check(&progress, IDLE_MAX).await;
    }
}
