//! The framed snappy format (`framing_format.txt` of google/snappy): chunks of at most 64 KiB, each with a checksum.

use std::io;

use crc32c::crc32c;
use snap::raw;

use super::{Decoded, corrupt};

/// Each direction begins with it.
const STREAM_IDENTIFIER: [u8; 10] = *b"\xff\x06\x00\x00sNaPpY";
/// Bytes that a chunk stands for, at most.
const BLOCK_BYTES_MAX: usize = 64 << 10;
/// Bytes of a data chunk behind its head, at most: a checksum, and what a block can grow to.
const CHUNK_BYTES_MAX: usize = 76_494;
/// Kind and length of a chunk.
const HEAD_BYTES: usize = 4;
const CHECKSUM_BYTES: usize = 4;
const COMPRESSED: u8 = 0x00;
const STORED: u8 = 0x01;
const IDENTIFIER: u8 = 0xff;

/// The checksum of a block, so disguised that a checksum of checksums is of use.
fn masked_crc(block: &[u8]) -> u32 {
    crc32c(block).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[derive(Debug)]
pub(super) struct SnappyEncoder {
    encoder: raw::Encoder,
    /// The block that grows.
    block: Vec<u8>,
    is_begun: bool,
}

impl Default for SnappyEncoder {
    fn default() -> Self {
        Self { encoder: raw::Encoder::new(), block: Vec::new(), is_begun: false }
    }
}

impl SnappyEncoder {
    pub(super) fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) -> io::Result<usize> {
        if self.block.is_empty()
            && let Some(block) = plain.get(..BLOCK_BYTES_MAX)
        {
            self.chunk(block, out)?;
            return Ok(block.len());
        }
        let room = BLOCK_BYTES_MAX - self.block.len();
        let taken = plain.get(..room).unwrap_or(plain);
        self.block.extend_from_slice(taken);
        if self.block.len() == BLOCK_BYTES_MAX {
            self.flush(out)?;
        }
        Ok(taken.len())
    }

    pub(super) fn flush(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let mut block = std::mem::take(&mut self.block);
        self.chunk(&block, out)?;
        block.clear();
        self.block = block;
        Ok(())
    }

    fn chunk(&mut self, block: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        if !std::mem::replace(&mut self.is_begun, true) {
            out.extend_from_slice(&STREAM_IDENTIFIER);
        }
        let head = out.len();
        out.extend_from_slice(&[0; HEAD_BYTES]);
        out.extend_from_slice(&masked_crc(block).to_le_bytes());
        let body = out.len();
        out.resize(body + raw::max_compress_len(block.len()), 0);
        let compressed = self.encoder.compress(block, out.get_mut(body..).unwrap_or_default())?;
        let kind = if compressed < block.len() - block.len() / 8 {
            out.truncate(body + compressed);
            COMPRESSED
        } else {
            out.truncate(body);
            out.extend_from_slice(block);
            STORED
        };
        let length = u32::try_from(out.len() - head - HEAD_BYTES).unwrap_or(u32::MAX).to_le_bytes();
        if let Some(place) = out.get_mut(head..head + HEAD_BYTES) {
            place.copy_from_slice(&[kind, length[0], length[1], length[2]]);
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
pub(super) struct SnappyDecoder {
    decoder: raw::Decoder,
    is_begun: bool,
    /// Bytes of a chunk that means nothing here, still to come.
    to_skip: usize,
    /// A block for which there was no room.
    block: Vec<u8>,
    /// Of it, what was given out.
    given: usize,
}

impl SnappyDecoder {
    pub(super) fn decode(&mut self, input: &[u8], out: &mut [u8]) -> io::Result<Decoded> {
        let rest = self.block.get(self.given..).unwrap_or_default();
        if !rest.is_empty() {
            let produced = rest.len().min(out.len());
            copy(out, rest);
            self.given += produced;
            return Ok(Decoded::Some { consumed: 0, produced });
        }
        if !input.is_empty() && self.to_skip != 0 {
            let consumed = self.to_skip.min(input.len());
            self.to_skip -= consumed;
            return Ok(Decoded::Some { consumed, produced: 0 });
        }
        let Some((&[kind, a, b, c], behind)) = input.split_first_chunk::<HEAD_BYTES>() else {
            return Ok(Decoded::Starved);
        };
        let length = u32::from_le_bytes([a, b, c, 0]) as usize;
        if kind != IDENTIFIER && !self.is_begun {
            return Err(corrupt("the snappy stream has no identifier"));
        }
        match kind {
            COMPRESSED | STORED => {
                if !(CHECKSUM_BYTES..=CHUNK_BYTES_MAX).contains(&length) {
                    return Err(corrupt("a snappy chunk has an impossible length"));
                }
                let Some(chunk) = behind.get(..length) else { return Ok(Decoded::Starved) };
                let produced = self.block(kind, chunk, out)?;
                Ok(Decoded::Some { consumed: HEAD_BYTES + length, produced })
            }
            IDENTIFIER => {
                let Some(whole) = input.get(..STREAM_IDENTIFIER.len()) else { return Ok(Decoded::Starved) };
                if whole != STREAM_IDENTIFIER {
                    return Err(corrupt("the snappy stream has a wrong identifier"));
                }
                self.is_begun = true;
                Ok(Decoded::Some { consumed: whole.len(), produced: 0 })
            }
            0x80..=0xfe => {
                self.to_skip = length;
                Ok(Decoded::Some { consumed: HEAD_BYTES, produced: 0 })
            }
            _ => Err(corrupt("a snappy chunk of a reserved kind")),
        }
    }

    /// Decodes a data chunk into `out` as far as there is room, and keeps the rest. Returns the bytes in `out`.
    fn block(&mut self, kind: u8, chunk: &[u8], out: &mut [u8]) -> io::Result<usize> {
        let (crc, data) = chunk.split_first_chunk().ok_or_else(|| corrupt("a snappy chunk is too short"))?;
        let length =
            if kind == STORED { data.len() } else { raw::decompress_len(data).map_err(bad_block)? };
        if BLOCK_BYTES_MAX < length {
            return Err(corrupt("a snappy block is too long"));
        }
        let check = |block: &[u8]| {
            let is_right = u32::from_le_bytes(*crc) == masked_crc(block);
            is_right.then_some(()).ok_or_else(|| corrupt("a snappy block has a wrong checksum"))
        };
        if kind == STORED {
            check(data)?;
            if data.len() <= out.len() {
                copy(out, data);
                return Ok(data.len());
            }
            self.block.clear();
            self.block.extend_from_slice(data);
        } else if let Some(place) = out.get_mut(..length) {
            self.decoder.decompress(data, place).map_err(bad_block)?;
            check(place)?;
            return Ok(length);
        } else {
            self.block.resize(length, 0);
            self.decoder.decompress(data, &mut self.block).map_err(bad_block)?;
            check(&self.block)?;
        }
        self.given = out.len();
        copy(out, &self.block);
        Ok(out.len())
    }
}

fn bad_block(_: snap::Error) -> io::Error {
    corrupt("a snappy block is corrupt")
}

/// As much of `from` as there is room for.
fn copy(to: &mut [u8], from: &[u8]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: [u8; 28] = [
        0xff, 6, 0, 0, b's', b'N', b'a', b'P', b'p', b'Y', 1, 0x0e, 0, 0, 0x26, 0x98, 0x2b, 0xcf, 0, 0, 0, 6,
        0, 0, 0, 0, b'O', b'K',
    ];

    fn decode(mut input: &[u8]) -> io::Result<Vec<u8>> {
        let (mut decoder, mut plain, mut out) = (SnappyDecoder::default(), Vec::new(), [0; 1000]);
        while let Decoded::Some { consumed, produced } = decoder.decode(input, &mut out)? {
            input = &input[consumed..];
            plain.extend_from_slice(&out[..produced]);
        }
        Ok(plain)
    }

    #[test]
    fn the_recorded_first_ok_is_written_and_read() {
        let (mut encoder, mut out) = (SnappyEncoder::default(), Vec::new());
        encoder.write(&crate::OK_FRAME, &mut out).unwrap();
        encoder.flush(&mut out).unwrap();
        encoder.flush(&mut out).unwrap();
        assert_eq!(out, RECORDED);
        assert_eq!(decode(&RECORDED).unwrap(), crate::OK_FRAME);
    }

    #[test]
    fn what_means_nothing_is_passed_over() {
        let mut input = RECORDED[..10].to_vec();
        input.extend_from_slice(&RECORDED[..10]);
        input.extend_from_slice(b"\xfe\x03\x00\x00abc\x80\x00\x00\x00\xfd\x01\x00\x00x");
        input.extend_from_slice(&RECORDED[10..]);
        assert_eq!(decode(&input).unwrap(), crate::OK_FRAME);
    }

    #[test]
    fn what_cannot_be_is_an_error() {
        let with = |chunk: &[u8]| [&RECORDED[..10], chunk].concat();
        let mut wrong_crc = RECORDED;
        wrong_crc[14] ^= 1;
        for (input, what) in [
            (RECORDED[10..].to_vec(), "no identifier"),
            (wrong_crc.to_vec(), "wrong checksum"),
            (b"\xff\x06\x00\x00sNaPpX".to_vec(), "wrong identifier"),
            (b"\xff\x05\x00\x00sNaPp    ".to_vec(), "another length of it"),
            (with(&[0x02, 0, 0, 0]), "reserved"),
            (with(&[0x7f, 0, 0, 0]), "reserved"),
            (with(&[0x01, 0xcf, 0x2a, 1]), "chunk too long"),
            (with(&[0x01, 3, 0, 0, 0, 0, 0]), "no room for a checksum"),
            (with(&[0x00, 9, 0, 0, 0, 0, 0, 0, 0x81, 0x80, 0x04, 0, 0]), "block too long"),
            (with(&[0x00, 5, 0, 0, 0, 0, 0, 0, 9]), "cut short"),
        ] {
            assert_eq!(decode(&input).unwrap_err().kind(), io::ErrorKind::InvalidData, "{what}");
        }
    }
}
