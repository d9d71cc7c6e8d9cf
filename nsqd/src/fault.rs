//! Named points at which a debug build can be made to fail, for tests of crashes and of failing disks.
//!
//! `NSQD_FAULT` names points and what happens there, separated by commas: `channel-renamed=abort`, `segment-create=enospc`,
//! `segment-sync=eio@2` (the second time, and only then), `dat-write=short`. Release builds have none of it.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use rustix::io::Errno;

/// Where faults are named.
const VARIABLE: &str = "NSQD_FAULT";

/// What happens at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The process ends at once, as if killed.
    Abort,
    /// The system refuses.
    Error(Errno),
    /// Half of the bytes are written, and then there is no room. At a point that writes nothing: no room.
    Short,
}

#[derive(Debug)]
struct Fault {
    point: String,
    kind: Kind,
    /// Happens at this time alone, counted from 1; 0 for every time.
    time: u32,
    times: AtomicU32,
}

impl Fault {
    fn parse(text: &str) -> Option<Self> {
        let (point, rest) = text.split_once('=')?;
        let (kind, time) = match rest.split_once('@') {
            Some((kind, time)) => (kind, time.parse().ok().filter(|time| 0 < *time)?),
            None => (rest, 0),
        };
        let kind = match kind {
            "abort" => Kind::Abort,
            "enospc" => Kind::Error(Errno::NOSPC),
            "eio" => Kind::Error(Errno::IO),
            "emfile" => Kind::Error(Errno::MFILE),
            "enomem" => Kind::Error(Errno::NOMEM),
            "short" => Kind::Short,
            _ => return None,
        };
        Some(Self { point: point.to_owned(), kind, time, times: AtomicU32::new(0) })
    }

    /// Whether it happens now, at `point`.
    fn strikes(&self, point: &str) -> bool {
        self.point == point && (self.time == 0 || self.times.fetch_add(1, Ordering::Relaxed) + 1 == self.time)
    }
}

/// `None` if the text is not a list of faults.
fn parse(text: &str) -> Option<Vec<Fault>> {
    text.split(',').filter(|fault| !fault.is_empty()).map(Fault::parse).collect()
}

static FAULTS: LazyLock<Vec<Fault>> = LazyLock::new(|| {
    let text = std::env::var(VARIABLE).unwrap_or_default();
    // Nobody should believe that a test met a fault that it did not.
    parse(&text).expect("NSQD_FAULT is a list of point=kind or point=kind@n")
});

#[cfg(test)]
thread_local! {
    static INJECTED: std::cell::RefCell<Vec<Fault>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Sets the faults of this thread, in place of those set before; an empty text for none.
#[cfg(test)]
pub(crate) fn inject(text: &str) {
    INJECTED.set(parse(text).unwrap());
}

#[cold]
fn struck(point: &str) -> Option<Kind> {
    #[cfg(test)]
    if let Some(kind) = INJECTED
        .with_borrow(|faults| faults.iter().find(|fault| fault.strikes(point)).map(|fault| fault.kind))
    {
        return Some(kind);
    }
    FAULTS.iter().find(|fault| fault.strikes(point)).map(|fault| fault.kind)
}

fn happen(kind: Kind) -> io::Error {
    match kind {
        Kind::Abort => std::process::abort(),
        Kind::Error(error) => error.into(),
        Kind::Short => Errno::NOSPC.into(),
    }
}

/// A point that tests can make fail. Costs nothing in release builds.
///
/// # Errors
/// The fault that is set for it.
#[inline]
pub(crate) fn at(point: &str) -> io::Result<()> {
    if !cfg!(debug_assertions) {
        return Ok(());
    }
    struck(point).map_or(Ok(()), |kind| Err(happen(kind)))
}

/// A point of the life of a file, named by its extension and `step`, such as `channel-renamed`.
///
/// # Errors
/// The fault that is set for it.
#[inline]
pub(crate) fn at_file(path: &Path, step: &str) -> io::Result<()> {
    if !cfg!(debug_assertions) {
        return Ok(());
    }
    at(&point_of(path, step))
}

/// Writes all of `bytes` to the file that is to become `path`. The point is `<extension>-write`: before whatever happens
/// there, half of the bytes are written.
///
/// # Errors
/// What the system says, or the fault that is set for the point.
#[inline]
pub(crate) fn write_all(path: &Path, file: &mut File, bytes: &[u8]) -> io::Result<()> {
    if cfg!(debug_assertions)
        && let Some(kind) = struck(&point_of(path, "write"))
    {
        file.write_all(&bytes[..bytes.len() / 2])?;
        return Err(happen(kind));
    }
    file.write_all(bytes)
}

fn point_of(path: &Path, step: &str) -> String {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    format!("{extension}-{step}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Protects: a test that names a fault gets that one, at the time that it names, and a typing error is noticed.
    #[test]
    fn faults_happen_where_and_when_they_are_set() {
        inject("x-write=eio@2,y=enospc");
        let kind = |result: io::Result<()>| result.map_err(|error| error.raw_os_error());
        let (eio, enospc) = (Some(Errno::IO.raw_os_error()), Some(Errno::NOSPC.raw_os_error()));
        assert_eq!(kind(at("x-write")), Ok(()));
        assert_eq!(kind(at_file(Path::new("a.x"), "write")), Err(eio));
        assert_eq!(kind(at("x-write")), Ok(()));
        assert_eq!(kind(at("y")), Err(enospc));
        assert_eq!(kind(at("y")), Err(enospc));
        assert_eq!(kind(at("z")), Ok(()));
        inject("");
        assert_eq!(kind(at("y")), Ok(()));
        for wrong in ["x", "x=", "x=explode", "x=eio@", "x=eio@0", "x=eio@-1"] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
    }
}
