//! Finished files go to their folder without taking the place of another.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::folder;

/// Gives a file its new name, if nothing else has it. It is on the disk under that name afterwards.
///
/// Between the two steps the file has both names, so that a kill or a power cut leaves it with one at least. Both must be on one
/// file system.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`] if there is something of the new name; nothing has changed then. Else what the system says.
pub(crate) fn move_to_free_name(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to)?;
    folder::sync(folder::parent_of(to))?;
    match fs::remove_file(from) {
        // Somebody else has tidied up.
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_overwritten() {
        let temp = tempfile::tempdir().unwrap();
        let path = |name: &str| temp.path().join(name);
        fs::write(path("a"), "a").unwrap();
        fs::write(path("b"), "b").unwrap();
        let taken = move_to_free_name(&path("a"), &path("b")).unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
        assert_eq!((fs::read(path("a")).unwrap(), fs::read(path("b")).unwrap()), (b"a".into(), b"b".into()));
        move_to_free_name(&path("a"), &path("c")).unwrap();
        assert_eq!(fs::read(path("c")).unwrap(), b"a");
        assert!(!path("a").exists());
        assert_eq!(move_to_free_name(&path("a"), &path("d")).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
