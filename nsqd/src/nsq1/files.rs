//! What a data path of NSQ 1.x consists of.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// Whose messages a disk queue holds. Names are as in the file names; whether they are legal is looked at later.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct QueueName {
    pub(super) topic: String,
    /// `None` for messages that were not copied to channels yet.
    pub(super) channel: Option<String>,
}

/// Files of one disk queue.
#[derive(Debug, Default)]
pub(super) struct QueueFiles {
    pub(super) meta: Option<PathBuf>,
    pub(super) data: BTreeMap<u64, PathBuf>,
    /// Set aside by NSQ.
    pub(super) bad: Vec<PathBuf>,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) queues: BTreeMap<QueueName, QueueFiles>,
    /// `nsqd.<id>.dat` of versions before 1.2, the metadata where there is no `nsqd.dat`.
    pub(super) old_metadata: Option<PathBuf>,
    /// Everything that is NSQ's and no longer of use once its messages are taken over; not `nsqd.dat`.
    pub(super) all: Vec<PathBuf>,
}

impl Files {
    /// Lists a data path. Folders are never NSQ's.
    ///
    /// # Errors
    /// It cannot be listed.
    pub(super) fn list(data_path: &Path) -> io::Result<Self> {
        let mut files = Self::default();
        for entry in fs::read_dir(data_path)? {
            let entry = entry?;
            let path = entry.path();
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            if entry.file_type()?.is_dir() {
                continue;
            }
            if is_old_metadata(&name) {
                files.old_metadata = Some(path.clone());
                files.all.push(path);
            } else if let Some((queue, part)) = parse(&name) {
                let queue = files.queues.entry(queue).or_default();
                match part {
                    Part::Meta => queue.meta = Some(path.clone()),
                    Part::Data(number) => {
                        queue.data.insert(number, path.clone());
                    }
                    Part::Bad => queue.bad.push(path.clone()),
                }
                files.all.push(path);
            } else if is_leftover(&name) {
                files.all.push(path);
            }
        }
        files.all.sort();
        Ok(files)
    }
}

enum Part {
    Meta,
    Data(u64),
    Bad,
}

/// Reads `<topic>[:<channel>].diskqueue.<number or "meta">.dat[.bad]`, from the right: names may contain dots.
fn parse(name: &str) -> Option<(QueueName, Part)> {
    let (name, is_bad) = name.strip_suffix(".bad").map_or((name, false), |name| (name, true));
    let (queue, part) = name.strip_suffix(".dat")?.rsplit_once(".diskqueue.")?;
    let number = || {
        let is_number = 6 <= part.len() && part.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| part.parse().ok()).flatten()
    };
    let part = match part {
        "meta" if !is_bad => Part::Meta,
        _ if is_bad => number().map(|_| Part::Bad)?,
        _ => Part::Data(number()?),
    };
    let (topic, channel) = match queue.split_once(':') {
        Some((topic, channel)) => (topic, Some(channel.to_owned())),
        None => (queue, None),
    };
    (!topic.is_empty()).then(|| (QueueName { topic: topic.to_owned(), channel }, part))
}

fn is_old_metadata(name: &str) -> bool {
    let id = name.strip_prefix("nsqd.").and_then(|name| name.strip_suffix(".dat"));
    id.is_some_and(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Temporary files of a crash or a full disk.
fn is_leftover(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".tmp").and_then(|name| name.rsplit_once('.')).map(|(stem, _)| stem)
    else {
        return false;
    };
    stem == "nsqd.dat" || stem.ends_with(".diskqueue.meta.dat")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Protects: every name that NSQ may give a file, and only those.
    #[test]
    fn names_are_read_from_the_right() {
        let folder = tempfile::tempdir().unwrap();
        let names = [
            "T1.diskqueue.000000.dat",
            "T1.diskqueue.meta.dat",
            "T1:c1.diskqueue.1234567.dat",
            "a.b.diskqueue.000001.dat",
            "x.diskqueue.000002.dat.diskqueue.000003.dat",
            "E#ephemeral:c1.diskqueue.000000.dat",
            "t:c.diskqueue.000009.dat.bad",
            "nsqd.dat",
            "nsqd.12.dat",
            "nsqd.dat.123.tmp",
            "T1.diskqueue.meta.dat.77.tmp",
            "T1.diskqueue.00000.dat",
            "other.dat",
            "T1.diskqueue.x.dat",
            "nsqd.clean",
            ".diskqueue.000000.dat",
        ];
        for name in names {
            fs::write(folder.path().join(name), "").unwrap();
        }
        fs::create_dir(folder.path().join("d.diskqueue.000000.dat")).unwrap();
        let files = Files::list(folder.path()).unwrap();
        let queue = |topic: &str, channel: Option<&str>| {
            &files.queues[&QueueName { topic: topic.to_owned(), channel: channel.map(str::to_owned) }]
        };
        assert_eq!(files.queues.len(), 6);
        assert!(queue("T1", None).meta.is_some());
        assert_eq!(queue("T1", None).data.keys().collect::<Vec<_>>(), [&0]);
        assert_eq!(queue("T1", Some("c1")).data.keys().collect::<Vec<_>>(), [&1_234_567]);
        assert_eq!(queue("a.b", None).data.len(), 1);
        assert_eq!(queue("x.diskqueue.000002.dat", None).data.keys().collect::<Vec<_>>(), [&3]);
        assert_eq!(queue("E#ephemeral", Some("c1")).data.len(), 1);
        assert_eq!((queue("t", Some("c")).bad.len(), queue("t", Some("c")).data.len()), (1, 0));
        assert!(files.old_metadata.is_some());
        assert_eq!(files.all.len(), 10);
    }
}
