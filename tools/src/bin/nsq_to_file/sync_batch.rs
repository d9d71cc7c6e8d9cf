//! Messages that are written and not yet acknowledged.

use std::sync::Arc;
use std::time::Instant;

use tracing::debug;

use crate::failure::Failure;
use crate::topic_files::{Now, TopicFiles};

/// What is written: a message of the client, or its stand-in in tests.
pub(crate) trait Line {
    /// What becomes a line.
    fn body(&self) -> &[u8];

    /// It is written; what it holds of memory is not needed any more.
    fn release_body(&mut self);

    /// It is on the disk.
    fn finish(self);

    /// It will be a while.
    fn touch(&self);

    /// It is to come again, at once.
    fn give_back(self);
}

/// Writes messages and finishes them when they are on the disk. Those that are pending when it is dropped are given back.
///
/// Invariant: whatever is pending was pushed to the file that is open, and to no other.
pub(crate) struct SyncBatch<M: Line> {
    /// `topic/channel`, for the log.
    label: Arc<str>,
    files: TopicFiles,
    pending: Vec<M>,
    /// When the first of them was written.
    pending_since: Option<Instant>,
    /// With so many pending, they are synced.
    pending_max: usize,
    skips_empty_files: bool,
}

impl<M: Line> SyncBatch<M> {
    /// With nothing pending.
    pub(crate) fn new(
        label: Arc<str>,
        files: TopicFiles,
        pending_max: usize,
        skips_empty_files: bool,
    ) -> Self {
        Self { label, files, pending: Vec::new(), pending_since: None, pending_max, skips_empty_files }
    }

    /// Since when a message has been waiting for a sync.
    pub(crate) fn pending_since(&self) -> Option<Instant> {
        self.pending_since
    }

    /// Writes messages, which are taken out. A rotation or a full batch finishes what came before.
    ///
    /// # Errors
    /// If they cannot be written. Those that are not finished come again.
    pub(crate) fn write(&mut self, messages: &mut Vec<M>, now: Now) -> Result<(), Failure> {
        if messages.is_empty() {
            return Ok(());
        }
        let mut messages = messages.drain(..);
        let written = self.write_all(messages.by_ref(), now);
        // None is left, unless one could not be written.
        messages.for_each(M::give_back);
        written
    }

    fn write_all(&mut self, messages: impl Iterator<Item = M>, now: Now) -> Result<(), Failure> {
        if self.files.is_out_of_date(now) {
            self.rotate(now)?;
        }
        for message in messages {
            self.write_one(message, now)?;
        }
        self.files.flush()
    }

    fn write_one(&mut self, mut message: M, now: Now) -> Result<(), Failure> {
        let pushed = self.make_room(now).and_then(|()| self.files.push(message.body()));
        message.release_body();
        self.pending.push(message);
        pushed?;
        self.pending_since.get_or_insert(now.steady);
        if self.pending_max <= self.pending.len() { self.sync() } else { Ok(()) }
    }

    fn make_room(&mut self, now: Now) -> Result<(), Failure> {
        if self.files.is_full() { self.rotate(now) } else { Ok(()) }
    }

    /// The sync interval is over: rotates what is due, and finishes what is pending.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn tick(&mut self, now: Now) -> Result<(), Failure> {
        if self.files.is_out_of_date(now) || self.files.is_full() {
            if self.skips_empty_files {
                self.close()?;
            } else {
                self.rotate(now)?;
            }
        }
        if self.pending.is_empty() {
            self.pending = Vec::new();
            self.files.shrink();
        }
        self.sync()
    }

    /// Finishes what is pending.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn sync(&mut self) -> Result<(), Failure> {
        if !self.pending.is_empty() {
            debug!("[{}] syncing {} records to disk", self.label, self.pending.len());
            self.files.sync()?;
        }
        self.finish_pending();
        Ok(())
    }

    /// Finishes what is pending, and closes the file.
    ///
    /// # Errors
    /// If it cannot be written or moved.
    pub(crate) fn close(&mut self) -> Result<(), Failure> {
        self.files.close()?;
        self.finish_pending();
        Ok(())
    }

    /// Asks for more time for what is pending.
    pub(crate) fn touch(&self) {
        self.pending.iter().for_each(M::touch);
    }

    fn rotate(&mut self, now: Now) -> Result<(), Failure> {
        self.close()?;
        self.files.rotate(now)
    }

    fn finish_pending(&mut self) {
        self.pending.drain(..).for_each(M::finish);
        self.pending_since = None;
    }
}

