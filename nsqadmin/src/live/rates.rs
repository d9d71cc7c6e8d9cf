//! How fast counters rise, from two looks at them.

use super::counts::{Counts, Rates, round};

/// From `before` to `now`, `seconds` later. A counter that fell has begun anew: no rate is known then.
pub(crate) fn between(before: &Counts, now: &Counts, seconds: f64) -> Rates {
    if now.messages < before.messages || seconds <= 0.0 {
        return Rates::default();
    }
    let rise = |before: i64, now: i64| {
        let risen = now.checked_sub(before).filter(|risen| 0 <= *risen)?;
        Some(per_second(risen, seconds))
    };
    Rates {
        in_rate: rise(before.messages, now.messages),
        // The figures are not of one instant: what is done may seem to fall by what is just on its way.
        out_rate: Some(per_second(now.done().saturating_sub(before.done()).max(0), seconds)),
        requeue_rate: rise(before.requeued, now.requeued),
        timeout_rate: rise(before.timed_out, now.timed_out),
        depth_rate: Some(per_second(now.depth.saturating_sub(before.depth), seconds)),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate of more than 2^53 a second is not met")]
pub(crate) fn per_second(count: i64, seconds: f64) -> f64 {
    round(count as f64 / seconds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    fn counts(messages: i64, depth: i64, in_flight: i64) -> Counts {
        Counts { depth, in_flight, messages, ..Counts::default() }
    }

    #[test]
    fn rates_are_differences_by_time() {
        let rates = between(&counts(1000, 100, 5), &counts(3000, 600, 10), 2.0);
        assert_eq!((rates.in_rate, rates.depth_rate), (Some(1000.0), Some(250.0)));
        assert_eq!(rates.out_rate, Some(747.5));
        let emptied = between(&counts(1000, 100, 0), &counts(1000, 0, 0), 2.0);
        assert_eq!((emptied.in_rate, emptied.depth_rate), (Some(0.0), Some(-50.0)));
    }

    #[test]
    fn counters_that_began_anew_have_no_rate() {
        assert_eq!(between(&counts(1000, 0, 0), &counts(10, 0, 0), 2.0), Rates::default());
        assert_eq!(between(&counts(1, 0, 0), &counts(10, 0, 0), 0.0), Rates::default());
        let before = Counts { requeued: 5, ..counts(1, 0, 0) };
        assert_eq!(between(&before, &counts(2, 0, 0), 1.0).requeue_rate, None);
    }

    proptest! {
        /// Protects: whatever servers say, no rate is negative but that of the depth, and none is no number.
        #[test]
        fn no_rate_is_negative(before in any::<[i64; 4]>(), now in any::<[i64; 4]>(), ms in any::<u16>()) {
            let of = |[messages, depth, in_flight, requeued]: [i64; 4]| Counts { requeued, ..counts(messages, depth, in_flight) };
            let rates = between(&of(before), &of(now), f64::from(ms) / 1000.0);
            for rate in [rates.in_rate, rates.out_rate, rates.requeue_rate, rates.timeout_rate].into_iter().flatten() {
                assert!(0.0 <= rate && rate.is_finite(), "{rate}");
            }
            assert!(rates.depth_rate.is_none_or(f64::is_finite));
        }
    }
}
