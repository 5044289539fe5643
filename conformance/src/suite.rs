//! Runs all cases in one mode and holds the results against the ledger: the body of the behaviour tests.
//!
//! Environment: `BEHAVIOUR` is a comma list of parts of case names; only these cases are played, and their differences
//! are printed in full. `BEHAVIOUR_JOBS` is how many are played at a time. With `BEHAVIOUR_LEDGER=print` entries for
//! the failures that the ledger does not have are printed in its format.

use std::fmt::Write;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Context;

use crate::case::{Case, behaviour_dir, load_everything};
use crate::ledger::{Ledger, Mode, Verdict};
use crate::run::Failure;

/// The cases to play, and the ledger.
#[derive(Debug)]
pub struct Suite {
    mode: Mode,
    cases: Vec<Case>,
    ledger: Ledger,
    /// Parts of the names of cases that were asked for; empty means all.
    asked: Vec<String>,
}

/// What came of the cases.
#[derive(Debug, Default)]
pub struct Results {
    lines: Vec<(String, Verdict, String)>,
}

/// Plays all cases that were asked for and prints what is not as it should be. `worker` is called on each of the worker
/// threads, of which there are `BEHAVIOUR_JOBS` or `jobs`, and makes the function that plays one case.
pub fn main<W: FnMut(&Case) -> Vec<Failure>>(
    mode: Mode,
    jobs: usize,
    worker: impl Fn() -> anyhow::Result<W> + Sync,
) -> ExitCode {
    if std::env::args().any(|arg| arg == "--list") {
        return exit(print("behaviour: test\n"));
    }
    let started = Instant::now();
    let jobs = std::env::var("BEHAVIOUR_JOBS").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(jobs);
    let outcome = Suite::load(mode).and_then(|suite| {
        let results = suite.play(jobs, &worker)?;
        let report = suite.report(&results) + &format!(" in {:.1} s\n", started.elapsed().as_secs_f32());
        print(&report)?;
        Ok(results.good())
    });
    exit(outcome.and_then(|good| if good { Ok(()) } else { anyhow::bail!("behaviour is not as expected") }))
}

fn exit(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to be done if even this cannot be written.
            let _ = writeln!(std::io::stderr(), "{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

impl Suite {
    /// Loads the cases and the ledger of this crate.
    pub fn load(mode: Mode) -> anyhow::Result<Self> {
        let mut cases = load_everything()?;
        let names: Vec<String> = cases.iter().map(Case::id).collect();
        let ledger = Ledger::load(&behaviour_dir().with_file_name("expected.toml"), &names)?;
        // The process leaves refused objects out and serves on: what is refused shows in memory.
        cases.retain(|case| mode == Mode::Memory || case.rejected.is_none());
        let asked = std::env::var("BEHAVIOUR").unwrap_or_default();
        let asked: Vec<String> = asked.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        cases.retain(|case| asked.is_empty() || asked.iter().any(|part| case.id().contains(part)));
        anyhow::ensure!(!cases.is_empty(), "no case is named like BEHAVIOUR={}", asked.join(","));
        Ok(Self { mode, cases, ledger, asked })
    }

    /// Plays the cases on `jobs` threads.
    pub fn play<W: FnMut(&Case) -> Vec<Failure>>(
        &self,
        jobs: usize,
        worker: &(impl Fn() -> anyhow::Result<W> + Sync),
    ) -> anyhow::Result<Results> {
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Results::default());
        std::thread::scope(|scope| {
            let run = || -> anyhow::Result<()> {
                let mut play = worker()?;
                while let Some(case) = self.cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let failures = play(case);
                    let verdict = self.ledger.verdict(&case.id(), self.mode, failures.is_empty());
                    let text = self.describe(&failures);
                    let mut done = done.lock().map_err(|_| anyhow::anyhow!("a worker panicked"))?;
                    done.lines.push((case.id(), verdict, text));
                }
                Ok(())
            };
            let threads: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(run)).collect();
            threads
                .into_iter()
                .try_for_each(|thread| thread.join().unwrap_or_else(|_| anyhow::bail!("a worker panicked")))
        })?;
        let mut results = done.into_inner().ok().context("a worker panicked")?;
        results.lines.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(results)
    }

    /// A failing case in one line, or in full if it was asked for.
    fn describe(&self, failures: &[Failure]) -> String {
        if !self.asked.is_empty() {
            return failures.iter().fold("\n".to_owned(), |text, failure| text + &failure.to_string());
        }
        let Some(first) = failures.first() else { return String::new() };
        let what = match first.mismatches.first() {
            Some(mismatch) => shortened(&mismatch.to_string()),
            None => shortened(&first.request),
        };
        let more = failures.iter().map(|failure| failure.mismatches.len().max(1)).sum::<usize>() - 1;
        let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
        format!("{}{what}{more}\n", first.exchange.map_or_else(String::new, |number| format!("exchange {number}, ")))
    }

    fn report(&self, results: &Results) -> String {
        let mut text = String::new();
        for (case, verdict, what) in &results.lines {
            // Writing to a string cannot fail.
            let _ = match verdict {
                Verdict::Holds => Ok(()),
                Verdict::Fails => write!(text, "FAIL {case}: {what}"),
                Verdict::HoldsThoughListed => writeln!(text, "HOLDS {case}: take it out of expected.toml"),
                Verdict::FailsAsListed if self.asked.is_empty() => Ok(()),
                Verdict::FailsAsListed => write!(text, "listed {case}: {what}"),
            };
        }
        if std::env::var("BEHAVIOUR_LEDGER").is_ok_and(|value| value == "print") {
            for (case, ..) in results.lines.iter().filter(|line| line.1 == Verdict::Fails) {
                let _ = writeln!(text, "[\"{case}\"]\nreason = \"\"\n");
            }
        }
        let count = |wanted| results.lines.iter().filter(|line| line.1 == wanted).count();
        let _ = write!(
            text,
            "{:?}: {} cases, {} hold, {} fail, {} fail as listed, {} hold though listed",
            self.mode,
            results.lines.len(),
            count(Verdict::Holds),
            count(Verdict::Fails),
            count(Verdict::FailsAsListed),
            count(Verdict::HoldsThoughListed)
        );
        text
    }
}

impl Results {
    /// Whether everything is as the ledger has it.
    pub fn good(&self) -> bool {
        self.lines.iter().all(|line| matches!(line.1, Verdict::Holds | Verdict::FailsAsListed))
    }
}

fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= 200 { line.to_owned() } else { line.chars().take(200).chain("...".chars()).collect() }
}
