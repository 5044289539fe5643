//! HTTP/2 frames and header blocks (RFC 9113, RFC 7541), without any check of what is in them.
//!
//! Messages of the bench are small: nothing here waits for flow control, and [`MOST_DATA`] says what fits.

use std::io;

use anyhow::bail;
use tokio::io::{AsyncRead, AsyncReadExt};

/// What a client sends first on a connection.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The largest body that can be sent without waiting for a window update.
pub(crate) const MOST_DATA: usize = 65_535;

const MOST_PAYLOAD: usize = 16_384;
const END_STREAM: u8 = 0x1;
const ACK: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

/// Names of error codes (RFC 9113, section 7).
const ERRORS: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

/// The code of a graceful end.
pub(crate) const NO_ERROR: u32 = 0;

/// The code that the echo servers reset requests with that they do not take.
pub(crate) const PROTOCOL_ERROR: u32 = 1;

/// The code that the echo servers reset streams with when they are told to.
pub(crate) const INTERNAL_ERROR: u32 = 2;

/// Header fields as bytes, pseudo headers among them.
pub(crate) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// What arrived, with everything that is not of interest already dealt with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Headers {
        stream: u32,
        fields: Fields,
        end: bool,
    },
    Data {
        stream: u32,
        bytes: Vec<u8>,
        end: bool,
    },
    Reset {
        stream: u32,
        code: u32,
    },
    GoAway {
        code: u32,
    },
    /// The other side expects these bytes back: acknowledgements and window updates.
    Reply(Vec<u8>),
}

/// Name of an error code.
pub(crate) fn error_name(code: u32) -> String {
    ERRORS.get(code as usize).map_or_else(|| format!("error {code}"), ToString::to_string)
}

/// Reads frames and decodes header blocks.
pub(crate) struct Reader<R> {
    inner: R,
    hpack: loona_hpack::Decoder<'static>,
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// A reader behind the preface.
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, hpack: loona_hpack::Decoder::new() }
    }

    /// The next event; `None` at the end of the connection.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<Event>> {
        loop {
            let Some(frame) = self.frame().await? else { return Ok(None) };
            let Frame { kind, flags, stream, payload } = frame;
            let end = flags & END_STREAM != 0;
            return Ok(Some(match kind {
                HEADERS => Event::Headers { stream, fields: self.header_block(flags, stream, payload).await?, end },
                DATA if payload.is_empty() || stream == 0 => Event::Data { stream, bytes: Vec::new(), end },
                DATA => Event::Data { stream, bytes: unpadded(flags, payload)?, end },
                RST_STREAM => Event::Reset { stream, code: number(&payload, 0) },
                GOAWAY => Event::GoAway { code: number(&payload, 4) },
                SETTINGS if flags & ACK == 0 => Event::Reply(frame_bytes(SETTINGS, ACK, 0, &[])),
                PING if flags & ACK == 0 => Event::Reply(frame_bytes(PING, ACK, 0, &payload)),
                _ => continue,
            }));
        }
    }

    async fn frame(&mut self) -> io::Result<Option<Frame>> {
        let mut head = [0; 9];
        if self.inner.read(&mut head[..1]).await? == 0 {
            return Ok(None);
        }
        self.inner.read_exact(&mut head[1..]).await?;
        let [l0, l1, l2, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, l0, l1, l2]) as usize];
        self.inner.read_exact(&mut payload).await?;
        Ok(Some(Frame { kind, flags, stream: u32::from_be_bytes(stream) & 0x7fff_ffff, payload }))
    }

    async fn header_block(&mut self, flags: u8, stream: u32, payload: Vec<u8>) -> anyhow::Result<Fields> {
        let mut block = unpadded(flags, payload)?;
        if flags & PRIORITY != 0 {
            if block.len() < 5 {
                bail!("HEADERS too short for its priority");
            }
            block.drain(..5);
        }
        let mut done = flags & END_HEADERS != 0;
        while !done {
            match self.frame().await? {
                Some(frame) if frame.kind == CONTINUATION && frame.stream == stream => {
                    done = frame.flags & END_HEADERS != 0;
                    block.extend(frame.payload);
                }
                _ => bail!("header block without its end"),
            }
        }
        self.hpack.decode(&block).map_err(|error| anyhow::anyhow!("header block: {error:?}"))
    }
}