impl<M: Line> Drop for SyncBatch<M> {
    fn drop(&mut self) {
        self.pending.drain(..).for_each(M::give_back);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::fs;
    use std::io::Read;
    use std::path::{Path, PathBuf};
    use std::rc::Rc;
    use std::time::{Duration, Instant};

    use jiff::tz::TimeZone;
    use proptest::prelude::*;
    use tools::options::nsq_to_file::Encoding;

    use super::*;
    use crate::names::{NameSettings, Names};
    use crate::opening::Place;
    use crate::rotation::Limits;

    /// What became of the messages, and where they must be when they are finished.
    struct Witness {
        root: PathBuf,
        encoding: Encoding,
        finished: RefCell<Vec<String>>,
        touched: Cell<usize>,
        given_back: Cell<usize>,
    }

    impl Witness {
        /// All complete lines of all files. What is behind the last complete piece is not there for a reader.
        fn lines(&self) -> Vec<String> {
            let mut paths: Vec<_> =
                ["work", "out"].iter().flat_map(|name| list(&self.root.join(name))).collect();
            paths.sort_by_key(|path| path.file_name().map(ToOwned::to_owned));
            let mut lines = Vec::new();
            for path in paths {
                let bytes = fs::read(path).unwrap();
                let mut plain = Vec::new();
                // An error is that of a piece that has begun.
                let _ = match self.encoding {
                    Encoding::Plain => (&bytes[..]).read_to_end(&mut plain),
                    Encoding::Gzip { .. } => {
                        flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut plain)
                    }
                    Encoding::Zstd { .. } => {
                        zstd::stream::read::Decoder::new(&bytes[..]).unwrap().read_to_end(&mut plain)
                    }
                };
                lines.extend(String::from_utf8(plain).unwrap().lines().map(str::to_owned));
            }
            lines
        }
    }

    fn list(folder: &Path) -> Vec<PathBuf> {
        let paths = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
        paths.filter(|path| path.is_file()).collect()
    }

    struct Token {
        body: String,
        witness: Rc<Witness>,
    }

    impl Line for Token {
        fn body(&self) -> &[u8] {
            self.body.as_bytes()
        }

        fn release_body(&mut self) {}

        fn give_back(self) {
            self.witness.given_back.set(self.witness.given_back.get() + 1);
        }

        fn finish(self) {
            assert!(self.witness.lines().contains(&self.body), "{} is finished and not in a file", self.body);
            self.witness.finished.borrow_mut().push(self.body);
        }

        fn touch(&self) {
            self.witness.touched.set(self.witness.touched.get() + 1);
        }
    }

    /// How files are written.
    #[derive(Debug, Clone, Copy)]
    struct Manner {
        encoding: Encoding,
        bytes_max: Option<u64>,
        is_moved: bool,
        pending_max: usize,
        skips_empty_files: bool,
    }

    #[derive(Debug, Clone)]
    enum Step {
        Write(usize),
        Tick,
        Sync,
        Close,
        Pass(u32),
    }

    struct Story {
        _temp: tempfile::TempDir,
        witness: Rc<Witness>,
        batch: SyncBatch<Token>,
        now: Now,
        written: Vec<String>,
    }

