//! Where lines go.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;

/// Stderr, or the end of a file.
#[derive(Debug)]
pub(super) enum Output {
    Stderr,
    File(LogFile),
}

/// A file by its name, and what is open: another file once the name was given to a new one.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    /// A writer holds the file and not the lock, so that a disk that stands still does not hold up [`Output::reopen`].
    file: RwLock<Arc<File>>,
}

impl Output {
    /// The end of the file, made if it is not there.
    pub(super) fn file(path: &Path) -> io::Result<Self> {
        let file = RwLock::new(Arc::new(open(path)?));
        Ok(Self::File(LogFile { path: path.to_owned(), file }))
    }

    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Stderr => None,
            Self::File(file) => Some(&file.path),
        }
    }

    /// Opens the file of that name anew. If that fails, lines go on to where they went.
    pub(super) fn reopen(&self) -> io::Result<()> {
        if let Self::File(LogFile { path, file }) = self {
            let opened = Arc::new(open(path)?);
            *file.write() = opened;
        }
        Ok(())
    }
}

/// Whoever writes to it does so at its end, also if another process does the same or cuts the file.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

impl Write for &Output {
    /// One system call.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Output::Stderr => io::stderr().write(bytes),
            Output::File(LogFile { file, .. }) => {
                let file = Arc::clone(&file.read());
                (&*file).write(bytes)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(output: &Output, line: &str) {
        let mut writer = output;
        writer.write_all(line.as_bytes()).unwrap();
    }

    /// What logrotate does: rename, SIGHUP. No line is lost, and an old log is not overwritten.
    #[test]
    fn lines_follow_the_name_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("log"), folder.path().join("log.1"));
        fs::write(&path, "0\n").unwrap();
        let output = Output::file(&path).unwrap();
        write(&output, "1\n");
        fs::rename(&path, &moved).unwrap();
        write(&output, "2\n");
        output.reopen().unwrap();
        write(&output, "3\n");
        output.reopen().unwrap();
        write(&output, "4\n");
        assert_eq!(fs::read_to_string(&moved).unwrap(), "0\n1\n2\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "3\n4\n");
        assert_eq!(output.path(), Some(path.as_path()));
    }

    #[test]
    fn a_file_that_cannot_be_opened_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("log"), folder.path().join("log.1"));
        let output = Output::file(&path).unwrap();
        fs::rename(&path, &moved).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(output.reopen().unwrap_err().kind(), io::ErrorKind::IsADirectory);
        write(&output, "kept\n");
        assert_eq!(fs::read_to_string(&moved).unwrap(), "kept\n");
        assert!(Output::file(&path).is_err());
    }

    /// The other way of rotating: the content is copied and the file cut. A writer with a place of its own would leave a hole.
    #[test]
    fn lines_go_to_the_end_of_a_file_that_was_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let output = Output::file(&path).unwrap();
        write(&output, "long line\n");
        File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        write(&output, "x\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "x\n");
    }

    #[test]
    fn stderr_needs_no_reopening() {
        let output = Output::Stderr;
        output.reopen().unwrap();
        assert_eq!(output.path(), None);
    }
}
