use std::fmt;
use std::ptr;

use serde::de::{self, Expected, Unexpected};

use super::node::Node;
use super::path::{FieldPath, Segment};

/// One thing that is wrong with a value of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub path: FieldPath,
    /// Short stable name of the rule that was broken.
    pub rule: &'static str,
    /// What is wrong.
    pub message: String,
}

/// Why a value could not be decoded.
#[derive(Debug)]
pub(super) struct DecodeError {
    /// What to report; nothing if it only follows from what has been reported.
    pub(super) fault: Option<Fault>,
    /// The node at which it arose, null until it is known. Only compared, never followed.
    pub(super) culprit: *const Node,
}

impl DecodeError {
    fn new(rule: &'static str, message: String) -> Self {
        let fault = Fault { path: FieldPath::default(), rule, message };
        Self { fault: Some(fault), culprit: ptr::null() }
    }

    /// A missing field is not worth a word if it was there but faulty.
    pub(super) fn forget_missing(mut self, lost: &[&str]) -> Self {
        if let Some(fault) = &self.fault
            && fault.rule == "required"
            && self.culprit.is_null()
            && let [Segment::Key(field)] = fault.path.0.as_slice()
            && lost.contains(&&**field)
        {
            self.fault = None;
        }
        self
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.as_ref().map_or(Ok(()), |fault| f.write_str(&fault.message))
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    /// Messages of our own types may name their rule: `duration: …`.
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        for rule in ["duration", "timestamp", "oneof"] {
            if let Some(text) = message.strip_prefix(rule).and_then(|rest| rest.strip_prefix(": ")) {
                return Self::new(rule, text.to_owned());
            }
        }
        Self::new("value", message)
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = describe_expected(expected);
        let hint = match unexpected {
            Unexpected::Bool(_) | Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_)
                if expected.starts_with("a string") =>
            {
                "; put it in quotes if it is meant as text"
            }
            _ => "",
        };
        Self::new("type", format!("expected {expected}, found {}{hint}", describe_found(&unexpected)))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let message = format!("expected {}, found {}", describe_expected(expected), describe_found(&unexpected));
        Self::new("value", message)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let hint = closest(variant, expected).map(|name| format!("; did you mean {name}?")).unwrap_or_default();
        Self::new("enum", format!("{variant:?} is not one of {}{hint}", expected.join(", ")))
    }

    fn missing_field(field: &'static str) -> Self {
        let mut error = Self::new("required", format!("the field {field:?} is required"));
        if let Some(fault) = &mut error.fault {
            fault.path.0.push(Segment::Key(field.into()));
        }
        error
    }
}

fn describe_expected(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "i8" | "i16" | "i32" | "i64" => format!("an integer ({text})"),
        "u8" => "an integer from 0 to 255".to_owned(),
        "u16" => "an integer from 0 to 65535".to_owned(),
        "u32" => "an integer from 0 to 4294967295".to_owned(),
        "u64" => "an integer that is not negative".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a sequence" => "a list".to_owned(),
        _ if text.starts_with("struct ") || text == "a map" => "a map".to_owned(),
        _ if text.starts_with("enum ") => format!("a value of {}", &text["enum ".len()..]),
        _ => text,
    }
}

fn describe_found(unexpected: &Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Bool(value) => format!("the boolean {value}"),
        Unexpected::Unsigned(value) => format!("the number {value}"),
        Unexpected::Signed(value) => format!("the number {value}"),
        Unexpected::Float(value) => format!("the number {value}"),
        Unexpected::Str(text) => format!("the string {text:?}"),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a map".to_owned(),
        other => other.to_string(),
    }
}

/// The name that `written` was probably meant to be.
pub(super) fn closest<'n>(written: &str, names: &[&'n str]) -> Option<&'n str> {
    let written = written.to_ascii_lowercase();
    names
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&written, &name.to_ascii_lowercase()), *name))
        .filter(|(distance, name)| *distance <= 2 && *distance < name.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
