//! Folders: making them, and having the disk know what is in them.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Of the folders that are made, less the umask.
const MODE: u32 = 0o770;

/// Makes a folder and those above it that are missing. They are on the disk afterwards.
///
/// # Errors
/// What the system says, also if something else has the name.
pub(crate) fn create(folder: &Path) -> io::Result<()> {
    // The working folder.
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        create(parent)?;
    }
    match DirBuilder::new().mode(MODE).create(folder) {
        // Another process was faster.
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(cause) => Err(cause),
        Ok(()) => sync(parent_of(folder)),
    }
}

/// Has the disk know which files are in a folder.
///
/// File systems that know no such thing are taken to do it by themselves, and a folder that may not be read cannot be asked.
///
/// # Errors
/// If the disk fails.
pub(crate) fn sync(folder: &Path) -> io::Result<()> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    match synced {
        Err(cause)
            if matches!(
                cause.kind(),
                ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::PermissionDenied
            ) =>
        {
            Ok(())
        }
        other => other,
    }
}

/// The folder that a path is in.
pub(crate) fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Whether both name one folder, as far as can be told before they exist.
pub(crate) fn are_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    one == other || real(one) == real(other)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn missing_folders_are_made() {
        let temp = tempfile::tempdir().unwrap();
        let deep = temp.path().join("a/b/c");
        create(&deep).unwrap();
        create(&deep).unwrap();
        let mode = fs::metadata(&deep).unwrap().permissions().mode();
        assert_eq!(mode & 0o007, 0, "{mode:o}");
        fs::write(temp.path().join("file"), "").unwrap();
        assert_eq!(create(&temp.path().join("file")).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert!(create(&temp.path().join("file/x")).is_err());
        create(Path::new("")).unwrap();
        sync(&deep).unwrap();
        assert_eq!(sync(&deep.join("none")).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_folder_has_several_names() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path();
        std::os::unix::fs::symlink(path, path.join("link")).unwrap();
        assert!(are_same(path, &path.join("link")));
        assert!(are_same(Path::new("/nowhere/x"), Path::new("/nowhere//x/")));
        assert!(!are_same(path, Path::new("/nowhere")));
        assert_eq!(parent_of(Path::new("x")), Path::new("."));
        assert_eq!(parent_of(Path::new("/x/y")), Path::new("/x"));
    }
}
