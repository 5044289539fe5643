//! `%COMMON_DURATION(START:END:PRECISION)%`: the time between two points.

use std::time::Duration;

use tokio::time::Instant;

use super::FormatError;
use super::value::{Scope, Value};

/// Two points in time, and how finely the time between them is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommonDuration {
    start: Point,
    end: Point,
    precision: Precision,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Precision {
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    /// The client's connection was accepted.
    Accepted,
    /// The client's first byte.
    RequestBegun,
    /// The client's last byte.
    RequestRead,
    /// The upstream connection was dialled.
    ConnectBegun,
    /// It was taken.
    Connected,
    /// Its TLS handshake was done.
    Secured,
    /// The first byte to the endpoint.
    SendBegun,
    /// The last.
    Sent,
    /// The endpoint's first byte.
    AnswerBegun,
    /// The endpoint's last byte, and the last to the client: the one comes right behind the other.
    AnswerDone,
    /// The first byte to the client.
    ReplyBegun,
    /// Points of filters that Sallyport does not have.
    Never,
}

impl CommonDuration {
    /// Parses the argument. Any name is one: an unknown point is one that is never reached.
    pub fn parse(argument: &str) -> Result<Self, FormatError> {
        let refused = |what: &str| FormatError::new(format!("`%COMMON_DURATION({argument})%`: {what}"));
        let mut parts = argument.split(':');
        let (Some(start), Some(end), precision, None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(refused("use START:END or START:END:PRECISION"));
        };
        let precision = match precision {
            None | Some("ms") => Precision::Milliseconds,
            Some("us") => Precision::Microseconds,
            Some("ns") => Precision::Nanoseconds,
            Some(_) => return Err(refused("the precision is ms, us or ns")),
        };
        Ok(CommonDuration { start: Point::parse(start), end: Point::parse(end), precision })
    }

    pub(super) fn evaluate<'a>(&self, scope: &Scope<'a>) -> Value<'a> {
        let between = self.start.of(scope).zip(self.end.of(scope));
        let Some(time) = between.and_then(|(start, end)| end.checked_duration_since(start)) else {
            return Value::Missing;
        };
        let count = match self.precision {
            Precision::Milliseconds => time.as_millis(),
            Precision::Microseconds => time.as_micros(),
            Precision::Nanoseconds => time.as_nanos(),
        };
        Value::Number(u64::try_from(count).unwrap_or(u64::MAX))
    }
}

impl Point {
    fn parse(name: &str) -> Self {
        match name {
            "DS_CX_BEG" => Point::Accepted,
            "DS_RX_BEG" => Point::RequestBegun,
            "DS_RX_END" => Point::RequestRead,
            "US_CX_BEG" => Point::ConnectBegun,
            "US_CX_END" => Point::Connected,
            "US_HS_END" => Point::Secured,
            "US_TX_BEG" => Point::SendBegun,
            "US_TX_END" => Point::Sent,
            "US_RX_BEG" => Point::AnswerBegun,
            "US_RX_END" | "DS_TX_END" => Point::AnswerDone,
            "DS_TX_BEG" => Point::ReplyBegun,
            _ => Point::Never,
        }
    }

    fn of(self, scope: &Scope<'_>) -> Option<Instant> {
        let record = scope.record;
        let moments = &record.moments;
        let opening = record.upstream_ends.opening.as_deref();
        let since = |time: Option<Duration>| Some(moments.begun? + time?);
        match self {
            Point::Accepted => Some(record.connection.accepted),
            Point::RequestBegun => moments.begun,
            Point::RequestRead => since(record.request_duration),
            Point::ConnectBegun => opening.map(|opening| opening.begun),
            Point::Connected => opening.map(|opening| opening.connected),
            Point::Secured => opening.and_then(|opening| opening.secured),
            Point::SendBegun => moments.leased,
            Point::Sent => moments.sent,
            Point::AnswerBegun => since(record.response_duration),
            Point::AnswerDone => since(record.duration),
            Point::ReplyBegun => since(record.response_duration.filter(|_| record.duration.is_some())),
            Point::Never => None,
        }
    }
}