/// The first frame of either side: no push, and room for every body at once.
pub(crate) fn settings() -> Vec<u8> {
    let mut payload = Vec::new();
    for (id, value) in [(2_u16, 0_u32), (4, 1 << 24)] {
        payload.extend(id.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    let mut bytes = frame_bytes(SETTINGS, 0, 0, &payload);
    bytes.extend(frame_bytes(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes()));
    bytes
}

/// A header block in as many frames as it takes. Fields are written as literals and never indexed, so that blocks do
/// not depend on each other.
pub(crate) fn headers(stream: u32, fields: &[(&[u8], &[u8])], end: bool) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            length(&mut block, text.len());
            block.extend_from_slice(text);
        }
    }
    let mut bytes = Vec::new();
    let mut chunks = block.chunks(MOST_PAYLOAD).peekable();
    let (mut kind, mut flags) = (HEADERS, if end { END_STREAM } else { 0 });
    while let Some(chunk) = chunks.next() {
        if chunks.peek().is_none() {
            flags |= END_HEADERS;
        }
        bytes.extend(frame_bytes(kind, flags, stream, chunk));
        (kind, flags) = (CONTINUATION, 0);
    }
    bytes
}

/// A body in as many frames as it takes; at most [`MOST_DATA`] bytes.
pub(crate) fn data(stream: u32, bytes: &[u8], end: bool) -> Vec<u8> {
    let mut frames = Vec::new();
    let mut chunks = bytes.chunks(MOST_PAYLOAD).peekable();
    while let Some(chunk) = chunks.next() {
        let last = chunks.peek().is_none();
        frames.extend(frame_bytes(DATA, if last && end { END_STREAM } else { 0 }, stream, chunk));
    }
    frames
}

/// The end of one stream.
pub(crate) fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame_bytes(RST_STREAM, 0, stream, &code.to_be_bytes())
}

fn frame_bytes(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// An integer with a prefix of seven bits (RFC 7541, section 5.1); the eighth, Huffman, is 0.
fn length(block: &mut Vec<u8>, mut n: usize) {
    if n < 127 {
        return block.push(n as u8);
    }
    block.push(127);
    n -= 127;
    while n >= 128 {
        block.push((n % 128) as u8 | 0x80);
        n /= 128;
    }
    block.push(n as u8);
}

fn unpadded(flags: u8, mut payload: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    if flags & PADDED == 0 {
        return Ok(payload);
    }
    match payload.first().map(|n| usize::from(*n)) {
        Some(padding) if padding < payload.len() => {
            payload.truncate(payload.len() - padding);
            payload.remove(0);
            Ok(payload)
        }
        _ => bail!("padding longer than its frame"),
    }
}

fn number(payload: &[u8], at: usize) -> u32 {
    payload.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn events(bytes: Vec<u8>) -> Vec<Event> {
        let mut reader = Reader::new(bytes.as_slice());
        let mut events = Vec::new();
        while let Some(event) = reader.next().await.unwrap() {
            events.push(event);
        }
        events
    }

    #[tokio::test]
    async fn header_blocks_of_any_size() {
        for size in [0, 126, 127, 128, 300, 16_384, 70_000] {
            let value = vec![b'v'; size];
            let bytes = headers(1, &[(b"x y", &value), (b":path", b"/\xff")], true);
            let fields = vec![(b"x y".to_vec(), value), (b":path".to_vec(), b"/\xff".to_vec())];
            assert_eq!(events(bytes).await, [Event::Headers { stream: 1, fields, end: true }]);
        }
    }

    #[tokio::test]
    async fn bodies_resets_and_replies() {
        let big = vec![b'x'; MOST_PAYLOAD + 1];
        let frames = [data(3, &big, true), reset(3, INTERNAL_ERROR), settings()].concat();
        let got = events(frames).await;
        assert_eq!(got.len(), 4);
        assert!(matches!(&got[1], Event::Data { stream: 3, bytes, end: true } if bytes.len() == 1));
        assert_eq!(got[2], Event::Reset { stream: 3, code: INTERNAL_ERROR });
        assert_eq!(got[3], Event::Reply(frame_bytes(SETTINGS, ACK, 0, &[])));
        assert_eq!(error_name(2), "INTERNAL_ERROR");
        assert_eq!(error_name(99), "error 99");
    }

    #[tokio::test]
    async fn a_broken_connection_is_an_error() {
        assert!(Reader::new(b"HTTP/1.1 400 Bad Request\r\n".as_slice()).next().await.is_err());
        assert!(Reader::new(b"\0\0".as_slice()).next().await.is_err());
    }
}
