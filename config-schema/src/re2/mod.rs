//! Regular expressions in RE2's syntax, as Istio and Envoy take them, on the engine of the `regex` crate.
//!
//! Both engines take time in proportion to the input, but their syntax differs in places where an expression would
//! silently mean something else: `\d` is ASCII in RE2, `{id}` is text, `[a&&b]` is three characters, `a**` is an error.
//! [`translate`] therefore reads RE2's syntax and writes it anew.

mod class;
mod translate;

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

pub use translate::translate;

/// Bytes of a compiled expression; what is larger is refused.
const SIZE_LIMIT: usize = 10 << 20;

/// Why an expression cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError(pub String);

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PatternError {}

/// Compiles an expression that must match a value from beginning to end, as all matches of Istio's routes do.
///
/// # Errors
/// If it is not RE2, or too large.
pub fn full_match(pattern: &str) -> Result<Regex, PatternError> {
    full_match_translated(&translate(pattern)?)
}

/// The same of an expression, or a part of one, that [`translate`] has written.
///
/// # Errors
/// If it is too large, or not in the syntax of the `regex` crate.
pub fn full_match_translated(pattern: &str) -> Result<Regex, PatternError> {
    build(&format!(r"\A(?:{pattern})\z"))
}

/// Compiles an expression that may match anywhere in a value, as that of a `uriRegexRewrite` does.
///
/// # Errors
/// If it is not RE2, or too large.
pub fn search(pattern: &str) -> Result<Regex, PatternError> {
    build(&translate(pattern)?)
}

fn build(pattern: &str) -> Result<Regex, PatternError> {
    RegexBuilder::new(pattern).size_limit(SIZE_LIMIT).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => PatternError("the expression is too large".to_owned()),
        regex::Error::Syntax(text) => PatternError(short(&text).to_owned()),
        other => PatternError(other.to_string()),
    })
}

/// The last line of the library's drawing says what is wrong.
fn short(text: &str) -> &str {
    let line = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or(text).trim();
    line.strip_prefix("error: ").unwrap_or(line)
}

/// The number of the highest group that a replacement such as `/v2/\1` refers to.
///
/// # Errors
/// If a backslash is not followed by a digit or a backslash.
pub fn highest_group(rewrite: &str) -> Result<usize, PatternError> {
    let mut highest = 0;
    let mut rest = rewrite.chars();
    while let Some(letter) = rest.next() {
        if letter != '\\' {
            continue;
        }
        match rest.next() {
            Some('\\') => {}
            Some(digit @ '0'..='9') => highest = highest.max(digit as usize - '0' as usize),
            _ => return Err(PatternError(r"a backslash must be followed by a digit or a backslash".to_owned())),
        }
    }
    Ok(highest)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
