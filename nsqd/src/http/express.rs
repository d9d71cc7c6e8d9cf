//! The express lane: plain publishes are answered here, since hyper takes more time over one than all the rest together.
//! With the first request of another kind hyper gets the connection, and keeps it.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio_util::sync::CancellationToken;

use super::{
    plain_publish::{Found, PlainPublish},
    progress::{Phase, Progress},
    publish, ready,
    respond::Refusal,
};
use crate::{clock, nsqd::Nsqd};

/// Bytes read at a time. A read that fills less tells the runtime that there is no more.
const READ_BYTES: usize = 16 << 10;
/// What a connection that waits keeps of its buffers.
const KEPT_BYTES_MAX: usize = 1 << 10;

/// A connection in the express lane.
pub(super) struct Express<'a, S> {
    nsqd: &'a Arc<Nsqd>,
    stream: &'a mut S,
    progress: &'a Progress,
    /// What came and is not answered.
    input: Vec<u8>,
    /// Answers that are not sent.
    output: Vec<u8>,
    recent: publish::Recent,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Express<'a, S> {
    pub(super) fn new(nsqd: &'a Arc<Nsqd>, stream: &'a mut S, progress: &'a Progress) -> Self {
        Self {
            nsqd,
            stream,
            progress,
            input: Vec::new(),
            output: Vec::new(),
            recent: publish::Recent::default(),
        }
    }

    /// Answers plain publishes, and returns what was read of others. `None` if nothing is left to do.
    ///
    /// # Errors
    /// The connection is broken.
    pub(super) async fn run(mut self, stop: &CancellationToken) -> io::Result<Option<Vec<u8>>> {
        let mut stopped = pin!(stop.cancelled());
        loop {
            tokio::select! {
                biased;
                bytes = poll_fn(|context| self.poll_read(context)) => {
                    if bytes? == 0 {
                        return Ok(self.left());
                    }
                }
                () = stopped.as_mut() => return Ok(self.left()),
            }
            let awaited = self.answer().await?;
            self.send().await?;
            let Some(awaited) = awaited else { return Ok(self.left()) };
            self.progress.set(awaited);
            self.release();
        }
    }

    /// Answers what there is, and returns what is to be waited for: `None` for a request of another kind.
    async fn answer(&mut self) -> io::Result<Option<Phase>> {
        let limit = self.nsqd.start.options.max_msg_size as usize;
        let mut answered = 0;
        let mut now_unix_ns = clock::unix_ns();
        let awaited = loop {
            let rest = self.input.get(answered..).unwrap_or_default();
            let publish = match Found::of(rest, limit) {
                Found::Whole(publish) => publish,
                Found::Head if rest.is_empty() => break Some(Phase::Idle),
                Found::Head => break Some(Phase::Head),
                Found::Body => break Some(Phase::Body),
                Found::Other => break None,
            };
            let PlainPublish { query, body, bytes } = publish;
            answered += bytes;
            let result = match publish::store(self.nsqd, query, body, now_unix_ns, &mut self.recent) {
                Ok(None) => Ok(()),
                Ok(Some(committed)) => {
                    self.progress.set(Phase::Answer);
                    self.send().await?;
                    let outcome = publish::outcome(committed).await;
                    now_unix_ns = clock::unix_ns();
                    outcome
                }
                Err(refusal) => Err(refusal),
            };
            self.put(result, now_unix_ns);
        };
        self.input.drain(..answered);
        if answered != 0 && awaited == Some(Phase::Head) {
            // This head began when the last request was there.
            self.progress.set(Phase::Idle);
        }
        Ok(awaited)
    }

    fn put(&mut self, result: Result<(), Refusal>, now_unix_ns: u64) {
        let now = now_unix_ns / 1_000_000_000;
        match result {
            Ok(()) => ready::put_ok(now, &mut self.output),
            Err(refusal) => ready::put(refusal.into_response(), now, &mut self.output),
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut buffer = [MaybeUninit::uninit(); READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut buffer);
        Pin::new(&mut *self.stream).poll_read(context, &mut buffer).map_ok(|()| {
            self.input.extend_from_slice(buffer.filled());
            buffer.filled().len()
        })
    }

    async fn send(&mut self) -> io::Result<()> {
        let Self { stream, output, progress, .. } = self;
        let mut sent = 0;
        while let Some(rest) = output.get(sent..).filter(|rest| !rest.is_empty()) {
            sent += poll_fn(|context| {
                let written = Pin::new(&mut **stream).poll_write(context, rest);
                progress.note_write(written.is_ready());
                written
            })
            .await?;
        }
        output.clear();
        stream.flush().await
    }

    fn release(&mut self) {
        for buffer in [&mut self.input, &mut self.output] {
            if KEPT_BYTES_MAX < buffer.capacity() && buffer.is_empty() {
                *buffer = Vec::new();
            }
        }
    }

    fn left(self) -> Option<Vec<u8>> {
        (!self.input.is_empty()).then_some(self.input)
    }
}
