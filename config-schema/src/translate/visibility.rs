//! `exportTo`: which namespaces see an object.

use std::collections::BTreeSet;

/// Who sees an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Visibility {
    /// `*`.
    Public,
    /// `~`.
    Nobody,
    /// `.` and names.
    Namespaces(BTreeSet<String>),
}

impl Visibility {
    /// Of an object in `namespace` with `export_to`, or with `default` if that is empty.
    pub(super) fn new(export_to: &[String], default: &[&str], namespace: &str) -> Self {
        if export_to.is_empty() {
            Self::of(default.iter().copied(), namespace)
        } else {
            Self::of(export_to.iter().map(String::as_str), namespace)
        }
    }

    fn of<'e>(entries: impl Iterator<Item = &'e str>, own: &str) -> Self {
        let mut namespaces = BTreeSet::new();
        let mut nobody = false;
        for entry in entries {
            match entry {
                "*" => return Self::Public,
                "~" => nobody = true,
                "." => {
                    namespaces.insert(own.to_owned());
                }
                name => {
                    namespaces.insert(name.to_owned());
                }
            }
        }
        if nobody { Self::Nobody } else { Self::Namespaces(namespaces) }
    }

    /// True if `namespace` sees it.
    pub(super) fn includes(&self, namespace: &str) -> bool {
        match self {
            Self::Public => true,
            Self::Nobody => false,
            Self::Namespaces(names) => names.contains(namespace),
        }
    }
}
