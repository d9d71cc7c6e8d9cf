//! The heap: what the process holds besides files.

use std::fs;

/// Bytes of memory that are resident and are no pages of files. Messages are in files.
pub(crate) fn resident_bytes() -> Option<u64> {
    status_bytes("RssAnon:")
}

/// A figure of `/proc/self/status` that is given in kB.
pub(crate) fn status_bytes(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Returns what is free in the heap to the system.
#[expect(unsafe_code, reason = "the C library's call has no safe form")]
pub(crate) fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `malloc_trim` takes a number and may be called by any thread at any time; it touches free memory only.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_heap_has_a_size_and_can_be_trimmed() {
        assert!(super::resident_bytes().is_some_and(|bytes| 0 < bytes));
        super::trim();
    }
}
