//! The values of all options, by name and by configuration key.

use std::collections::BTreeSet;

use crate::duration;

use super::Flag;
use super::reader::Reader;

/// The value of an option. The variant tells the declared type.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A duration, which may be negative.
    Duration {
        /// Nanoseconds.
        ns: i64,
    },
    /// A number.
    Float(f64),
    /// A text.
    Text(String),
    /// A list of texts.
    Texts(Vec<String>),
    /// A list of numbers.
    Floats(Vec<f64>),
    /// The number of one of a few words, such as a log level.
    Choice(i64),
}

impl Value {
    /// The value as the reference shows a default in an error text.
    pub(super) fn display(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Int(value) | Self::Choice(value) => value.to_string(),
            Self::Duration { ns } => duration::format_ns(*ns),
            Self::Float(value) => value.to_string(),
            Self::Text(text) => text.clone(),
            Self::Texts(texts) => format!("[{}]", texts.join(" ")),
            Self::Floats(numbers) => {
                let numbers: Vec<String> = numbers.iter().map(f64::to_string).collect();
                format!("[{}]", numbers.join(" "))
            }
        }
    }
}

/// Where a value comes from, from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Not given.
    Default,
    /// The configuration file.
    File,
    /// The command line, or the daemon itself, which put the effective value there.
    Flag,
}

/// One value for each option.
#[derive(Debug, Clone)]
pub struct Settings {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    flag: Flag,
    value: Value,
    source: Source,
}

impl Settings {
    /// Every option at its default.
    pub(super) fn new<'a>(flags: impl Iterator<Item = &'a Flag>) -> Self {
        let entry = |flag: &Flag| Entry {
            flag: flag.clone(),
            value: flag.default().clone(),
            source: Source::Default,
        };
        Self { entries: flags.map(entry).collect() }
    }

    /// The value of the option with this key of the configuration file; `None` if there is no such key.
    pub fn by_key(&self, key: &str) -> Option<&Value> {
        self.entries.iter().find(|entry| entry.flag.config_key() == Some(key)).map(|entry| &entry.value)
    }

    /// Where the value of the option `name` (of the flag) comes from.
    ///
    /// # Panics
    /// If there is no such option.
    pub fn source(&self, name: &str) -> Source {
        self.entry(name).source
    }

    /// Replaces a value by the effective one, which [`by_key`](Self::by_key) then shows.
    ///
    /// # Panics
    /// If there is no option of this name (of the flag), or it is of another type.
    pub fn set(&mut self, name: &str, value: Value) {
        let entry = self.entries.iter_mut().find(|entry| entry.flag.name() == name);
        let entry = entry.unwrap_or_else(|| panic_undeclared(name));
        let is_same_type = std::mem::discriminant(&entry.value) == std::mem::discriminant(&value);
        assert!(is_same_type, "--{name} is of another type");
        entry.value = value;
    }

    /// Reads the values into a daemon's own struct.
    pub fn reader(&self) -> Reader<'_> {
        // The flags without a key are those that loading has consumed: version, config.
        let is_for_reader = |flag: &Flag| flag.why_no_effect().is_none() && flag.config_key().is_some();
        let names =
            self.entries.iter().filter(|entry| is_for_reader(&entry.flag)).map(|entry| entry.flag.name());
        let unread: BTreeSet<_> = names.collect();
        Reader::new(self, unread)
    }

    pub(super) fn value(&self, name: &str) -> &Value {
        &self.entry(name).value
    }

    /// Takes a value of the file or the command line, unless a stronger source has set the option.
    pub(super) fn give(&mut self, index: usize, value: Value, source: Source) {
        let entry = &mut self.entries[index];
        if entry.source <= source {
            entry.value = value;
            entry.source = source;
        }
    }

    pub(super) fn source_at(&self, index: usize) -> Source {
        self.entries[index].source
    }

    /// The options that were given although they have no effect: name and reason.
    pub(super) fn given_without_effect(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let given = self.entries.iter().filter(|entry| entry.source != Source::Default);
        given.filter_map(|entry| Some((entry.flag.name(), entry.flag.why_no_effect()?)))
    }

    fn entry(&self, name: &str) -> &Entry {
        let entry = self.entries.iter().find(|entry| entry.flag.name() == name);
        entry.unwrap_or_else(|| panic_undeclared(name))
    }
}

#[expect(
    clippy::panic,
    reason = "a name that is not in the table is a slip in this program, not in its input"
)]
fn panic_undeclared(name: &str) -> ! {
    panic!("--{name} is not declared")
}
