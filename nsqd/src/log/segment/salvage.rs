//! What to do with a file that is damaged: it is kept aside, never deleted.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// What a disk gives or does not give as a whole.
const BLOCK_BYTES: usize = 4096;

/// Whether the disk could not give a block of a file. Nothing else says anything about what the file holds.
pub(crate) fn is_bad_block(cause: &io::Error) -> bool {
    cause.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

/// Renames `path` to a free name that says that it is damaged, and returns that.
///
/// # Errors
/// It cannot be renamed.
pub(crate) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = names_aside(path).find(|aside| !aside.exists()).ok_or_else(no_name)?;
    fs::rename(path, &aside)?;
    Ok(aside)
}

/// Gives a damaged file a second name, which says so and is returned, before something whole takes its place. Whoever is
/// killed in between finds the damage again, and no name twice.
///
/// # Errors
/// The name cannot be given.
pub(crate) fn keep_aside(path: &Path) -> io::Result<PathBuf> {
    let inode = |path: &Path| fs::metadata(path).map(|file| (file.dev(), file.ino()));
    let damaged = inode(path)?;
    for aside in names_aside(path) {
        match inode(&aside) {
            Ok(known) if known == damaged => return Ok(aside),
            Ok(_) => {}
            Err(_) => {
                // Not every file system has second names.
                if fs::hard_link(path, &aside).is_err() {
                    fs::copy(path, &aside)?;
                }
                return Ok(aside);
            }
        }
    }
    Err(no_name())
}

fn names_aside(path: &Path) -> impl Iterator<Item = PathBuf> {
    (0..u32::MAX).map(move |number| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".damaged-{number}"));
        PathBuf::from(name)
    })
}

fn no_name() -> io::Error {
    io::Error::other("no name is free to keep a damaged file under")
}

/// Puts a copy in the place of a file some blocks of which cannot be read: those are zero in it. Returns where the file
/// is now.
///
/// # Errors
/// The copy cannot be written; the file is as it was.
pub(crate) fn salvage(path: &Path) -> io::Result<PathBuf> {
    let mut copy_path = path.as_os_str().to_owned();
    copy_path.push(".tmp");
    let copy_path = PathBuf::from(copy_path);
    let damaged = File::open(path)?;
    let bytes = damaged.metadata()?.len();
    let copy = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&copy_path)?;
    let mut block = [0; BLOCK_BYTES];
    for at in (0..bytes).step_by(BLOCK_BYTES) {
        let length = BLOCK_BYTES.min(usize::try_from(bytes - at).unwrap_or(BLOCK_BYTES));
        let block = &mut block[..length];
        match damaged.read_exact_at(block, at) {
            Ok(()) => {}
            Err(cause) if is_bad_block(&cause) => block.fill(0),
            Err(cause) => return Err(cause),
        }
        copy.write_all_at(block, at)?;
    }
    copy.sync_all()?;
    let aside = keep_aside(path)?;
    fs::rename(&copy_path, path)?;
    Ok(aside)
}
