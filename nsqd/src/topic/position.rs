//! A place in a topic that an operator names.

use std::{sync::Arc, time::Duration};

use super::topic::Topic;
use crate::channel::Channel;

/// Where a channel is to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    /// At the oldest message that is kept.
    Earliest,
    /// Behind the newest one.
    Latest,
    /// At the first message published at this time (unix, ns) or after it.
    Time(i64),
    /// At this message.
    Seq(u64),
}

impl Position {
    /// Reads `earliest`, `latest`, a seq, or a time as in RFC 3339. `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "earliest" => return Some(Self::Earliest),
            "latest" => return Some(Self::Latest),
            _ => {}
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().ok().map(Self::Seq);
        }
        // An offset's plus sign that was not escaped has become a space.
        let time: jiff::Timestamp = text.replace(' ', "+").parse().ok()?;
        i64::try_from(time.as_nanosecond()).ok().map(Self::Time)
    }
}

impl Topic {
    /// Moves a channel, and writes its checkpoint. `false` if the topic has no such place. Waits for the disk, but not on
    /// the caller's thread.
    pub(crate) async fn seek(self: Arc<Self>, channel: Arc<Channel>, to: Position) -> bool {
        let (tx, rx) = tokio::sync::oneshot::channel();
        let topic = Arc::clone(&self);
        let moved = Arc::clone(&channel);
        let job = move || {
            // Nobody waits any more if the request was given up; it is done all the same.
            let _ = tx.send(topic.seek_now(&moved, to));
        };
        if self.storage().run_after(Duration::ZERO, job) {
            return rx.await.unwrap_or(false);
        }
        // So much waits there that it is done here.
        self.seek_now(&channel, to)
    }

    pub(super) fn seek_now(&self, channel: &Channel, to: Position) -> bool {
        let fan_out = self.fan_out();
        let seq = match to {
            Position::Earliest => self.log().ranges().first().map_or(fan_out, |(base, _)| *base),
            Position::Latest => fan_out,
            Position::Time(unix_ns) => self.log().first_at(unix_ns).unwrap_or(fan_out),
            Position::Seq(seq) if seq <= fan_out => seq,
            Position::Seq(_) => return false,
        };
        channel.seek(seq);
        self.save_channel(channel);
        self.note_change();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Protects: what operators type.
    #[test]
    fn places_are_read() {
        assert_eq!(Position::parse("earliest"), Some(Position::Earliest));
        assert_eq!(Position::parse("latest"), Some(Position::Latest));
        assert_eq!(Position::parse("12"), Some(Position::Seq(12)));
        let time = Some(Position::Time(1_795_206_482_500_000_000));
        assert_eq!(Position::parse("2026-11-20T20:28:02.5Z"), time);
        assert_eq!(Position::parse("2026-11-20T21:28:02.5+01:00"), time);
        assert_eq!(Position::parse("2026-11-20T21:28:02.5 01:00"), time);
        for bad in ["", "first", "-1", "1.5", "2026-11-20", "99999999999999999999", "2026-13-01T00:00:00Z"] {
            assert_eq!(Position::parse(bad), None, "{bad}");
        }
    }
}
