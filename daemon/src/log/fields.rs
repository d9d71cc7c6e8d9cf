//! What an event says: its text and its values.

use std::error::Error;
use std::fmt::{Arguments, Debug, Display, Formatter, Result, Write};

use serde::Serialize;
use tracing::field::{Field, Visit};

use super::bounded::{Bounded, LINE_BYTES_MAX};

/// An event's text and values in the order in which they are written in the source, each text up to a line's length.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) text: String,
    pub(super) values: Vec<(&'static str, Value)>,
}

/// The value of a field. What is not of another type is a text.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Value {
    Bool(bool),
    Int(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Unsigned(value) => write!(f, "{value}"),
            // Whole ones keep their point.
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(value) => f.write_str(value),
        }
    }
}

impl Fields {
    fn push_text(&mut self, field: &Field, value: Arguments<'_>) {
        let mut bounded = Bounded::new(String::new(), LINE_BYTES_MAX);
        // A Display that fails has written what it could.
        let _ = bounded.write_fmt(value);
        self.push(field, Value::Text(bounded.finish()));
    }

    fn push(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::Text(text)) => self.text = text,
            ("message", other) => self.text = other.to_string(),
            (name, value) => self.values.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.push_text(field, format_args!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push_text(field, format_args!("{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, Value::Bool(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, Value::Int(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, Value::Unsigned(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push(field, Value::Float(value));
    }

    /// The error and its causes, from the outermost inwards.
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut chain = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            // Writing to a String cannot fail; an error's Display that does has written what it could.
            let _ = write!(chain, ": {error}");
            cause = error.source();
        }
        self.push_text(field, format_args!("{chain}"));
    }
}
