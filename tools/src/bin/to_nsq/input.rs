//! Standard input, read by a thread of its own.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::AsFd,
    thread,
};

use anyhow::Context;
use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::splitter::Splitter;

/// Bytes of a read. A pipe gives 64 KiB at most, a file all of them.
const READ_BYTES: usize = 256 * 1024;

/// Blocks that are read ahead.
const BLOCKS_MAX: usize = 4;

/// A message beyond this is an error: nsqd's own limit, 1 MiB by default, is far below.
const MESSAGE_BYTES_MAX: usize = 128 << 20;

/// Blocks of whole messages.
#[derive(Debug)]
pub(crate) struct Input {
    blocks: Receiver<anyhow::Result<Bytes>>,
}

impl Input {
    /// Begins to read.
    ///
    /// # Errors
    /// If there is no stdin, or no thread can be started.
    pub(crate) fn start(delimiter: u8) -> anyhow::Result<Self> {
        let stdin = io::stdin().as_fd().try_clone_to_owned().context("cannot read stdin")?;
        let (tx, blocks) = channel(BLOCKS_MAX);
        let reader = move || {
            if let Err(error) = read(File::from(stdin), delimiter, &tx) {
                // Without a receiver nobody needs to know.
                let _ = tx.blocking_send(Err(error));
            }
        };
        thread::Builder::new().name("stdin".to_owned()).spawn(reader)?;
        Ok(Self { blocks })
    }

    /// The next block; the last one may have a message without a delimiter at its end. `None` at the end of the input.
    /// Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<anyhow::Result<Bytes>> {
        self.blocks.recv().await
    }
}

/// Reads to the end, or until nobody receives any more.
fn read(mut stdin: File, delimiter: u8, tx: &Sender<anyhow::Result<Bytes>>) -> anyhow::Result<()> {
    let mut splitter = Splitter::new(delimiter, MESSAGE_BYTES_MAX);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = match stdin.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error).context("cannot read stdin"),
        };
        if let Some(block) = splitter.push(&buffer[..count])?
            && tx.blocking_send(Ok(block)).is_err()
        {
            return Ok(());
        }
    }
    let _ = tx.blocking_send(Ok(splitter.finish()));
    Ok(())
}
