//! CPU time and memory of the daemon, and the CPU time of this client beside it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::time::ClockId;
use nix::unistd::Pid;
use serde::Serialize;

// A daemon that uses less than this part of one core has digested what it was given.
const QUIET_SHARE: f64 = 0.03;
const QUIET_WINDOW: Duration = Duration::from_millis(200);
const SETTLE_MAX: Duration = Duration::from_mins(1);
const SETTLE_BLIND: Duration = Duration::from_secs(1);

/// A process under observation.
#[derive(Debug)]
pub(crate) struct Daemon {
    pid: i32,
    // Exact to the nanosecond, user and system, threads that have ended included. The sums of
    // /proc/<pid>/task/*/schedstat lose those, /proc/<pid>/stat counts in ticks of 10 ms.
    cpu_clock: ClockId,
}

/// Resident memory of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_field_names, reason = "the unit belongs to each name, in the JSON too")]
pub(crate) struct Memory {
    /// Heap and stacks.
    pub(crate) rss_anon_bytes: u64,
    /// Mapped files.
    pub(crate) rss_file_bytes: u64,
    /// Largest resident size so far, of all kinds.
    pub(crate) peak_bytes: u64,
}

impl Daemon {
    /// Finds the process. `pid` is at most [`PID_MAX`](tools::options::nsq_bench::PID_MAX).
    pub(crate) fn find(pid: i32) -> Result<Self> {
        let cpu_clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid))
            .with_context(|| format!("cannot observe process {pid}"))?;
        Ok(Self { pid, cpu_clock })
    }

    /// CPU time used so far, user and system, of all threads.
    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        let time = self.cpu_clock.now().with_context(|| format!("process {} is gone", self.pid))?;
        Ok(time.into())
    }

    /// Memory at this moment.
    pub(crate) fn memory(&self) -> Result<Memory> {
        let path = format!("/proc/{}/status", self.pid);
        let status = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        parse_status(&status).with_context(|| format!("no resident sizes in {path}"))
    }
}

/// Waits until the daemon has become quiet; without a process to look at, for a second.
pub(crate) fn settle(pid: Option<i32>) -> Result<()> {
    let Some(pid) = pid else {
        std::thread::sleep(SETTLE_BLIND);
        return Ok(());
    };
    let daemon = Daemon::find(pid)?;
    let started = Instant::now();
    while started.elapsed() < SETTLE_MAX {
        let (before, at) = (daemon.cpu_time()?, Instant::now());
        std::thread::sleep(QUIET_WINDOW);
        let used = daemon.cpu_time()?.saturating_sub(before);
        if used.as_secs_f64() < QUIET_SHARE * at.elapsed().as_secs_f64() {
            break;
        }
    }
    Ok(())
}

/// What a measured phase cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// CPU time of the daemon, its memory before and after; absent without `--pid`.
    pub(crate) daemon: Option<(Duration, Memory, Memory)>,
    /// CPU time of this process.
    pub(crate) client: Duration,
}

/// Reads the meters at both ends of a phase.
#[derive(Debug)]
pub(crate) struct Meter {
    daemon: Option<(Daemon, Duration, Memory)>,
    client: Duration,
}

impl Meter {
    /// Begins a phase.
    pub(crate) fn start(pid: Option<i32>) -> Result<Self> {
        let daemon = match pid {
            None => None,
            Some(pid) => {
                let daemon = Daemon::find(pid)?;
                let memory = daemon.memory()?;
                let cpu_time = daemon.cpu_time()?;
                Some((daemon, cpu_time, memory))
            }
        };
        Ok(Self { daemon, client: client_cpu_time()? })
    }

    /// Ends the phase.
    pub(crate) fn finish(self) -> Result<Cost> {
        let daemon = match self.daemon {
            None => None,
            Some((daemon, cpu_before, memory_before)) => {
                let cpu_time = daemon.cpu_time()?.saturating_sub(cpu_before);
                Some((cpu_time, memory_before, daemon.memory()?))
            }
        };
        Ok(Cost { daemon, client: client_cpu_time()?.saturating_sub(self.client) })
    }
}

fn client_cpu_time() -> Result<Duration> {
    Ok(ClockId::CLOCK_PROCESS_CPUTIME_ID.now()?.into())
}

/// Takes the resident sizes out of `/proc/<pid>/status`.
fn parse_status(status: &str) -> Option<Memory> {
    let kilobytes = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    };
    Some(Memory {
        rss_anon_bytes: kilobytes("RssAnon")? * 1024,
        rss_file_bytes: kilobytes("RssFile")? * 1024,
        peak_bytes: kilobytes("VmHWM")? * 1024,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_sizes_are_found_among_the_other_lines() {
        let status =
            "Name:\tnsqd\nVmHWM:\t   2048 kB\nVmRSS:\t 1 kB\nRssAnon:\t    1024 kB\nRssFile:\t  8 kB\n";
        let memory = Memory { rss_anon_bytes: 1 << 20, rss_file_bytes: 8192, peak_bytes: 2 << 20 };
        assert_eq!(parse_status(status), Some(memory));
        assert_eq!(parse_status("Name:\tkthreadd\n"), None);
    }

    #[test]
    fn cpu_time_of_ended_threads_is_kept() {
        // The reason for the process clock: a sum over the living threads would fall when one ends.
        let own = Daemon::find(std::process::id().cast_signed()).unwrap();
        let before = own.cpu_time().unwrap();
        let burn = || while own.cpu_time().unwrap() < before + Duration::from_millis(20) {};
        std::thread::scope(|scope| scope.spawn(burn).join().unwrap());
        assert!(own.cpu_time().unwrap() >= before + Duration::from_millis(20));
    }

    #[test]
    fn a_process_that_does_not_exist_is_an_error() {
        assert!(Daemon::find(tools::options::nsq_bench::PID_MAX).is_err());
    }
}
