//! A compressed connection as a stream of plain bytes.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Decoded, Decoder, Encoder};
use crate::Compression;

/// Compressed bytes that one read may bring.
const READ_BYTES: usize = 32 << 10;
/// No more is compressed while so many bytes wait for the socket.
const OUT_BYTES_MAX: usize = 128 << 10;
/// An idle stream keeps at most so much of a buffer.
const KEPT_BYTES_MAX: usize = 1 << 10;

/// Compresses what is written to a stream and decompresses what is read from it. What is written goes out with the
/// next flush, or when much has gathered.
///
/// A read fails with [`io::ErrorKind::InvalidData`] where the peer sends no such compression; the stream is of no use then.
#[derive(Debug)]
pub struct Compressed<S> {
    inner: S,
    encoder: Encoder,
    out: Buffer,
    decoder: Decoder,
    input: Buffer,
}

/// Bytes, and how many of them are done with.
#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    done: usize,
}

impl Buffer {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.done..).unwrap_or_default()
    }

    fn consume(&mut self, count: usize) {
        self.done += count;
        if self.bytes.len() <= self.done {
            self.done = 0;
            self.bytes.clear();
        }
    }

    /// Moves the rest to the front.
    fn compact(&mut self) {
        self.bytes.drain(..self.done);
        self.done = 0;
    }

    fn shrink(&mut self) {
        if self.rest().is_empty() && KEPT_BYTES_MAX < self.bytes.capacity() {
            *self = Self::default();
        }
    }
}

impl<S> Compressed<S> {
    /// Begins both directions on `inner`.
    pub fn new(inner: S, compression: Compression) -> Self {
        Self {
            inner,
            encoder: Encoder::new(compression),
            out: Buffer::default(),
            decoder: Decoder::new(compression),
            input: Buffer::default(),
        }
    }
}

impl<S: AsyncWrite + Unpin> Compressed<S> {
    fn poll_drain(&mut self, context: &mut Context<'_>, down_to: usize) -> Poll<io::Result<()>> {
        while down_to < self.out.rest().len() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(context, self.out.rest()))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out.consume(written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Compressed<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, plain: &[u8]) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        ready!(me.poll_drain(context, OUT_BYTES_MAX))?;
        Poll::Ready(me.encoder.write(plain, &mut me.out.bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        me.encoder.flush(&mut me.out.bytes)?;
        ready!(me.poll_drain(context, 0))?;
        me.out.shrink();
        Pin::new(&mut me.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(context))?;
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Compressed<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        plain: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        loop {
            let out = plain.initialize_unfilled();
            if out.is_empty() {
                return Poll::Ready(Ok(()));
            }
            match me.decoder.decode(me.input.rest(), out)? {
                Decoded::Some { consumed, produced } => {
                    me.input.consume(consumed);
                    plain.advance(produced);
                    if produced != 0 {
                        return Poll::Ready(Ok(()));
                    }
                }
                Decoded::End => return Poll::Ready(Ok(())),
                Decoded::Starved => {
                    me.input.compact();
                    let had = me.input.bytes.len();
                    me.input.bytes.resize(had + READ_BYTES, 0);
                    let mut buffer = ReadBuf::new(me.input.bytes.get_mut(had..).unwrap_or_default());
                    let read = Pin::new(&mut me.inner).poll_read(context, &mut buffer);
                    let count = buffer.filled().len();
                    me.input.bytes.truncate(had + count);
                    if read.is_pending() {
                        me.input.shrink();
                    }
                    ready!(read)?;
                    if count == 0 {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    fn compressions() -> impl Strategy<Value = Compression> {
        prop_oneof![Just(Compression::Snappy), (1_u8..=9).prop_map(|level| Compression::Deflate { level })]
    }

    /// Bytes that compress, and bytes that do not.
    fn piece() -> impl Strategy<Value = Vec<u8>> {
        let size = prop_oneof![8 => 0_usize..300, 1 => 0_usize..200_000];
        (any::<u64>(), any::<bool>(), size).prop_map(|(seed, is_random, size)| {
            let mut state = seed | 1;
            let mut next = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                if is_random { state.to_le_bytes()[3] } else { b'a' + state.to_le_bytes()[3] % 2 }
            };
            std::iter::repeat_with(&mut next).take(size).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Protects: what is written and flushed arrives whole, however the socket cuts it, without the next write.
        #[test]
        fn what_is_flushed_arrives(
            compression in compressions(), pieces in prop::collection::vec(piece(), 1..8), pipe in 1_usize..70_000,
            buffer in 1_usize..100_000,
        ) {
            run(async {
                let (near, far) = tokio::io::duplex(pipe);
                let mut writer = Compressed::new(near, compression);
                let mut reader = Compressed::new(far, compression);
                for piece in &pieces {
                    let write = async {
                        writer.write_all(piece).await.unwrap();
                        writer.flush().await.unwrap();
                    };
                    let read = async {
                        let mut got = Vec::new();
                        let mut part = vec![0; buffer];
                        while got.len() < piece.len() {
                            let count = reader.read(&mut part).await.unwrap();
                            assert_ne!(count, 0);
                            got.extend_from_slice(&part[..count]);
                        }
                        got
                    };
                    let ((), got) = tokio::join!(write, read);
                    prop_assert_eq!(&got, piece);
                }
                drop(writer);
                prop_assert_eq!(reader.read(&mut [0; 8]).await.unwrap(), 0);
                Ok(())
            })?;
        }

        /// Protects: no bytes make a decoder panic, spin, or hold more than its bound.
        #[test]
        fn any_bytes_end(compression in compressions(), bytes in prop::collection::vec(any::<u8>(), 0..400), valid: bool) {
            run(async {
                let mut input = if valid { b"\xff\x06\x00\x00sNaPpY".to_vec() } else { Vec::new() };
                input.extend_from_slice(&bytes);
                let mut reader = Compressed::new(std::io::Cursor::new(input), compression);
                let mut part = [0; 64];
                while let Ok(count) = reader.read(&mut part).await && count != 0 {}
                assert!(reader.input.bytes.capacity() <= 1 << 18);
            });
        }
    }

    /// Protects the memory of a server: a thousandfold expansion is held in pieces, never as a whole.
    #[test]
    fn a_bomb_is_read_in_pieces() {
        for compression in [Compression::Snappy, Compression::Deflate { level: 9 }] {
            let (mut encoder, mut bomb) = (Encoder::new(compression), Vec::new());
            let zeros = vec![0; 1 << 16];
            for _ in 0..256 {
                let mut rest = zeros.as_slice();
                while !rest.is_empty() {
                    rest = &rest[encoder.write(rest, &mut bomb).unwrap()..];
                }
            }
            encoder.flush(&mut bomb).unwrap();
            let mut reader = Compressed::new(std::io::Cursor::new(bomb), compression);
            let mut part = [0; 10_000];
            let mut total = 0;
            run(async {
                loop {
                    let count = reader.read(&mut part).await.unwrap();
                    if count == 0 {
                        break;
                    }
                    total += count;
                    assert!(reader.input.bytes.capacity() <= 1 << 18);
                }
            });
            assert_eq!(total, 1 << 24);
        }
    }
}
