//! A daemon's table, and loading it.

use std::collections::BTreeSet;
use std::ffi::OsString;

use crate::version;

use super::command_line::{self, Parsed};
use super::settings::{Settings, Source, Value};
use super::table::{boolean, choice, text};
use super::{Flag, Group, LEVEL, LOG_FORMAT, Refused, Stop, file, usage};

/// A program's name and its options.
#[derive(Debug, Clone)]
pub struct Program {
    name: &'static str,
    kind: ProgramKind,
    groups: Vec<Group>,
}

/// What differs between the programs beyond their tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProgramKind {
    /// Reads a file of options, and refuses other arguments.
    Daemon,
    Utility(Positional),
}

/// What a utility does with the arguments from the first on that is no flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Positional {
    /// It goes on without them, flags among them included, and says so.
    Ignored,
    /// It ends with `unknown arguments: [a b]`.
    Refused,
}

/// What a start has to go on with.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The value of each option.
    pub settings: Settings,
    /// What an operator should be told once the log is set up: unknown keys, options without effect.
    pub warnings: Vec<String>,
}

impl Program {
    /// A daemon with the given options, besides those that each has: `version`, `config`, `verbose`, and those of the log,
    /// which are read by [`Reader::log`](super::Reader::log).
    ///
    /// # Panics
    /// If two options share a name or a key.
    pub fn new(name: &'static str, log_prefix: &'static str, groups: Vec<Group>) -> Self {
        let basics = Group::new(
            "Basics",
            vec![
                boolean("version", false, "print the version and exit").flag_only(),
                text("config", "", "TOML file with further options").argument("path").flag_only(),
                choice(
                    "log-level",
                    &LEVEL,
                    "info",
                    "lowest level that is logged: debug, info, warn, error, fatal",
                ),
                text("log-prefix", log_prefix, "what stands before each line of the log"),
                choice(
                    "log-format",
                    &LOG_FORMAT,
                    "nsq",
                    "how a line is written: `nsq`, or `json` for one object a line",
                ),
                text("log-file", "", "file to whose end the log is written, opened anew at SIGHUP")
                    .argument("path")
                    .default_note("stderr"),
                boolean("verbose", false, "")
                    .flag_only()
                    .no_effect("use --log-level=debug for a more detailed log"),
            ],
        );
        Self::checked(name, ProgramKind::Daemon, std::iter::once(basics).chain(groups).collect())
    }

    /// A utility with the given options, besides `version`: without a file of options, and with the short line of
    /// `--version`, `nsq_tail v1.3.0`.
    ///
    /// # Panics
    /// If two options share a name.
    pub fn utility(name: &'static str, positional: Positional, groups: Vec<Group>) -> Self {
        let version = boolean("version", false, "print the version and exit").flag_only();
        let basics = Group::new("Basics", vec![version]);
        let groups = groups.into_iter().chain(std::iter::once(basics)).collect();
        Self::checked(name, ProgramKind::Utility(positional), groups)
    }

    fn checked(name: &'static str, kind: ProgramKind, groups: Vec<Group>) -> Self {
        let program = Self { name, kind, groups };
        let mut seen = BTreeSet::new();
        for flag in program.flags() {
            assert!(seen.insert(flag.name().to_owned()), "--{} is declared twice", flag.name());
        }
        seen.clear();
        for key in program.flags().into_iter().filter_map(|flag| flag.config_key()) {
            assert!(seen.insert(key.to_owned()), "the key {key} is declared twice");
        }
        program
    }

    /// Reads the command line, `args` being what follows the program's name, and the file that it names.
    ///
    /// # Errors
    /// [`Stop`] if the process is to end instead, be it that its version was asked for.
    pub fn load(&self, args: impl IntoIterator<Item = OsString>) -> Result<Loaded, Stop> {
        let flags = self.flags();
        let usage_error = |cause| Stop::Usage { cause, usage: self.usage() };
        let (parsed, rest) = command_line::parse(&flags, args).map_err(usage_error)?;
        let given = match parsed {
            Parsed::Help => return Err(Stop::Help { usage: self.usage() }),
            Parsed::Values(given) => given,
        };
        let mut warnings = Vec::new();
        let ProgramKind::Utility(positional) = self.kind else {
            rest.refuse().map_err(usage_error)?;
            return self.load_daemon(&flags, given);
        };
        if !rest.arguments.is_empty() {
            let arguments = rest.arguments.join(" ");
            match positional {
                Positional::Refused => {
                    return Err(Stop::Check { text: format!("unknown arguments: [{arguments}]") });
                }
                Positional::Ignored => warnings.push(format!(
                    "ignored: {arguments:?}; what follows an argument that is no flag is not read"
                )),
            }
        }
        let settings = Self::with_flags(&flags, given);
        if *settings.value("version") == Value::Bool(true) {
            return Err(Stop::Version { line: format!("{} v{}", self.name, version::COMPATIBLE) });
        }
        Ok(Loaded { settings, warnings })
    }

