//! Which nodes of a pool to try.

use std::time::{Duration, Instant};

/// How long a node is passed over after its first failure; doubled by each further one.
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Who failed lately, and whose turn it is.
#[derive(Debug)]
pub(super) struct Health {
    nodes: Vec<Node>,
    turn: usize,
}

#[derive(Debug, Clone, Default)]
struct Node {
    failures: u32,
    out_until: Option<Instant>,
}

impl Health {
    pub(super) fn new(count: usize) -> Self {
        Self { nodes: vec![Node::default(); count], turn: 0 }
    }

    /// The nodes in the order in which to try them: healthy ones in rotation, then the others, the one first that is to
    /// be tried soonest.
    pub(super) fn order(&mut self, now: Instant) -> Vec<usize> {
        let count = self.nodes.len();
        let mut order: Vec<usize> = (0..count).map(|offset| (self.turn + offset) % count).collect();
        self.turn = (self.turn + 1) % count.max(1);
        order.sort_by_key(|&index| self.nodes[index].out_until.filter(|until| now < *until));
        order
    }

    pub(super) fn succeeded(&mut self, index: usize) {
        self.nodes[index] = Node::default();
    }

    pub(super) fn failed(&mut self, index: usize, now: Instant) {
        let node = &mut self.nodes[index];
        if node.out_until.is_some_and(|until| now < until) {
            // Publishes that were under way together fail together.
            return;
        }
        let factor = 2_u32.saturating_pow(node.failures);
        node.out_until = Some(now + PAUSE_MIN.saturating_mul(factor).min(PAUSE_MAX));
        node.failures = node.failures.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn healthy_nodes_take_turns() {
        let (mut health, now) = (Health::new(3), Instant::now());
        assert_eq!(health.order(now), [0, 1, 2]);
        assert_eq!(health.order(now), [1, 2, 0]);
        assert_eq!(health.order(now), [2, 0, 1]);
        assert_eq!(health.order(now), [0, 1, 2]);
    }

    #[test]
    fn a_node_that_failed_comes_last_until_its_time() {
        let (mut health, now) = (Health::new(2), Instant::now());
        health.failed(0, now);
        health.failed(0, now);
        assert_eq!([health.order(now), health.order(now)], [[1, 0], [1, 0]]);
        let later = now + PAUSE_MIN;
        assert_eq!(health.order(later), [0, 1]);
        health.failed(0, later);
        health.turn = 0;
        assert_eq!(health.order(later + PAUSE_MIN), [1, 0], "the second failure counts twice");
        health.succeeded(0);
        health.turn = 0;
        assert_eq!(health.order(later), [0, 1]);
    }

    #[test]
    fn pauses_are_bounded() {
        let (mut health, mut now) = (Health::new(1), Instant::now());
        for _ in 0..100 {
            health.failed(0, now);
            now += PAUSE_MAX;
            assert_eq!(health.nodes[0].out_until.filter(|until| now < *until), None);
        }
    }
}
