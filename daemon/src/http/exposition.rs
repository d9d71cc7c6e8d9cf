//! The text format of Prometheus, version 0.0.4.

use std::{
    fmt::{Display, Write},
    thread,
};

/// A text that grows family by family, with pauses as in [`crate::reports::Pages`].
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    rested: usize,
}

impl Exposition {
    /// Bytes between two pauses.
    const STEP: usize = 8 << 10;

    /// The whole text.
    pub fn into_text(self) -> String {
        self.text
    }

    /// Begins a family.
    pub fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.put(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// A family that has one sample without labels.
    pub fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    /// Values of labels are topic and channel names and words of ours: nothing in them has to be escaped.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            self.put(format_args!("{before}{label}=\"{text}\""));
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        self.put(format_args!(" {value}\n"));
        if self.rested + Self::STEP < self.text.len() {
            self.rested = self.text.len();
            thread::yield_now();
        }
    }

    /// The samples of a histogram of times. `counts` has one more than `bounds_ns`, each without those below.
    pub fn times(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        bounds_ns: &[u64],
        counts: &[u64],
        sum_ns: u128,
    ) {
        let bucket = format!("{name}_bucket");
        let mut total = 0;
        let bounds = bounds_ns.iter().map(|ns| seconds(u128::from(*ns))).chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(counts) {
            total += count;
            let labels: Vec<_> = labels.iter().copied().chain([("le", bound.as_str())]).collect();
            self.sample(&bucket, &labels, total);
        }
        self.sample(&format!("{name}_sum"), labels, seconds(sum_ns));
        self.sample(&format!("{name}_count"), labels, total);
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        self.text.write_fmt(text).expect("a String takes all that is written");
    }
}

/// Nanoseconds as seconds, exactly.
pub fn seconds(ns: u128) -> String {
    let text = format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_exact_and_short() {
        for (ns, expected) in [
            (0, "0"),
            (250_000, "0.00025"),
            (1_000_000_000, "1"),
            (12_500_000_000, "12.5"),
            (1, "0.000000001"),
        ] {
            assert_eq!(seconds(ns), expected);
        }
    }

    #[test]
    fn buckets_add_up() {
        let mut text = Exposition::default();
        text.times("t_seconds", &[("a", "b")], &[1_000_000, 1_000_000_000], &[2, 0, 1], 3_500_000_000);
        let expected = "t_seconds_bucket{a=\"b\",le=\"0.001\"} 2\nt_seconds_bucket{a=\"b\",le=\"1\"} 2\n\
                        t_seconds_bucket{a=\"b\",le=\"+Inf\"} 3\nt_seconds_sum{a=\"b\"} 3.5\nt_seconds_count{a=\"b\"} 3\n";
        assert_eq!(text.into_text(), expected);
    }
}
