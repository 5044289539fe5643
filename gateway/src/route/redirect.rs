//! The `location` of a redirect.

use config_schema::snapshot::{PathMatch, Redirect, RedirectPath, RouteMatch};

use crate::message::RequestHead;

/// Where a redirect points.
pub fn location(redirect: &Redirect, route: &RouteMatch, request: &RequestHead) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    let scheme = redirect.scheme.as_deref().map_or(&request.scheme[..], str::as_bytes);
    out.extend_from_slice(scheme);
    out.extend_from_slice(b"://");
    let own = request.authority.as_deref().unwrap_or_default();
    match (&redirect.authority, redirect.port) {
        (Some(authority), Some(port)) => {
            out.extend_from_slice(authority.as_bytes());
            out.extend_from_slice(format!(":{port}").as_bytes());
        }
        (Some(authority), None) => out.extend_from_slice(authority.as_bytes()),
        (None, Some(port)) => {
            out.extend_from_slice(without_port(own));
            out.extend_from_slice(format!(":{port}").as_bytes());
        }
        (None, None) if *scheme != request.scheme[..] => {
            out.extend_from_slice(without_default_port(own, &request.scheme))
        }
        (None, None) => out.extend_from_slice(own),
    }
    put_path(&mut out, redirect, route, request);
    out
}

fn put_path(out: &mut Vec<u8>, redirect: &Redirect, route: &RouteMatch, request: &RequestHead) {
    match &redirect.path {
        RedirectPath::Keep => out.extend_from_slice(&request.path),
        RedirectPath::Full(path) => {
            put_slash(out, path);
            out.extend_from_slice(path.as_bytes());
            if !path.contains('?') {
                out.extend_from_slice(request.query_with_mark());
            }
        }
        RedirectPath::Prefix(prefix) => {
            let path = request.path_only();
            let matched = match &route.path {
                PathMatch::Prefix(p) | PathMatch::SegmentPrefix(p) => p.len(),
                PathMatch::Exact(_) | PathMatch::Regex(_) => path.len(),
                PathMatch::Any => 1,
            };
            put_slash(out, prefix);
            out.extend_from_slice(prefix.as_bytes());
            out.extend_from_slice(path.get(matched..).unwrap_or_default());
            out.extend_from_slice(request.query_with_mark());
        }
    }
}

/// A path of the configuration begins with a slash even if it is written without.
fn put_slash(out: &mut Vec<u8>, path: &str) {
    if !path.starts_with('/') {
        out.push(b'/');
    }
}

/// The host without `:port`.
fn without_port(authority: &[u8]) -> &[u8] {
    let end = match authority.last() {
        Some(b']') | None => authority.len(),
        Some(_) => memchr::memrchr(b':', authority).unwrap_or(authority.len()),
    };
    &authority[..end]
}

/// A new scheme makes the old scheme's default port meaningless; other ports stay.
fn without_default_port<'a>(authority: &'a [u8], scheme: &[u8]) -> &'a [u8] {
    let port: &[u8] = if scheme == b"https" { b":443" } else { b":80" };
    authority.strip_suffix(port).unwrap_or(authority)
}
