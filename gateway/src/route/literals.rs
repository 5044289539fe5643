//! Texts that a regular expression cannot do without: where they are missing, it need not be run.

use config_schema::re2;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::Hir;
use regex_syntax::hir::literal::{ExtractKind, Extractor, Seq};

/// An expression with more beginnings (or endings) than this counts as having none.
const MAX_LITERALS: usize = 16;

/// Texts with one of which every value begins that fits the whole expression. Only the empty text if nothing is known.
pub(super) fn beginnings(pattern: &str) -> Vec<Vec<u8>> {
    extract(pattern, ExtractKind::Prefix, Seq::keep_first_bytes, <[u8]>::starts_with)
}

/// Texts with one of which every value ends that fits the whole expression. Only the empty text if nothing is known.
pub(super) fn endings(pattern: &str) -> Vec<Vec<u8>> {
    extract(pattern, ExtractKind::Suffix, Seq::keep_last_bytes, <[u8]>::ends_with)
}

/// Reads an expression that [`re2::translate`] has written.
pub(super) fn parse(translated: &str) -> Option<Hir> {
    ParserBuilder::new().utf8(false).build().parse(translated).ok()
}

fn extract(
    pattern: &str,
    kind: ExtractKind,
    shorten: fn(&mut Seq, usize),
    implies: fn(&[u8], &[u8]) -> bool,
) -> Vec<Vec<u8>> {
    let unknown = || vec![Vec::new()];
    let Some(hir) = re2::translate(pattern).ok().and_then(|translated| parse(&translated)) else {
        return unknown();
    };
    let mut literals = Extractor::new().kind(kind).extract(&hir);
    // Many long texts may be few short ones.
    if literals.len().is_some_and(|n| n > MAX_LITERALS) {
        shorten(&mut literals, 4);
        literals.dedup();
    }
    match literals.literals() {
        Some(literals) if !literals.is_empty() && literals.len() <= MAX_LITERALS => {
            let mut texts: Vec<&[u8]> = literals.iter().map(|literal| literal.as_bytes()).collect();
            texts.sort_by_key(|text| text.len());
            // What begins (or ends) with a longer one does so with the shorter one too.
            let mut least: Vec<Vec<u8>> = Vec::new();
            for text in texts {
                if !least.iter().any(|shorter| implies(text, shorter)) {
                    least.push(text.to_vec());
                }
            }
            least
        }
        Some(_) | None => unknown(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(list: Vec<Vec<u8>>) -> String {
        let mut texts: Vec<String> = list.into_iter().map(|text| String::from_utf8(text).unwrap()).collect();
        texts.sort();
        texts.join(" ")
    }

    #[test]
    fn what_every_match_begins_and_ends_with() {
        for (pattern, begins, ends) in [
            ("/items/[^/]+", "/items/", ""),
            ("/a.*", "/a", ""),
            ("/ab?c", "/abc /ac", "/abc /ac"),
            ("/ab+", "/ab", "b"),
            ("/a|/b", "/a /b", "/a /b"),
            ("/(v1|v2)/x.*", "/v1/x /v2/x", ""),
            (".*", "", ""),
            (".*/tail", "", "/tail"),
            ("/[^/]+/items/7", "/", "/items/7"),
            ("(", "", ""),
            ("", "", ""),
        ] {
            assert_eq!(texts(beginnings(pattern)), begins, "{pattern}");
            assert_eq!(texts(endings(pattern)), ends, "{pattern}");
        }
    }

    #[test]
    fn case_folding_is_followed() {
        assert_eq!(texts(beginnings("(?i)/ab")), "/AB /Ab /aB /ab");
    }

    /// Whatever the pattern, a text that fits begins and ends with one of the literals.
    #[test]
    fn no_match_is_lost() {
        let values = ["", "/", "/a", "/ab", "/A", "/abab", "/v1/items/7", "/v2/x", "a/b", "/a\u{e9}", "/ab/", "abc"];
        for pattern in [
            "/a?",
            "/(a|ab)*",
            "(?i)/a",
            "/v[0-9]/.*",
            "[/a].*",
            "(/a|/v2/x)?",
            "/[^/]+/items/7",
            ".*b",
            "a/.",
            "/a\u{e9}",
            "(a|)(b|)(c|)",
            "/ab|abc|",
            "^/a$",
            "\\/a",
            "/\\Qab\\E",
        ] {
            let compiled = re2::full_match(pattern).unwrap();
            let (begins, ends) = (beginnings(pattern), endings(pattern));
            for value in values.iter().map(|value| value.as_bytes()).filter(|value| compiled.is_match(value)) {
                assert!(begins.iter().any(|text| value.starts_with(text)), "{pattern} {value:?} {begins:?}");
                assert!(ends.iter().any(|text| value.ends_with(text)), "{pattern} {value:?} {ends:?}");
            }
        }
    }
}
