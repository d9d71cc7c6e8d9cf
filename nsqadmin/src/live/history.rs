//! The last hours of everything, in bounded memory.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write,
};

use serde::Serialize;

use super::track::{COARSE, FINE, Grain, METRICS, Sample, Track};

/// What a track takes besides its changes and its key, about.
const TRACK_BYTES: usize = size_of::<Track>() + size_of::<Box<str>>() + 16;
/// Between two looks for what is gone.
const SWEEP_S: u32 = 60;
/// What has not been heard of for so long is forgotten: nothing of it is to be seen any more.
const FORGOTTEN_S: u32 = COARSE.step_s * COARSE.slots;
/// Points of a sparkline, and the seconds of each.
const SPARK_POINTS: u32 = 60;
const SPARK_STEP_S: u32 = 10;

/// Whose past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject<'a> {
    Cluster,
    Node(&'a str),
    Topic(&'a str),
    Channel(&'a str, &'a str),
}

/// The past of the cluster, its nodes, topics and channels. Where memory does not do for all, it keeps those with the most
/// messages.
#[derive(Debug)]
pub(crate) struct History {
    tracks: HashMap<Box<str>, Track>,
    bytes: usize,
    bytes_max: usize,
    swept_s: u32,
    key: String,
}

/// What was asked for: series by name, `null` where nothing is known.
#[derive(Debug, PartialEq, Serialize)]
#[expect(clippy::struct_field_names, reason = "the keys of the document")]
pub(crate) struct Series {
    step_s: u32,
    start_s: u32,
    points: usize,
    series: BTreeMap<&'static str, Vec<Option<f32>>>,
}

/// Lines for the rows of a table, by topic.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Sparklines {
    step_s: u32,
    series: BTreeMap<String, Vec<Option<f32>>>,
}

impl History {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { tracks: HashMap::new(), bytes: 0, bytes_max, swept_s: 0, key: String::new() }
    }

    /// Takes what was seen at a time.
    pub(crate) fn observe(&mut self, now_s: u32, subject: Subject<'_>, sample: &Sample) {
        let mut key = std::mem::take(&mut self.key);
        write_key(&mut key, subject);
        if !self.tracks.contains_key(key.as_str()) {
            self.bytes += TRACK_BYTES + key.len();
            self.tracks.insert(key.as_str().into(), Track::new());
        }
        if let Some(track) = self.tracks.get_mut(key.as_str()) {
            let before = track.bytes();
            track.observe(now_s, sample);
            self.bytes = self.bytes + track.bytes() - before;
        }
        self.key = key;
        if self.bytes_max < self.bytes {
            self.evict();
        }
    }

    /// Forgets what is gone. To be called now and then.
    pub(crate) fn sweep(&mut self, now_s: u32) {
        if self.swept_s + SWEEP_S <= now_s {
            self.swept_s = now_s;
            self.tracks.retain(|key, track| {
                let is_kept = now_s < track.seen_s.saturating_add(FORGOTTEN_S);
                if !is_kept {
                    self.bytes -= TRACK_BYTES + key.len() + track.bytes();
                }
                is_kept
            });
        }
    }

    /// Makes room by an eighth, at the cost of those where the least happens.
    #[cold]
    fn evict(&mut self) {
        let mut keys: Vec<(f32, Box<str>)> =
            self.tracks.iter().map(|(key, track)| (track.activity, key.clone())).collect();
        keys.sort_by(|one, other| one.0.total_cmp(&other.0).then_with(|| one.1.cmp(&other.1)));
        let goal = self.bytes_max - self.bytes_max / 8;
        for (_, key) in keys {
            if self.bytes <= goal {
                break;
            }
            if let Some(track) = self.tracks.remove(&key) {
                self.bytes -= TRACK_BYTES + key.len() + track.bytes();
            }
        }
    }

    fn track(&self, subject: Subject<'_>) -> Option<&Track> {
        let mut key = String::new();
        write_key(&mut key, subject);
        self.tracks.get(key.as_str())
    }

    /// The last 600, 3600 or 21,600 s; `None` for other spans.
    pub(crate) fn series(&self, subject: Subject<'_>, span_s: u32, now_s: u32) -> Option<Series> {
        let (grain, slots): (Grain, u32) = match span_s {
            600 => (FINE, FINE.slots),
            3600 => (COARSE, 60),
            21_600 => (COARSE, COARSE.slots),
            _ => return None,
        };
        let samples = self.track(subject).map(|track| track.read(grain, slots, now_s));
        let series = METRICS.iter().enumerate().map(|(metric, name)| {
            let known = samples.iter().flatten().map(|sample| known(sample[metric]));
            let points = if samples.is_some() { known.collect() } else { vec![None; slots as usize] };
            (*name, points)
        });
        let start_s = (now_s / grain.step_s + 1).saturating_sub(slots) * grain.step_s;
        Some(Series { step_s: grain.step_s, start_s, points: slots as usize, series: series.collect() })
    }

    /// One metric of some topics over ten minutes. `None` if there is no such metric.
    pub(crate) fn sparklines(&self, metric: &str, topics: Vec<String>, now_s: u32) -> Option<Sparklines> {
        let metric = METRICS.iter().position(|name| *name == metric)?;
        let pairs = SPARK_STEP_S / FINE.step_s;
        let line = |topic: &str| {
            let samples = self
                .track(Subject::Topic(topic))
                .map(|track| track.read(FINE, SPARK_POINTS * pairs, now_s))
                .unwrap_or_default();
            if samples.is_empty() {
                return vec![None; SPARK_POINTS as usize];
            }
            // The later of two, or the one that is known.
            samples
                .chunks(pairs as usize)
                .map(|pair| pair.iter().rev().find_map(|sample| known(sample[metric])))
                .collect()
        };
        let series = topics.into_iter().map(|topic| (topic.clone(), line(&topic)));
        Some(Sparklines { step_s: SPARK_STEP_S, series: series.collect() })
    }
}

