//! The files of one topic, one of them open at a time.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use tools::options::nsq_to_file::Encoding;
use tracing::{info, warn};

use crate::encoding::Encoder;
use crate::failure::Failure;
use crate::folder;
use crate::moving::move_to_free_name;
use crate::names::{Names, with_revision};
use crate::opening::{Opened, Place, next};
use crate::rotation::Due;

/// More than this is written before a batch is over, so that memory stays small.
const BUFFER_BYTES_MAX: usize = 1024 * 1024;

/// The time, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// For dates in names.
    pub(crate) wall: Timestamp,
    /// For ages.
    pub(crate) steady: Instant,
}

impl Now {
    /// Looks at the clocks.
    pub(crate) fn read() -> Self {
        Self { wall: Timestamp::now(), steady: Instant::now() }
    }
}

/// The files of a topic.
///
/// What is pushed is in a buffer until [`TopicFiles::flush`], with the system until [`TopicFiles::sync`], and on the disk from
/// then on, under a name that is there, too. [`TopicFiles::rotate`] and [`TopicFiles::close`] sync the file that they leave.
pub(crate) struct TopicFiles {
    /// `topic/channel`, for the log.
    label: Arc<str>,
    names: Names,
    place: Place,
    encoding: Encoding,
    open: Option<OpenFile>,
    /// The name of the last file, and its revision.
    last: Option<(String, u32)>,
}

struct OpenFile {
    file: File,
    path: PathBuf,
    opened: Instant,
    /// What it had, and what was put in since then: not compressed, with line breaks.
    bytes: u64,
    encoder: Encoder,
    /// Whether nothing was ever written to it.
    is_empty: bool,
    /// Whether the disk knows its name.
    is_named: bool,
    /// Whether something was written since the last sync.
    is_dirty: bool,
}

impl TopicFiles {
    /// With no file open yet.
    pub(crate) fn new(label: Arc<str>, names: Names, place: Place, encoding: Encoding) -> Self {
        Self { label, names, place, encoding, open: None, last: None }
    }

    /// Whether what is open must be left before anything else is put in, by its name or age. The reason is logged.
    pub(crate) fn is_out_of_date(&mut self, now: Now) -> bool {
        let (Some(open), Some((last, _))) = (&self.open, &self.last) else { return true };
        let name = self.names.at(now.wall);
        let due = if name == last {
            let age = now.steady.saturating_duration_since(open.opened);
            self.place.limits.too_old(age).map(Due::Age)
        } else {
            Some(Due::Name(name.to_owned()))
        };
        if let Some(due) = &due {
            info!("[{}] {due}", self.label);
        }
        due.is_some()
    }

    /// Whether what is open has grown too big. The reason is logged.
    pub(crate) fn is_full(&self) -> bool {
        let Some(open) = self.open.as_ref().filter(|open| self.place.limits.is_full(open.bytes)) else {
            return false;
        };
        let limit = self.place.limits.bytes.unwrap_or(0);
        let due = Due::Size { path: open.path.clone(), bytes: open.bytes, limit };
        info!("[{}] {due}", self.label);
        true
    }

    /// Leaves the file that is open, if one is, as [`TopicFiles::close`] does, and opens the next one.
    ///
    /// # Errors
    /// If any step fails; no more can be written, then.
    pub(crate) fn rotate(&mut self, now: Now) -> Result<(), Failure> {
        self.close()?;
        let name = self.names.at(now.wall);
        let revision = match &self.last {
            // Without a place for a number it is the same file again.
            Some((last, revision)) if last == name => next(name, *revision).unwrap_or(*revision),
            _ => 0,
        };
        let Opened { file, path, revision, bytes } = self.place.open(&self.label, name, revision)?;
        self.last = Some((name.to_owned(), revision));
        self.open = Some(OpenFile {
            file,
            path,
            opened: now.steady,
            bytes,
            encoder: Encoder::new(self.encoding),
            is_empty: bytes == 0,
            is_named: false,
            is_dirty: false,
        });
        Ok(())
    }

