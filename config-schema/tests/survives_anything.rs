//! No text makes reading or judging panic, hang or take more than its share of time.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod oracles;

use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use config_schema::parse::{ParseOutcome, parse_documents};
use config_schema::re2;
use config_schema::resources::Resources;
use config_schema::support::check;
use config_schema::validate::validate;
use proptest::prelude::*;

/// Reads and judges a text; every finding must have a place inside of it.
fn judge(text: &str) -> ParseOutcome {
    let outcome = parse_documents("any.yaml", text);
    let mut violations = outcome.violations.clone();
    for parsed in outcome.objects.iter().chain(&outcome.refused) {
        violations.extend(validate(parsed));
        violations.extend(check(parsed));
    }
    // A carriage return alone ends a line of YAML too.
    let lines = u32::try_from(text.matches(['\n', '\r']).count() + 1).unwrap();
    for violation in &violations {
        assert!(violation.line <= lines + 1, "{violation} in a text of {lines} lines");
    }
    let _ = Resources::load(outcome.objects.iter().cloned());
    outcome
}

static GOOD_FILES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    oracles::files(&folder, "yaml").iter().map(|path| fs::read_to_string(path).unwrap()).collect()
});

/// What a slip of the editor, or an attacker, might put in.
const SNIPPETS: [&str; 28] = [
    "\n", "  ", "\t", "- ", ": ", "{", "}", "[", "]", "&a ", "*a", "<<: *a", "!!str ", "|\n", ">-\n", "\"", "'", "#",
    "---\n", "...\n", "null", "-1", "1e999", "\u{0}", "\u{feff}", "é", "%", "? ",
];

#[derive(Debug, Clone)]
enum Edit {
    Delete(usize),
    Insert(usize),
    Repeat(usize),
    Truncate,
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        (1..40_usize).prop_map(Edit::Delete),
        (0..SNIPPETS.len()).prop_map(Edit::Insert),
        (1..200_usize).prop_map(Edit::Repeat),
        Just(Edit::Truncate),
    ]
}

fn apply(text: &str, edits: &[(prop::sample::Index, Edit)]) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    for (place, edit) in edits {
        if letters.is_empty() {
            break;
        }
        let at = place.index(letters.len());
        match edit {
            Edit::Delete(count) => drop(letters.drain(at..(at + count).min(letters.len()))),
            Edit::Insert(snippet) => drop(letters.splice(at..at, SNIPPETS[*snippet].chars())),
            Edit::Repeat(count) => {
                let copy: Vec<char> = letters[at..(at + count).min(letters.len())].to_vec();
                letters.splice(at..at, copy);
            }
            Edit::Truncate => letters.truncate(at),
        }
    }
    letters.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        judge(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn text_that_looks_like_yaml(words in prop::collection::vec(prop::sample::select(SNIPPETS.as_slice()), 0..60)) {
        judge(&words.concat());
    }

    #[test]
    fn good_files_with_slips(file in any::<prop::sample::Index>(), edits in prop::collection::vec((any::<prop::sample::Index>(), edit()), 1..6)) {
        judge(&apply(file.get::<String>(GOOD_FILES.as_slice()), &edits));
    }

    #[test]
    fn arbitrary_expressions(pattern in "[a-c*+?|(){}\\[\\]^$.\\\\dDwQE:<>P,1-3&~-]{0,20}", value in "[a-c1-3]{0,10}") {
        if let Ok(regex) = re2::full_match(&pattern) {
            let _ = regex.is_match(value.as_bytes());
            prop_assert!(re2::search(&pattern).is_ok());
        }
        let _ = re2::highest_group(&pattern);
    }
}

#[test]
fn good_files_are_found_at_all() {
    assert!(GOOD_FILES.len() > 30 && GOOD_FILES.iter().map(|text| judge(text).objects.len()).sum::<usize>() > 50);
}

/// The least time of several, so that other work on the machine does not count.
fn time(text: &str) -> Duration {
    (0..5)
        .map(|_| {
            let begin = Instant::now();
            let _ = judge(text);
            begin.elapsed()
        })
        .min()
        .unwrap()
}

#[test]
fn time_grows_with_the_text_and_not_with_its_square() {
    let virtual_service = |index: usize| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: vs-{index}}}\nspec:\n  hosts: [h{index}.example.com]\n  \
             http:\n  - match: [{{uri: {{prefix: /{index}}}}}]\n    route: [{{destination: {{host: a}}}}]\n---\n"
        )
    };
    let rule = |index: usize| {
        format!("  - match: [{{uri: {{prefix: /{index}}}}}]\n    route: [{{destination: {{host: a}}}}]\n")
    };
    let head =
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n  hosts: [a]\n  http:\n";
    let label = |index: usize| format!("    k{index}: v\n");
    let service = "apiVersion: v1\nkind: Service\nmetadata:\n  name: a\n  labels:\n";
    let texts: [(&str, &dyn Fn(usize) -> String); 6] = [
        ("documents", &|n| (0..n).map(virtual_service).collect()),
        ("rules", &|n| head.to_owned() + &(0..n).map(rule).collect::<String>()),
        ("keys", &|n| service.to_owned() + &(0..n).map(label).collect::<String>()),
        ("unknown fields", &|n| {
            format!("{head}  - {{}}\n") + &(0..n).map(|i| format!("  x{i}: 1\n")).collect::<String>()
        }),
        ("one long string", &|n| format!("{service}    a: \"{}\"\n", "x".repeat(100 * n))),
        ("aliases", &|n| {
            format!("{service}    a: &a x\n{}", (0..n).map(|i| format!("    k{i}: *a\n")).collect::<String>())
        }),
    ];
    for (what, make) in texts {
        let (small, large) = (time(&make(250)), time(&make(2000)));
        // Eight times the text: eight times the time, with room for noise; by the square it would be 64 times.
        assert!(large < small * 32 + Duration::from_millis(50), "{what}: {small:?} became {large:?}");
    }
}
