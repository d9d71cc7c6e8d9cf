//! What an operator should know of: what rules say at each look, without flicker.

use std::collections::BTreeMap;

use serde::Serialize;

/// Of each kind, more are counted and not kept.
const OF_KIND_MAX: usize = 100;
/// A rule that has not held long enough may fail for so long.
const GAP_MS: i64 = 10_000;

/// How bad. In order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    Error,
    Warning,
    Info,
}

/// The rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    NodeDown,
    LookupdDown,
    NodeUnwell,
    Alarm,
    NoConsumers,
    DepthGrowing,
    RdyZero,
    Timeouts,
    Requeues,
    NodeInconsistent,
    LookupdDisagrees,
    Paused,
    Tombstoned,
    NodeOutOfDate,
    NotProduced,
}

impl Kind {
    /// How long it has to hold before it is told.
    fn appears_after_ms(self) -> i64 {
        match self {
            Self::DepthGrowing => 30_000,
            // Shortly after a start or a creation this is the ordinary course of things.
            Self::NodeInconsistent | Self::LookupdDisagrees | Self::NotProduced => 15_000,
            Self::RdyZero | Self::Timeouts | Self::Requeues => 10_000,
            // A consumer that comes back.
            Self::NoConsumers => 5_000,
            _ => 0,
        }
    }

    /// How long it is told after it has ceased to hold.
    fn stays_ms(self) -> i64 {
        match self {
            Self::Timeouts | Self::Requeues => 60_000,
            Self::DepthGrowing => 30_000,
            Self::NodeDown | Self::LookupdDown | Self::NodeUnwell | Self::RdyZero => 4_000,
            _ => 0,
        }
    }
}

/// What a rule is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Place {
    pub(crate) topic: Option<String>,
    pub(crate) channel: Option<String>,
    pub(crate) node: Option<String>,
}

impl Place {
    pub(crate) fn topic(topic: &str) -> Self {
        Self { topic: Some(topic.to_owned()), ..Self::default() }
    }

    pub(crate) fn channel(topic: &str, channel: &str) -> Self {
        Self { channel: Some(channel.to_owned()), ..Self::topic(topic) }
    }

    pub(crate) fn node(node: &str) -> Self {
        Self { node: Some(node.to_owned()), ..Self::default() }
    }
}

/// A rule that holds at this look.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) kind: Kind,
    pub(crate) severity: Severity,
    pub(crate) place: Place,
    pub(crate) text: String,
    pub(crate) advice: &'static str,
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    pub(crate) kind: Kind,
    #[serde(flatten)]
    pub(crate) place: Place,
    pub(crate) since_ms: i64,
    pub(crate) text: String,
    pub(crate) advice: &'static str,
}

/// How many are told, of each severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Tally {
    pub(crate) error: usize,
    pub(crate) warning: usize,
    pub(crate) info: usize,
}

#[derive(Debug)]
struct Known {
    first_ms: i64,
    last_ms: i64,
    is_told: bool,
    candidate: Candidate,
}

/// What rules have said so far.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    known: BTreeMap<(Kind, Place), Known>,
}

impl Findings {
    /// Takes all rules that hold now, and returns what is to be told, the worst first.
    pub(crate) fn update(&mut self, now_ms: i64, candidates: Vec<Candidate>) -> Vec<Finding> {
        let mut of_kind: BTreeMap<Kind, usize> = BTreeMap::new();
        for candidate in candidates {
            let count = of_kind.entry(candidate.kind).or_default();
            *count += 1;
            let key = (candidate.kind, candidate.place.clone());
            if OF_KIND_MAX < *count && !self.known.contains_key(&key) {
                continue;
            }
            let known = self.known.entry(key).or_insert_with(|| Known {
                first_ms: now_ms,
                last_ms: now_ms,
                is_told: false,
                candidate: candidate.clone(),
            });
            known.last_ms = now_ms;
            known.candidate = candidate;
            known.is_told |= known.candidate.kind.appears_after_ms() <= now_ms - known.first_ms;
        }
        self.known.retain(|(kind, _), known| {
            let missing_ms = now_ms - known.last_ms;
            let stays_ms = if known.is_told { kind.stays_ms() } else { kind.stays_ms().min(GAP_MS) };
            missing_ms <= stays_ms
        });
        let told = self.known.values().filter(|known| known.is_told);
        let mut findings: Vec<Finding> = told
            .map(|known| {
                let Candidate { kind, severity, place, text, advice } = known.candidate.clone();
                Finding { severity, kind, place, since_ms: known.first_ms, text, advice }
            })
            .collect();
        findings.sort_by_key(|finding| (finding.severity, finding.kind));
        findings
    }
}

impl Tally {
    pub(crate) fn of(findings: &[Finding]) -> Self {
        findings.iter().fold(Self::default(), |mut tally, finding| {
            match finding.severity {
                Severity::Error => tally.error += 1,
                Severity::Warning => tally.warning += 1,
                Severity::Info => tally.info += 1,
            }
            tally
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(kind: Kind, topic: &str) -> Candidate {
        let place = Place::topic(topic);
        Candidate { kind, severity: Severity::Warning, place, text: String::new(), advice: "" }
    }

    /// At which of these seconds the rule is told, if it holds at those.
    fn check(kind: Kind, holds: &[i64], told: &[i64]) {
        let mut findings = Findings::default();
        for second in 0..=told.iter().chain(holds).max().unwrap() + 1 {
            let now = holds.contains(&second).then(|| candidate(kind, "t"));
            let found = findings.update(second * 1000, now.into_iter().collect());
            assert_eq!(!found.is_empty(), told.contains(&second), "{kind:?} at {second}");
        }
    }

    /// Protects operators from lists that flicker.
    #[test]
    fn rules_have_to_hold_and_may_pause() {
        check(Kind::Paused, &[1, 2, 4], &[1, 2, 4]);
        check(Kind::NodeDown, &[1, 2], &[1, 2, 3, 4, 5, 6]);
        check(Kind::NoConsumers, &[1, 2, 3, 4, 5, 6, 7], &[6, 7]);
        check(Kind::NoConsumers, &[1, 2, 3, 5, 6, 7, 8, 9], &[]);
        let growing: Vec<i64> = (0..40).step_by(2).collect();
        check(Kind::DepthGrowing, &growing, &(30..=68).collect::<Vec<_>>());
        check(Kind::DepthGrowing, &[0, 5, 20, 31], &[]);
    }

    #[test]
    fn the_worst_come_first_with_the_time_of_their_beginning() {
        let mut findings = Findings::default();
        findings.update(5, vec![candidate(Kind::Paused, "a")]);
        let bad = Candidate { severity: Severity::Error, ..candidate(Kind::Tombstoned, "b") };
        let found = findings.update(9, vec![candidate(Kind::Paused, "a"), bad]);
        assert_eq!(found.iter().map(|found| found.since_ms).collect::<Vec<_>>(), [9, 5]);
        assert_eq!(Tally::of(&found), Tally { error: 1, warning: 1, info: 0 });
        let json = serde_json::to_string(&found[1]).unwrap();
        let expected = r#"{"severity":"warning","kind":"paused","topic":"a","channel":null,"node":null,"since_ms":5,"text":"","advice":""}"#;
        assert_eq!(json, expected);
    }

    /// Protects memory and screens where something is wrong everywhere.
    #[test]
    fn each_kind_is_bounded() {
        let mut findings = Findings::default();
        for round in 0..3 {
            let all = (0..1000).map(|topic| candidate(Kind::Paused, &format!("t{topic:04}"))).collect();
            assert_eq!(findings.update(round, all).len(), OF_KIND_MAX);
        }
    }
}
