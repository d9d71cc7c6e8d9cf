//! The ends that a daemon's start can come to before it runs.

use std::io::{self, Write};
use std::process::ExitCode;

use jiff::Timestamp;

use crate::log::{self, Clock, Level};

use super::{FileError, Refused, UsageError};

/// The exit code for a command line that cannot be read.
const EXIT_USAGE: u8 = 2;

/// Why a program does not go on after reading its options.
#[derive(Debug)]
pub enum Stop {
    /// The usage was asked for.
    Help {
        /// The whole text.
        usage: String,
    },
    /// The version was asked for.
    Version {
        /// The line to print.
        line: String,
    },
    /// The command line is wrong.
    Usage {
        /// What is wrong with it.
        cause: UsageError,
        /// The whole text.
        usage: String,
    },
    /// The configuration file is wrong.
    File {
        /// The daemon's name.
        program: &'static str,
        /// What is wrong with it.
        cause: FileError,
    },
    /// A value, wherever it came from, is one that the daemon cannot work with.
    Refused {
        /// The daemon's name.
        program: &'static str,
        /// Which, and why.
        cause: Refused,
    },
    /// A utility cannot work with what it was given, or not go on.
    Check {
        /// Why, in one line.
        text: String,
    },
}

impl Stop {
    /// Prints what is to be said, to stdout or stderr, and returns the exit code for `main` to return.
    pub fn report(&self) -> ExitCode {
        let (code, text) = self.render(&Clock::local(), Timestamp::now());
        // Where the output is closed there is nobody to tell.
        let _ = match self {
            Self::Version { .. } => io::stdout().lock().write_all(text.as_bytes()),
            _ => io::stderr().lock().write_all(text.as_bytes()),
        };
        ExitCode::from(code)
    }

    /// The exit code and the text. The prefix of the lines is the daemon's name, whatever `--log-prefix` says.
    fn render(&self, clock: &Clock, now: Timestamp) -> (u8, String) {
        let fatal = |program: &str| log::start(&format!("[{program}] "), clock, now, Level::Fatal);
        match self {
            Self::Help { usage } => (0, usage.clone()),
            Self::Version { line } => (0, format!("{line}\n")),
            Self::Usage { cause, usage } => (EXIT_USAGE, format!("{cause}\n{usage}")),
            Self::File { cause: cause @ FileError::Coerce { .. }, .. } => {
                (1, format!("{} ERROR: {cause}\n", clock.seconds(now)))
            }
            Self::File { program, cause } => (1, format!("{}{cause}\n", fatal(program))),
            Self::Refused { program, cause } => {
                (1, format!("{}failed to instantiate {program} - {cause}\n", fatal(program)))
            }
            Self::Check { text } => (1, format!("{} {text}\n", clock.seconds(now))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(stop: &Stop, code: u8, text: &str) {
        let now: Timestamp = "2026-11-20T20:56:30.000042Z".parse().unwrap();
        assert_eq!(stop.render(&Clock::in_zone("UTC0"), now), (code, text.to_owned()));
    }

    #[test]
    fn each_end_has_its_form_and_exit_code() {
        check(&Stop::Help { usage: "Usage\n".to_owned() }, 0, "Usage\n");
        check(&Stop::Version { line: "nsqd v1".to_owned() }, 0, "nsqd v1\n");
        let cause = UsageError::Unknown { name: "nope".to_owned(), nearest: Some("node-id") };
        let text = "flag provided but not defined: -nope\ndid you mean -node-id?\nUsage\n";
        check(&Stop::Usage { cause, usage: "Usage\n".to_owned() }, 2, text);
        let cause = FileError::Choice { key: "tls_required".to_owned(), value: "maybe".to_owned() };
        let text = "[nsqd] 2026/11/20 20:56:30.000042 FATAL: failed parsing tls_required maybe\n";
        check(&Stop::File { program: "nsqd", cause }, 1, text);
        let cause = FileError::Coerce {
            value: "a".to_owned(),
            default: "10000".to_owned(),
            field: "MemQueueSize".to_owned(),
            cause: "why".to_owned(),
        };
        let text = "2026/11/20 20:56:30 ERROR: Resolve failed to coerce value a (10000) for field MemQueueSize - why\n";
        check(&Stop::File { program: "nsqd", cause }, 1, text);
        let check_failed = Stop::Check { text: "--topic required".to_owned() };
        check(&check_failed, 1, "2026/11/20 20:56:30 --topic required\n");
        let cause = Refused::new("--node-id must be [0,1024)");
        let text = "[nsqd] 2026/11/20 20:56:30.000042 FATAL: failed to instantiate nsqd - --node-id must be [0,1024)\n";
        check(&Stop::Refused { program: "nsqd", cause }, 1, text);
    }
}
