//! Round robin over the addresses that work.

use std::time::{Duration, Instant};

/// How long an address is left out after its first failure.
const PAUSE: Duration = Duration::from_secs(30);

/// The longest that one is left out.
const PAUSE_MAX: Duration = Duration::from_mins(15);

/// Addresses by their index, in turn. One that fails is left out for a pause; when it is over, one message is tried, and
/// the next pause is twice as long. When all are left out, all are put back.
#[derive(Debug, Clone)]
pub struct HostPool {
    hosts: Vec<Host>,
    next: usize,
}

#[derive(Debug, Clone, Copy)]
enum Host {
    Works,
    Out { until: Instant, pause: Duration },
}

impl Host {
    /// One that is out and may be tried is out for longer from now on, so that it is tried once.
    fn try_again(&mut self, now: Instant) {
        if let Self::Out { pause, .. } = *self {
            let pause = (pause * 2).min(PAUSE_MAX);
            *self = Self::Out { until: now + pause, pause };
        }
    }

    fn may_be_tried(self, now: Instant) -> bool {
        match self {
            Self::Works => true,
            Self::Out { until, .. } => until < now,
        }
    }
}

impl HostPool {
    /// A pool of `count` addresses, which all work.
    ///
    /// # Panics
    /// If there are none.
    pub fn new(count: usize) -> Self {
        assert!(count != 0, "a pool has an address");
        Self { hosts: vec![Host::Works; count], next: 0 }
    }

    /// The next that works, or is to be tried again.
    pub fn pick(&mut self, now: Instant) -> usize {
        let count = self.hosts.len();
        for step in 0..count {
            let index = (self.next + step) % count;
            if self.hosts[index].may_be_tried(now) {
                self.pick_this(index, now);
                self.next = index + 1;
                return index;
            }
        }
        self.hosts.fill(Host::Works);
        self.next = 0;
        0
    }

    /// Whether an address works, or is due to be tried.
    pub(super) fn may_be_tried(&self, index: usize, now: Instant) -> bool {
        self.hosts[index].may_be_tried(now)
    }

    /// Tries this one.
    pub(super) fn pick_this(&mut self, index: usize, now: Instant) {
        self.hosts[index].try_again(now);
    }

    /// What became of a message at an address.
    pub fn mark(&mut self, index: usize, succeeded: bool, now: Instant) {
        let host = &mut self.hosts[index];
        match host {
            _ if succeeded => *host = Host::Works,
            Host::Works => *host = Host::Out { until: now + PAUSE, pause: PAUSE },
            // Its pause was set when it was tried.
            Host::Out { .. } => {}
        }
    }

    /// How many addresses there are.
    pub(super) fn count(&self) -> usize {
        self.hosts.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn picks(pool: &mut HostPool, now: Instant, count: usize) -> Vec<usize> {
        (0..count).map(|_| pool.pick(now)).collect()
    }

    #[test]
    fn those_that_work_come_in_turn() {
        let now = Instant::now();
        let mut pool = HostPool::new(3);
        assert_eq!(picks(&mut pool, now, 4), [0, 1, 2, 0]);
        pool.mark(1, false, now);
        assert_eq!(picks(&mut pool, now, 4), [2, 0, 2, 0]);
        pool.mark(1, true, now);
        assert_eq!(picks(&mut pool, now, 3), [1, 2, 0]);
    }

    #[test]
    fn one_that_fails_is_tried_once_after_pauses_that_double() {
        let start = Instant::now();
        let mut pool = HostPool::new(2);
        pool.mark(0, false, start);
        let mut now = start;
        for pause in [30, 60, 120, 240, 480, 900, 900] {
            let due = now + Duration::from_secs(pause);
            assert_eq!(picks(&mut pool, due, 3), [1, 1, 1], "{pause} s are not over");
            now = due + Duration::from_nanos(1);
            let tried = picks(&mut pool, now, 4).into_iter().filter(|index| *index == 0).count();
            assert_eq!(tried, 1, "after {pause} s");
            pool.mark(0, false, now);
        }
        pool.mark(0, true, now);
        pool.mark(0, false, now);
        let now = now + Duration::from_millis(30_001);
        assert!(picks(&mut pool, now, 2).contains(&0), "a success makes the pause short again");
    }

    #[test]
    fn when_all_are_out_all_are_put_back() {
        let now = Instant::now();
        let mut pool = HostPool::new(3);
        (0..3).for_each(|index| pool.mark(index, false, now));
        assert_eq!(picks(&mut pool, now, 4), [0, 0, 1, 2]);
    }

    proptest! {
        /// While one works, those that were marked as failing get at most one message a pause.
        #[test]
        fn failing_ones_are_left_alone(count in 2_usize..6, failing in 0_usize..6, messages in 1_usize..200) {
            let failing = failing % count;
            let start = Instant::now();
            let mut pool = HostPool::new(count);
            let mut tried = 0;
            // 100 ms between messages: 20 s at most.
            for message in 0..messages {
                let now = start + Duration::from_millis(100) * u32::try_from(message).unwrap();
                let index = pool.pick(now);
                tried += usize::from(index == failing);
                pool.mark(index, index != failing, now);
            }
            prop_assert!(tried <= 1);
        }
    }
}
