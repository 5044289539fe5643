//! What became of the objects that concern a proxy, in sentences an operator can act on.

use std::collections::BTreeMap;

use crate::resources::{Kind, Object};
use crate::snapshot::ObjectRef;
use crate::violation::Severity;

/// What became of one object on one proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The object.
    pub object: ObjectRef,
    /// Something of it is in force on the proxy.
    pub accepted: bool,
    /// What is not in force as written, and why; in the order in which it was found.
    pub findings: Vec<Finding>,
}

/// Something in an object that is not in force as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Field path inside the object, such as `spec.http[0].route[1].destination.host`; empty for the whole object.
    pub path: String,
    /// Short stable name, such as `unknown-destination`.
    pub rule: &'static str,
    /// [`Severity::Error`]: traffic that the field is about fails or is not served. [`Severity::Warning`]: the field
    /// has no effect.
    pub severity: Severity,
    /// What happened and, where it can be said, what to do about it.
    pub message: String,
}

/// Reports in the making.
#[derive(Debug, Default)]
pub(super) struct Reports {
    by_object: BTreeMap<ObjectRef, Report>,
}

impl Reports {
    fn entry(&mut self, object: &ObjectRef) -> &mut Report {
        self.by_object.entry(object.clone()).or_insert_with(|| Report {
            object: object.clone(),
            accepted: false,
            findings: Vec::new(),
        })
    }

    /// The object concerns this proxy.
    pub(super) fn consider(&mut self, object: &ObjectRef) {
        self.entry(object);
    }

    /// Something of the object is in force.
    pub(super) fn accept(&mut self, object: &ObjectRef) {
        self.entry(object).accepted = true;
    }

    /// Notes a finding, once.
    pub(super) fn add(&mut self, object: &ObjectRef, finding: Finding) {
        let report = self.entry(object);
        if !report.findings.contains(&finding) {
            report.findings.push(finding);
        }
    }

    pub(super) fn error(&mut self, object: &ObjectRef, path: String, rule: &'static str, message: String) {
        self.add(object, Finding { path, rule, severity: Severity::Error, message });
    }

    pub(super) fn warn(&mut self, object: &ObjectRef, path: String, rule: &'static str, message: String) {
        self.add(object, Finding { path, rule, severity: Severity::Warning, message });
    }

    pub(super) fn finish(self) -> Vec<Report> {
        self.by_object.into_values().collect()
    }
}

/// How reports name `object`.
pub(super) fn object_ref<S: Kind>(object: &Object<S>) -> ObjectRef {
    ObjectRef {
        kind: S::INFO.kind.to_owned(),
        namespace: object.meta.namespace.clone(),
        name: object.meta.name.clone(),
    }
}
