//! `%START_TIME(FORMAT)%`: strftime specifiers with Envoy's `%f`, `%1f` … `%9f` for fractions of a second.

use std::time::SystemTime;

use jiff::Timestamp;
use jiff::fmt::strtime;

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
    pub fn new(text: &str, zone: TimeZone) -> Self {
        let text = match (text, zone) {
            ("", TimeZone::Utc) => "%Y-%m-%dT%H:%M:%S.%3fZ",
            ("", TimeZone::Local) => "%Y-%m-%dT%H:%M:%S.%3f%z",
            (text, _) => text,
        };
        TimeFormat { format: with_fractions(text), zone }
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

/// jiff's format of Envoy's: fractions of a second (`%f`, `%1f` … `%9f`) are found first, even behind a percent sign.
fn with_fractions(text: &str) -> String {
    let mut format = String::new();
    let mut rest = text;
    while let Some((before, digits, after)) = next_fraction(rest) {
        format.push_str(&directives(before));
        // A bare `%f` is nine digits to Envoy, as few as needed to jiff.
        format.push_str(&format!("%{}f", digits.unwrap_or('9')));
        rest = after;
    }
    format.push_str(&directives(rest));
    format
}

/// What stands before the next fraction, its digits, and what stands behind it.
fn next_fraction(text: &str) -> Option<(&str, Option<char>, &str)> {
    text.match_indices('%').find_map(|(at, _)| {
        let behind = &text[at + 1..];
        let digits = behind.chars().next().filter(|digit| matches!(digit, '1'..='9'));
        let after = behind[digits.map_or(0, char::len_utf8)..].strip_prefix('f')?;
        Some((&text[..at], digits, after))
    })
}

/// strftime's directives, and those of Abseil (`%E3S`, `%Ez` …). What neither knows stays as it is.
fn directives(text: &str) -> String {
    let mut format = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        format.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match directive(rest) {
            Some((known, length)) => {
                format.push_str(&known);
                rest = &rest[length..];
            }
            None => format.push_str("%%"),
        }
    }
    format + rest
}

/// The directive that stands behind a `%`, as jiff has it, and its length.
fn directive(text: &str) -> Option<(String, usize)> {
    let expanded = [("c", "%a %b %e %H:%M:%S %Y"), ("x", "%m/%d/%y"), ("X", "%H:%M:%S"), ("r", "%I:%M:%S %p")];
    let extended = [("ET", "T"), ("E4Y", "%Y"), ("Ez", "%:z"), ("E*z", "%::z"), ("E*S", "%S%.f"), ("E*f", "%f")];
    for (name, meaning) in extended.iter().chain(&expanded) {
        if text.starts_with(name) {
            return Some(((*meaning).to_owned(), name.len()));
        }
    }
    if let Some(digit) = text.strip_prefix('E').and_then(|rest| rest.chars().next()).filter(char::is_ascii_digit) {
        let unit = text[2..].chars().next().filter(|unit| matches!(unit, 'S' | 'f'))?;
        let seconds = if unit == 'S' { "%S" } else { "" };
        let point = if unit == 'S' && digit != '0' { "." } else { "" };
        let fraction = if digit == '0' { String::new() } else { format!("%{digit}f") };
        return Some((format!("{seconds}{point}{fraction}"), 3));
    }
    // Other eras and digits than the usual ones there are none.
    if let Some(plain) = text.strip_prefix(['E', 'O']) {
        let known = if text.starts_with('E') { "cxXyYC" } else { "deHImMSuUVwWy" };
        plain.starts_with(|c| known.contains(c)).then_some(())?;
        return directive(plain).map(|(meaning, length)| (meaning, length + 1));
    }
    let offset = text.find(|c| c != ':').filter(|colons| (1..=2).contains(colons) && text[*colons..].starts_with('z'));
    let modifiers = || text.find(|c: char| !matches!(c, '-' | '_' | '^' | '#' | '0'..='9'));
    let at = offset.or_else(modifiers)?;
    let known = "aAbBCdDeFgGhHIjklmMnpPRsStTuUVwWyYzZ%".contains(text[at..].chars().next()?);
    known.then(|| (format!("%{}", &text[..=at]), at + 1))
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
            assert_eq!(TimeFormat::new(format, TimeZone::Utc).render(time), expected);
        }
    }

    /// As Envoy 1.40 writes them.
    #[test]
    fn directives_of_strftime_and_abseil() {
        let time = UNIX_EPOCH + Duration::new(1_795_318_026, 249_532_000);
        for (format, expected) in [
            ("%c|%x|%X|%r", "Sun Nov 22 03:27:06 2026|11/22/26|03:27:06|03:27:06 AM"),
            ("%C %e %g %G %h %j %k %l %P %p", "20 22 26 2026 Nov 326  3  3 am AM"),
            ("%u %U %V %w %W %y %D %R", "7 47 47 0 46 26 11/22/26 03:27"),
            ("%z %:z %::z %Ez %E*z %Z", "+0000 +00:00 +00:00:00 +00:00 +00:00:00 UTC"),
            ("%E*S %E3S %E0S %E*f %E3f %E4Y %ET", "06.249532 06.249 06 249532 249 2026 T"),
            ("%EY %Ec %Ex %EX %Ey %EC", "2026 Sun Nov 22 03:27:06 2026 11/22/26 03:27:06 26 20"),
            ("%Od %OH %Om %OS %Ou", "22 03 11 06 7"),
            ("%-d %_d %0d %10Y %^a %3s", "22 22 22 0000002026 SUN 1795318026"),
            ("%E %N %O %q %Q %v %3N %0f %+ %L %i %! é", "%E %N %O %q %Q %v %3N %0f %+ %L %i %! é"),
            ("%s.%3f %s%3f %3f%6f %f%f", "1795318026.249 1795318026249 249249532 249532000249532000"),
            ("%% a%%b %Y%%%m %s%%3f %H:%M %", "% a%b 2026%11 1795318026%249 03:27 %"),
        ] {
            assert_eq!(TimeFormat::new(format, TimeZone::Utc).render(time), expected, "{format}");
        }
    }
}