    fn with_flags(flags: &[&Flag], given: Vec<(usize, Value)>) -> Settings {
        let mut settings = Settings::new(flags.iter().copied());
        for (index, value) in given {
            settings.give(index, value, Source::Flag);
        }
        settings
    }

    fn load_daemon(&self, flags: &[&Flag], given: Vec<(usize, Value)>) -> Result<Loaded, Stop> {
        let mut settings = Self::with_flags(flags, given);
        if *settings.value("version") == Value::Bool(true) {
            return Err(Stop::Version { line: version::line(self.name) });
        }
        let mut warnings = Vec::new();
        if let Value::Text(path) = settings.value("config").clone()
            && !path.is_empty()
        {
            let loaded = file::load(&path, flags, &mut settings);
            warnings = loaded.map_err(|cause| Stop::File { program: self.name, cause })?;
        }
        let ineffective = settings.given_without_effect();
        warnings.extend(ineffective.map(|(name, why)| format!("--{name} has no effect: {why}")));
        Ok(Loaded { settings, warnings })
    }

    /// The end of a start at which a value was refused.
    pub fn refuse(&self, cause: Refused) -> Stop {
        match self.kind {
            ProgramKind::Daemon => Stop::Refused { program: self.name, cause },
            ProgramKind::Utility(_) => Stop::Check { text: cause.to_string() },
        }
    }

