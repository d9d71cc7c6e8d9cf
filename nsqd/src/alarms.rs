//! What an operator has to look at: damage that was met, until somebody says that it was seen.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use crc32c::crc32c;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tracing::error;

use crate::{
    channel::write_atomically,
    clock,
    log::{Damage, DamageKind, keep_aside},
};

/// Name of the file in the data path: a line of JSON, and a line with its CRC-32C in hex.
const FILE: &str = "nsqd.alarms";
/// More are only counted.
const ALARMS_MAX: usize = 1000;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AlarmKind {
    /// A channel's checkpoint: all that is retained is delivered again.
    DamagedCheckpoint,
    /// What a topic keeps besides messages: its pause may be lost.
    DamagedTopicState,
    /// The list of topics: the folders tell which there are.
    DamagedMetadata,
    /// A segment's header: its messages are not delivered.
    DamagedSegment,
    /// Messages of a segment.
    DamagedMessages,
    /// Blocks that the disk does not give.
    UnreadableBlocks,
    /// Two files hold the same messages.
    OverlappingSegments,
    /// The alarms themselves: earlier ones are not known.
    DamagedAlarms,
}

impl AlarmKind {
    /// All kinds.
    pub(crate) const ALL: [Self; 8] = [
        Self::DamagedCheckpoint,
        Self::DamagedTopicState,
        Self::DamagedMetadata,
        Self::DamagedSegment,
        Self::DamagedMessages,
        Self::UnreadableBlocks,
        Self::OverlappingSegments,
        Self::DamagedAlarms,
    ];

    /// As it is written everywhere.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DamagedCheckpoint => "damaged-checkpoint",
            Self::DamagedTopicState => "damaged-topic-state",
            Self::DamagedMetadata => "damaged-metadata",
            Self::DamagedSegment => "damaged-segment",
            Self::DamagedMessages => "damaged-messages",
            Self::UnreadableBlocks => "unreadable-blocks",
            Self::OverlappingSegments => "overlapping-segments",
            Self::DamagedAlarms => "damaged-alarms",
        }
    }
}

/// One thing to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Alarm {
    pub(crate) number: u64,
    pub(crate) kind: AlarmKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) topic: Option<String>,
    pub(crate) file: String,
    /// What happened, and what was done.
    pub(crate) what: String,
    /// Unix time in seconds.
    pub(crate) since: i64,
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.kind.name(), self.file, self.what)
    }
}

/// The alarms of a data path.
#[derive(Debug)]
pub(crate) struct Alarms {
    path: PathBuf,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Inner {
    alarms: Vec<Alarm>,
    /// Of the next one.
    next: u64,
    /// Beyond the bound.
    dropped: u64,
}

impl Alarms {
    /// Those that are up.
    ///
    /// # Errors
    /// The file cannot be read, which says nothing about its content.
    pub(crate) fn open(data_path: &Path) -> io::Result<Self> {
        let path = data_path.join(FILE);
        let inner = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(Inner::default()),
            Err(error) => return Err(error),
            Ok(bytes) => decode(&bytes),
        };
        let is_damaged = inner.is_none();
        let alarms = Self { path, inner: Mutex::new(inner.unwrap_or_default()) };
        if is_damaged {
            let aside = keep_aside(&alarms.path)?;
            let what = format!("does not check; kept as {}; earlier alarms are not known", aside.display());
            alarms.raise(AlarmKind::DamagedAlarms, None, &alarms.path, what);
        }
        Ok(alarms)
    }

    /// Raises an alarm, or says more of one that is up.
    pub(crate) fn raise(&self, kind: AlarmKind, topic: Option<&str>, file: &Path, what: String) {
        let mut inner = self.inner.lock();
        let file = file.display().to_string();
        let known = inner.alarms.iter().position(|alarm| alarm.kind == kind && alarm.file == file);
        match known {
            Some(at) if inner.alarms[at].what == what => return,
            Some(at) => inner.alarms[at].what = what,
            None if inner.alarms.len() == ALARMS_MAX => inner.dropped += 1,
            None => {
                let (number, since) = (inner.next, clock::unix_seconds());
                inner.next += 1;
                let alarm = Alarm { number, kind, topic: topic.map(str::to_owned), file, what, since };
                error!("ALARM {alarm}");
                inner.alarms.push(alarm);
            }
        }
        self.write(&inner);
    }

