//! A data path without its daemon: read, and not changed. For tools.

mod channel;
mod topic;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use protocol::TopicName;

pub use self::{
    channel::{ChannelFile, Outstanding},
    topic::{OfflineTopic, SegmentFile},
};
use crate::{
    data_path,
    topic::{Metadata, Scan},
};

/// A data path that is locked as a daemon would.
#[derive(Debug)]
pub struct DataPath {
    path: PathBuf,
    /// Held as long as this.
    _lock: File,
}

/// Files that are no data.
#[derive(Debug, Default)]
pub struct Leftovers {
    /// Set aside, since they were damaged.
    pub damaged: Vec<PathBuf>,
    /// Of crashes: removed by the next start.
    pub temporary: Vec<PathBuf>,
}

impl DataPath {
    /// Locks a data path.
    ///
    /// # Errors
    /// It is not there, or in use: a text that says by which process.
    pub fn open(path: &Path) -> Result<Self, String> {
        let lock = data_path::lock(path)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its topics, by name.
    ///
    /// # Errors
    /// It cannot be listed.
    pub fn topics(&self) -> io::Result<Vec<TopicName>> {
        Ok(Scan::of(&self.path)?.topics)
    }

    /// One topic.
    ///
    /// # Errors
    /// There is none of that name, or its folder cannot be listed.
    pub fn topic(&self, name: &TopicName) -> io::Result<OfflineTopic> {
        OfflineTopic::open(&self.path, name)
    }

    /// What is wrong with the list of topics, if anything is.
    pub fn metadata_damage(&self) -> Option<String> {
        Metadata::read(&self.path).err().map(|error| error.to_string())
    }

    /// Files that are no data, in all folders.
    ///
    /// # Errors
    /// A folder cannot be listed.
    pub fn leftovers(&self) -> io::Result<Leftovers> {
        let mut leftovers = Leftovers::default();
        leftovers.collect(&self.path)?;
        for name in self.topics()? {
            leftovers.collect(self.topic(&name)?.folder())?;
        }
        for (_, folder) in Scan::of(&self.path)?.condemned {
            leftovers.temporary.push(folder);
        }
        Ok(leftovers)
    }
}

impl Leftovers {
    fn collect(&mut self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if path.is_dir() {
                continue;
            }
            let is_damaged = name.rsplit_once(".damaged").is_some_and(|(_, number)| {
                number.is_empty()
                    || number.strip_prefix('-').is_some_and(|number| number.parse::<u32>().is_ok())
            });
            if is_damaged {
                self.damaged.push(path);
            } else if path.extension().is_some_and(|extension| extension == "tmp") {
                self.temporary.push(path);
            }
        }
        Ok(())
    }
}
