//! Raw DEFLATE (RFC 1951), window 32 KiB, each flush ended by a sync marker.

use std::io;

use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};

use super::{Decoded, corrupt};

/// Room made for what comes out of one call.
const STEP_BYTES: usize = 16 << 10;
/// Bytes taken in one call.
const WRITE_BYTES_MAX: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct DeflateEncoder {
    compress: Compress,
    /// Something was written since the last flush.
    is_dirty: bool,
}

impl DeflateEncoder {
    pub(super) fn new(level: u8) -> Self {
        Self { compress: Compress::new(flate2::Compression::new(level.into()), false), is_dirty: false }
    }

    pub(super) fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) -> io::Result<usize> {
        let plain = plain.get(..WRITE_BYTES_MAX).unwrap_or(plain);
        self.is_dirty |= !plain.is_empty();
        let before = self.compress.total_in();
        let mut taken = 0;
        while let Some(rest) = plain.get(taken..).filter(|rest| !rest.is_empty()) {
            out.reserve(STEP_BYTES);
            self.compress.compress_vec(rest, out, FlushCompress::None)?;
            taken = usize::try_from(self.compress.total_in() - before).unwrap_or(usize::MAX);
        }
        Ok(taken)
    }

    pub(super) fn flush(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        if !std::mem::take(&mut self.is_dirty) {
            return Ok(());
        }
        loop {
            out.reserve(STEP_BYTES);
            self.compress.compress_vec(&[], out, FlushCompress::Sync)?;
            // A full buffer may have cut the marker off.
            if out.len() < out.capacity() {
                return Ok(());
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct DeflateDecoder {
    decompress: Decompress,
    /// The last call filled its buffer: there may be more without more input.
    is_full: bool,
}

impl Default for DeflateDecoder {
    fn default() -> Self {
        Self { decompress: Decompress::new(false), is_full: false }
    }
}

impl DeflateDecoder {
    pub(super) fn decode(&mut self, input: &[u8], out: &mut [u8]) -> io::Result<Decoded> {
        if input.is_empty() && !self.is_full {
            return Ok(Decoded::Starved);
        }
        let (before_in, before_out) = (self.decompress.total_in(), self.decompress.total_out());
        let status = self
            .decompress
            .decompress(input, out, FlushDecompress::None)
            .map_err(|_| corrupt("the deflate stream is corrupt"))?;
        let bytes = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let consumed = bytes(self.decompress.total_in() - before_in);
        let produced = bytes(self.decompress.total_out() - before_out);
        self.is_full = produced == out.len();
        match (consumed, produced, status) {
            (_, 0, Status::StreamEnd) => Ok(Decoded::End),
            (0, 0, _) if input.is_empty() => Ok(Decoded::Starved),
            (0, 0, _) => Err(corrupt("the deflate stream makes no progress")),
            _ => Ok(Decoded::Some { consumed, produced }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_first_ok_is_read_and_ours_ends_in_a_marker() {
        let recorded =
            [0x62, 0x60, 0x60, 0x60, 0x63, 0x60, 0x60, 0x60, 0xf0, 0xf7, 0x06, 0, 0, 0, 0xff, 0xff];
        let mut plain = [0; 64];
        let decoded = DeflateDecoder::default().decode(&recorded, &mut plain).unwrap();
        assert_eq!(decoded, Decoded::Some { consumed: recorded.len(), produced: 10 });
        assert_eq!(&plain[..10], crate::OK_FRAME);
        let (mut encoder, mut out) = (DeflateEncoder::new(6), Vec::new());
        encoder.write(&crate::OK_FRAME, &mut out).unwrap();
        encoder.flush(&mut out).unwrap();
        assert!(out.ends_with(&[0, 0, 0xff, 0xff]), "{out:x?}");
        let length = out.len();
        encoder.flush(&mut out).unwrap();
        assert_eq!(out.len(), length, "a flush of nothing says nothing");
    }

    #[test]
    fn garbage_is_an_error_and_an_end_is_an_end() {
        let mut plain = [0; 64];
        assert!(DeflateDecoder::default().decode(b"\xff\xff\xff\xff\xff", &mut plain).is_err());
        let mut decoder = DeflateDecoder::default();
        // An empty last block.
        assert_eq!(decoder.decode(&[3, 0], &mut plain).unwrap(), Decoded::End);
        assert_eq!(DeflateDecoder::default().decode(&[], &mut plain).unwrap(), Decoded::Starved);
    }
}
