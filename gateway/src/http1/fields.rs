//! Field lines of HTTP/1 heads and trailers.

use bytes::{Bytes, BytesMut};
use config_schema::snapshot::UnderscoresAction;
use smallvec::SmallVec;

use super::request::HeadLimits;
use crate::headers::{Headers, Name};

/// Why field lines are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldError {
    /// Not a field line.
    Syntax,
    /// More fields than allowed.
    TooMany,
    /// A name with an underscore, which the configuration refuses.
    Underscore,
}

/// Whether a head has control characters that may stand nowhere in it.
pub fn has_invalid_byte(head: &[u8]) -> bool {
    // Nearly every head is clean: without a way out in the middle, many bytes are compared at a time.
    head.iter().fold(false, |found, byte| found | is_invalid_byte(*byte))
}

fn is_invalid_byte(byte: u8) -> bool {
    (byte < 32) & (byte != b'\t') & (byte != b'\n') & (byte != b'\r') | (byte == 127)
}

/// Characters of a token (RFC 9110 §5.6.2).
pub fn is_token_byte(byte: u8) -> bool {
    const TABLE: [bool; 256] = {
        let mut table = [false; 256];
        let mut b = 0;
        while b < 256 {
            let c = b as u8;
            table[b] = c.is_ascii_alphanumeric()
                || matches!(
                    c,
                    b'!' | b'#'
                        | b'$'
                        | b'%'
                        | b'&'
                        | b'\''
                        | b'*'
                        | b'+'
                        | b'-'
                        | b'.'
                        | b'^'
                        | b'_'
                        | b'`'
                        | b'|'
                        | b'~'
                );
            b += 1;
        }
        table
    };
    TABLE[byte as usize]
}

/// Digits only, fitting a u64.
pub fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    text.iter().try_fold(0u64, |n, d| n.checked_mul(10)?.checked_add(u64::from(d - b'0')))
}

/// Parses field lines up to and including the empty line. Names are lower-cased in place; values are slices.
pub fn parse(mut block: BytesMut, limits: &HeadLimits) -> Result<Headers, FieldError> {
    let mut lines: SmallVec<[Line; 24]> = SmallVec::new();
    // The usual head has no CR but before line ends; then values need not be searched for others.
    let mut line_ends = 0;
    let mut at = 0;
    while let Some(offset) = memchr::memchr(b'\n', &block[at..]) {
        let end = at + offset;
        let line = &block[at..end];
        line_ends += usize::from(line.last() == Some(&b'\r'));
        if line.is_empty() || line == b"\r" {
            break;
        }
        if matches!(line[0], b' ' | b'\t') {
            let last: &mut Line = lines.last_mut().ok_or(FieldError::Syntax)?;
            last.end = end;
            last.folded = true;
        } else {
            lines.push(scan_line(line, at)?);
        }
        at = end + 1;
    }
    for line in &lines {
        block[line.start..line.colon].make_ascii_lowercase();
    }
    let clean = memchr::memchr_iter(b'\r', &block).count() == line_ends;
    let block = block.freeze();
    collect(&block, &lines, clean, limits)
}

struct Line {
    start: usize,
    colon: usize,
    end: usize,
    folded: bool,
}

fn scan_line(line: &[u8], at: usize) -> Result<Line, FieldError> {
    let colon = line.iter().position(|b| !is_token_byte(*b)).ok_or(FieldError::Syntax)?;
    if colon == 0 || line[colon] != b':' {
        return Err(FieldError::Syntax);
    }
    Ok(Line { start: at, colon: at + colon, end: at + line.len(), folded: false })
}

/// `clean`: no value has a CR.
fn collect(block: &Bytes, lines: &[Line], clean: bool, limits: &HeadLimits) -> Result<Headers, FieldError> {
    let mut headers = Headers::with_capacity(lines.len() + 8);
    for line in lines {
        let name = block.slice(line.start..line.colon);
        if limits.underscores != UnderscoresAction::Allow && memchr::memchr(b'_', &name).is_some() {
            if limits.underscores == UnderscoresAction::RejectRequest {
                return Err(FieldError::Underscore);
            }
            continue;
        }
        let raw = &block[line.colon + 1..line.end];
        let value = if line.folded || (!clean && raw.strip_suffix(b"\r").unwrap_or(raw).contains(&b'\r')) {
            // A fold keeps its blanks and loses its line end; a lone CR is dropped.
            let joined: Vec<u8> = raw.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
            Bytes::copy_from_slice(joined.trim_ascii())
        } else {
            trimmed(block, line.colon + 1, line.end)
        };
        headers.append(Name::from_lower(name), value);
        if headers.len() > limits.max_headers {
            return Err(FieldError::TooMany);
        }
    }
    Ok(headers)
}

/// A part of a block without the blanks around it.
fn trimmed(block: &Bytes, mut start: usize, mut end: usize) -> Bytes {
    while start < end && block[start].is_ascii_whitespace() {
        start += 1;
    }
    while start < end && block[end - 1].is_ascii_whitespace() {
        end -= 1;
    }
    block.slice(start..end)
}