fn known(value: f32) -> Option<f32> {
    Some(value).filter(|value| value.is_finite())
}

/// Names have no slash.
fn write_key(key: &mut String, subject: Subject<'_>) {
    key.clear();
    let written = match subject {
        Subject::Cluster => Ok(()),
        Subject::Node(node) => write!(key, "n/{node}"),
        Subject::Topic(topic) => write!(key, "t/{topic}"),
        Subject::Channel(topic, channel) => write!(key, "c/{topic}/{channel}"),
    };
    written.expect("a String takes all that is written");
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::proptest};

    use super::*;

    fn sample(rate: f32) -> Sample {
        [rate; METRICS.len()]
    }

    proptest! {
        /// Protects the memory of nsqadmin: the bound holds, and the sum is what it is.
        #[test]
        fn memory_is_bounded(seen in vec((0u32..3, 0u8..60, 0u8..9), 1..400), eighths in 20usize..200) {
            let mut history = History::new(eighths * 200);
            let mut now = 1_000_000;
            for (gap, topic, rate) in seen {
                now += gap * 5;
                let topic = format!("topic-{topic}");
                history.observe(now, Subject::Topic(&topic), &sample(f32::from(rate)));
                history.sweep(now);
                assert!(history.bytes <= history.bytes_max, "{} of {}", history.bytes, history.bytes_max);
            }
            let sum: usize = history.tracks.iter().map(|(key, track)| TRACK_BYTES + key.len() + track.bytes()).sum();
            assert_eq!(sum, history.bytes);
        }
    }

    #[test]
    fn the_busiest_are_kept() {
        let mut history = History::new(60_000);
        for round in 0..200u16 {
            for topic in 0..100u16 {
                let rate =
                    f32::from(topic) * 10.0 + f32::from(round) * 40.0 * f32::from(u16::from(topic > 95));
                history.observe(
                    1_000_000 + u32::from(round) * 5,
                    Subject::Topic(&format!("t{topic}")),
                    &sample(rate),
                );
            }
        }
        assert!(history.track(Subject::Topic("t99")).is_some());
        let known = |topic: &str| {
            let series = history.series(Subject::Topic(topic), 600, 1_000_995).unwrap();
            series.series["in_rate"].iter().flatten().count()
        };
        assert_eq!(known("t99"), 120);
        assert!(known("t0") < 20, "{}", known("t0"));
    }

    #[test]
    fn what_is_not_known_is_null() {
        let mut history = History::new(1 << 20);
        history.observe(1_000_000, Subject::Channel("t", "c"), &sample(5.0));
        let series = history.series(Subject::Channel("t", "c"), 600, 1_000_004).unwrap();
        assert_eq!((series.step_s, series.start_s, series.points), (5, 999_405, 120));
        assert_eq!(series.series["depth"][119], Some(5.0));
        assert_eq!(series.series["depth"].iter().flatten().count(), 1);
        let nothing = history.series(Subject::Cluster, 21_600, 1_000_004).unwrap();
        assert!(
            nothing.series.values().all(|points| points.len() == 360 && points.iter().all(Option::is_none))
        );
        assert_eq!(history.series(Subject::Cluster, 1, 0), None);
        let lines = history.sparklines("depth", vec!["t".to_owned()], 1_000_004).unwrap();
        assert_eq!(lines.series["t"].len(), 60);
        assert_eq!(history.sparklines("colour", Vec::new(), 0), None);
        history.sweep(1_000_000 + FORGOTTEN_S);
        assert_eq!((history.tracks.len(), history.bytes), (0, 0));
    }
}
