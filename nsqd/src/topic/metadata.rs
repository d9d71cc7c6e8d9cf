//! `nsqd.dat`: the list of topics and channels in NSQ's form.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::policy::{QueuePolicy, TopicPolicy};
use crate::channel::write_atomically;

/// The document. Unknown keys are ignored, absent and `null` lists are empty.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Metadata {
    #[serde(default)]
    pub(crate) topics: Option<Vec<TopicEntry>>,
    #[serde(default)]
    pub(crate) version: String,
    /// `crc32c:` and eight hex digits, of the document as we write it without this. NSQ, which ignores it, drops it when it
    /// writes the file; then, and after an edit that took it out, nothing is checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) checksum: Option<String>,
}

/// Why the list of topics cannot be used. The text is NSQ's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MetadataError {
    /// It cannot be read, which says nothing about its content.
    #[error("{0}")]
    Unreadable(String),
    /// It is not such a document, or not as it was written.
    #[error("{0}")]
    Damaged(String),
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TopicEntry {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) paused: bool,
    #[serde(default)]
    pub(crate) channels: Option<Vec<ChannelEntry>>,
    /// Not in NSQ's document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) config: Option<TopicPolicy>,
}

impl TopicEntry {
    /// Whether there are policies, of itself or of a channel.
    pub(super) fn has_policies(&self) -> bool {
        self.config.is_some() || self.channels.iter().flatten().any(|channel| channel.config.is_some())
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ChannelEntry {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) paused: bool,
    /// Not in NSQ's document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) config: Option<QueuePolicy>,
}

impl Metadata {
    /// Name of the file in the data path.
    pub(crate) const FILE: &str = "nsqd.dat";

    /// Reads the file; an absent one is an empty list.
    ///
    /// # Errors
    /// [`MetadataError`].
    pub(crate) fn read(data_path: &Path) -> Result<Self, MetadataError> {
        let path = data_path.join(Self::FILE);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => {
                let text = format!("failed to read metadata from {} - {error}", path.display());
                return Err(MetadataError::Unreadable(text));
            }
        };
        let damaged = |cause: &dyn std::fmt::Display| {
            MetadataError::Damaged(format!("failed to parse metadata in {} - {cause}", path.display()))
        };
        let metadata = serde_json::from_slice::<Option<Self>>(&bytes).map_err(|error| damaged(&error))?;
        let mut metadata = metadata.unwrap_or_default();
        if let Some(checksum) = metadata.checksum.take()
            && metadata.checksum().is_none_or(|expected| expected != checksum)
        {
            return Err(damaged(&"the checksum is another one"));
        }
        Ok(metadata)
    }

    fn checksum(&self) -> Option<String> {
        serde_json::to_vec(self).ok().map(|bytes| format!("crc32c:{:08x}", crc32c::crc32c(&bytes)))
    }

    /// Replaces the file, synced.
    pub(crate) fn write(mut self, data_path: &Path) -> std::io::Result<()> {
        self.checksum = None;
        self.checksum = self.checksum();
        let bytes = serde_json::to_vec(&self)?;
        write_atomically(&data_path.join(Self::FILE), &bytes, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Protects: files of NSQ 1.x, of hand and of ours are all read; a broken one stops the start with its name.
    #[test]
    fn nsq_documents_are_read() {
        let data_path = tempfile::tempdir().unwrap();
        assert!(Metadata::read(data_path.path()).unwrap().topics.is_none());
        let check = |text: &str| {
            std::fs::write(data_path.path().join(Metadata::FILE), text).unwrap();
            Metadata::read(data_path.path()).map(|metadata| metadata.topics.map_or(0, |topics| topics.len()))
        };
        assert_eq!(
            check(r#"{"topics":[{"name":"s","paused":true,"channels":null}],"version":"1.3.0"}"#),
            Ok(1)
        );
        assert_eq!(check(r#"{"topics":[{"channels":[{"name":"c"}],"name":"s","more":1}]}"#), Ok(1));
        assert_eq!(check(r#"{"topics":null,"version":"1.3.0"}"#), Ok(0));
        assert_eq!(check("{}"), Ok(0));
        assert_eq!(check("null"), Ok(0));
        assert!(check("").unwrap_err().to_string().contains("failed to parse metadata in"));
        // NSQ has written what we read, and dropped what it does not know.
        let channels = Some(vec![ChannelEntry { name: "c".to_owned(), paused: true, config: None }]);
        let topics = Some(vec![TopicEntry { name: "s".to_owned(), paused: false, channels, config: None }]);
        let written = || Metadata { topics: None, version: "1.3.0".to_owned(), checksum: None };
        Metadata { topics, ..written() }.write(data_path.path()).unwrap();
        let text = std::fs::read_to_string(data_path.path().join(Metadata::FILE)).unwrap();
        assert_eq!(check(&text), Ok(1));
        let checksum = Metadata::read(data_path.path()).unwrap().checksum().unwrap();
        for at in 0..text.len() {
            let mut flipped = text.clone().into_bytes();
            flipped[at] ^= 1;
            std::fs::write(data_path.path().join(Metadata::FILE), &flipped).unwrap();
            // Without the checksum's own key it is a document like NSQ's, of which nothing can be checked.
            let has_key = flipped.windows(10).any(|window| window == b"\"checksum\"");
            if let Ok(read) = Metadata::read(data_path.path())
                && has_key
            {
                assert_eq!(read.checksum(), Some(checksum.clone()), "byte {at} changes what it says");
            }
        }
    }
}
