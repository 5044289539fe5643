//! `sallyport validate`: every finding, without serving anything.

use std::io::Write;
use std::process::ExitCode;

use config_schema::translate::translate;
use config_schema::{Severity, Violation};

use crate::app::proxy_identity;
use crate::cli::{Output, Validate};
use crate::config::load::Loader;
use crate::config::source::FileSource;

/// Checks files; 0: no error, 1: errors, 2: files that cannot be read.
pub fn run(options: &Validate) -> ExitCode {
    let texts = match FileSource::new(options.paths.clone()).read() {
        Ok(texts) => texts,
        Err(error) => {
            // Nothing is left to be done if even this cannot be written.
            let _ = writeln!(std::io::stderr(), "{error}");
            return ExitCode::from(2);
        }
    };
    let mut loaded = Loader::default().load(&texts);
    let translation = translate(&loaded.resources, &proxy_identity(options.proxy.as_ref()));
    loaded.add_reports(&translation.reports);
    let mut findings = loaded.findings;
    findings.sort_by(|a, b| (&a.file, a.line, a.column, &a.path).cmp(&(&b.file, b.line, b.column, &b.path)));
    findings.dedup();
    if print(&findings, options.output, texts.len()).is_err() {
        return ExitCode::from(2);
    }
    let failed = findings.iter().any(|finding| finding.severity == Severity::Error);
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn print(findings: &[Violation], output: Output, files: usize) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match output {
        Output::Json => {
            let list: Vec<serde_json::Value> = findings.iter().map(json).collect();
            writeln!(out, "{}", serde_json::to_string_pretty(&list)?)
        }
        Output::Text => {
            for finding in findings {
                writeln!(out, "{finding}")?;
            }
            let count = |severity| findings.iter().filter(|f| f.severity == severity).count();
            writeln!(out, "{files} files: {} errors, {} warnings", count(Severity::Error), count(Severity::Warning))
        }
    }
}

fn json(finding: &Violation) -> serde_json::Value {
    serde_json::json!({
        "file": &*finding.file,
        "line": finding.line,
        "column": finding.column,
        "object": finding.object,
        "path": finding.path,
        "rule": finding.rule,
        "severity": finding.severity.to_string(),
        "message": finding.message,
    })
}
