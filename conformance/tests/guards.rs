//! The corpus of `guards/`: attempts to reach through the gateway what no client should reach. Each is refused, with
//! its reason in the access log; what may be reached is reached. Played in memory, where any address can be had.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use conformance::case::{behaviour_dir, load_all};
use conformance::embedded::Embedded;
use conformance::memory::Memory;
use conformance::pki::Pki;

#[test]
fn nobody_gets_through() {
    let memory = Memory::bare(&behaviour_dir());
    let pki = Pki::new(behaviour_dir().join("pki"));
    let mut failed = String::new();
    let cases = load_all(&behaviour_dir().with_file_name("guards")).unwrap();
    let mut attempts = 0;
    for case in &cases {
        attempts += case.exchanges.len();
        for failure in memory.check(case, async |world, network| Embedded::start(world, case, network, &pki)) {
            failed.push_str(&format!("{}: {failure}", case.id()));
        }
    }
    assert!(failed.is_empty(), "\n{failed}");
    assert!(attempts > 100, "only {attempts} attempts");
}
