//! HTTP/1 body framing: lengths, chunks, until-close.

use bytes::{Buf, Bytes, BytesMut};

use super::fields::is_token_byte;
use crate::message::BodyLength;

/// A chunk-size line or the trailer section may not be longer than this.
const MAX_LINE: usize = 16 * 1024;

/// The bytes are not what the framing says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyError;

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
    Trailers,
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
                BodyDecoder::ChunkSize | BodyDecoder::ChunkEnd | BodyDecoder::Trailers => {
                    let Some(line) = take_line(buffer)? else { return Ok(Decoded::NeedMore) };
                    *self = self.after_line(&line)?;
                }
            }
        }
    }

    fn after_line(self, line: &[u8]) -> Result<Self, BodyError> {
        match self {
            BodyDecoder::ChunkSize => match chunk_size(line)? {
                0 => Ok(BodyDecoder::Trailers),
                n => Ok(BodyDecoder::ChunkData(n)),
            },
            BodyDecoder::ChunkEnd if line.is_empty() => Ok(BodyDecoder::ChunkSize),
            BodyDecoder::ChunkEnd => Err(BodyError),
            BodyDecoder::Trailers if line.is_empty() => Ok(BodyDecoder::Done),
            BodyDecoder::Trailers if is_field(line) => Ok(BodyDecoder::Trailers),
            BodyDecoder::Trailers => Err(BodyError),
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

/// A line without its end.
fn take_line(buffer: &mut BytesMut) -> Result<Option<BytesMut>, BodyError> {
    let Some(end) = memchr::memchr(b'\n', buffer) else {
        return if buffer.len() > MAX_LINE { Err(BodyError) } else { Ok(None) };
    };
    let mut line = buffer.split_to(end);
    buffer.advance(1);
    if line.last() == Some(&b'\r') {
        line.truncate(line.len() - 1);
    }
    Ok(Some(line))
}

/// Hex digits, then nothing or an extension.
fn chunk_size(line: &[u8]) -> Result<u64, BodyError> {
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let rest = line[digits..].trim_ascii();
    if digits == 0 || !(rest.is_empty() || rest[0] == b';') {
        return Err(BodyError);
    }
    let text = std::str::from_utf8(&line[..digits]).map_err(|_| BodyError)?;
    u64::from_str_radix(text, 16).map_err(|_| BodyError)
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
        let input = b"5;a=b\r\nhello\r\nA\n0123456789\n0\r\nx-t: 1\r\n\r\nGET";
        let (body, done, rest) = decode_all(BodyLength::Streamed, input).unwrap();
        assert_eq!((body.as_slice(), done, rest.as_slice()), (&b"hello0123456789"[..], true, &b"GET"[..]));
    }

    #[test]
    fn broken_chunks() {
        for input in [
            &b"zz\r\n"[..],
            b"0\r\nx y: 1\r\n\r\n",
            b"5\r\nhelloXX\r\n",
            b"-1\r\n",
            b"\r\n",
            b"11111111111111111\r\n",
            b"0\r\nnocolon\r\n",
        ] {
            assert_eq!(decode_all(BodyLength::Streamed, input), Err(BodyError), "{input:?}");
        }
    }

    #[test]
    fn lengths() {
        let (body, done, rest) = decode_all(BodyLength::Exact(3), b"abcdef").unwrap();
        assert_eq!((body.as_slice(), done, rest.as_slice()), (&b"abc"[..], true, &b"def"[..]));
    }
}
