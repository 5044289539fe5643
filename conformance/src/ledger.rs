//! The ledger: which cases do not hold yet, and why.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, ensure};
use serde::Deserialize;

/// How a case is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The gateway as a library, in memory.
    Memory,
    /// The gateway as a process.
    Binary,
}

/// What `expected.toml` says.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    entries: BTreeMap<String, Entry>,
}

/// One case that does not hold yet.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// Why it does not.
    reason: String,
    /// Where it does not.
    #[serde(default)]
    mode: Modes,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Modes {
    Memory,
    Binary,
    #[default]
    Both,
}

/// A case's result, seen against the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Holds, and is not listed.
    Holds,
    /// Does not hold, and is not listed.
    Fails,
    /// Does not hold, as listed.
    FailsAsListed,
    /// Holds, though it is listed: the entry has to go.
    HoldsThoughListed,
}

impl Ledger {
    /// Reads the ledger and checks it against the cases that exist.
    pub fn load(path: &Path, known: &[String]) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        Self::parse(&text, known).with_context(|| path.display().to_string())
    }

    fn parse(text: &str, known: &[String]) -> anyhow::Result<Self> {
        let entries: BTreeMap<String, Entry> = toml::from_str(text)?;
        for (case, entry) in &entries {
            ensure!(known.contains(case), "there is no case {case}");
            ensure!(!entry.reason.trim().is_empty(), "{case} has no reason");
        }
        Ok(Self { entries })
    }

    /// Why a case is listed for this mode, if it is.
    pub fn reason(&self, case: &str, mode: Mode) -> Option<&str> {
        let entry = self.entries.get(case)?;
        let listed = match entry.mode {
            Modes::Both => true,
            Modes::Memory => mode == Mode::Memory,
            Modes::Binary => mode == Mode::Binary,
        };
        listed.then_some(entry.reason.as_str())
    }

    /// What to make of a case that holds or does not.
    pub fn verdict(&self, case: &str, mode: Mode, holds: bool) -> Verdict {
        match (holds, self.reason(case, mode).is_some()) {
            (true, false) => Verdict::Holds,
            (false, false) => Verdict::Fails,
            (false, true) => Verdict::FailsAsListed,
            (true, true) => Verdict::HoldsThoughListed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> anyhow::Result<Ledger> {
        Ledger::parse(text, &["edge/a".to_owned(), "edge/b".to_owned()])
    }

    #[test]
    fn verdicts() {
        let ledger = parse("['edge/a']\nreason = 'later'\n['edge/b']\nreason = 'x'\nmode = 'binary'\n").unwrap();
        assert_eq!(ledger.verdict("edge/a", Mode::Memory, false), Verdict::FailsAsListed);
        assert_eq!(ledger.verdict("edge/a", Mode::Binary, true), Verdict::HoldsThoughListed);
        assert_eq!(ledger.verdict("edge/b", Mode::Memory, false), Verdict::Fails);
        assert_eq!(ledger.verdict("edge/b", Mode::Memory, true), Verdict::Holds);
        assert_eq!(ledger.reason("edge/b", Mode::Binary), Some("x"));
    }

    #[test]
    fn entries_must_make_sense() {
        assert!(parse("['edge/c']\nreason = 'x'\n").is_err());
        assert!(parse("['edge/a']\nreason = ' '\n").is_err());
        assert!(parse("['edge/a']\n").is_err());
        assert!(parse("['edge/a']\nreason = 'x'\nwhy = 'y'\n").is_err());
    }
}
