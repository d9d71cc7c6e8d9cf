//! Where a topic is on the disk.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use crc32c::crc32c;
use protocol::{ChannelName, TopicName};

use crate::{channel::write_atomically, fault};

/// Names end in a suffix, since `.` and `..` are legal topic names.
const TOPIC_SUFFIX: &str = "topic";
const CHANNEL_SUFFIX: &str = "channel";
const STATE_FILE: &str = "topic.state";
const DELETED: &str = ".topic.deleted-";

/// Persisted; never reuse.
const MAGIC: u64 = u64::from_le_bytes(*b"nsqrstop");
/// Persisted; never reuse.
const VERSION: u64 = 1;
/// Persisted; never reuse.
const PAUSED: u64 = 1;

/// What is kept of a topic besides its messages and channels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TopicState {
    pub(crate) paused: bool,
    /// Where its fan-out stood; of use only while it is paused or has no channel.
    pub(crate) held: u64,
    /// No seq below this is given out again.
    pub(crate) tail: u64,
}

/// What the file of a topic's state says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StateFile {
    Whole(TopicState),
    /// There is none: the topic was never paused, emptied or closed.
    Absent,
    Damaged,
}

/// A topic's folder: `<topic>.topic/` with segments, `<channel>.channel` files, and `topic.state`.
#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn of(data_path: &Path, topic: &TopicName) -> Self {
        Self(data_path.join(format!("{topic}.{TOPIC_SUFFIX}")))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the folder if it is not there.
    pub(crate) fn create(&self) -> io::Result<()> {
        fault::at("folder-create")?;
        match fs::create_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    pub(crate) fn channel_file(&self, channel: &ChannelName) -> PathBuf {
        self.0.join(format!("{channel}.{CHANNEL_SUFFIX}"))
    }

    /// The channels that have a file, and the file.
    pub(crate) fn channels(&self) -> io::Result<Vec<(ChannelName, PathBuf)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            if let Some(name) = named(&path, CHANNEL_SUFFIX).and_then(|name| ChannelName::parse(&name).ok()) {
                found.push((name, path));
            }
        }
        found.sort();
        Ok(found)
    }

    /// Where its state is kept.
    pub(crate) fn state_file(&self) -> PathBuf {
        self.0.join(STATE_FILE)
    }

    /// What is kept of the topic.
    ///
    /// # Errors
    /// The file cannot be read, which says nothing about its content.
    pub(crate) fn read_state(&self) -> io::Result<StateFile> {
        match fs::read(self.state_file()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(StateFile::Absent),
            Err(error) => Err(error),
            Ok(bytes) => Ok(TopicState::decode(&bytes).map_or(StateFile::Damaged, StateFile::Whole)),
        }
    }
}

impl TopicState {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (checked, crc) = bytes.split_last_chunk()?;
        if u64::from_le_bytes(*crc) != u64::from(crc32c(checked)) {
            return None;
        }
        let (words, []) = checked.as_chunks::<8>() else { return None };
        let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let [MAGIC, VERSION, flags, held, tail] = words[..] else { return None };
        Some(Self { paused: flags & PAUSED != 0, held, tail })
    }
}

impl Folder {
    pub(crate) fn write_state(&self, state: TopicState, sync: bool) -> io::Result<()> {
        let flags = if state.paused { PAUSED } else { 0 };
        let words = [MAGIC, VERSION, flags, state.held, state.tail];
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let crc = crc32c(&bytes);
        bytes.extend_from_slice(&u64::from(crc).to_le_bytes());
        write_atomically(&self.0.join(STATE_FILE), &bytes, sync)
    }

    /// Takes the folder out of use, in one step, and returns where it is now, to be removed at leisure.
    pub(crate) fn condemn(&self) -> io::Result<Option<PathBuf>> {
        let base = self.0.file_stem().unwrap_or_default();
        let condemned = (0..u32::MAX)
            .map(|number| {
                let mut name = OsString::from(base);
                name.push(format!("{DELETED}{number}"));
                self.0.with_file_name(name)
            })
            .find(|path| !path.exists())
            .expect("some number is free");
        fault::at("folder-condemn")?;
        match fs::rename(&self.0, &condemned) {
            Ok(()) => {
                fault::at("folder-condemned")?;
                Ok(Some(condemned))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What a data path holds.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Topics that have a folder.
    pub(crate) topics: Vec<TopicName>,
    /// Folders of topics whose deletion a crash interrupted.
    pub(crate) condemned: Vec<(TopicName, PathBuf)>,
}

impl Scan {
    pub(crate) fn of(data_path: &Path) -> io::Result<Self> {
        let mut scan = Self::default();
        for entry in fs::read_dir(data_path)? {
            let path = entry?.path();
            if let Some(name) = named(&path, TOPIC_SUFFIX).and_then(|name| TopicName::parse(&name).ok()) {
                scan.topics.push(name);
            } else if let Some(file) = path.file_name().and_then(|name| name.to_str())
                && let Some((name, _)) = file.rsplit_once(DELETED)
                && let Ok(name) = TopicName::parse(name.as_bytes())
            {
                scan.condemned.push((name, path));
            }
        }
        scan.topics.sort();
        Ok(scan)
    }
}

/// `x` of `x.suffix`.
fn named(path: &Path, suffix: &str) -> Option<Vec<u8>> {
    let name = path.file_name()?.to_str()?.strip_suffix(suffix)?.strip_suffix('.')?;
    Some(name.as_bytes().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Protects: every legal name has a folder of its own inside the data path, `.` and `..` too.
    #[test]
    fn legal_names_are_legal_folders() {
        let data_path = tempfile::tempdir().unwrap();
        let names = [".", "..", "a", "a.topic", "a.topic.deleted-0", "x.diskqueue.000000.dat"];
        for name in names {
            Folder::of(data_path.path(), &TopicName::parse(name.as_bytes()).unwrap()).create().unwrap();
        }
        let found: Vec<String> =
            Scan::of(data_path.path()).unwrap().topics.iter().map(ToString::to_string).collect();
        let mut expected: Vec<String> = names.iter().map(ToString::to_string).collect();
        expected.sort();
        assert_eq!(found, expected);
    }

    /// Protects: pause and the place of the fan-out survive; damage is noticed.
    #[test]
    fn the_state_is_read_back_or_refused() {
        let data_path = tempfile::tempdir().unwrap();
        let folder = Folder::of(data_path.path(), &TopicName::parse(b"t").unwrap());
        folder.create().unwrap();
        assert_eq!(folder.read_state().unwrap(), StateFile::Absent);
        let state = TopicState { paused: true, held: 7, tail: 9 };
        folder.write_state(state, true).unwrap();
        assert_eq!(folder.read_state().unwrap(), StateFile::Whole(state));
        let file = folder.path().join(STATE_FILE);
        let mut bytes = fs::read(&file).unwrap();
        bytes[17] ^= 1;
        fs::write(&file, bytes).unwrap();
        assert_eq!(folder.read_state().unwrap(), StateFile::Damaged);
    }

    /// Protects: a deletion that was interrupted is found, and its name does not come back.
    #[test]
    fn a_condemned_folder_is_not_a_topic() {
        let data_path = tempfile::tempdir().unwrap();
        let name = TopicName::parse(b"t").unwrap();
        let folder = Folder::of(data_path.path(), &name);
        folder.create().unwrap();
        let condemned = folder.condemn().unwrap().unwrap();
        let scan = Scan::of(data_path.path()).unwrap();
        assert_eq!(scan.topics, []);
        assert_eq!(scan.condemned, [(name, condemned)]);
        assert!(folder.condemn().unwrap().is_none());
    }
}
