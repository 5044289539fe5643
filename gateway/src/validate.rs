//! `sallyport validate`: every finding, without serving anything.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use config_schema::snapshot::ObjectRef;
use config_schema::translate::{expansions, translate};
use config_schema::{Severity, Violation};

use crate::app::proxy_identity;
use crate::cli::{Output, Validate};
use crate::clock::Clock;
use crate::config::load::{Loader, Text};
use crate::config::source::FileSource;
use crate::config::{Builder, Cause, Identity, Rejection};
use crate::observe::access_log::Sink;

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
    let findings = check(&texts, options.proxy.as_ref(), Clock::default());
    let printed = match options.explain {
        true => explain(&mut std::io::stdout().lock(), &texts)
            .and_then(|()| print(&mut std::io::stderr().lock(), &findings, options.output, texts.len())),
        false => print(&mut std::io::stdout().lock(), &findings, options.output, texts.len()),
    };
    if printed.is_err() {
        return ExitCode::from(2);
    }
    let failed = findings.iter().any(|finding| finding.severity == Severity::Error);
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Everything that `run` would find: reading, validating, translating, and compiling, but for the proxy's own mesh
/// certificate, which only the machine that serves has. Certificates are held against `clock`. In order of files and lines; what no line is to blame for is last.
#[must_use]
pub fn check(texts: &[Text], proxy: Option<&(String, String)>, clock: Clock) -> Vec<Violation> {
    let loaded = Loader::default().load(texts);
    let translation = translate(&loaded.resources, &proxy_identity(proxy));
    let mut findings = loaded.findings.clone();
    findings.extend(loaded.locate_reports(&translation.reports));
    let nowhere = |_: &str| Ok(Arc::new(Sink::Memory(parking_lot::Mutex::default())));
    let read = |path: &str| std::fs::read(path);
    let mut builder = Builder::new(Identity::default(), Box::new(read), Box::new(nowhere)).with_clock(clock);
    let (_, rejections) = builder.build(Arc::new(translation.snapshot), Instant::now());
    let (unusable, rejections) = loaded.locate_rejections(rejections);
    findings.extend(unusable);
    findings.sort_by(|a, b| (&a.file, a.line, a.column, &a.path).cmp(&(&b.file, b.line, b.column, &b.path)));
    findings.dedup();
    let rejections = rejections.iter().filter(|rejection| rejection.cause != Some(Cause::NoIdentity));
    findings.extend(rejections.map(unplaced));
    findings
}

/// A finding without a place.
fn unplaced(rejection: &Rejection) -> Violation {
    Violation {
        file: "configuration".into(),
        line: 0,
        column: 0,
        object: rejection.what.clone(),
        path: String::new(),
        rule: rejection.rule,
        severity: rejection.severity,
        message: rejection.reason.clone(),
    }
}

/// What ServiceEntries stand for that go through an egress gateway by their annotation.
fn explain(out: &mut impl Write, texts: &[Text]) -> std::io::Result<()> {
    for (n, expansion) in expansions(&Loader::default().load(texts).resources).iter().enumerate() {
        let ObjectRef { kind, namespace, name } = &expansion.entry;
        let separator = if n > 0 { "---\n" } else { "" };
        writeln!(out, "{separator}# {kind} {namespace}/{name} stands for:")?;
        for (path, problem) in &expansion.problems {
            writeln!(out, "# not followed: {path}: {problem}")?;
        }
        write!(out, "{}", expansion.yaml)?;
    }
    Ok(())
}

fn print(out: &mut impl Write, findings: &[Violation], output: Output, files: usize) -> std::io::Result<()> {
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

#[cfg(test)]
mod tests {
    use config_schema::parse::parse_documents;

    use super::*;

    #[test]
    fn what_is_explained_can_be_applied() {
        let example = "../deploy/examples/egress-one-resource";
        let texts = ["cluster.yaml", "external.yaml"].map(|file| {
            let path = format!("{example}/{file}");
            Text::new(&path, std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap())
        });
        let mut out = Vec::new();
        explain(&mut out, &texts).unwrap();
        let yaml = String::from_utf8(out).unwrap();
        assert!(yaml.starts_with("# ServiceEntry default/api stands for:\napiVersion:"), "{yaml}");
        let outcome = parse_documents("explained.yaml", &yaml);
        assert!(outcome.violations.is_empty(), "{:?}", outcome.violations);
        let names: Vec<String> = outcome.objects.iter().map(|parsed| parsed.key().to_string()).collect();
        let expected = [
            "Gateway default/egress-api",
            "VirtualService default/egress-api",
            "Gateway default/egress-secure",
            "VirtualService default/egress-secure",
            "DestinationRule default/egress-secure",
        ];
        assert_eq!(names, expected);
        assert!(outcome.objects.iter().all(|parsed| config_schema::validate::validate(parsed).is_empty()), "{yaml}");
    }
}
