//! HTTP/1 body framing: lengths, chunks, until-close.

use bytes::{Buf, Bytes, BytesMut};

use super::fields::{has_invalid_byte, is_token_byte};
use crate::message::BodyLength;

/// A chunk-size line or the trailer section may not be longer than this.
const MAX_LINE: usize = 16 * 1024;

/// Why the bytes are no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// They are not what the framing says.
    Framing,
    /// Control characters in the trailer section.
    InvalidCharacters,
}

/// What the decoder can make of the bytes at hand.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded {
    /// Bytes of the body.
    Data(Bytes),
    /// The body is complete.
    End,
    /// More bytes are needed.
    NeedMore,
}

/// Takes a body out of the bytes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyDecoder {
    /// Complete.
    Done,
    /// So many bytes are left.
    Length(u64),
    /// Everything until the connection ends.
    UntilClose,
    /// Before a chunk-size line.
    ChunkSize,
    /// Inside a chunk.
    ChunkData(u64),
    /// Before the line end behind a chunk.
    ChunkEnd,
    /// In the trailer section, which is dropped.
    Trailers {
        /// There has been a field, which may go on.
        begun: bool,
    },
}

impl BodyDecoder {
    /// For a body of that framing.
    pub fn new(length: BodyLength) -> Self {
        match length {
            BodyLength::None | BodyLength::Exact(0) => BodyDecoder::Done,
            BodyLength::Exact(n) => BodyDecoder::Length(n),
            BodyLength::Streamed => BodyDecoder::ChunkSize,
            BodyLength::UntilClose => BodyDecoder::UntilClose,
        }
    }

    /// Nothing more will come.
    pub fn is_done(&self) -> bool {
        *self == BodyDecoder::Done
    }

    /// The end of the connection ends this body.
    pub fn ends_with_connection(&self) -> bool {
        *self == BodyDecoder::UntilClose
    }

    /// Takes the next piece out of `buffer`.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Decoded, BodyError> {
        loop {
            match self {
                BodyDecoder::Done => return Ok(Decoded::End),
                BodyDecoder::UntilClose => {
                    return Ok(match buffer.is_empty() {
                        true => Decoded::NeedMore,
                        false => Decoded::Data(buffer.split().freeze()),
                    });
                }
                BodyDecoder::Length(left) => {
                    let Some(data) = take(buffer, left) else { return Ok(Decoded::NeedMore) };
                    if *left == 0 {
                        *self = BodyDecoder::Done;
                    }
                    return Ok(Decoded::Data(data));
                }
                BodyDecoder::ChunkData(left) => {
                    let Some(data) = take(buffer, left) else { return Ok(Decoded::NeedMore) };
                    if *left == 0 {
                        *self = BodyDecoder::ChunkEnd;
                    }
                    return Ok(Decoded::Data(data));
                }
                BodyDecoder::ChunkSize | BodyDecoder::ChunkEnd | BodyDecoder::Trailers { .. } => {
                    let Some(line) = take_line(buffer)? else { return Ok(Decoded::NeedMore) };
                    *self = self.after_line(&line)?;
                }
            }
        }
    }

    /// `line`: without its line feed.
    fn after_line(self, line: &[u8]) -> Result<Self, BodyError> {
        // Only the line of a size must end in both: what others take for a part of its extension could hide a request.
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        match self {
            BodyDecoder::ChunkSize => match chunk_size(line.strip_suffix(b"\r").ok_or(BodyError::Framing)?)? {
                0 => Ok(BodyDecoder::Trailers { begun: false }),
                n => Ok(BodyDecoder::ChunkData(n)),
            },
            BodyDecoder::ChunkEnd if text.is_empty() => Ok(BodyDecoder::ChunkSize),
            BodyDecoder::ChunkEnd => Err(BodyError::Framing),
            BodyDecoder::Trailers { .. } if text.is_empty() => Ok(BodyDecoder::Done),
            BodyDecoder::Trailers { .. } if has_invalid_byte(text) => Err(BodyError::InvalidCharacters),
            BodyDecoder::Trailers { begun } if is_field(text) || begun && matches!(text[0], b' ' | b'\t') => {
                Ok(BodyDecoder::Trailers { begun: true })
            }
            BodyDecoder::Trailers { .. } => Err(BodyError::Framing),
            BodyDecoder::Done | BodyDecoder::Length(_) | BodyDecoder::UntilClose | BodyDecoder::ChunkData(_) => {
                Ok(self)
            }
        }
    }
}

