//! HTTP/1 messages, read tolerantly and kept as they came (RFC 9112, with bare LF and folded lines).

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

use crate::answer::Headers;

/// The longest line that is read: larger than any proxy's limit for all headers.
const LONGEST_LINE: u64 = 1 << 20;

/// A start line and the header fields below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) start: String,
    pub(crate) headers: Headers,
}

/// How a message's body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

/// A body and the trailer fields behind it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    pub(crate) trailers: Headers,
}

impl Head {
    /// Value of the first field of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// Whether a field of this name lists `token`, without case.
    pub(crate) fn lists(&self, name: &str, token: &str) -> bool {
        self.headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .flat_map(|(_, value)| value.split(','))
            .any(|item| item.trim().eq_ignore_ascii_case(token))
    }

    /// How the body below this head is delimited; `otherwise` if no field says it.
    pub(crate) fn framing(&self, otherwise: Framing) -> Framing {
        if self.lists("transfer-encoding", "chunked") {
            return Framing::Chunked;
        }
        match self.header("content-length").and_then(|length| length.trim().parse().ok()) {
            Some(length) => Framing::Length(length),
            None => otherwise,
        }
    }
}

/// Value of the first header of this name, compared without case.
pub(crate) fn find<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Reads a head; `None` if the connection ended before one began.
pub(crate) async fn read_head<R: AsyncBufRead + Unpin>(reader: &mut R) -> io::Result<Option<Head>> {
    let start = loop {
        match read_line(reader).await? {
            None => return Ok(None),
            Some(line) if line.is_empty() => {}
            Some(line) => break line,
        }
    };
    Ok(Some(Head { start, headers: read_fields(reader).await? }))
}

/// Reads a body.
pub(crate) async fn read_body<R: AsyncBufRead + Unpin>(reader: &mut R, framing: Framing) -> io::Result<Body> {
    let mut bytes = Vec::new();
    match framing {
        Framing::Length(length) => {
            reader.take(length).read_to_end(&mut bytes).await?;
            if (bytes.len() as u64) < length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Framing::UntilClose => {
            reader.read_to_end(&mut bytes).await?;
        }
        Framing::Chunked => return read_chunks(reader).await,
    }
    Ok(Body { bytes, trailers: Headers::new() })
}

async fn read_chunks<R: AsyncBufRead + Unpin>(reader: &mut R) -> io::Result<Body> {
    let mut bytes = Vec::new();
    loop {
        let line = read_line(reader).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(digits, 16).map_err(|_| io::Error::other(format!("chunk size {digits:?}")))?;
        if size == 0 {
            return Ok(Body { bytes, trailers: read_fields(reader).await? });
        }
        let before = bytes.len();
        (&mut *reader).take(size).read_to_end(&mut bytes).await?;
        if ((bytes.len() - before) as u64) < size || read_line(reader).await?.is_none() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Reads fields up to the empty line; a folded line belongs to the field above it.
async fn read_fields<R: AsyncBufRead + Unpin>(reader: &mut R) -> io::Result<Headers> {
    let mut fields = Headers::new();
    loop {
        let line = read_line(reader).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if line.is_empty() {
            return Ok(fields);
        }
        match fields.last_mut() {
            Some((_, value)) if line.starts_with([' ', '\t']) => {
                value.push(' ');
                value.push_str(line.trim());
            }
            _ => {
                let (name, value) = line.split_once(':').unwrap_or((&line, ""));
                fields.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
            }
        }
    }
}

async fn read_line<R: AsyncBufRead + Unpin>(reader: &mut R) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    (&mut *reader).take(LONGEST_LINE).read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(Some(String::from_utf8_lossy(&line).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn parse(mut text: &[u8]) -> (Head, Body) {
        let head = read_head(&mut text).await.unwrap().unwrap();
        let body = read_body(&mut text, head.framing(Framing::Length(0))).await.unwrap();
        (head, body)
    }

    #[tokio::test]
    async fn fields_keep_case_order_and_duplicates() {
        let (head, _) = parse(b"GET /x HTTP/1.1\r\nX-B: 1\r\nx-a:2\nX-B:  3 \r\n more\r\n\r\n").await;
        assert_eq!(head.start, "GET /x HTTP/1.1");
        let expected = [("X-B", "1"), ("x-a", "2"), ("X-B", "3 more")];
        assert_eq!(head.headers, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }

    #[tokio::test]
    async fn bodies() {
        let (_, body) = parse(b"\r\nPOST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloxx").await;
        assert_eq!(body.bytes, b"hello");
        let (_, body) = parse(
            b"P / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n5;a=b\r\nhello\r\nA\r\n0123456789\r\n0\r\nT: 1\r\n\r\n",
        )
        .await;
        assert_eq!((body.bytes.as_slice(), body.trailers.len()), (b"hello0123456789".as_slice(), 1));
    }

    #[tokio::test]
    async fn ends() {
        assert_eq!(read_head(&mut b"".as_slice()).await.unwrap(), None);
        assert!(read_head(&mut b"GET / HTTP/1.1\r\nA: b\r\n".as_slice()).await.is_err());
        assert!(read_body(&mut b"abc".as_slice(), Framing::Length(4)).await.is_err());
        assert!(read_body(&mut b"5\r\nab".as_slice(), Framing::Chunked).await.is_err());
    }
}
