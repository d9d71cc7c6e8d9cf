//! Options whose value is one of a few words, each of which stands for a number.

use crate::log::{Format, Level};

/// A type of option whose values are words: what they mean and how they are refused.
#[derive(Debug)]
pub struct Choice {
    /// On the command line it behaves as a boolean: alone it means `true`, and a value needs `=`.
    pub is_boolean: bool,
    /// Reads a word. The number is what `GET /config/:opt` shows; the error is what follows the flag's name.
    pub parse: fn(&str) -> Result<i64, String>,
}

/// The level of the log: `debug`, `info`, `warn`, `error`, `fatal`.
pub static LEVEL: Choice = Choice { is_boolean: false, parse: parse_level };

fn parse_level(word: &str) -> Result<i64, String> {
    word.parse().map(Level::number).map_err(|error: crate::log::LevelError| error.to_string())
}

/// The format of the log: `nsq`, `json`.
pub static LOG_FORMAT: Choice = Choice { is_boolean: false, parse: parse_log_format };

fn parse_log_format(word: &str) -> Result<i64, String> {
    match word {
        "nsq" => Ok(Format::Nsq.number()),
        "json" => Ok(Format::Json.number()),
        _ => Err("must be nsq or json".to_owned()),
    }
}