    fn files(root: &Path, manner: Manner) -> TopicFiles {
        let settings = NameSettings {
            filename_format: "t.<DATETIME><REV>".to_owned(),
            datetime_format: "%H%M".to_owned(),
            host_identifier: String::new(),
            hostname: String::new(),
            process_id: 0,
            has_revisions: manner.encoding.is_compressed() || manner.is_moved || manner.bytes_max.is_some(),
            suffix: manner.encoding.suffix(),
            zone: TimeZone::UTC,
        };
        let place = Place {
            work_dir: root.join(if manner.is_moved { "work" } else { "out" }),
            output_dir: manner.is_moved.then(|| root.join("out")),
            is_exclusive: manner.encoding.is_compressed(),
            limits: Limits { bytes: manner.bytes_max, age: None },
        };
        TopicFiles::new("t/c".into(), Names::new("t", &settings).unwrap(), place, manner.encoding)
    }

    impl Story {
        fn new(manner: Manner) -> Self {
            let temp = tempfile::tempdir().unwrap();
            let root = temp.path().to_owned();
            let files = files(&root, manner);
            let witness = Witness {
                root,
                encoding: manner.encoding,
                finished: RefCell::default(),
                touched: Cell::default(),
                given_back: Cell::default(),
            };
            Self {
                _temp: temp,
                witness: Rc::new(witness),
                batch: SyncBatch::new("t/c".into(), files, manner.pending_max, manner.skips_empty_files),
                now: Now { wall: "2026-11-20T20:00:00Z".parse().unwrap(), steady: Instant::now() },
                written: Vec::new(),
            }
        }

        fn step(&mut self, step: &Step) {
            match step {
                Step::Write(count) => {
                    let first = self.written.len();
                    let bodies: Vec<_> =
                        (first..first + count).map(|number| format!("m{number:06}")).collect();
                    self.written.extend_from_slice(&bodies);
                    let token = |body| Token { body, witness: self.witness.clone() };
                    self.batch.write(&mut bodies.into_iter().map(token).collect(), self.now).unwrap();
                }
                Step::Tick => self.batch.tick(self.now).unwrap(),
                Step::Sync => self.batch.sync().unwrap(),
                Step::Close => self.batch.close().unwrap(),
                Step::Pass(seconds) => {
                    self.now.wall += jiff::SignedDuration::from_secs(i64::from(*seconds));
                    self.now.steady += Duration::from_secs(u64::from(*seconds));
                }
            }
        }

        fn finished(&self) -> usize {
            self.witness.finished.borrow().len()
        }
    }

