//! What compiling a snapshot finds.

use std::fmt;

use config_schema::Severity;
use config_schema::snapshot::{FieldRef, ObjectRef, Snapshot};

use crate::tls::{Blame, PemField, TlsError};

/// Something that is left out of the configuration in force; as a warning, something in force that does not do what it is
/// for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Object, or resource of the snapshot.
    pub what: String,
    /// Why.
    pub reason: String,
    /// What is to blame, if something that was written is.
    pub cause: Option<Cause>,
    /// Short stable name, such as `unusable`.
    pub rule: &'static str,
    /// An error, or a warning.
    pub severity: Severity,
}

/// What is to blame for a rejection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// An object as a whole.
    Object(ObjectRef),
    /// The fields that name a file.
    Fields(Vec<FieldRef>),
    /// A Secret, or a ConfigMap that is used as one.
    Secret {
        /// Which; certificate authorities may be in the Secret of the same name without `-cacert`.
        object: ObjectRef,
        /// What in it.
        field: PemField,
    },
    /// A secret that does not exist; translating has said so where it is named.
    Absent,
    /// The proxy was started without a mesh certificate of its own.
    NoIdentity,
}

impl Rejection {
    /// Something that is left out.
    pub(super) fn new(what: String, reason: String, cause: Option<Cause>) -> Self {
        Rejection { what, reason, cause, rule: "unusable", severity: Severity::Error }
    }

    /// What cannot be used for TLS.
    pub(super) fn of_tls(snapshot: &Snapshot, what: String, error: &TlsError) -> Self {
        let cause = match error.blame() {
            Blame::Secret(name, field) => Some(Cause::Secret { object: secret_object(snapshot, name), field: *field }),
            Blame::File(path) => snapshot.files.get(path).cloned().map(Cause::Fields),
            Blame::Absent => Some(Cause::Absent),
            Blame::NoIdentity => Some(Cause::NoIdentity),
            Blame::Part(_) | Blame::Other => None,
        };
        Rejection::new(what, error.to_string(), cause)
    }

    /// A certificate, or authorities, in use though out of date.
    pub(super) fn of_dates(snapshot: &Snapshot, what: String, fault: &TlsError) -> Self {
        Rejection { rule: "out-of-date", severity: Severity::Warning, ..Self::of_tls(snapshot, what, fault) }
    }

    /// Something is left out.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// The object behind the name of a secret: `SCHEME://[NAMESPACE/]NAME`, in the proxy's own namespace unless it names one.
fn secret_object(snapshot: &Snapshot, name: &str) -> ObjectRef {
    let (scheme, name) = name.split_once("://").unwrap_or(("kubernetes", name));
    let (namespace, name) = name.split_once('/').unwrap_or((&snapshot.node.namespace, name));
    let kind = if scheme == "configmap" { "ConfigMap" } else { "Secret" };
    ObjectRef { kind: kind.to_owned(), namespace: namespace.to_owned(), name: name.to_owned() }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.reason)
    }
}
