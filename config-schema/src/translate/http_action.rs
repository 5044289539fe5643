//! Redirects, direct responses, faults and cross-origin rules in the terms of a snapshot.

use super::http_match::check_pattern;
use crate::resources::virtual_service as vs;
use crate::resources::wire::{Percent, StringMatch};
use crate::snapshot::{Abort, Cors, DirectResponse, Fault, FaultDelay, Fraction, Redirect, RedirectPath, ValueMatch};

/// A redirect on a server with the number `port`. The default port of the scheme is left out.
pub(super) fn redirect(settings: &vs::HttpRedirect, port: u16, tls: bool) -> Redirect {
    let derived = match settings.derive_port {
        Some(vs::RedirectPortSelection::FromRequestPort) => Some(port),
        Some(vs::RedirectPortSelection::FromProtocolDefault) => None,
        None => settings.port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0),
    };
    let scheme = settings.scheme.as_deref().unwrap_or(if tls { "https" } else { "http" });
    let default = match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    Redirect {
        path: match (&settings.prefix_rewrite, &settings.uri) {
            (Some(prefix), _) => RedirectPath::Prefix(prefix.clone()),
            (None, Some(path)) => RedirectPath::Full(path.clone()),
            (None, None) => RedirectPath::Keep,
        },
        authority: settings.authority.clone(),
        scheme: settings.scheme.clone(),
        port: derived.filter(|port| Some(*port) != default),
        code: settings.redirect_code.and_then(|code| u16::try_from(code).ok()).unwrap_or(301),
    }
}

/// An answer that the proxy gives itself.
pub(super) fn direct_response(settings: &vs::HttpDirectResponse) -> DirectResponse {
    DirectResponse {
        status: u16::try_from(settings.status).unwrap_or(500),
        body: settings.body.as_ref().map(|body| body.as_bytes().to_vec()),
    }
}

/// Faults; halves without a kind do nothing.
pub(super) fn fault(settings: &vs::HttpFaultInjection) -> Option<Fault> {
    let delay = settings.delay.as_ref().and_then(|delay| {
        let fraction = delay
            .percentage
            .map(fraction)
            .unwrap_or_else(|| Fraction::from_percent(f64::from(delay.percent.unwrap_or(0).clamp(0, 100))));
        Some(FaultDelay { fixed: delay.fixed_delay?.0, fraction })
    });
    let abort = settings.abort.as_ref().and_then(|abort| {
        let http_status = abort.http_status.and_then(|status| u16::try_from(status).ok());
        let grpc_status = abort.grpc_status.as_deref().and_then(grpc_status);
        (http_status.is_some() || grpc_status.is_some()).then(|| Abort {
            http_status,
            grpc_status,
            fraction: abort.percentage.map(fraction).unwrap_or(Fraction(0)),
        })
    });
    (delay.is_some() || abort.is_some()).then_some(Fault { delay, abort })
}

/// A percentage as a probability.
pub(super) fn fraction(percent: Percent) -> Fraction {
    Fraction::from_percent(percent.value)
}

/// A gRPC status by name.
fn grpc_status(name: &str) -> Option<u32> {
    crate::grpc_status::NAMES.into_iter().zip(0..).find(|(known, _)| *known == name).map(|(_, number)| number)
}

/// Cross-origin rules. The error names the origin whose pattern cannot be used.
pub(super) fn cors(policy: &vs::CorsPolicy) -> Result<Cors, (usize, String)> {
    let mut allow_origins = Vec::new();
    if policy.allow_origins.is_empty() {
        allow_origins.extend(policy.allow_origin.iter().cloned().map(ValueMatch::Exact));
    }
    for (index, origin) in policy.allow_origins.iter().enumerate() {
        allow_origins.push(match origin {
            StringMatch::Exact(text) => ValueMatch::Exact(text.clone()),
            StringMatch::Prefix(text) => ValueMatch::Prefix(text.clone()),
            StringMatch::Regex(pattern) => {
                check_pattern(pattern).map_err(|message| (index, message))?;
                ValueMatch::Regex(pattern.clone())
            }
            StringMatch::Present => continue,
        });
    }
    let joined = |list: &[String]| (!list.is_empty()).then(|| list.join(","));
    Ok(Cors {
        allow_origins,
        allow_methods: joined(&policy.allow_methods),
        allow_headers: joined(&policy.allow_headers),
        expose_headers: joined(&policy.expose_headers),
        max_age: policy.max_age.map(|age| age.0.as_secs().to_string()),
        allow_credentials: policy.allow_credentials,
        forward_unmatched_preflights: policy.unmatched_preflights != vs::UnmatchedPreflights::Ignore,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_of_redirects() {
        let redirect_to = |port: Option<u32>, scheme: Option<&str>, tls| {
            let settings = vs::HttpRedirect { port, scheme: scheme.map(str::to_owned), ..vs::HttpRedirect::default() };
            redirect(&settings, 8080, tls).port
        };
        assert_eq!(redirect_to(Some(80), None, false), None);
        assert_eq!(redirect_to(Some(80), None, true), Some(80));
        assert_eq!(redirect_to(Some(443), Some("https"), false), None);
        assert_eq!(redirect_to(Some(443), Some("http"), false), Some(443));
        assert_eq!(redirect_to(Some(8443), None, false), Some(8443));
        let derived = vs::HttpRedirect {
            derive_port: Some(vs::RedirectPortSelection::FromRequestPort),
            ..vs::HttpRedirect::default()
        };
        assert_eq!(redirect(&derived, 8080, false).port, Some(8080));
        assert_eq!(redirect(&derived, 443, true).port, None);
    }

    #[test]
    fn faults_without_percentage_never_happen() {
        let abort = vs::FaultAbort { http_status: Some(503), ..vs::FaultAbort::default() };
        let settings = vs::HttpFaultInjection { delay: None, abort: Some(abort) };
        assert_eq!(fault(&settings).unwrap().abort.unwrap().fraction, Fraction(0));
        let nothing = vs::HttpFaultInjection { delay: Some(vs::FaultDelay::default()), abort: None };
        assert_eq!(fault(&nothing), None);
    }

    #[test]
    fn grpc_statuses() {
        assert_eq!(grpc_status("UNAVAILABLE"), Some(14));
        assert_eq!(grpc_status("UNAUTHENTICATED"), Some(16));
        assert_eq!(grpc_status("unavailable"), None);
    }
}
