//! The usage text.

use std::fmt::Write;

use crate::version;

use super::settings::Value;
use super::{Flag, Group};

/// The column at which the help begins.
const HELP_COLUMN: usize = 42;

/// All flags by group, with their defaults.
pub(super) fn render(program: &str, groups: &[Group]) -> String {
    let release = version::RELEASE;
    let compatible = version::COMPATIBLE;
    let mut out = format!("Usage: {program} [flags]\n\nnsq-rs {release}, compatible with NSQ {compatible}\n");
    for group in groups {
        out.push('\n');
        out.push_str(group.title);
        out.push('\n');
        for flag in &group.flags {
            render_flag(&mut out, flag);
        }
    }
    out.push_str("\nOne dash or two; -flag value or -flag=value, for booleans -flag or -flag=false.\n");
    out
}

fn render_flag(out: &mut String, flag: &Flag) {
    let mut left = format!("  -{}", flag.name());
    if !flag.placeholder().is_empty() {
        left.push(' ');
        left.push_str(flag.placeholder());
    }
    if HELP_COLUMN <= left.len() + 1 {
        out.push_str(&left);
        out.push('\n');
        left.clear();
    }
    let help = flag.full_help();
    writeln!(out, "{left:HELP_COLUMN$}{help}").expect("a String takes everything");
}

impl Flag {
    /// What it is for, and what applies when it is not given.
    pub fn full_help(&self) -> String {
        if self.why_no_effect().is_some() {
            return "(no effect)".to_owned();
        }
        let help = self.help();
        shown_default(self).map_or_else(|| help.to_owned(), |default| format!("{help} (default {default})"))
    }
}

/// Empty texts and lists, and booleans that are off, need no mention.
fn shown_default(flag: &Flag) -> Option<String> {
    if let Some(note) = flag.shown_default() {
        return Some(note.to_owned());
    }
    match flag.default() {
        Value::Bool(false) | Value::Texts(_) | Value::Floats(_) => None,
        Value::Text(text) if text.is_empty() => None,
        Value::Text(text) => Some(format!("{text:?}")),
        value => Some(value.display()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::options::{boolean, duration, int, text};

    #[test]
    fn options_stand_in_groups_with_their_defaults() {
        let groups = [
            Group::new(
                "Queues",
                vec![
                    int("mem-queue-size", 10_000, "messages in memory"),
                    duration("sync-timeout", Duration::from_secs(90), "longest time without a sync"),
                    text("data-path", "", "where the queues lie")
                        .argument("path")
                        .default_note("working directory"),
                ],
            ),
            Group::new(
                "Old",
                vec![
                    boolean("snappy", true, "compress"),
                    boolean("worker-id", false, "").no_effect("gone"),
                    text("an-option-with-a-name-that-is-rather-long", "x ", "text"),
                ],
            ),
        ];
        let usage = render("nsqd", &groups);
        let lines: Vec<&str> = usage.lines().skip(3).collect();
        let expected = [
            "",
            "Queues",
            "  -mem-queue-size int                     messages in memory (default 10000)",
            "  -sync-timeout duration                  longest time without a sync (default 1m30s)",
            "  -data-path path                         where the queues lie (default working directory)",
            "",
            "Old",
            "  -snappy                                 compress (default true)",
            "  -worker-id                              (no effect)",
            "  -an-option-with-a-name-that-is-rather-long string",
            "                                          text (default \"x \")",
            "",
            "One dash or two; -flag value or -flag=value, for booleans -flag or -flag=false.",
        ];
        assert_eq!(lines, expected);
        assert!(usage.starts_with("Usage: nsqd [flags]\n"));
    }
}
