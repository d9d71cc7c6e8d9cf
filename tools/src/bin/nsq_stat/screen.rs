//! Where reports go: lines for programs, and on a terminal a table by node below them that is drawn anew each time.

use std::io::{self, IsTerminal, Write};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use serde::Serialize;
use tools::options::nsq_stat::Options;

use crate::report::{Figures, HEAD, Report};

/// Looks between two heads.
const HEAD_EVERY: u32 = 25;

/// Rows of the table by node.
const NODES_MAX: usize = 20;

/// Writes reports to stdout.
pub(crate) struct Screen {
    topic: String,
    channel: String,
    form: Form,
    /// Looks so far, the first, which makes no line, included.
    looks: u32,
}

enum Form {
    Lines,
    Json,
    /// Lines above, and a row per node below.
    Live {
        multi: MultiProgress,
        rows: Vec<ProgressBar>,
    },
}

#[derive(Serialize)]
struct Object<'a> {
    time: String,
    topic: &'a str,
    channel: &'a str,
    #[serde(flatten)]
    figures: &'a Figures,
    nodes: usize,
    nodes_paused: usize,
    failures: usize,
}

impl Screen {
    pub(crate) fn new(options: &Options) -> Self {
        let form = if options.json {
            Form::Json
        } else if io::stdout().is_terminal() {
            let multi = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
            Form::Live { multi, rows: Vec::new() }
        } else {
            Form::Lines
        };
        Self { topic: options.topic.clone(), channel: options.channel.clone(), form, looks: 0 }
    }

    /// Says something on stderr, which on a terminal stands above the rows.
    pub(crate) fn above(&self, say: impl FnOnce()) {
        match &self.form {
            Form::Live { multi, .. } => multi.suspend(say),
            Form::Lines | Form::Json => say(),
        }
    }

    /// After the first look there is nothing but the head to show.
    ///
    /// # Errors
    /// If stdout is closed.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        self.head()
    }

    /// # Errors
    /// If stdout is closed.
    pub(crate) fn show(&mut self, report: &Report, failures: usize) -> io::Result<()> {
        self.head()?;
        if matches!(self.form, Form::Json) {
            let object = Object {
                time: Timestamp::now().to_string(),
                topic: &self.topic,
                channel: &self.channel,
                figures: &report.total,
                nodes: report.nodes.len(),
                nodes_paused: report.paused,
                failures,
            };
            return write_line(&serde_json::to_string(&object)?);
        }
        self.line(&report.total.line())?;
        if let Form::Live { multi, rows } = &mut self.form {
            draw(multi, rows, &table(report, failures));
        }
        Ok(())
    }

    fn head(&mut self) -> io::Result<()> {
        let is_due = self.looks.is_multiple_of(HEAD_EVERY);
        self.looks = self.looks.wrapping_add(1);
        if !is_due || matches!(self.form, Form::Json) {
            return Ok(());
        }
        HEAD.lines().try_for_each(|line| self.line(line))
    }

    fn line(&self, line: &str) -> io::Result<()> {
        match &self.form {
            Form::Live { multi, .. } => multi.println(line),
            Form::Lines | Form::Json => write_line(line),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Form::Live { multi, .. } = &self.form {
            // What cannot be taken away from a terminal that is gone is not seen either.
            let _ = multi.clear();
        }
    }
}

fn write_line(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    stdout.write_all(b"\n")?;
    stdout.flush()
}

/// The rows below the lines.
fn table(report: &Report, failures: usize) -> Vec<String> {
    let mut rows =
        vec![format!("nodes: {}, paused: {}, not answering: {failures}", report.nodes.len(), report.paused)];
    let shown = report.nodes.iter().take(NODES_MAX);
    rows.extend(shown.map(|(address, figures)| format!("{} {address}", figures.line())));
    if NODES_MAX < report.nodes.len() {
        rows.push(format!("and {} more", report.nodes.len() - NODES_MAX));
    }
    rows
}

/// Makes the rows on the terminal say `texts`.
fn draw(multi: &MultiProgress, rows: &mut Vec<ProgressBar>, texts: &[String]) {
    let style = ProgressStyle::with_template("{wide_msg}").expect("the template is a fixed text");
    while texts.len() < rows.len() {
        if let Some(row) = rows.pop() {
            multi.remove(&row);
        }
    }
    while rows.len() < texts.len() {
        rows.push(multi.add(ProgressBar::new_spinner().with_style(style.clone())));
    }
    for (row, text) in rows.iter().zip(texts) {
        row.set_message(text.clone());
        row.tick();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_nodes_do_not_fill_the_terminal() {
        let node = |index: usize| (format!("h{index}:4151"), Figures::default());
        let report = Report { total: Figures::default(), nodes: (0..30).map(node).collect(), paused: 2 };
        let rows = table(&report, 1);
        assert_eq!(rows.len(), 22);
        assert_eq!(rows[0], "nodes: 30, paused: 2, not answering: 1");
        assert!(rows[1].ends_with(" 0 h0:4151"), "{}", rows[1]);
        assert_eq!(rows[21], "and 10 more");
    }

    #[test]
    fn an_object_has_all_figures() {
        let object = Object {
            time: "2026-11-20T20:06:11Z".to_owned(),
            topic: "t",
            channel: "c",
            figures: &Figures { ingress: 2.5, depth: 7, ..Figures::default() },
            nodes: 3,
            nodes_paused: 0,
            failures: 1,
        };
        let expected =
            r#"{"time":"2026-11-20T20:06:11Z","topic":"t","channel":"c","ingress":2.5,"egress":0.0,"#;
        let text = serde_json::to_string(&object).unwrap();
        assert!(text.starts_with(expected), "{text}");
        assert!(
            text.contains(r#""depth":7,"memory_depth":0,"#)
                && text.ends_with(r#""nodes":3,"nodes_paused":0,"failures":1}"#)
        );
    }
}