    fn manners() -> impl Strategy<Value = Manner> {
        let encodings = prop_oneof![
            Just(Encoding::Plain),
            Just(Encoding::Gzip { level: 6 }),
            Just(Encoding::Zstd { level: 3 })
        ];
        let bytes_max = prop_oneof![Just(None), (1..60_u64).prop_map(Some)];
        (encodings, bytes_max, any::<bool>(), 1..9_usize, any::<bool>()).prop_map(
            |(encoding, bytes_max, is_moved, pending_max, skips_empty_files)| Manner {
                encoding,
                bytes_max,
                is_moved,
                pending_max,
                skips_empty_files,
            },
        )
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0..12_usize).prop_map(Step::Write),
            1 => Just(Step::Tick),
            1 => Just(Step::Sync),
            1 => Just(Step::Close),
            1 => (0..90_u32).prop_map(Step::Pass),
        ];
        prop::collection::vec(step, 0..12)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

        /// Whatever happens, a message is finished when it can be read, and once; and in the end all are there, once, in order.
        #[test]
        fn finished_is_readable(manner in manners(), steps in steps()) {
            let mut story = Story::new(manner);
            for step in &steps {
                story.step(step);
                prop_assert!(story.batch.pending.len() < manner.pending_max);
                prop_assert_eq!(story.finished() + story.batch.pending.len(), story.written.len());
            }
            story.step(&Step::Close);
            prop_assert_eq!(&*story.witness.finished.borrow(), &story.written);
            prop_assert_eq!(story.witness.lines(), story.written);
        }
    }

    const PLAIN: Manner = Manner {
        encoding: Encoding::Plain,
        bytes_max: None,
        is_moved: false,
        pending_max: 3,
        skips_empty_files: false,
    };

    /// A message that does nothing but be there.
    struct Quiet;

    impl Line for Quiet {
        fn body(&self) -> &[u8] {
            &[b'x'; 200]
        }

        fn release_body(&mut self) {}

        fn finish(self) {}

        fn touch(&self) {}

        fn give_back(self) {}
    }

    /// Protects the cost of a message: a copy of its body, and nothing of the allocator.
    #[test]
    fn messages_are_written_without_allocations() {
        let temp = tempfile::tempdir().unwrap();
        let now = Now::read();
        let manner = Manner { pending_max: 1000, ..PLAIN };
        let mut batch = SyncBatch::new("t/c".into(), files(temp.path(), manner), 1000, false);
        let mut messages = Vec::with_capacity(2000);
        let mut write = || {
            messages.extend(std::iter::repeat_with(|| Quiet).take(2000));
            batch.write(&mut messages, now).unwrap();
        };
        write();
        assert_eq!(allocation_counter::measure(write).count_total, 0);
    }

    #[test]
    fn a_full_batch_is_synced() {
        let mut story = Story::new(PLAIN);
        story.step(&Step::Write(2));
        assert_eq!(story.finished(), 0);
        assert_eq!(story.witness.lines().len(), 2, "they are written at once");
        story.batch.touch();
        assert_eq!(story.witness.touched.get(), 2);
        assert_eq!(story.batch.pending_since(), Some(story.now.steady));
        story.step(&Step::Write(2));
        assert_eq!(story.finished(), 3);
        story.step(&Step::Tick);
        assert_eq!(story.finished(), 4);
        assert_eq!(story.batch.pending_since(), None);
    }

    #[test]
    fn a_rotation_finishes_what_came_before() {
        let mut story = Story::new(Manner { pending_max: 100, ..PLAIN });
        story.step(&Step::Write(2));
        story.step(&Step::Pass(60));
        story.step(&Step::Write(1));
        assert_eq!(story.finished(), 2);
    }

    #[test]
    fn time_alone_makes_files_unless_they_would_be_empty() {
        for (skips_empty_files, expected) in [(false, ["t.2000", "t.2001"].as_slice()), (true, &[])] {
            let mut story = Story::new(Manner { skips_empty_files, ..PLAIN });
            story.step(&Step::Tick);
            story.step(&Step::Pass(60));
            story.step(&Step::Tick);
            let mut names: Vec<_> = list(&story.witness.root.join("out"));
            names.sort();
            let names: Vec<_> = names.iter().map(|path| path.file_name().unwrap()).collect();
            assert_eq!(names, expected);
        }
    }

    #[test]
    fn what_cannot_be_written_comes_again() {
        let mut story = Story::new(Manner { bytes_max: Some(1), pending_max: 100, ..PLAIN });
        let out = story.witness.root.join("out");
        // Two files are written, the third finds no folder.
        fs::create_dir_all(out.join("t.2000-000002")).unwrap();
        let token = |number| Token { body: format!("m{number}"), witness: story.witness.clone() };
        let mut messages = (0..7).map(token).collect();
        let failed = story.batch.write(&mut messages, story.now).unwrap_err().to_string();
        assert!(failed.starts_with("unable to open ") && failed.ends_with(": is a directory"), "{failed}");
        drop(story.batch);
        assert_eq!((story.witness.finished.borrow().len(), story.witness.given_back.get()), (2, 5));
    }

    /// NSQ's tool ends here: the file that it has moved still counts as open.
    #[test]
    fn a_due_rotation_closes_and_the_next_message_opens() {
        let mut story = Story::new(Manner { is_moved: true, skips_empty_files: true, ..PLAIN });
        story.step(&Step::Write(1));
        story.step(&Step::Pass(60));
        story.step(&Step::Tick);
        assert!(list(&story.witness.root.join("work")).is_empty());
        story.step(&Step::Pass(60));
        story.step(&Step::Tick);
        story.step(&Step::Write(1));
        story.step(&Step::Close);
        assert_eq!(story.witness.lines(), ["m000000", "m000001"]);
        assert_eq!(list(&story.witness.root.join("out")).len(), 2);
    }
}