/// A name, which is a token, and a colon.
fn is_field(line: &[u8]) -> bool {
    let name = memchr::memchr(b':', line).map_or(&[][..], |colon| &line[..colon]);
    !name.is_empty() && name.iter().all(|byte| is_token_byte(*byte))
}

/// Up to `left` bytes; `None` if there are none.
fn take(buffer: &mut BytesMut, left: &mut u64) -> Option<Bytes> {
    if buffer.is_empty() {
        return None;
    }
    let n = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
    *left -= n as u64;
    Some(buffer.split_to(n).freeze())
}

/// A line without its line feed.
fn take_line(buffer: &mut BytesMut) -> Result<Option<BytesMut>, BodyError> {
    let Some(end) = memchr::memchr(b'\n', buffer) else {
        return if buffer.len() > MAX_LINE { Err(BodyError::Framing) } else { Ok(None) };
    };
    let line = buffer.split_to(end);
    buffer.advance(1);
    Ok(Some(line))
}

/// Hex digits, then nothing or an extension, which is not looked into but for line ends.
fn chunk_size(line: &[u8]) -> Result<u64, BodyError> {
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let (digits, rest) = line.split_at(digits);
    if digits.is_empty() || !matches!(rest.first(), None | Some(b';' | b' ' | b'\t')) || rest.contains(&b'\r') {
        return Err(BodyError::Framing);
    }
    let text = std::str::from_utf8(digits).map_err(|_| BodyError::Framing)?;
    u64::from_str_radix(text, 16).map_err(|_| BodyError::Framing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode_all(length: BodyLength, input: &[u8]) -> Result<(Vec<u8>, bool, Vec<u8>), BodyError> {
        let mut decoder = BodyDecoder::new(length);
        let mut buffer = BytesMut::new();
        let mut body = Vec::new();
        // One byte at a time finds every state that may be interrupted.
        for byte in input {
            buffer.extend_from_slice(&[*byte]);
            while !decoder.is_done() {
                match decoder.decode(&mut buffer)? {
                    Decoded::Data(data) => body.extend_from_slice(&data),
                    Decoded::End | Decoded::NeedMore => break,
                }
            }
        }
        Ok((body, decoder.is_done(), buffer.to_vec()))
    }

    #[test]
    fn chunks_with_extensions_and_trailers() {
        for line_end in ["\r\n", "\n"] {
            let pieces = ["5;a=b\r\n", "hello", line_end, "A x\r\n", "0123456789", line_end, "0\r\n"];
            let trailers = ["x-t: 1", line_end, " 2", line_end, line_end, "GET"];
            let input = [pieces.concat(), trailers.concat()].concat();
            let (body, done, rest) = decode_all(BodyLength::Streamed, input.as_bytes()).unwrap();
            assert_eq!((body.as_slice(), done, rest.as_slice()), (&b"hello0123456789"[..], true, &b"GET"[..]));
        }
    }

    #[test]
    fn broken_chunks() {
        for input in [
            &b"zz\r\n"[..],
            b"0\r\nx y: 1\r\n\r\n",
            b"5\r\nhelloXX\r\n",
            b"5\r\nhello \r\n",
            b"-1\r\n",
            b"\r\n",
            b" 1\r\n",
            b"11111111111111111\r\n",
            b"0\r\nnocolon\r\n",
            b"0\r\n x: 1\r\n",
            b"5\nhello",
            b"5\r\nhello\r\n0\n",
            b"5;a\nhello",
            b"5;a=\"\n\"\r\nhello",
            b"5;a\rb\r\nhello",
            b"5\r\r\nhello",
        ] {
            assert_eq!(decode_all(BodyLength::Streamed, input), Err(BodyError::Framing), "{input:?}");
        }
        let control = decode_all(BodyLength::Streamed, b"0\r\nx: \x01\r\n");
        assert_eq!(control, Err(BodyError::InvalidCharacters));
    }

    #[test]
    fn lengths() {
        let (body, done, rest) = decode_all(BodyLength::Exact(3), b"abcdef").unwrap();
        assert_eq!((body.as_slice(), done, rest.as_slice()), (&b"abc"[..], true, &b"def"[..]));
    }
}
