//! A progress bar, drawn only on a terminal.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::run::Run;

const REFRESH: Duration = Duration::from_millis(200);

/// Draws while it lives.
pub(crate) struct Progress {
    drawer: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

impl Progress {
    /// Follows `run` toward `total` messages, if the total is known.
    pub(crate) fn start(label: &'static str, total: Option<u64>, run: &Run) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { drawer: None };
        }
        let ended = Arc::new(AtomicBool::new(false));
        let (run, seen) = (run.clone(), Arc::clone(&ended));
        let thread = std::thread::spawn(move || draw(&bar(label, total), &run, &seen));
        Self { drawer: Some((ended, thread)) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((ended, thread)) = self.drawer.take() {
            ended.store(true, Ordering::Release);
            thread.thread().unpark();
            // A drawing thread that failed has nothing more to say.
            drop(thread.join());
        }
    }
}

fn bar(label: &'static str, total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{msg} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}"),
        None => (ProgressBar::new_spinner(), "{spinner} {msg} {human_pos} {per_sec} {elapsed}"),
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style).with_message(label)
}

fn draw(bar: &ProgressBar, run: &Run, ended: &AtomicBool) {
    while !ended.load(Ordering::Acquire) {
        bar.set_position(run.done());
        std::thread::park_timeout(REFRESH);
    }
    bar.finish_and_clear();
}
