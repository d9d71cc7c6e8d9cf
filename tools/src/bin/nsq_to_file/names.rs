//! File names: what `--filename-format` becomes for a topic at a time.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::datetime::DateFormat;

/// Where the number of a file among those of the same name and date stands.
const REVISION: &str = "<REV>";

/// What names are made of.
#[derive(Debug, Clone)]
pub(crate) struct NameSettings {
    /// `--filename-format`.
    pub(crate) filename_format: String,
    /// `--datetime-format`.
    pub(crate) datetime_format: String,
    /// `--host-identifier`; empty for the short name of the host.
    pub(crate) host_identifier: String,
    /// The host's full name.
    pub(crate) hostname: String,
    /// The number of this process.
    pub(crate) process_id: u32,
    /// Whether files get numbers: they are compressed, rotated, or moved.
    pub(crate) has_revisions: bool,
    /// What a name ends in, `.gz` for example, or empty.
    pub(crate) suffix: &'static str,
    /// In which dates are told.
    pub(crate) zone: TimeZone,
}

/// Why a topic can have no files.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameError {
    #[error("missing <REV> in --filename-format when gzip, rotation, or work dir enabled")]
    NoRevision,
    #[error(
        "the topic {0} would be a folder's name in --filename-format; put something beside <TOPIC>, as in topic-<TOPIC>"
    )]
    Folder(String),
}

/// The names of a topic's files, with the revision still open.
#[derive(Debug)]
pub(crate) struct Names {
    /// All but the date and the revision is filled in.
    format: String,
    dates: DateFormat,
    zone: TimeZone,
    /// The second for which `current` is right.
    second: Option<i64>,
    current: String,
}

impl Names {
    /// Fills in what stays the same for a topic.
    ///
    /// # Errors
    /// If files need numbers and the format has no place for them, or if the topic is `.` or `..` and would be one of the
    /// folders: messages must not be able to leave the output folder.
    pub(crate) fn new(topic: &str, settings: &NameSettings) -> Result<Self, NameError> {
        let format = &settings.filename_format;
        if settings.has_revisions && !format.contains(REVISION) {
            return Err(NameError::NoRevision);
        }
        let format = if settings.has_revisions { format.clone() } else { format.replace(REVISION, "") };
        let host = host(settings);
        // In the order of the reference: a host identifier may have a <PID> in it.
        let fill_in = |topic: &str| {
            let named = format.replace("<TOPIC>", topic).replace("<HOST>", &host);
            named.replace("<PID>", &settings.process_id.to_string())
        };
        let mut format = fill_in(topic);
        let is_dots = |part: &str| matches!(part, "." | "..");
        if format
            .split('/')
            .zip(fill_in("t").split('/'))
            .any(|(part, usual)| is_dots(part) && !is_dots(usual))
        {
            return Err(NameError::Folder(topic.to_owned()));
        }
        if !format.ends_with(settings.suffix) {
            format.push_str(settings.suffix);
        }
        Ok(Self {
            format,
            dates: DateFormat::new(&settings.datetime_format),
            zone: settings.zone.clone(),
            second: None,
            current: String::new(),
        })
    }

    /// The name at a time. It changes with the second at most, and costs a comparison within one.
    pub(crate) fn at(&mut self, now: Timestamp) -> &str {
        if self.second != Some(now.as_second()) {
            self.second = Some(now.as_second());
            let date = self.dates.format(&now.to_zoned(self.zone.clone()));
            self.current = self.format.replace("<DATETIME>", &date);
        }
        &self.current
    }
}

/// The name of a file: `-` and six digits in the place of the revision.
pub(crate) fn with_revision(name: &str, revision: u32) -> String {
    name.replace(REVISION, &format!("-{revision:06}"))
}

/// Whether different revisions have different names.
pub(crate) fn has_revision(name: &str) -> bool {
    name.contains(REVISION)
}

