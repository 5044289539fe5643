use std::fmt;
use std::sync::Arc;

/// How much a [`Violation`] weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; the configuration means what it says.
    Info,
    /// The object is accepted, but something in it has no effect or will change its meaning.
    Warning,
    /// The object is refused: what it asks for cannot be served as written.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One finding about one place in one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The file (or other source) the object came from, as the caller named it.
    pub file: Arc<str>,
    /// Line of the culprit, counted from 1; 0 where the source has no lines (an object read from the API server).
    pub line: u32,
    /// Column of the culprit in characters, counted from 1; 0 where the source has none.
    pub column: u32,
    /// `Kind namespace/name`, or empty if the text was too broken to tell.
    pub object: String,
    /// Field path inside the object, such as `spec.http[0].route[1].destination.host`; empty for the whole object.
    pub path: String,
    /// Short stable name of the rule that was broken, such as `unknown-field`.
    pub rule: &'static str,
    /// Whether the object can still be used.
    pub severity: Severity,
    /// What is wrong and, where it can be said, what to do about it.
    pub message: String,
}

impl Violation {
    /// True if the object must not be used.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Violation {
    /// `file:line:column: severity: Kind ns/name: path: message [rule]`, leaving out what is not known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}: ", self.severity)?;
        if !self.object.is_empty() {
            write!(f, "{}: ", self.object)?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{} [{}]", self.message, self.rule)
    }
}
