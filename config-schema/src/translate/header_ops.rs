//! Header changes of rules and destinations.

use std::collections::BTreeMap;

use crate::resources::virtual_service::{HeaderOperations, Headers};
use crate::snapshot::{HeaderLists, HeaderOps};

/// Header changes of both directions, and the host that they set.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Operations {
    pub(super) request: HeaderOps,
    pub(super) response: HeaderOps,
    /// New host: `Host` and `:authority` among the request headers.
    pub(super) host: Option<String>,
}

impl Operations {
    pub(super) fn new(headers: Option<&Headers>) -> Self {
        let request = headers.and_then(|headers| headers.request.as_ref());
        let response = headers.and_then(|headers| headers.response.as_ref());
        let host = request.and_then(|request| host(&request.set).or_else(|| host(&request.add)));
        Self {
            request: request.map(convert).unwrap_or_default(),
            response: response.map(convert).unwrap_or_default(),
            host,
        }
    }
}

fn host(changes: &BTreeMap<String, String>) -> Option<String> {
    let found =
        changes.iter().find(|(name, _)| name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case(":authority"));
    found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
}

/// Pseudo headers and `Host` cannot be changed like other headers.
fn is_reserved(name: &str) -> bool {
    name.starts_with(':') || name.eq_ignore_ascii_case("host")
}

fn convert(operations: &HeaderOperations) -> HeaderOps {
    let changes = |map: &BTreeMap<String, String>| {
        let changes = map.iter().filter(|(name, _)| !is_reserved(name));
        changes.map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect()
    };
    let remove = operations.remove.iter().filter(|name| !is_reserved(name));
    let remove = remove.map(|name| name.to_ascii_lowercase()).collect();
    HeaderOps::from(HeaderLists { remove, set: changes(&operations.set), add: changes(&operations.add) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_host_is_set_apart() {
        let request = HeaderOperations {
            set: map(&[(":authority", "set.example.com"), ("X-A", "1")]),
            add: map(&[("Host", "add.example.com")]),
            remove: vec!["Host".into(), ":path".into(), "X-B".into()],
        };
        let operations = Operations::new(Some(&Headers { request: Some(request), response: None }));
        assert_eq!(operations.host.as_deref(), Some("set.example.com"));
        assert_eq!(operations.request.set, map(&[("x-a", "1")]));
        assert!(operations.request.add.is_empty());
        assert_eq!(operations.request.remove, ["x-b"]);
    }
}
