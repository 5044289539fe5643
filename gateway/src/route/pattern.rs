//! Regular expressions of routes.
//!
//! Thousands of routes often have expressions that differ in a name at their begin or end alone. What is plain text
//! there is compared, and only what is left is run; of equal rests one program serves all, so that they take little
//! memory and stay in the processor's caches.

use std::collections::VecDeque;
use std::sync::Arc;

use config_schema::re2::{self, PatternError};
use regex::bytes::Regex;
use regex_syntax::hir::{Hir, HirKind, Literal};

use super::interner::Interner;
use super::literals;

/// An expression that a whole value must fit.
#[derive(Debug)]
pub struct Pattern {
    begin: Box<[u8]>,
    end: Box<[u8]>,
    /// For what is between; `None`: nothing may be.
    middle: Option<Arc<Regex>>,
}

impl Pattern {
    /// Compiles an expression in RE2's syntax.
    ///
    /// # Errors
    /// If it is not RE2, or too large.
    pub fn new(pattern: &str, interner: &mut Interner) -> Result<Self, PatternError> {
        let translated = re2::translate(pattern)?;
        // What looks at its neighbours (`\b`) must see them.
        let parsed = literals::parse(&translated).filter(|hir| hir.properties().look_set().is_empty());
        let Some(parsed) = parsed else {
            let middle = Some(interner.program(&translated)?);
            return Ok(Pattern { begin: Box::default(), end: Box::default(), middle });
        };
        let mut parts = VecDeque::from(match parsed.kind() {
            HirKind::Concat(parts) => parts.clone(),
            HirKind::Empty => Vec::new(),
            _ => vec![parsed],
        });
        let begin = take_text(&mut parts, VecDeque::front, VecDeque::pop_front);
        let end = take_text(&mut parts, VecDeque::back, VecDeque::pop_back);
        let middle = (!parts.is_empty()).then(|| Hir::concat(parts.into()).to_string());
        Ok(Pattern { begin, end, middle: middle.map(|middle| interner.program(&middle)).transpose()? })
    }

    /// Whether a value fits.
    pub fn is_match(&self, value: &[u8]) -> bool {
        value.strip_prefix(&*self.begin).is_some_and(|rest| self.rest_fits(rest))
    }

    /// The same of a value of which so many bytes are known to begin what fits.
    pub(super) fn is_match_after(&self, value: &[u8], known: usize) -> bool {
        match value.get(self.begin.len()..) {
            Some(rest) if known >= self.begin.len() => self.rest_fits(rest),
            _ => self.is_match(value),
        }
    }

    fn rest_fits(&self, rest: &[u8]) -> bool {
        let rest = if self.end.is_empty() { Some(rest) } else { rest.strip_suffix(&*self.end) };
        rest.is_some_and(|rest| match &self.middle {
            Some(middle) => middle.is_match(rest),
            None => rest.is_empty(),
        })
    }
}

/// Takes the first or last part if it is plain text.
fn take_text(
    parts: &mut VecDeque<Hir>,
    look: fn(&VecDeque<Hir>) -> Option<&Hir>,
    take: fn(&mut VecDeque<Hir>) -> Option<Hir>,
) -> Box<[u8]> {
    let Some(HirKind::Literal(Literal(text))) = look(parts).map(Hir::kind) else { return Box::default() };
    let text = text.clone();
    take(parts);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(pattern: &str) -> Pattern {
        Pattern::new(pattern, &mut Interner::default()).unwrap()
    }

    #[test]
    fn what_is_text_is_compared() {
        for (pattern, begin, end, runs) in [
            ("/items/7", "/items/7", "", false),
            ("/items/[^/]+", "/items/", "", true),
            ("/[^/]+/items/7", "/", "/items/7", true),
            (".*/tail", "", "/tail", true),
            ("(/a|/b)", "", "", true),
            ("/a\\b.*", "", "", true),
            ("^/a$", "", "", true),
            ("(?i)/a", "/", "", true),
            ("/\u{e9}.", "/\u{e9}", "", true),
        ] {
            let compiled = compiled(pattern);
            assert_eq!((&*compiled.begin, &*compiled.end), (begin.as_bytes(), end.as_bytes()), "{pattern}");
            assert_eq!(compiled.middle.is_some(), runs, "{pattern}");
        }
    }

    #[test]
    fn equal_rests_share_a_program() {
        let mut interner = Interner::default();
        for n in 0..1000 {
            let pattern = Pattern::new(&format!("/service-{n}/[^/]+/[0-9]+"), &mut interner).unwrap();
            assert!(pattern.is_match(format!("/service-{n}/x/7").as_bytes()));
            assert!(!pattern.is_match(format!("/service-{n}/x/y").as_bytes()));
        }
        assert_eq!(interner.programs(), 1);
    }

    /// Taken apart or whole, an expression says the same.
    #[test]
    fn agrees_with_the_whole_expression() {
        let patterns = "/a /a.* .*a /a.*a /(a|b)c aa?a a+a (?i)/a.* /\u{e9}. .\u{e9} /[^/]+/x a{2}b{0,1} (ab)(cd) \
            x(|a)x (?s)a.b \\Qa.\\E. /a\\b \\Aab ab\\z \\Bab a|b [a]b";
        let values: &[&[u8]] = &[
            b"",
            b"a",
            b"aa",
            b"aaa",
            b"/a",
            b"/ab",
            b"/aa",
            b"/A",
            b"/Ax",
            b"/ac",
            b"/bc",
            b"/a/x",
            b"//x",
            b"ab",
            b"aab",
            b"abcd",
            b"xx",
            b"xax",
            b"a\nb",
            b"a.c",
            b"a.",
            b"/\xc3\xa9",
            b"/\xc3\xa9x",
            b"x\xc3\xa9",
            b"/\xc3",
            b"b",
            b"/a\xff",
            b"\xffa",
            b"a\xffb",
        ];
        for pattern in patterns.split(' ').chain([""]) {
            let whole = re2::full_match(pattern).unwrap();
            for value in values {
                assert_eq!(compiled(pattern).is_match(value), whole.is_match(value), "{pattern} {value:?}");
            }
        }
    }
}