fn host(settings: &NameSettings) -> String {
    let short = settings.hostname.split('.').next().unwrap_or_default();
    if settings.host_identifier.is_empty() {
        return short.to_owned();
    }
    settings.host_identifier.replace("<SHORT_HOST>", short).replace("<HOSTNAME>", &settings.hostname)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> NameSettings {
        NameSettings {
            filename_format: "<TOPIC>.<HOST><REV>.<DATETIME>.log".to_owned(),
            datetime_format: "%Y-%m-%d_%H".to_owned(),
            host_identifier: String::new(),
            hostname: "host1.example.org".to_owned(),
            process_id: 42,
            has_revisions: false,
            suffix: "",
            zone: TimeZone::UTC,
        }
    }

    #[track_caller]
    fn check(settings: &NameSettings, expected: &str) {
        let mut names = Names::new("f1", settings).unwrap();
        let name = names.at("2026-11-20T20:59:59.9Z".parse().unwrap()).to_owned();
        assert_eq!(with_revision(&name, 7), expected);
    }

    #[test]
    fn names_as_recorded() {
        check(&settings(), "f1.host1.2026-11-20_20.log");
        let gzip = NameSettings { has_revisions: true, suffix: ".gz", ..settings() };
        check(&gzip, "f1.host1-000007.2026-11-20_20.log.gz");
        let named = NameSettings { filename_format: "a<REV>.gz".to_owned(), ..gzip };
        check(&named, "a-000007.gz");
        let zstd = NameSettings { has_revisions: true, suffix: ".zst", ..settings() };
        check(&zstd, "f1.host1-000007.2026-11-20_20.log.zst");
    }

    #[test]
    fn hosts_and_processes() {
        let format = |format: &str| NameSettings { filename_format: format.to_owned(), ..settings() };
        check(&format("<TOPIC>/<TOPIC>-<PID>"), "f1/f1-42");
        let host = |host: &str| NameSettings { host_identifier: host.to_owned(), ..format("<HOST>.<TOPIC>") };
        check(&host("web"), "web.f1");
        check(&host("<SHORT_HOST>_<HOSTNAME>"), "host1_host1.example.org.f1");
        check(&host("<PID>"), "42.f1");
        // Not on the command line.
        check(&format("<NOPE><DATE>"), "<NOPE><DATE>");
    }

    #[test]
    fn a_number_needs_a_place() {
        let settings = NameSettings { filename_format: "x".to_owned(), has_revisions: true, ..settings() };
        assert_eq!(Names::new("t", &settings).unwrap_err(), NameError::NoRevision);
        let more = u32::try_from(1_000_000).unwrap();
        assert_eq!(with_revision("a<REV><REV>", more), "a-1000000-1000000");
        assert!(has_revision("a<REV>") && !has_revision("a"));
    }

    /// `..` is a legal name of a topic: whoever may make topics could write beside the folder.
    #[test]
    fn a_topic_cannot_leave_the_folder() {
        let folders = NameSettings { filename_format: "<TOPIC>/x.log".to_owned(), ..settings() };
        for topic in [".", ".."] {
            assert_eq!(Names::new(topic, &folders).unwrap_err(), NameError::Folder(topic.to_owned()));
            assert!(Names::new(topic, &settings()).is_ok());
        }
        assert!(Names::new("...", &folders).is_ok());
        let dotted = NameSettings { filename_format: "<TOPIC>./x.log".to_owned(), ..settings() };
        assert!(Names::new(".", &dotted).is_err());
        // The operator himself may.
        let beside = NameSettings { filename_format: "../x/<TOPIC>".to_owned(), ..settings() };
        assert!(Names::new("t", &beside).is_ok());
    }

    #[test]
    fn the_date_follows_the_time() {
        let mut names =
            Names::new("t", &NameSettings { datetime_format: "%S".to_owned(), ..settings() }).unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(names.at(at("2026-11-20T20:00:01.1Z")), "t.host1.01.log");
        assert_eq!(names.at(at("2026-11-20T20:00:01.9Z")), "t.host1.01.log");
        assert_eq!(names.at(at("2026-11-20T20:00:02Z")), "t.host1.02.log");
        // A clock that is set back.
        assert_eq!(names.at(at("2026-11-20T20:00:01Z")), "t.host1.01.log");
    }
}
