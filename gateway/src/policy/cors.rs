//! Cross-origin resource sharing.

use bytes::Bytes;
use config_schema::snapshot::Cors;

use crate::headers::{Headers, names};
use crate::message::RequestHead;
use crate::route::{CompileError, Interner, ValueMatcher};

/// Compiled [`Cors`].
#[derive(Debug)]
pub struct CompiledCors {
    spec: Cors,
    origins: Vec<ValueMatcher>,
}

/// What the rules say about a request.
#[derive(Debug)]
pub enum CorsVerdict {
    /// Nothing to do with cross-origin rules, or an origin that is not allowed.
    Pass,
    /// Allowed: the answer gets these.
    Allowed(Origin),
    /// A preflight: answer it with these.
    Preflight(Headers),
}

/// The origin that a request came from.
#[derive(Debug, Clone)]
pub struct Origin(Bytes);

impl CompiledCors {
    /// Compiles.
    pub fn new(spec: &Cors, interner: &mut Interner) -> Result<Self, CompileError> {
        let origins =
            spec.allow_origins.iter().map(|origin| ValueMatcher::new(origin, interner)).collect::<Result<_, _>>()?;
        Ok(CompiledCors { spec: spec.clone(), origins })
    }

    /// Judges a request.
    pub fn judge(&self, request: &RequestHead) -> CorsVerdict {
        let Some(origin) = request.headers.get("origin").filter(|origin| !origin.is_empty()) else {
            return CorsVerdict::Pass;
        };
        let requested = request.headers.get("access-control-request-method");
        let preflight = &request.method[..] == b"OPTIONS" && requested.is_some_and(|method| !method.is_empty());
        let allowed = self.allows(origin);
        if preflight && (allowed || !self.spec.forward_unmatched_preflights) {
            return CorsVerdict::Preflight(self.preflight(request, allowed.then_some(origin)));
        }
        if allowed { CorsVerdict::Allowed(Origin(origin.clone())) } else { CorsVerdict::Pass }
    }

    /// A matcher that takes the text `*` allows everyone, as in Envoy.
    fn allows(&self, origin: &[u8]) -> bool {
        self.origins.iter().any(|matcher| matcher.matches(b"*") || matcher.matches(origin))
    }

    /// A lone `*` for methods or headers allows what is asked for, by its name: browsers do not take the star as one when
    /// credentials are sent.
    fn preflight(&self, request: &RequestHead, origin: Option<&Bytes>) -> Headers {
        let mut headers = Headers::with_capacity(8);
        if let Some(origin) = &origin {
            headers.append(names::ACCESS_CONTROL_ALLOW_ORIGIN, Bytes::clone(origin));
        }
        if self.spec.allow_credentials == Some(true) {
            headers.set_static(names::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        }
        for (name, value, asked) in [
            (names::ACCESS_CONTROL_ALLOW_METHODS, &self.spec.allow_methods, Some("access-control-request-method")),
            (names::ACCESS_CONTROL_ALLOW_HEADERS, &self.spec.allow_headers, Some("access-control-request-headers")),
            (names::ACCESS_CONTROL_MAX_AGE, &self.spec.max_age, None),
            (names::ACCESS_CONTROL_EXPOSE_HEADERS, origin.map_or(&None, |_| &self.spec.expose_headers), None),
        ] {
            let value = value.as_deref().filter(|value| !value.is_empty());
            let asked = asked.filter(|_| value == Some("*"));
            match (value, asked) {
                (None, _) => {}
                (Some(value), None) => headers.append(name, Bytes::copy_from_slice(value.as_bytes())),
                (Some(_), Some(asked)) => headers.append(name, request.headers.get(asked).cloned().unwrap_or_default()),
            }
        }
        headers
    }

    /// Marks the answer to an allowed request.
    pub fn mark_response(&self, origin: &Origin, headers: &mut Headers) {
        headers.set(names::ACCESS_CONTROL_ALLOW_ORIGIN, origin.0.clone());
        if self.spec.allow_credentials == Some(true) {
            headers.set_static(names::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        }
        if let Some(expose) = self.spec.expose_headers.as_deref().filter(|value| !value.is_empty()) {
            headers.set(names::ACCESS_CONTROL_EXPOSE_HEADERS, Bytes::copy_from_slice(expose.as_bytes()));
        }
    }
}
