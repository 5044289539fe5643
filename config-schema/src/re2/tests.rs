use super::*;

fn matches(pattern: &str, value: &str) -> bool {
    full_match(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}")).is_match(value.as_bytes())
}

#[test]
fn expressions_match_from_beginning_to_end() {
    assert!(matches("/api/v[0-9]+", "/api/v12"));
    assert!(!matches("/api", "/api/v12"));
    assert!(!matches("a|b", "ab"));
    assert!(matches("(?i)abc", "ABC"));
    assert!(!matches(".*", "a\nb"));
    assert!(matches("(?s).*", "a\nb"));
    assert!(!matches("(?m)a$", "a\nb"));
}

#[test]
fn what_the_engines_read_differently_has_the_meaning_of_re2() {
    for (pattern, yes, no) in [
        (r"\d+", "12", "١٢"),
        (r"\w", "a", "é"),
        (r"\s", " ", "\u{a0}"),
        (r"[\d-]+", "1-2", "a"),
        (r"[^\D]", "1", "a"),
        (r"/users/{id}", "/users/{id}", "/users/1"),
        (r"a{,2}", "a{,2}", "aa"),
        (r"a{2,3}", "aaa", "a"),
        (r"x{02}", "x{02}", "xx"),
        (r"[a&&b]", "&", "c"),
        (r"[[a]", "[", "]"),
        (r"[]a]", "]", "b"),
        (r"[^]a]", "b", "]"),
        (r"[a-]", "-", "b"),
        (r"[+--]", ",", "/"),
        (r"[~~a]", "~", "b"),
        (r"\<a\>", "<a>", "a"),
        (r"\Qa.b\E+", "a.bb", "axb"),
        (r"\Qa.b", "a.b", "axb"),
        (r"\x41\x{e9}\101", "AéA", "A"),
        (r"[[:alpha:]]+", "ab", "1"),
        (r"[[:^alpha:]]+", "1", "a"),
        (r"\pL+", "é", "1"),
        (r"\p{Greek}", "α", "a"),
        (r"\P{^Greek}", "α", "a"),
        (r"[^a-c\s]", "d", "a"),
        (r"a\b.*", "a b", "ab"),
        (r"(?P<x>a)(?<y>b)", "ab", "a"),
        (r"(?:a)??b", "ab", "aab"),
        (r"\/a\-b\ ", "/a-b ", "ab"),
        (r"a\z", "a", "b"),
        ("é+", "éé", "e"),
        (r"}", "}", "{"),
    ] {
        assert!(matches(pattern, yes), "{pattern} should match {yes}");
        assert!(!matches(pattern, no), "{pattern} should not match {no}");
    }
}

#[test]
fn what_is_not_re2_is_refused() {
    for pattern in [
        "(",
        ")",
        "[a",
        "*",
        "a**",
        "a+*",
        "a{2}{3}",
        "a{1001}",
        "a{3,2}",
        r"\",
        r"\1",
        r"(a)\1",
        r"\Z",
        r"\C",
        r"\y",
        "(?=a)",
        "(?!a)",
        "(?<=a)",
        "(?<!a)",
        "(?x)a",
        "(?u)a",
        "(?R)a",
        "(?P<>a)",
        "(?P<a b>c)",
        "[b-a]",
        "[[:foo:]]",
        r"\p{Foo}",
        r"\p",
        r"\x4",
        r"\x{110000}",
        "|*",
        "(|*)",
        "(?i",
        "((a{1000}){1000}){1000}",
    ] {
        assert!(full_match(pattern).is_err(), "{pattern}");
    }
    assert_eq!(full_match("a**").unwrap_err().to_string(), "the repetition operator * follows another one");
    assert_eq!(full_match("(?=a)").unwrap_err().to_string(), "RE2 cannot look around: (?=");
    assert_eq!(full_match("(").unwrap_err().to_string(), "a group is not closed");
}

#[test]
fn replacements_name_groups_by_a_digit() {
    assert_eq!(highest_group(r"/\2/\1\\3"), Ok(2));
    assert_eq!(highest_group("/x"), Ok(0));
    assert!(highest_group(r"\x").is_err() && highest_group("\\").is_err());
}
