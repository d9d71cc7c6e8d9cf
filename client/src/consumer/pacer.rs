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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, label::Label};

    fn hub() -> Arc<Hub> {
        let label = Label::consumer(&"t".parse().unwrap(), &"c".parse().unwrap());
        Hub::new(Arc::new(Config::default()), label)
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_that_takes_too_long_is_forced() {
        // Protects the end of a program from a message that nobody ever finishes.
        let hub = hub();
        let link = hub.join("127.0.0.1:4150", 2500).unwrap();
        link.receive(1);
        hub.stop();
        let began = Instant::now();
        let pacer = tokio::spawn(run(Arc::clone(&hub)));
        hub.forced().cancelled().await;
        assert_eq!(began.elapsed().as_secs(), STOP_LIMIT.as_secs());
        pacer.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_with_the_last_connection() {
        // Protects a quick end: nothing waits for the limit.
        let hub = hub();
        let link = hub.join("127.0.0.1:4150", 2500).unwrap();
        let began = Instant::now();
        let pacer = tokio::spawn(run(Arc::clone(&hub)));
        hub.stop();
        assert!(hub.join("127.0.0.1:4152", 2500).is_none(), "no connection begins any more");
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!pacer.is_finished());
        hub.leave(&link);
        pacer.await.unwrap();
        assert_eq!(began.elapsed().as_secs(), 1);
        assert!(!hub.forced().is_cancelled());
    }
}
