//! A line of the gateway's own log.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::paint::Paint;
use super::time;

/// `None` if it is no line of the log.
pub(super) fn line(entry: &Map<String, Value>) -> Option<String> {
    let level = entry.get("level")?.as_str()?;
    let fields = entry.get("fields")?.as_object()?;
    let (word, paint) = match level {
        "ERROR" => ("error", Paint::Bad),
        "WARN" => ("warn ", Paint::Odd),
        "INFO" => ("info ", Paint::Own),
        _ => ("debug", Paint::Dim),
    };
    let stamp = entry.get("timestamp").and_then(Value::as_str).unwrap_or_default();
    let message = fields.get("message").and_then(Value::as_str).unwrap_or_default();
    let mut line = format!("{} {} {message}", Paint::Dim.over(time(stamp)), paint.over(word));
    for (name, value) in fields.iter().filter(|(name, _)| *name != "message") {
        let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        // Writing to a String cannot fail.
        let _ = write!(line, " {}", Paint::Dim.over(&format!("{name}={text}")));
    }
    Some(line)
}
