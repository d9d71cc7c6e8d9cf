//! The task that ends pauses and passes turns on.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until};

use super::hub::Hub;

/// How long a graceful stop may take.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Runs until the consumer has stopped.
pub(super) async fn run(hub: Arc<Hub>) {
    let interval = hub.config().rdy_redistribute_interval;
    let mut ticks = interval_at(Instant::now() + interval, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let deadline = hub.deadline().map(Instant::from_std);
        tokio::select! {
            () = hub.stopping().cancelled() => break,
            _ = ticks.tick() => hub.redistribute(),
            () = hub.news() => {}
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => hub.resume(),
        }
    }
    let limit = sleep(STOP_LIMIT);
    tokio::pin!(limit);
    while !hub.is_alone() {
        tokio::select! {
            () = hub.news() => {}
            () = &mut limit => {
                hub.forced().cancel();
                return;
            }
        }
    }
}
