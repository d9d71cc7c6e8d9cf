//! The lock on a data path.

use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt,
    path::Path,
};

use rustix::fs::{FlockOperation, flock, major, minor};

/// Locks the folder itself, as NSQ does, so that neither opens what the other uses. The lock is held as long as the file.
///
/// # Errors
/// The text of NSQ's start error, and which process has the lock where the system tells.
pub fn lock(data_path: &Path) -> Result<File, String> {
    let path = data_path.display();
    let folder = File::open(data_path)
        .map_err(|error| format!("failed to lock data-path: open {path}: {}", daemon::io_cause(&error)))?;
    if !folder.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(format!("failed to lock data-path: {path} is not a directory"));
    }
    flock(&folder, FlockOperation::NonBlockingLockExclusive).map_err(|error| {
        let cause = daemon::io_cause(&error.into());
        let holder = holder(&folder).map_or_else(String::new, |pid| format!(": process {pid} holds the lock"));
        format!("failed to lock data-path: cannot flock directory {path} - {cause} (possibly in use by another instance of nsqd){holder}")
    })?;
    Ok(folder)
}

/// The process that has the lock of a folder. `None` where the system does not tell: in another container, it may not.
fn holder(folder: &File) -> Option<u32> {
    let metadata = folder.metadata().ok()?;
    let device = metadata.dev();
    let place = format!("{:02x}:{:02x}:{}", major(device), minor(device), metadata.ino());
    // 1: FLOCK  ADVISORY  WRITE 4242 fd:01:131 0 EOF
    fs::read_to_string("/proc/locks").ok()?.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let is_flock = words.next() == Some("FLOCK");
        let pid = words.nth(2)?.parse().ok()?;
        (is_flock && words.next() == Some(place.as_str()) && pid != 0).then_some(pid)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Protects: an operator who starts nsqd twice learns which process has the data.
    #[test]
    fn the_holder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path()).unwrap();
        let error = lock(folder.path()).unwrap_err();
        let expected = format!(
            "(possibly in use by another instance of nsqd): process {} holds the lock",
            std::process::id()
        );
        assert!(error.ends_with(&expected), "{error}");
        drop(held);
        assert!(lock(folder.path()).is_ok());
        assert!(lock(&folder.path().join("no")).unwrap_err().contains("open "));
    }
}
