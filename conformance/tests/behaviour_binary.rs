//! The recorded behaviour cases, played against the binary `sallyport`.
//!
//! The binary is `SALLYPORT_BIN`, else the one beside this test's own in the target folder. Several cases are played at
//! a time, each in a network namespace of its own; without root, one after the other in the host's.

use std::process::ExitCode;
use std::sync::Arc;

use conformance::binary::{SallyportLauncher, isolate, sallyport_binary};
use conformance::case::{Case, behaviour_dir};
use conformance::echo::Echo;
use conformance::ledger::Mode;
use conformance::pki::Pki;
use conformance::suite;
use conformance::world::World;

/// How many cases are played at a time if each can have its own network. Most of their time they wait.
const JOBS: usize = 8;

fn main() -> ExitCode {
    let isolated = std::thread::spawn(isolate).join().is_ok_and(|isolated| isolated.is_ok());
    let jobs = if isolated { JOBS } else { 1 };
    suite::main(Mode::Binary, jobs, || {
        if isolated {
            isolate()?;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let pki = Arc::new(Pki::new(behaviour_dir().join("pki")));
        let world = Arc::new(World::load(&behaviour_dir().join("world.yaml"))?);
        let echo = Echo::new(&pki, &world)?;
        let binary = sallyport_binary()?;
        let launcher = runtime.block_on(async { SallyportLauncher::new(binary, pki, world, echo) })?;
        Ok(move |case: &Case| runtime.block_on(launcher.check(case)))
    })
}
