use std::fmt::Write as _;

use super::table::{Field, Status, fields};

/// `docs/support.md`: the tables as a page to read.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(
        "# Support of Istio's API, field by field\n\n\
         Made from `config-schema/support/*.yaml` by `cargo run -p config-schema --example support_page`.\n\n\
         - **implemented**: does what Istio documents; the test that shows it is named.\n\
         - **refused**: an object with it is refused, with the reason.\n\
         - **no effect**: accepted with a warning.\n\
         - **not yet**: refused until it is built.\n\n\
         What is said of a field that is refused, has no effect or is not there yet holds for everything below it. `[]` \
         stands for the elements of a list, `{}` for the values of a map. A field that is set to what happens anyway is \
         always accepted.\n",
    );
    let mut kind = "";
    for field in fields() {
        if field.kind != kind {
            kind = field.kind;
            let _ = write!(page, "\n## {kind}\n\n{}\n\n| field | status | |\n|---|---|---|\n", totals(kind));
        }
        row(&mut page, field);
    }
    page
}

fn totals(kind: &str) -> String {
    let count = |matches: fn(&Status) -> bool| {
        fields().iter().filter(|field| field.kind == kind && matches(&field.status)).count()
    };
    format!(
        "{} implemented, {} refused, {} without effect, {} not yet.",
        count(|status| matches!(status, Status::Implemented(_) | Status::SameAs { .. })),
        count(|status| matches!(status, Status::Refused(_))),
        count(|status| matches!(status, Status::NoOp(_))),
        count(|status| matches!(status, Status::NotYet(_))),
    )
}

fn row(page: &mut String, field: &Field) {
    let (status, detail) = words(&field.status);
    let _ = writeln!(page, "| `{}` | {status} | {detail} |", field.path);
    for (value, status) in &field.values {
        let (status, detail) = words(status);
        let _ = writeln!(page, "| `{}: {value}` | {status} | {detail} |", field.path);
    }
}

fn words(status: &Status) -> (&'static str, String) {
    match status {
        Status::Implemented(test) => ("implemented", format!("`{test}`")),
        Status::Refused(reason) => ("refused", reason.clone()),
        Status::NoOp(reason) => ("no effect", reason.clone()),
        Status::NotYet(reason) => ("not yet", reason.clone()),
        Status::SameAs { kind, path } => ("as elsewhere", format!("like `{path}` of {kind}")),
    }
}