    /// Takes a body, which becomes a line. A file must be open.
    ///
    /// # Errors
    /// If the file takes no more.
    pub(crate) fn push(&mut self, body: &[u8]) -> Result<(), Failure> {
        let open = self.open.as_mut().expect("a file was opened before anything is put into it");
        open.bytes += body.len() as u64 + 1;
        let pushed = open.encoder.push(body);
        pushed.map_err(Failure::of("writing message to disk"))?;
        if BUFFER_BYTES_MAX <= open.encoder.ready().len() { open.flush() } else { Ok(()) }
    }

    /// Gives what there is to the system, in one write.
    ///
    /// # Errors
    /// If the file takes no more.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.open.as_mut().map_or(Ok(()), OpenFile::flush)
    }

    /// Has all that was pushed on the disk. A compressed piece is ended.
    ///
    /// # Errors
    /// If the file takes no more, or the disk fails.
    pub(crate) fn sync(&mut self) -> Result<(), Failure> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let ended = open.encoder.end_piece(false);
        ended.map_err(Failure::of("failed syncing messages"))?;
        open.sync()
    }

    /// Gives memory back that a busy time has taken.
    pub(crate) fn shrink(&mut self) {
        if let Some(open) = &mut self.open {
            open.encoder.shrink();
        }
    }

    /// Ends the file that is open, if one is, syncs it, and moves it to where finished files are.
    ///
    /// # Errors
    /// If any step fails.
    pub(crate) fn close(&mut self) -> Result<(), Failure> {
        // Closed whatever comes: it is not written to again.
        let Some(mut open) = self.open.take() else { return Ok(()) };
        let ended = open.encoder.end_piece(open.is_empty);
        ended.map_err(Failure::of("failed to close output file"))?;
        open.sync()?;
        let OpenFile { file, path, .. } = open;
        drop(file);
        match (&self.place.output_dir, &self.last) {
            (Some(output_dir), Some((name, revision))) => {
                self.move_finished(&path, output_dir, name, *revision)
            }
            _ => Ok(()),
        }
    }

    fn move_finished(
        &self,
        path: &Path,
        output_dir: &Path,
        name: &str,
        revision: u32,
    ) -> Result<(), Failure> {
        let label = &self.label;
        let mut revision = revision;
        let mut target = output_dir.join(with_revision(name, revision));
        info!("[{label}] moving finished file {} to {}", path.display(), target.display());
        let mut is_renamed = false;
        loop {
            match move_to_free_name(path, &target) {
                Ok(()) => break,
                Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {
                    warn!("[{label}] destination file already exists: {}", target.display());
                }
                Err(cause) => {
                    let doing =
                        format!("unable to move file from {} to {}", path.display(), target.display());
                    return Err(Failure::of(doing)(cause));
                }
            }
            revision = next(name, revision)?;
            target = output_dir.join(with_revision(name, revision));
            is_renamed = true;
        }
        if is_renamed {
            let (from, to) = (path.display(), target.display());
            info!("[{label}] renamed finished file {from} to {to} to avoid overwrite");
        }
        Ok(())
    }
}

