//! Trailers of HTTP/2 backends behind answers without a body, and paths with characters that HTTP/2 is not sent.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use conformance::case::{Case, behaviour_dir};
use conformance::embedded::Embedded;
use conformance::memory::Memory;
use conformance::pki::Pki;

#[test]
fn the_case_holds() {
    let case = Case::parse(include_str!("case.yaml")).unwrap();
    let memory = Memory::load(&behaviour_dir()).unwrap();
    let pki = Pki::new(behaviour_dir().join("pki"));
    let failures = memory.check(&case, async |world, network| Embedded::start(world, &case, network, &pki));
    assert!(failures.is_empty(), "{failures:#?}");
}
