//! Which file is written next: a new one, or one that is continued.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use tracing::{info, warn};

use crate::failure::Failure;
use crate::folder;
use crate::names::{has_revision, with_revision};
use crate::rotation::{Due, Limits};

/// Where files are, and which of those that are there may be continued.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Files in progress.
    pub(crate) work_dir: PathBuf,
    /// Where finished files are moved to, if that is another folder.
    pub(crate) output_dir: Option<PathBuf>,
    /// No file that exists is continued.
    pub(crate) is_exclusive: bool,
    /// A file that exists and is beyond is passed over.
    pub(crate) limits: Limits,
}

/// A file to write to.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    /// Which number its name has got.
    pub(crate) revision: u32,
    /// What is in it.
    pub(crate) bytes: u64,
}

impl Place {
    /// Opens the first acceptable file of a name, from a revision on. Folders are made as needed.
    ///
    /// If a killed predecessor has left a line without its end, a line break is put behind it, so that it does not spoil the
    /// next message. That line was never acknowledged.
    ///
    /// # Errors
    /// What the system says; or if no revision is left, or the two folders are on different file systems.
    pub(crate) fn open(&self, label: &str, name: &str, revision: u32) -> Result<Opened, Failure> {
        let mut revision = revision;
        loop {
            let relative = with_revision(name, revision);
            let path = self.work_dir.join(&relative);
            if !self.is_taken(label, &path, &relative)?
                && let Some(opened) = self.try_open(label, path, revision)?
            {
                return Ok(opened);
            }
            revision = next(name, revision)?;
        }
    }

    /// Makes the folders, and looks whether the file would have another's name when it is finished.
    fn is_taken(&self, label: &str, path: &Path, relative: &str) -> Result<bool, Failure> {
        let work = folder::parent_of(path);
        folder::create(work).map_err(Failure::of(format!("unable to create dir {}", work.display())))?;
        let Some(output_dir) = &self.output_dir else { return Ok(false) };
        let finished = output_dir.join(relative);
        let output = folder::parent_of(&finished);
        folder::create(output).map_err(Failure::of(format!("unable to create dir {}", output.display())))?;
        let stat = |path: &Path| {
            fs::metadata(path).map_err(Failure::of(format!("unable to stat {}", path.display())))
        };
        if stat(work)?.dev() != stat(output)?.dev() {
            // Else it would be found out when the first file is finished.
            let doing = format!("unable to move files from {} to {}", work.display(), output.display());
            return Err(Failure::new(doing, "--work-dir and --output-dir must be on one file system"));
        }
        match fs::symlink_metadata(&finished) {
            Ok(_) => {
                warn!("[{label}] output file already exists: {}", finished.display());
                Ok(true)
            }
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(false),
            Err(cause) => {
                Err(Failure::of(format!("unable to stat output file {}", finished.display()))(cause))
            }
        }
    }

    fn try_open(&self, label: &str, path: PathBuf, revision: u32) -> Result<Option<Opened>, Failure> {
        let mut options = OpenOptions::new();
        if self.is_exclusive {
            options.write(true).create_new(true);
        } else {
            options.append(true).create(true);
        }
        let unable = |what: &str, path: &Path| Failure::of(format!("unable to {what} {}", path.display()));
        let mut file = match options.open(&path) {
            Ok(file) => file,
            Err(cause) if self.is_exclusive && cause.kind() == ErrorKind::AlreadyExists => {
                warn!("[{label}] working file already exists: {}", path.display());
                return Ok(None);
            }
            Err(cause) => return Err(unable("open", &path)(cause)),
        };
        let mut bytes = file.metadata().map_err(unable("stat file", &path))?.len();
        if self.limits.is_full(bytes) {
            let limit = self.limits.bytes.unwrap_or(0);
            info!("[{label}] {}", Due::Size { path, bytes, limit });
            return Ok(None);
        }
        info!("[{label}] opening {}", path.display());
        if ends_within_a_line(&path, bytes).map_err(unable("read", &path))? {
            warn!("[{label}] the last line of {} has no end, it is given one", path.display());
            file.write_all(b"\n").map_err(unable("write to", &path))?;
            bytes += 1;
        }
        Ok(Some(Opened { file, path, revision, bytes }))
    }
}

/// The next revision of a name.
///
/// # Errors
/// If it is the last, or the name has no place for one.
pub(crate) fn next(name: &str, revision: u32) -> Result<u32, Failure> {
    revision.checked_add(1).filter(|_| has_revision(name)).ok_or_else(|| {
        Failure::new(format!("unable to find a free name for {name}"), "there are no more revisions")
    })
}

