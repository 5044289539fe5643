//! The recorded behaviour cases, played against the gateway as a library: connections are pipes, time is virtual.

use std::process::ExitCode;

use conformance::case::{Case, behaviour_dir};
use conformance::embedded::Embedded;
use conformance::ledger::Mode;
use conformance::memory::Memory;
use conformance::pki::Pki;
use conformance::suite;

/// How many cases are played at a time.
const JOBS: usize = 2;

fn main() -> ExitCode {
    suite::main(Mode::Memory, JOBS, || {
        let memory = Memory::load(&behaviour_dir())?;
        let pki = Pki::new(behaviour_dir().join("pki"));
        Ok(move |case: &Case| memory.check(case, async |world, network| Embedded::start(world, case, network, &pki)))
    })
}
