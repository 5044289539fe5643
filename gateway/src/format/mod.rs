//! Envoy's substitution formatter: `%OPERATORS%` in header values and access-log formats.

mod coalesce;
mod duration;
mod metadata;
mod names;
mod operator;
mod request;
mod size;
mod time;
mod tls;
mod value;

use std::borrow::Cow;

use bytes::Bytes;

pub use operator::{FormatError, Operator};
pub use value::{Around, Scope, Value};

/// A format string, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Operator(Operator),
}

impl Format {
    /// Parses `text`. `%%` is a percent sign; an unknown operator is an error that names it.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            literal.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('%') {
                literal.push('%');
                rest = after;
                continue;
            }
            let (operator, length) = Operator::parse(rest)?;
            if !literal.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Operator(operator));
            rest = &rest[length..];
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Ok(Format { pieces })
    }

    /// It has operators that Istio adds to access logs alone.
    pub fn is_for_logs_alone(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Operator(operator) if operator.is_for_logs_alone()))
    }

    /// The text itself, if there is no operator in it.
    pub fn as_literal(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The only operator, if there is nothing else.
    pub fn as_operator(&self) -> Option<&Operator> {
        match self.pieces.as_slice() {
            [Piece::Operator(operator)] => Some(operator),
            _ => None,
        }
    }

    /// Writes the text; what is missing becomes `missing`.
    pub fn write(&self, scope: &Scope<'_>, missing: &str, out: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Operator(operator) => operator.evaluate(scope).write(missing, out),
            }
        }
    }

    /// The text for JSON, each value of it by [`text_of`].
    pub fn text(&self, scope: &Scope<'_>, missing: &str) -> String {
        let mut text = String::new();
        let mut value = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(literal) => text.push_str(literal),
                Piece::Operator(operator) => {
                    value.clear();
                    operator.evaluate(scope).write(missing, &mut value);
                    text.push_str(&text_of(&value));
                }
            }
        }
        text
    }

    /// The text as a header value; what is missing is empty.
    pub fn header_value(&self, scope: &Scope<'_>) -> Bytes {
        let mut out = Vec::new();
        self.write(scope, "", &mut out);
        Bytes::from(out)
    }
}

/// Bytes as text: what is no UTF-8 is taken for ISO 8859-1, as Envoy does in JSON.
pub fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_utf_8_stay_apart() {
        assert_eq!(text_of("é€".as_bytes()), "é€");
        assert_eq!(text_of(b"\xff\xc3("), "\u{ff}\u{c3}(");
    }
}
