//! Reading settings into a daemon's own struct, with bounds.

use std::collections::BTreeSet;
use std::fmt::{Debug, Display};
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::duration;
use crate::log::{Config, Format, Level};

use super::settings::{Settings, Value};

/// A value that a daemon cannot work with. Its text names the flag, the value and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(String);

impl Refused {
    /// A refusal with a text of its own.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// `--name=value: why`.
    pub fn value(name: &str, value: impl Display, why: impl Display) -> Self {
        Self(format!("--{name}={value}: {why}"))
    }
}

/// Gives out the values by the names of their flags and remembers which were read.
///
/// Each method panics if there is no such option or it is of another type: the table and the struct that is read from it
/// are two halves of one program.
#[derive(Debug)]
pub struct Reader<'a> {
    settings: &'a Settings,
    unread: BTreeSet<&'static str>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(settings: &'a Settings, unread: BTreeSet<&'static str>) -> Self {
        Self { settings, unread }
    }

    /// A boolean.
    pub fn boolean(&mut self, name: &str) -> bool {
        match self.take(name) {
            Value::Bool(value) => *value,
            other => other_type(name, other),
        }
    }

    /// An integer within bounds.
    ///
    /// # Errors
    /// If it is out of them.
    ///
    /// # Panics
    /// Also if the bounds are wider than the result's type.
    pub fn int<T: TryFrom<i64, Error: Debug>>(
        &mut self,
        name: &str,
        bounds: RangeInclusive<i64>,
    ) -> Result<T, Refused> {
        let value = match self.take(name) {
            Value::Int(value) => *value,
            other => other_type(name, other),
        };
        let (low, high) = bounds.into_inner();
        if value < low {
            return Err(Refused::value(name, value, format_args!("must be at least {low}")));
        }
        if high < value {
            return Err(Refused::value(name, value, format_args!("must be at most {high}")));
        }
        Ok(T::try_from(value).expect("the bounds fit the type"))
    }

    /// A number.
    pub fn float(&mut self, name: &str) -> f64 {
        match self.take(name) {
            Value::Float(value) => *value,
            other => other_type(name, other),
        }
    }

    /// A duration as it was given, which may be negative, in nanoseconds.
    pub fn duration_ns(&mut self, name: &str) -> i64 {
        match self.take(name) {
            Value::Duration { ns } => *ns,
            other => other_type(name, other),
        }
    }

    /// A duration that is at least `low`.
    ///
    /// # Errors
    /// If it is shorter.
    pub fn duration(&mut self, name: &str, low: Duration) -> Result<Duration, Refused> {
        let ns = match self.take(name) {
            Value::Duration { ns } => *ns,
            other => other_type(name, other),
        };
        let value = u64::try_from(ns).ok().map(Duration::from_nanos).filter(|value| low <= *value);
        value.ok_or_else(|| {
            let low = duration::format(low);
            Refused::value(name, duration::format_ns(ns), format_args!("must be at least {low}"))
        })
    }

    /// A text.
    pub fn text(&mut self, name: &str) -> &'a str {
        match self.take(name) {
            Value::Text(text) => text,
            other => other_type(name, other),
        }
    }

    /// A list of texts.
    pub fn texts(&mut self, name: &str) -> &'a [String] {
        match self.take(name) {
            Value::Texts(texts) => texts,
            other => other_type(name, other),
        }
    }

    /// A list of numbers.
    pub fn floats(&mut self, name: &str) -> &'a [f64] {
        match self.take(name) {
            Value::Floats(numbers) => numbers,
            other => other_type(name, other),
        }
    }

    /// The number of one of a few words.
    pub fn choice(&mut self, name: &str) -> i64 {
        match self.take(name) {
            Value::Choice(number) => *number,
            other => other_type(name, other),
        }
    }

    /// The options of the log that each daemon has. `crates` are those whose events are logged.
    ///
    /// # Panics
    /// Also if they are not choices of [`LEVEL`](super::LEVEL) and [`LOG_FORMAT`](super::LOG_FORMAT).
    pub fn log(&mut self, crates: &'static [&'static str]) -> Config {
        let file = self.text("log-file");
        Config {
            prefix: self.text("log-prefix").to_owned(),
            level: Level::from_number(self.choice("log-level")).expect("an option with the choice LEVEL"),
            format: Format::from_number(self.choice("log-format"))
                .expect("an option with the choice LOG_FORMAT"),
            file: (!file.is_empty()).then(|| file.into()),
            crates,
            libraries: &[],
        }
    }

    /// To be called at the end.
    ///
    /// # Panics
    /// If an option was declared and not read, save those that are declared to have no effect.
    pub fn finish(self) {
        assert!(self.unread.is_empty(), "declared and not read: {:?}", self.unread);
    }

    fn take(&mut self, name: &str) -> &'a Value {
        self.unread.remove(name);
        self.settings.value(name)
    }
}

#[expect(clippy::panic, reason = "table and reader disagree: a slip in this program, not in its input")]
fn other_type(name: &str, value: &Value) -> ! {
    panic!("--{name} is of another type: {value:?}")
}
