//! RE2 patterns (Istio's regular expressions) in the syntax of the `regex` crate.
//!
//! Both are linear-time and nearly agree. Where they do not, this makes the pattern mean what it means to RE2: `\d`,
//! `\w`, `\s` and `\b` are ASCII only, `\Q…\E` quotes.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};

/// Compiled size that a pattern may have, in bytes.
const SIZE_LIMIT: usize = 4 << 20;

/// A pattern that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError(String);

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PatternError {}

/// Compiles a pattern that must match the whole text.
pub fn full_match(pattern: &str) -> Result<Regex, PatternError> {
    compile(&format!("^(?:{})$", to_rust(pattern)))
}

/// Compiles a pattern that is searched for in the text.
pub fn search(pattern: &str) -> Result<Regex, PatternError> {
    compile(&to_rust(pattern))
}

fn compile(pattern: &str) -> Result<Regex, PatternError> {
    RegexBuilder::new(pattern).size_limit(SIZE_LIMIT).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(limit) => PatternError(format!("pattern compiles to more than {limit} bytes")),
        other => PatternError(last_line(&other.to_string())),
    })
}

/// The regex crate draws the pattern over several lines; the last one says what is wrong.
fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or(text).trim_start_matches("error: ").to_owned()
}

/// The pattern for the `regex` crate.
fn to_rust(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut rest = pattern.chars();
    let mut in_class = false;
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some('d') => out.push_str("[0-9]"),
                Some('D') => out.push_str("[^0-9]"),
                Some('w') => out.push_str("[0-9A-Za-z_]"),
                Some('W') => out.push_str("[^0-9A-Za-z_]"),
                Some('s') => out.push_str("[\\t\\n\\f\\r ]"),
                Some('S') => out.push_str("[^\\t\\n\\f\\r ]"),
                Some('b') if !in_class => out.push_str("(?-u:\\b)"),
                Some('B') if !in_class => out.push_str("(?-u:\\B)"),
                Some('Q') => {
                    let quoted: String = rest.as_str().split("\\E").next().unwrap_or("").to_owned();
                    let skip = quoted.chars().count() + 2;
                    out.push_str(&regex::escape(&quoted));
                    rest = skip_chars(rest, skip);
                }
                Some(other) => {
                    out.push('\\');
                    out.push(other);
                }
                None => out.push('\\'),
            },
            '[' if !in_class => {
                in_class = true;
                out.push('[');
                // A `]` right behind the opening (or its `^`) is a literal in RE2.
                if rest.as_str().starts_with('^') {
                    rest.next();
                    out.push('^');
                }
                if rest.as_str().starts_with(']') {
                    rest.next();
                    out.push_str("\\]");
                }
            }
            // Named classes such as [:alpha:] are the same in both; any other `[` is a literal in RE2.
            '[' if rest.as_str().starts_with(':') => {
                out.push('[');
                while let Some(c) = rest.next() {
                    out.push(c);
                    if c == ']' {
                        break;
                    }
                }
            }
            '[' => out.push_str("\\["),
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            // Set operators of the regex crate are plain characters to RE2.
            '&' | '~' if in_class => {
                out.push('\\');
                out.push(c);
            }
            other => out.push(other),
        }
    }
    out
}

fn skip_chars(mut chars: std::str::Chars<'_>, n: usize) -> std::str::Chars<'_> {
    for _ in 0..n {
        if chars.next().is_none() {
            break;
        }
    }
    chars
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_text() {
        for (pattern, text, expected) in [
            ("/a.*", "/abc", true),
            ("/a", "/abc", false),
            ("a|b", "b", true),
            ("a|b", "bc", false),
            ("\\d+", "123", true),
            ("\\d+", "١٢٣", false),
            ("[\\w-]+", "a-b_c", true),
            ("[]a]+", "]a", true),
            ("[^]]+", "abc", true),
            ("[[:alpha:]]+", "abc", true),
            ("[[]", "[", true),
            ("\\Qa.b\\E.", "a.bc", true),
            ("\\Qa.b\\E.", "axbc", false),
            ("(?i)AbC", "abc", true),
            ("[a&&b]+", "a&b", true),
            ("é.", "éx", true),
        ] {
            assert_eq!(full_match(pattern).unwrap().is_match(text.as_bytes()), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn refused() {
        assert!(full_match("(").unwrap_err().to_string().contains("unclosed group"));
        assert!(full_match("(?=x)").is_err());
        assert!(full_match("(\\w{100}){100}{100}").unwrap_err().to_string().contains("bytes"));
    }
}