fn ends_within_a_line(path: &Path, bytes: u64) -> io::Result<bool> {
    let Some(last) = bytes.checked_sub(1) else { return Ok(false) };
    let file = match File::open(path) {
        Ok(file) => file,
        // It may be written and not read: nobody can tell, then.
        Err(cause) if cause.kind() == ErrorKind::PermissionDenied => return Ok(false),
        Err(cause) => return Err(cause),
    };
    let mut byte = [0];
    let count = file.read_at(&mut byte, last)?;
    Ok(count == 1 && byte != *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folders {
        temp: tempfile::TempDir,
    }

    impl Folders {
        fn new() -> Self {
            Self { temp: tempfile::tempdir().unwrap() }
        }

        fn place(&self) -> Place {
            Place {
                work_dir: self.temp.path().join("work"),
                output_dir: None,
                is_exclusive: false,
                limits: Limits::default(),
            }
        }

        fn moving(&self) -> Place {
            Place { output_dir: Some(self.temp.path().join("out")), ..self.place() }
        }

        fn put(&self, path: &str, content: &str) {
            let path = self.temp.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }

        /// Which file of the name is opened, and how much is in it.
        #[track_caller]
        fn check(&self, place: &Place, name: &str, revision: u32, expected: (&str, u64)) {
            let opened = place.open("t/c", name, revision).unwrap();
            let path = opened.path.strip_prefix(self.temp.path()).unwrap();
            assert_eq!((path.to_str().unwrap(), opened.bytes), expected);
            assert_eq!(opened.file.metadata().unwrap().len(), opened.bytes);
        }
    }

    #[test]
    fn plain_files_are_continued() {
        let folders = Folders::new();
        folders.put("work/t.log", "one\n");
        folders.check(&folders.place(), "t.log", 0, ("work/t.log", 4));
        folders.check(&folders.place(), "a/b/t.log", 0, ("work/a/b/t.log", 0));
    }

    #[test]
    fn a_line_that_a_kill_cut_gets_an_end() {
        let folders = Folders::new();
        folders.put("work/t.log", "one\ntw");
        folders.check(&folders.place(), "t.log", 0, ("work/t.log", 7));
        folders.check(&folders.place(), "t.log", 0, ("work/t.log", 7));
        assert_eq!(fs::read(folders.temp.path().join("work/t.log")).unwrap(), b"one\ntw\n");
    }

    #[test]
    fn full_files_are_passed_over() {
        let folders = Folders::new();
        let place = Place { limits: Limits { bytes: Some(4), age: None }, ..folders.place() };
        folders.put("work/t-000000", "12345\n");
        folders.put("work/t-000001", "123\n");
        folders.check(&place, "t<REV>", 0, ("work/t-000001", 4));
        folders.check(&place, "t<REV>", 2, ("work/t-000002", 0));
    }

    #[test]
    fn exclusive_files_are_new() {
        let folders = Folders::new();
        let place = Place { is_exclusive: true, ..folders.place() };
        folders.put("work/t-000000", "");
        folders.check(&place, "t<REV>", 0, ("work/t-000001", 0));
        folders.check(&place, "t<REV>", 1, ("work/t-000002", 0));
    }

    #[test]
    fn finished_files_keep_their_names() {
        let folders = Folders::new();
        folders.put("out/d/t-000000", "x");
        folders.put("work/d/t-000001", "y\n");
        folders.check(&folders.moving(), "d/t<REV>", 0, ("work/d/t-000001", 2));
        assert!(!folders.temp.path().join("work/d/t-000000").exists());
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let folders = Folders::new();
        folders.put("work/file", "");
        fs::create_dir(folders.temp.path().join("work/folder")).unwrap();
        let error = |place: &Place, name: &str, revision| {
            let text = place.open("t/c", name, revision).unwrap_err().to_string();
            text.replace(folders.temp.path().to_str().unwrap(), "")
        };
        assert_eq!(error(&folders.place(), "file/t", 0), "unable to create dir /work/file: file exists");
        assert_eq!(error(&folders.place(), "folder", 0), "unable to open /work/folder: is a directory");
        folders.put("out/t-4294967295", "");
        let last = "unable to find a free name for t<REV>: there are no more revisions";
        assert_eq!(error(&folders.moving(), "t<REV>", u32::MAX), last);
        // Whatever the folder of this test is on, it is not the kernel's.
        let elsewhere = Place { output_dir: Some(PathBuf::from("/proc/self")), ..folders.place() };
        let moved = "unable to move files from /work to /proc/self: --work-dir and --output-dir must be on one file system";
        assert_eq!(error(&elsewhere, "t<REV>", 0), moved);
    }
}
