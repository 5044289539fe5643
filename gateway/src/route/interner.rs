//! What the routes of a table have in common, kept once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use config_schema::re2::{self, PatternError};
use regex::bytes::Regex;

/// Names and programs of the routes that are compiled together.
#[derive(Debug, Default)]
pub struct Interner {
    names: HashSet<Arc<str>>,
    /// By the expressions that they were compiled from.
    programs: HashMap<String, Arc<Regex>>,
}

impl Interner {
    /// The one copy of a name.
    pub(super) fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.names.insert(Arc::clone(&name));
        name
    }

    /// The program for an expression that [`re2::translate`] has written, which must match a whole value.
    pub(super) fn program(&mut self, translated: &str) -> Result<Arc<Regex>, PatternError> {
        if let Some(known) = self.programs.get(translated) {
            return Ok(Arc::clone(known));
        }
        let program = Arc::new(re2::full_match_translated(translated)?);
        self.programs.insert(translated.to_owned(), Arc::clone(&program));
        Ok(program)
    }

    /// How many programs there are.
    #[cfg(test)]
    pub(super) fn programs(&self) -> usize {
        self.programs.len()
    }
}