    /// Raises what a log found.
    pub(crate) fn raise_damage(&self, topic: &str, damage: &Damage) {
        let (kind, what) = match &damage.kind {
            DamageKind::Header(aside) => (
                AlarmKind::DamagedSegment,
                format!(
                    "the header does not check; kept as {}; its messages are not delivered",
                    aside.display()
                ),
            ),
            DamageKind::Blocks(aside) => (
                AlarmKind::UnreadableBlocks,
                format!(
                    "the disk does not give all of it; kept as {}; what can be read is delivered",
                    aside.display()
                ),
            ),
            DamageKind::Messages(count) => {
                (AlarmKind::DamagedMessages, format!("{count} messages do not check and are skipped"))
            }
            DamageKind::Overlap => (
                AlarmKind::OverlappingSegments,
                "another file holds the same messages; this one is not used, and kept".to_owned(),
            ),
        };
        self.raise(kind, Some(topic), &damage.path, what);
    }

    /// All that are up, oldest first.
    pub(crate) fn all(&self) -> Vec<Alarm> {
        self.inner.lock().alarms.clone()
    }

    /// Takes alarms down: the one of this number, or all. Returns how many there were.
    pub(crate) fn clear(&self, number: Option<u64>) -> usize {
        let mut inner = self.inner.lock();
        let before = inner.alarms.len();
        inner.alarms.retain(|alarm| number.is_some_and(|number| alarm.number != number));
        let cleared = before - inner.alarms.len();
        if cleared != 0 {
            inner.dropped = 0;
            self.write(&inner);
        }
        cleared
    }

    fn write(&self, inner: &Inner) {
        if let Err(cause) = write_atomically(&self.path, &encode(inner), true) {
            error!(%cause, "cannot write the list of alarms; it is kept in memory");
        }
    }
}

fn encode(inner: &Inner) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(inner).expect("it has string keys and no failing parts");
    let crc = crc32c(&bytes);
    bytes.extend_from_slice(format!("\n{crc:08x}\n").as_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Inner> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (json, crc) = text.strip_suffix('\n')?.rsplit_once('\n')?;
    let is_whole = u32::from_str_radix(crc, 16).ok()? == crc32c(json.as_bytes());
    is_whole.then(|| serde_json::from_str(json).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raise(alarms: &Alarms, file: &str, what: &str) {
        alarms.raise(AlarmKind::DamagedCheckpoint, Some("t"), Path::new(file), what.to_owned());
    }

    /// Protects: an alarm stays until an operator takes it down, over restarts too, and is one however often it is met.
    #[test]
    fn alarms_stay_until_they_are_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let alarms = Alarms::open(folder.path()).unwrap();
        raise(&alarms, "a", "once");
        raise(&alarms, "a", "twice");
        raise(&alarms, "b", "once");
        let found = Alarms::open(folder.path()).unwrap();
        assert_eq!(found.all(), alarms.all());
        assert_eq!(
            found.all().iter().map(|alarm| alarm.what.as_str()).collect::<Vec<_>>(),
            ["twice", "once"]
        );
        assert_eq!((found.clear(Some(7)), found.clear(Some(0))), (0, 1));
        assert_eq!(Alarms::open(folder.path()).unwrap().all().len(), 1);
        assert_eq!(found.clear(None), 1);
        raise(&found, "c", "new");
        assert_eq!(Alarms::open(folder.path()).unwrap().all()[0].number, 2);
    }

    /// Protects: damage of the alarms is an alarm, and their number is bounded.
    #[test]
    fn damaged_alarms_are_one() {
        let folder = tempfile::tempdir().unwrap();
        let alarms = Alarms::open(folder.path()).unwrap();
        for number in 0..ALARMS_MAX + 5 {
            raise(&alarms, &number.to_string(), "x");
        }
        assert_eq!(alarms.all().len(), ALARMS_MAX);
        let file = folder.path().join(FILE);
        let mut bytes = fs::read(&file).unwrap();
        bytes[30] ^= 1;
        fs::write(&file, bytes).unwrap();
        let found = Alarms::open(folder.path()).unwrap().all();
        assert_eq!(found.iter().map(|alarm| alarm.kind).collect::<Vec<_>>(), [AlarmKind::DamagedAlarms]);
    }

    /// Protects: the names, which dashboards and scripts go by.
    #[test]
    fn names_are_the_same_everywhere() {
        for kind in AlarmKind::ALL {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{}\"", kind.name()));
        }
    }
}