impl OpenFile {
    fn flush(&mut self) -> Result<(), Failure> {
        let ready = self.encoder.ready();
        if ready.is_empty() {
            return Ok(());
        }
        self.file.write_all(ready).map_err(Failure::of("writing message to disk"))?;
        ready.clear();
        self.is_empty = false;
        self.is_dirty = true;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Failure> {
        self.flush()?;
        if self.is_dirty {
            self.file.sync_data().map_err(Failure::of("failed syncing messages"))?;
            self.is_dirty = false;
        }
        if !self.is_named {
            let folder = folder::sync(folder::parent_of(&self.path));
            folder.map_err(Failure::of("failed syncing the folder of messages"))?;
            self.is_named = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use jiff::tz::TimeZone;

    use super::*;
    use crate::names::NameSettings;
    use crate::rotation::Limits;

    /// Topic `t` in a folder of its own, at a time that passes only when told to.
    struct Story {
        temp: tempfile::TempDir,
        now: Now,
        limits: Limits,
        encoding: Encoding,
        is_moved: bool,
    }

    impl Story {
        fn new() -> Self {
            let wall = "2026-11-20T20:00:00Z".parse().unwrap();
            Self {
                temp: tempfile::tempdir().unwrap(),
                now: Now { wall, steady: Instant::now() },
                limits: Limits::default(),
                encoding: Encoding::Plain,
                is_moved: false,
            }
        }

        fn files(&self) -> TopicFiles {
            let has_revisions = self.encoding.is_compressed()
                || self.is_moved
                || self.limits.bytes.or(self.limits.age.map(|_| 0)).is_some();
            let settings = NameSettings {
                filename_format: "<TOPIC><REV>.<DATETIME>.log".to_owned(),
                datetime_format: "%H".to_owned(),
                host_identifier: String::new(),
                hostname: String::new(),
                process_id: 0,
                has_revisions,
                suffix: self.encoding.suffix(),
                zone: TimeZone::UTC,
            };
            let root = self.temp.path();
            let place = Place {
                work_dir: root.join(if self.is_moved { "work" } else { "out" }),
                output_dir: self.is_moved.then(|| root.join("out")),
                is_exclusive: self.encoding.is_compressed() || self.limits.age.is_some(),
                limits: self.limits,
            };
            TopicFiles::new("t/c".into(), Names::new("t", &settings).unwrap(), place, self.encoding)
        }

        fn pass(&mut self, seconds: i64) {
            self.now.wall += jiff::SignedDuration::from_secs(seconds);
            self.now.steady += Duration::from_secs(seconds.unsigned_abs());
        }

        fn put(&self, files: &mut TopicFiles, body: &str) {
            if files.is_out_of_date(self.now) || files.is_full() {
                files.rotate(self.now).unwrap();
            }
            files.push(body.as_bytes()).unwrap();
        }

        /// All files with their content, which stands decoded.
        #[track_caller]
        fn check(&self, expected: &[(&str, &str)]) {
            let mut found = Vec::new();
            for folder in ["out", "work"] {
                for entry in fs::read_dir(self.temp.path().join(folder)).into_iter().flatten() {
                    let path = entry.unwrap().path();
                    let bytes = fs::read(&path).unwrap();
                    let text = match self.encoding {
                        Encoding::Plain => String::from_utf8(bytes).unwrap(),
                        Encoding::Gzip { .. } => {
                            std::io::read_to_string(flate2::read::MultiGzDecoder::new(&bytes[..])).unwrap()
                        }
                        Encoding::Zstd { .. } => {
                            String::from_utf8(zstd::stream::decode_all(&bytes[..]).unwrap()).unwrap()
                        }
                    };
                    found.push((format!("{folder}/{}", path.file_name().unwrap().display()), text));
                }
            }
            found.sort();
            let found: Vec<_> = found.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
            assert_eq!(found, expected);
        }
    }

    /// As recorded: `--rotate-size=10`, messages of 4 bytes; after a restart the next file.
    #[test]
    fn files_exceed_their_size_by_a_message() {
        let story = Story { limits: Limits { bytes: Some(10), age: None }, ..Story::new() };
        let mut files = story.files();
        for body in ["0001", "0002", "0003", "0004", "0005", "0006"] {
            story.put(&mut files, body);
        }
        files.close().unwrap();
        let mut files = story.files();
        story.put(&mut files, "0007");
        files.sync().unwrap();
        let first =
            [("out/t-000000.20.log", "0001\n0002\n0003\n"), ("out/t-000001.20.log", "0004\n0005\n0006\n")];
        story.check(&[first[0], first[1], ("out/t-000002.20.log", "0007\n")]);
        // One that is not full is continued by its successor.
        let mut files = story.files();
        story.put(&mut files, "0008");
        files.sync().unwrap();
        story.check(&[first[0], first[1], ("out/t-000002.20.log", "0007\n0008\n")]);
    }

    #[test]
    fn a_new_date_is_a_new_file() {
        let mut story = Story::new();
        let mut files = story.files();
        story.put(&mut files, "a");
        story.pass(3599);
        story.put(&mut files, "b");
        story.pass(1);
        assert!(files.is_out_of_date(story.now));
        story.put(&mut files, "c");
        files.sync().unwrap();
        story.check(&[("out/t.20.log", "a\nb\n"), ("out/t.21.log", "c\n")]);
        // SIGHUP: the same name is the same file.
        files.close().unwrap();
        story.put(&mut files, "d");
        files.sync().unwrap();
        story.check(&[("out/t.20.log", "a\nb\n"), ("out/t.21.log", "c\nd\n")]);
    }

    #[test]
    fn an_interval_is_kept_whatever_the_name() {
        let mut story =
            Story { limits: Limits { bytes: None, age: Some(Duration::from_mins(1)) }, ..Story::new() };
        let mut files = story.files();
        story.put(&mut files, "a");
        story.pass(60);
        story.put(&mut files, "b");
        story.pass(1);
        story.put(&mut files, "c");
        files.close().unwrap();
        // Never continued.
        story.put(&mut story.files(), "");
        story.check(&[
            ("out/t-000000.20.log", "a\nb\n"),
            ("out/t-000001.20.log", "c\n"),
            ("out/t-000002.20.log", ""),
        ]);
    }

    #[test]
    fn compressed_files_are_never_continued_and_always_valid() {
        for encoding in [Encoding::Gzip { level: 6 }, Encoding::Zstd { level: 3 }] {
            let story = Story { encoding, ..Story::new() };
            let mut files = story.files();
            story.put(&mut files, "a");
            files.sync().unwrap();
            story.put(&mut files, "b");
            files.sync().unwrap();
            files.sync().unwrap();
            files.close().unwrap();
            // SIGHUP: the next revision, here without a message.
            files.rotate(story.now).unwrap();
            files.close().unwrap();
            let mut files = story.files();
            story.put(&mut files, "c");
            files.close().unwrap();
            let suffix = encoding.suffix();
            let names = [0, 1, 2].map(|revision| format!("out/t-00000{revision}.20.log{suffix}"));
            story.check(&[(&names[0], "a\nb\n"), (&names[1], ""), (&names[2], "c\n")]);
            assert_ne!(fs::metadata(story.temp.path().join(&names[1])).unwrap().len(), 0, "{encoding:?}");
        }
    }

    #[test]
    fn finished_files_are_moved_and_overwrite_nothing() {
        let story = Story { is_moved: true, ..Story::new() };
        let mut files = story.files();
        story.put(&mut files, "a");
        files.sync().unwrap();
        story.check(&[("work/t-000000.20.log", "a\n")]);
        // Another process has finished files meanwhile.
        for revision in [0, 1] {
            fs::write(story.temp.path().join(format!("out/t-00000{revision}.20.log")), "other").unwrap();
        }
        files.close().unwrap();
        let others = [("out/t-000000.20.log", "other"), ("out/t-000001.20.log", "other")];
        story.check(&[others[0], others[1], ("out/t-000002.20.log", "a\n")]);
        // The next message after SIGHUP, which ends NSQ's tool: the closed file counted as open there.
        story.put(&mut files, "b");
        files.close().unwrap();
        story.check(&[others[0], others[1], ("out/t-000002.20.log", "a\n"), ("out/t-000003.20.log", "b\n")]);
        files.close().unwrap();
    }

    #[test]
    fn much_is_written_before_a_batch_is_over() {
        let story = Story::new();
        let mut files = story.files();
        let body = "x".repeat(BUFFER_BYTES_MAX / 2);
        story.put(&mut files, &body);
        assert_eq!(fs::metadata(story.temp.path().join("out/t.20.log")).unwrap().len(), 0);
        story.put(&mut files, &body);
        story.put(&mut files, &body);
        let expected = format!("{body}\n{body}\n");
        story.check(&[("out/t.20.log", &expected)]);
        files.flush().unwrap();
        story.check(&[("out/t.20.log", &format!("{expected}{body}\n"))]);
    }
}
