//! `nsqd.dat`: the list of topics and channels in NSQ's form.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::channel::write_atomically;

/// The document. Unknown keys are ignored, absent and `null` lists are empty.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Metadata {
    #[serde(default)]
    pub(crate) topics: Option<Vec<TopicEntry>>,
    #[serde(default)]
    pub(crate) version: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TopicEntry {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) paused: bool,
    #[serde(default)]
    pub(crate) channels: Option<Vec<ChannelEntry>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ChannelEntry {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) paused: bool,
}

impl Metadata {
    /// Name of the file in the data path.
    pub(crate) const FILE: &str = "nsqd.dat";

    /// Reads the file; an absent one is an empty list.
    ///
    /// # Errors
    /// The text of NSQ's start error: the file cannot be read, or is not such a document.
    pub(crate) fn read(data_path: &Path) -> Result<Self, String> {
        let path = data_path.join(Self::FILE);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(format!("failed to read metadata from {} - {error}", path.display())),
        };
        serde_json::from_slice::<Option<Self>>(&bytes)
            .map(Option::unwrap_or_default)
            .map_err(|error| format!("failed to parse metadata in {} - {error}", path.display()))
    }

    /// Replaces the file, synced.
    pub(crate) fn write(&self, data_path: &Path) -> std::io::Result<()> {
        let bytes = serde_json::to_vec(self)?;
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
        assert!(check("").unwrap_err().contains("failed to parse metadata in"));
    }
}