    /// The program's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// All options by group, in the order of the usage text.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    fn flags(&self) -> Vec<&Flag> {
        self.groups.iter().flat_map(|group| &group.flags).collect()
    }

    fn usage(&self) -> String {
        usage::render(self.name, &self.groups)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::log::Level;
    use crate::options::{int, texts};

    fn program() -> Program {
        let flags = vec![
            int("node-id", 7, "").key("id"),
            texts("lookupd-tcp-address", "").key("lookupds"),
            crate::options::duration("wait", Duration::from_mins(1), ""),
            boolean("worker-id", false, "").flag_only().no_effect("use --node-id"),
            int("scan-max", 4, "").no_effect("timers are exact"),
        ];
        Program::new("nsqd", "[nsqd] ", vec![Group::new("Queues", flags)])
    }

    /// Utilities are older than the daemons' care: scripts give them arguments that nobody reads.
    #[test]
    fn a_utility_ignores_or_refuses_what_is_no_flag() {
        let load = |positional, args: &[&str]| {
            let check = |text: &str| if text == "x" { Err("no".to_owned()) } else { Ok(()) };
            let flags = vec![int("n", 7, ""), texts("opt", "").checked(check)];
            Program::utility("nsq_tail", positional, vec![Group::new("Output", flags)])
                .load(args.iter().map(OsString::from))
        };
        let loaded = load(Positional::Ignored, &["-n=5", "extra", "-n=6"]).unwrap();
        assert_eq!(loaded.settings.by_key("n"), Some(&Value::Int(5)));
        let warning = "ignored: \"extra -n=6\"; what follows an argument that is no flag is not read";
        assert_eq!(loaded.warnings, [warning]);
        let refused = load(Positional::Refused, &["-version", "a", "b"]);
        assert!(matches!(refused, Err(Stop::Check { text }) if text == "unknown arguments: [a b]"));
        let version = load(Positional::Ignored, &["-version", "a"]);
        assert!(matches!(version, Err(Stop::Version { line }) if line == "nsq_tail v1.3.0"));
        assert!(matches!(load(Positional::Ignored, &["-config=x"]), Err(Stop::Usage { .. })));
        let Err(Stop::Usage { cause, .. }) = load(Positional::Ignored, &["-opt", "x"]) else { panic!() };
        assert_eq!(cause.to_string(), "invalid value \"x\" for flag -opt: no");
    }

    fn load(args: &[&str]) -> Result<Loaded, Stop> {
        program().load(args.iter().map(OsString::from))
    }

    /// Loads with a configuration file, whose path replaces `FILE`.
    fn load_with_file(file: &str, args: &[&str]) -> Result<Loaded, Stop> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("nsqd.toml");
        fs::write(&path, file).unwrap();
        let config = format!("--config={}", path.display());
        program().load([config.as_str()].into_iter().chain(args.iter().copied()).map(OsString::from))
    }

    #[track_caller]
    fn check_id(loaded: Result<Loaded, Stop>, value: i64, source: Source) {
        let settings = loaded.unwrap().settings;
        assert_eq!(settings.by_key("id"), Some(&Value::Int(value)));
        assert_eq!(settings.source("node-id"), source);
    }

    #[test]
    fn the_flag_wins_over_the_file_and_the_file_over_the_default() {
        check_id(load(&[]), 7, Source::Default);
        check_id(load_with_file("", &[]), 7, Source::Default);
        check_id(load_with_file("id = 8", &[]), 8, Source::File);
        check_id(load_with_file("id = 8", &["-node-id=9"]), 9, Source::Flag);
        check_id(load_with_file("id = 8", &["-node-id=7"]), 7, Source::Flag);
        check_id(load_with_file("id = \"x\"", &["-node-id=7"]), 7, Source::Flag);
    }

    #[test]
    fn lists_are_replaced_not_merged() {
        let loaded = load_with_file("lookupds = [\"a\", \"b\"]", &["-lookupd-tcp-address=c"]).unwrap();
        assert_eq!(loaded.settings.by_key("lookupds"), Some(&Value::Texts(vec!["c".to_owned()])));
    }

    #[test]
    fn options_without_effect_are_told_when_given() {
        assert_eq!(load(&[]).unwrap().warnings, [""; 0]);
        let loaded = load_with_file("scan_max = 3", &["-worker-id", "-verbose"]).unwrap();
        let expected = [
            "--verbose has no effect: use --log-level=debug for a more detailed log",
            "--worker-id has no effect: use --node-id",
            "--scan-max has no effect: timers are exact",
        ];
        assert_eq!(loaded.warnings, expected);
    }

    #[test]
    fn keys_of_flags_without_one_are_unknown() {
        let settings = load(&["-verbose"]).unwrap().settings;
        for key in ["node_id", "node-id", "version", "config", "verbose", "worker_id", ""] {
            assert_eq!(settings.by_key(key), None, "{key}");
        }
        assert_eq!(settings.by_key("log_prefix"), Some(&Value::Text("[nsqd] ".to_owned())));
        assert_eq!(settings.by_key("log_level"), Some(&Value::Choice(2)));
    }

    #[test]
    fn help_version_and_errors_end_the_start() {
        assert!(
            matches!(load(&["-h"]), Err(Stop::Help { usage }) if usage.contains("-lookupd-tcp-address string"))
        );
        assert!(
            matches!(load(&["-version"]), Err(Stop::Version { line }) if line.starts_with("nsqd v1.3.0 (built w/"))
        );
        let version_first = load(&["-version", "-config=/no/such/file"]);
        assert!(matches!(version_first, Err(Stop::Version { .. })));
        assert!(matches!(load(&["-version", "-nope"]), Err(Stop::Usage { .. })));
        assert!(matches!(load(&["-config=/no/such/file"]), Err(Stop::File { program: "nsqd", .. })));
        assert!(load(&["-config="]).is_ok());
    }

    #[test]
    fn values_are_read_typed_and_within_bounds() {
        let mut settings = load(&["-node-id=300", "-wait=-1s", "-log-level=DEBUG"]).unwrap().settings;
        let mut reader = settings.reader();
        let refused = reader.int::<u8>("node-id", 0..=255).unwrap_err().to_string();
        assert_eq!(refused, "--node-id=300: must be at most 255");
        let refused = reader.int::<i64>("node-id", 301..=i64::MAX).unwrap_err().to_string();
        assert_eq!(refused, "--node-id=300: must be at least 301");
        assert_eq!(reader.int::<u16>("node-id", 300..=300), Ok(300));
        let refused = reader.duration("wait", Duration::ZERO).unwrap_err().to_string();
        assert_eq!(refused, "--wait=-1s: must be at least 0s");
        assert_eq!(reader.log(&[]).level, Level::Debug);

        settings.set("wait", Value::Duration { ns: 1 });
        assert_eq!(settings.by_key("wait"), Some(&Value::Duration { ns: 1 }));
        let mut reader = settings.reader();
        assert_eq!(reader.duration("wait", Duration::from_nanos(1)), Ok(Duration::from_nanos(1)));
    }

    /// An option that is declared and not read would be accepted and ignored.
    #[test]
    #[should_panic(
        expected = "declared and not read: {\"log-file\", \"log-format\", \"log-level\", \"log-prefix\", \"lookupd-tcp-address\", \"wait\"}"
    )]
    fn each_option_must_be_read() {
        let settings = load(&[]).unwrap().settings;
        let mut reader = settings.reader();
        reader.int::<u16>("node-id", 0..=9).unwrap();
        reader.finish();
    }
}
