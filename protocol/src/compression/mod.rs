//! Compression of a connection: snappy or deflate, each an unending stream in each direction.
//!
//! The decoders take what a stranger sends: they hold a bounded amount, and give out no more than they are asked for.

mod deflate;
mod snappy;
mod stream;

use std::io;

use self::{
    deflate::{DeflateDecoder, DeflateEncoder},
    snappy::{SnappyDecoder, SnappyEncoder},
};
use crate::Compression;

pub use self::stream::Compressed;

/// One direction, outward. What is written and not flushed may be anywhere.
#[derive(Debug)]
enum Encoder {
    Snappy(Box<SnappyEncoder>),
    Deflate(DeflateEncoder),
}

impl Encoder {
    fn new(compression: Compression) -> Self {
        match compression {
            Compression::Snappy => Self::Snappy(Box::default()),
            Compression::Deflate { level } => Self::Deflate(DeflateEncoder::new(level)),
        }
    }

    /// Takes some of `plain`, at least a byte, and adds to `out` what is ready.
    fn write(&mut self, plain: &[u8], out: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Snappy(encoder) => encoder.write(plain, out),
            Self::Deflate(encoder) => encoder.write(plain, out),
        }
    }

    /// Adds to `out` whatever was written and not given out. Nothing if there is no such thing.
    fn flush(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Snappy(encoder) => encoder.flush(out),
            Self::Deflate(encoder) => encoder.flush(out),
        }
    }
}

/// What a decoder did with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decoded {
    /// So many bytes of `input` are consumed and so many are in `out`, at least one of which is not 0.
    Some { consumed: usize, produced: usize },
    /// More input is needed.
    Starved,
    /// The peer has ended its stream.
    End,
}

/// One direction, inward.
#[derive(Debug)]
enum Decoder {
    Snappy(SnappyDecoder),
    Deflate(DeflateDecoder),
}

impl Decoder {
    fn new(compression: Compression) -> Self {
        match compression {
            Compression::Snappy => Self::Snappy(SnappyDecoder::default()),
            Compression::Deflate { .. } => Self::Deflate(DeflateDecoder::default()),
        }
    }

    fn decode(&mut self, input: &[u8], out: &mut [u8]) -> io::Result<Decoded> {
        match self {
            Self::Snappy(decoder) => decoder.decode(input, out),
            Self::Deflate(decoder) => decoder.decode(input, out),
        }
    }
}

/// The stream cannot be gone on with.
fn corrupt(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
