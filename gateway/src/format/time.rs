//! `%START_TIME(FORMAT)%`: strftime specifiers with Envoy's `%f`, `%1f` … `%9f` for fractions of a second.

use std::time::SystemTime;

use jiff::Timestamp;
use jiff::fmt::strtime;

use super::FormatError;

/// Where a time is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeZone {
    /// Nowhere.
    Utc,
    /// Where this process runs.
    Local,
}

/// A time format that has been tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeFormat {
    format: String,
    zone: TimeZone,
}

impl TimeFormat {
    /// Parses; the empty format is RFC 3339 in milliseconds.
    pub fn parse(text: &str, zone: TimeZone) -> Result<Self, FormatError> {
        let text = match (text, zone) {
            ("", TimeZone::Utc) => "%Y-%m-%dT%H:%M:%S.%3fZ",
            ("", TimeZone::Local) => "%Y-%m-%dT%H:%M:%S.%3f%z",
            (text, _) => text,
        };
        // A bare `%f` is nine digits to Envoy, as few as needed to jiff.
        let format = text.replace("%f", "%9f");
        let epoch = Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC);
        strtime::format(&format, &epoch)
            .map_err(|error| FormatError::new(format!("`%START_TIME({text})%`: {error}")))?;
        Ok(TimeFormat { format, zone })
    }

    /// Writes a time. A time out of range is empty.
    pub fn render(&self, time: SystemTime) -> String {
        let Ok(timestamp) = Timestamp::try_from(time) else { return String::new() };
        let zone = match self.zone {
            TimeZone::Utc => jiff::tz::TimeZone::UTC,
            TimeZone::Local => jiff::tz::TimeZone::system(),
        };
        strtime::format(&self.format, &timestamp.to_zoned(zone)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn formats() {
        let time = UNIX_EPOCH + Duration::new(1_793_284_123, 45_678_901);
        for (format, expected) in [
            ("", "2026-10-29T14:28:43.045Z"),
            ("%Y/%m/%dT%H:%M:%S%z %s", "2026/10/29T14:28:43+0000 1793284123"),
            ("%a %b %d %f %1f %6f", "Thu Oct 29 045678901 0 045678"),
            ("%F %T", "2026-10-29 14:28:43"),
        ] {
            assert_eq!(TimeFormat::parse(format, TimeZone::Utc).unwrap().render(time), expected);
        }
        assert!(TimeFormat::parse("%!", TimeZone::Utc).is_err());
    }
}
