//! What the system knows of this process.

use std::fs;

use crate::http::exposition::{Exposition, seconds};

/// Bytes of memory that are resident and are no pages of files. Messages are in files.
pub fn resident_bytes() -> Option<u64> {
    status_bytes("RssAnon:")
}

/// A figure of `/proc/self/status` that is given in kB.
pub fn status_bytes(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Appends its figures. The names are those that every Prometheus client library uses.
pub fn metrics(text: &mut Exposition, start_unix: u64) {
    let help = "Start of the process, unix time.";
    text.single("process_start_time_seconds", "gauge", help, start_unix);
    let usage = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let used = u128::try_from(usage.tv_sec).unwrap_or(0) * 1_000_000_000
        + u128::try_from(usage.tv_nsec).unwrap_or(0);
    let help = "CPU time of the process, user and system.";
    text.single("process_cpu_seconds_total", "counter", help, seconds(used));
    for (name, help, key) in [
        ("process_resident_memory_bytes", "Resident memory, pages of files included.", "VmRSS:"),
        ("process_virtual_memory_bytes", "Address space in use, mapped files included.", "VmSize:"),
        ("process_heap_resident_bytes", "Resident memory, pages of files not included.", "RssAnon:"),
    ] {
        if let Some(bytes) = status_bytes(key) {
            text.single(name, "gauge", help, bytes);
        }
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        text.single("process_open_fds", "gauge", "Open file descriptors.", open.count());
    }
    if let Some(max) = rustix::process::getrlimit(rustix::process::Resource::Nofile).current {
        text.single("process_max_fds", "gauge", "File descriptors that may be open.", max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_and_time() {
        assert!(resident_bytes().is_some_and(|bytes| 0 < bytes));
        let mut text = Exposition::default();
        metrics(&mut text, 7);
        let text = text.into_text();
        assert!(
            text.contains("\nprocess_start_time_seconds 7\n") && text.contains("process_open_fds"),
            "{text}"
        );
    }
}
