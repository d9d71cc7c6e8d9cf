//! How far it is, for whoever waits at a terminal.

use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use crate::publisher::Publisher;

/// Between two looks at the clock no more than this many batches go by, so that looking costs nothing.
const LOOK_EVERY: u32 = 16;

const REDRAW_EVERY: Duration = Duration::from_millis(200);

/// A line on stderr that is drawn anew. Not there if stderr is no terminal, or the input is typed there.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    started: Instant,
    drawn: Instant,
    calls: u32,
}

impl Progress {
    pub(crate) fn start() -> Self {
        let is_watched = io::stderr().is_terminal() && !io::stdin().is_terminal();
        let style = ProgressStyle::with_template("{spinner} {msg}").expect("the template is a fixed text");
        let bar = is_watched.then(|| ProgressBar::new_spinner().with_style(style));
        let now = Instant::now();
        Self { bar, started: now, drawn: now, calls: 0 }
    }

    pub(crate) fn show(&mut self, publisher: &Publisher) {
        self.calls = self.calls.wrapping_add(1);
        let Some(bar) = self.bar.as_ref().filter(|_| self.calls.is_multiple_of(LOOK_EVERY)) else { return };
        let now = Instant::now();
        if now - self.drawn < REDRAW_EVERY {
            return;
        }
        self.drawn = now;
        let count = publisher.acknowledged();
        let millis = u64::try_from((now - self.started).as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = count.saturating_mul(1000) / millis;
        bar.set_message(format!("{} acknowledged, {}/s", HumanCount(count), HumanCount(rate)));
        bar.tick();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
