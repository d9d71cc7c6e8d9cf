//! What a daemon writes to a log file.

use std::path::Path;
use std::time::Duration;

use crate::within;

/// Between two looks at a file.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The first line of the file that has `text` in it, now or soon. The file need not be there yet.
pub async fn await_line(path: &Path, text: &str) -> String {
    await_line_behind(path, 0, text).await
}

/// As [`await_line`], behind the first `skipped` bytes.
pub(crate) async fn await_line_behind(path: &Path, skipped: usize, text: &str) -> String {
    let look = async {
        loop {
            let content = std::fs::read(path).unwrap_or_default();
            let content = content.get(skipped..).unwrap_or_default();
            // What has no end yet is still being written.
            let lines = content.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
            let mut lines = lines.map(|line| String::from_utf8_lossy(line).trim_end().to_owned());
            if let Some(line) = lines.find(|line| line.contains(text)) {
                return line;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    within(&format!("a line with {text:?} in {}", path.display()), look).await
}
