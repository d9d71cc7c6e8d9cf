//! What lines become on their way into a file: themselves, or members of gzip or frames of zstd.

use std::io::{self, Write};

use flate2::write::GzEncoder;
use tools::options::nsq_to_file::Encoding;
use zstd::stream::write::Encoder as ZstdEncoder;

/// Lines go to a compressor in portions of this size: a call for each would cost more than its work.
const PORTION_BYTES: usize = 64 * 1024;

/// Encodes lines into a buffer.
///
/// Compressed, each piece of the chain goes from one [`Encoder::end_piece`] to the next, so that what was acknowledged is
/// always in complete pieces, which any tool reads, whatever became of the rest. Between pieces no compressor is held: it
/// takes a third of a megabyte for gzip and more for zstd, for each topic.
pub(crate) struct Encoder {
    encoding: Encoding,
    /// Not yet compressed; all there is if nothing ever is.
    lines: Vec<u8>,
    /// Compressed, of pieces that were ended.
    ended: Vec<u8>,
    open: Piece,
}

/// A piece that has begun. It holds the buffer of the ended ones meanwhile.
enum Piece {
    None,
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(ZstdEncoder<'static, Vec<u8>>),
}

impl Encoder {
    /// With nothing in it.
    pub(crate) fn new(encoding: Encoding) -> Self {
        Self { encoding, lines: Vec::new(), ended: Vec::new(), open: Piece::None }
    }

    /// Appends a body and a line break.
    ///
    /// # Errors
    /// If the compressor has no memory.
    pub(crate) fn push(&mut self, body: &[u8]) -> io::Result<()> {
        self.lines.extend_from_slice(body);
        self.lines.push(b'\n');
        if self.encoding.is_compressed() && PORTION_BYTES <= self.lines.len() {
            self.compress()?;
        }
        Ok(())
    }

    /// Ends the piece that is open. `or_empty` has one made, empty, if none is: a file without any would not be a valid one.
    ///
    /// # Errors
    /// If the compressor has no memory.
    pub(crate) fn end_piece(&mut self, or_empty: bool) -> io::Result<()> {
        if !self.encoding.is_compressed() {
            return Ok(());
        }
        if or_empty || !self.lines.is_empty() {
            self.compress()?;
        }
        match std::mem::replace(&mut self.open, Piece::None) {
            Piece::None => {}
            Piece::Gzip(piece) => self.ended = piece.finish()?,
            Piece::Zstd(piece) => self.ended = piece.finish()?,
        }
        Ok(())
    }

    /// What can be written to the file already. Whoever takes it empties it.
    pub(crate) fn ready(&mut self) -> &mut Vec<u8> {
        match &mut self.open {
            Piece::None if self.encoding.is_compressed() => &mut self.ended,
            Piece::None => &mut self.lines,
            Piece::Gzip(piece) => piece.get_mut(),
            Piece::Zstd(piece) => piece.get_mut(),
        }
    }

    /// Gives memory back that a busy time has taken, if nothing is in it.
    pub(crate) fn shrink(&mut self) {
        for buffer in [&mut self.lines, &mut self.ended] {
            if buffer.is_empty() {
                *buffer = Vec::new();
            }
        }
    }

    fn compress(&mut self) -> io::Result<()> {
        if matches!(self.open, Piece::None) {
            let ended = std::mem::take(&mut self.ended);
            self.open = match self.encoding {
                Encoding::Plain => Piece::None,
                Encoding::Gzip { level } => {
                    Piece::Gzip(GzEncoder::new(ended, flate2::Compression::new(level)))
                }
                Encoding::Zstd { level } => {
                    let mut piece = ZstdEncoder::new(ended, level)?;
                    piece.include_checksum(true)?;
                    Piece::Zstd(piece)
                }
            };
        }
        match &mut self.open {
            Piece::None => return Ok(()),
            Piece::Gzip(piece) => piece.write_all(&self.lines)?,
            Piece::Zstd(piece) => piece.write_all(&self.lines)?,
        }
        self.lines.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    fn decode(encoding: Encoding, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        match encoding {
            Encoding::Plain => plain.extend_from_slice(bytes),
            Encoding::Gzip { .. } => drop(flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut plain)?),
            Encoding::Zstd { .. } => drop(zstd::stream::read::Decoder::new(bytes)?.read_to_end(&mut plain)?),
        }
        Ok(plain)
    }

    fn encodings() -> impl Strategy<Value = Encoding> {
        prop_oneof![
            Just(Encoding::Plain),
            (1..10_u32).prop_map(|level| Encoding::Gzip { level }),
            (1..20_i32).prop_map(|level| Encoding::Zstd { level }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

        /// What was ended is there, in whatever portions it was taken, and a file of it alone is valid.
        #[test]
        fn what_was_put_in_comes_out(
            encoding in encodings(),
            pieces in prop::collection::vec(prop::collection::vec("[a-z\n]{0,300}", 0..4), 0..4),
            taken_within in any::<bool>(),
        ) {
            let mut encoder = Encoder::new(encoding);
            let (mut file, mut plain) = (Vec::new(), Vec::new());
            for piece in pieces {
                for body in piece {
                    encoder.push(body.as_bytes()).unwrap();
                    plain.extend_from_slice(body.as_bytes());
                    plain.push(b'\n');
                    if taken_within {
                        file.append(encoder.ready());
                    }
                }
                encoder.end_piece(false).unwrap();
                file.append(encoder.ready());
                if !file.is_empty() {
                    prop_assert_eq!(&decode(encoding, &file).unwrap(), &plain);
                }
            }
            encoder.end_piece(file.is_empty()).unwrap();
            file.append(encoder.ready());
            prop_assert_eq!(file.is_empty(), encoding == Encoding::Plain && plain.is_empty());
            prop_assert_eq!(&decode(encoding, &file).unwrap(), &plain);
        }
    }

    #[test]
    fn ended_pieces_can_be_read_without_the_one_behind_them() {
        for encoding in [Encoding::Gzip { level: 6 }, Encoding::Zstd { level: 3 }] {
            let mut encoder = Encoder::new(encoding);
            encoder.push(b"one").unwrap();
            encoder.end_piece(false).unwrap();
            let ended = encoder.ready().len();
            encoder.push(b"two").unwrap();
            encoder.end_piece(false).unwrap();
            let file = std::mem::take(encoder.ready());
            for end in ended..file.len() {
                let decoded = decode(encoding, &file[..end]);
                assert_eq!(decoded.is_ok(), end == ended, "{encoding:?} cut at {end}");
            }
            assert_eq!(decode(encoding, &file[..ended]).unwrap(), b"one\n");
            assert_eq!(decode(encoding, &file).unwrap(), b"one\ntwo\n");
        }
    }
}
