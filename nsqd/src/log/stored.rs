//! Segments of a folder that nobody uses yet, for messages that come from elsewhere.

use std::{
    fs::File,
    hash::{BuildHasher, RandomState},
    io,
    path::{Path, PathBuf},
};

use protocol::{MESSAGE_FRAME_HEADER_BYTES, MessageHeader, MessageId};

use super::{
    allocate::segment_path,
    segment::{Blank, Entry, SEGMENT_BYTES_MAX, Writer},
};

/// A message that was published elsewhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored<'a> {
    /// Unique among those that one channel gets.
    pub(crate) id: MessageId,
    pub(crate) timestamp_ns: i64,
    /// Deliveries so far, elsewhere.
    pub(crate) attempts: u16,
    pub(crate) body: &'a [u8],
}

/// Writes messages as the first ones of a topic, from seq 0 on. All is on the disk after [`StoredWriter::finish`].
#[derive(Debug)]
pub(crate) struct StoredWriter {
    folder: PathBuf,
    segment_bytes_max: u32,
    /// Bytes that are still to come, without what the first segment needs for itself.
    left_bytes: u64,
    writer: Option<Writer>,
    files: u64,
    next_seq: u64,
    /// Of the message before.
    segment_id: u64,
    /// The highest so far.
    last_id: u64,
}

impl StoredWriter {
    /// Begins in `folder`, for `messages` messages with so many bytes of bodies in all.
    pub(crate) fn new(folder: &Path, segment_bytes_max: u32, messages: u64, body_bytes: u64) -> Self {
        let each = Writer::bytes_for(1, 0, false) as u64;
        Self {
            folder: folder.to_owned(),
            segment_bytes_max: segment_bytes_max.min(SEGMENT_BYTES_MAX),
            left_bytes: messages * each + body_bytes,
            writer: None,
            files: 0,
            next_seq: 0,
            segment_id: 0,
            last_id: 0,
        }
    }

    /// Adds a message.
    ///
    /// # Errors
    /// There is no room, or the message is larger than a segment can be.
    pub(crate) fn push(&mut self, message: Stored<'_>, now_unix_ns: u64) -> io::Result<()> {
        let bytes = message.body.len();
        let id = message.id.to_u64().unwrap_or(0);
        if id < self.segment_id {
            // Inside a segment ids rise.
            self.end_segment()?;
        }
        self.segment_id = id;
        if !self.writer.as_ref().is_some_and(|writer| writer.has_room(1, bytes, false)) {
            self.end_segment()?;
            self.begin_segment(bytes, now_unix_ns)?;
        }
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let attempts = message.attempts.saturating_add(1);
        let header = MessageHeader { timestamp_ns: message.timestamp_ns, attempts, id: message.id };
        let mut frame = [0; MESSAGE_FRAME_HEADER_BYTES];
        header.write(u32::try_from(bytes).map_err(io::Error::other)?, &mut frame);
        writer.push(&frame, message.body, None, false);
        writer.publish();
        self.next_seq += 1;
        self.last_id = self.last_id.max(id);
        self.left_bytes = self.left_bytes.saturating_sub(Writer::bytes_for(1, bytes, false) as u64);
        Ok(())
    }

    fn begin_segment(&mut self, body_bytes: usize, now_unix_ns: u64) -> io::Result<()> {
        let needed = Writer::capacity_for(1, body_bytes, false) as u64;
        let head = Writer::capacity_for(0, 0, false) as u64;
        let wanted = (self.left_bytes + head).min(self.segment_bytes_max.into()).max(needed);
        let capacity = wanted.next_multiple_of(4096);
        if u64::from(SEGMENT_BYTES_MAX) < capacity {
            return Err(io::Error::other(format!(
                "a message of {body_bytes} bytes is larger than a segment can be"
            )));
        }
        self.files += 1;
        let capacity = u32::try_from(capacity).map_err(io::Error::other)?;
        let blank = Blank::create(&segment_path(&self.folder, self.files), capacity)?;
        let salt = RandomState::new().hash_one(self.next_seq);
        self.writer = Some(Writer::begin(
            blank,
            Entry { base: self.next_seq, salt, id_floor: self.last_id, now_unix_ns },
        ));
        Ok(())
    }

    fn end_segment(&mut self) -> io::Result<()> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        let segment = writer.seal();
        segment.sync()?;
        segment.note_synced();
        segment.sync()
    }

    /// Ends writing: all of it, and the names of the files, are on the disk.
    ///
    /// # Errors
    /// They cannot be said to be.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.end_segment()?;
        File::open(&self.folder)?.sync_all()
    }
}
