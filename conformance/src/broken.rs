//! Broken configuration: good files, and variants of them that each have one thing wrong (`validate/`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use base64::Engine;
use config_schema::Violation;
use serde::Deserialize;

/// A good file with one thing wrong.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// What is wrong.
    pub name: String,
    /// The file.
    pub file: String,
    /// Everything that must be found, and nothing else.
    pub finds: Vec<String>,
    /// This, which the good file has once, is replaced by `with`.
    replace: Option<String>,
    with: Option<String>,
    /// This comes behind the good file.
    append: Option<String>,
    /// This is in its place.
    text: Option<String>,
    /// These bytes are.
    base64: Option<String>,
    /// A text that would be long to write is.
    repeat: Option<Repeat>,
}

/// `before`, then `unit` so many `times`, then `after`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Repeat {
    before: String,
    unit: String,
    times: usize,
    after: String,
}

/// Where good files and variants are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("validate")
}

/// The good files, by name.
pub fn good_files() -> anyhow::Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder().join("good"))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).context("a name")?.to_owned();
        files.insert(name, std::fs::read_to_string(&path)?);
    }
    Ok(files)
}

/// All variants, in order.
pub fn variants() -> anyhow::Result<Vec<Variant>> {
    let text = std::fs::read_to_string(folder().join("variants.yaml"))?;
    serde_saphyr::from_str(&text).context("variants.yaml")
}

impl Variant {
    /// The broken file.
    pub fn content(&self, good: &BTreeMap<String, String>) -> anyhow::Result<Vec<u8>> {
        let original = good.get(&self.file).with_context(|| format!("{}: no file {}", self.name, self.file))?;
        if let (Some(old), Some(new)) = (&self.replace, &self.with) {
            let count = original.matches(old.as_str()).count();
            ensure!(count == 1, "{}: {old:?} is in {} {count} times", self.name, self.file);
            return Ok(original.replace(old.as_str(), new).into_bytes());
        }
        if let Some(more) = &self.append {
            return Ok([original.as_str(), more].concat().into_bytes());
        }
        if let Some(Repeat { before, unit, times, after }) = &self.repeat {
            return Ok([before.as_str(), &unit.repeat(*times), after].concat().into_bytes());
        }
        if let Some(bytes) = &self.base64 {
            return Ok(base64::engine::general_purpose::STANDARD.decode(bytes)?);
        }
        Ok(self.text.clone().with_context(|| format!("{}: nothing is changed", self.name))?.into_bytes())
    }

    /// The file of the first finding.
    pub fn file_told_of(&self) -> &str {
        let first = self.finds.first().and_then(|line| line.split(' ').next()).unwrap_or_default();
        first.split_once(':').map_or(self.file.as_str(), |(file, _)| file)
    }

    /// A finding in one line, as `finds` has it: `LINE SEVERITY RULE: OBJECT: PATH`; what is not known is left out. The
    /// line of another file than the variant's has that file in front.
    pub fn describe(&self, finding: &Violation) -> String {
        let file = Path::new(&*finding.file).file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let other = if file == self.file { String::new() } else { format!("{file}:") };
        let parts = [finding.object.as_str(), &finding.path].into_iter().filter(|part| !part.is_empty());
        let place: String = parts.map(|part| format!(": {part}")).collect();
        format!("{other}{} {} {}{place}", finding.line, finding.severity, finding.rule)
    }
}
