//! x-forwarded-client-cert.

use bytes::Bytes;
use config_schema::snapshot::{ForwardClientCert, HttpOptions};

use super::record::{Connection, TlsInfo};
use crate::headers::{Headers, names};

/// Removes, keeps, or writes the field as the configuration says.
pub(super) fn apply(headers: &mut Headers, connection: &Connection, options: &HttpOptions) {
    if options.forward_client_cert == ForwardClientCert::AlwaysForwardOnly {
        return;
    }
    let mutual = connection.tls.as_ref().filter(|tls| tls.peer.is_some());
    let Some(tls) = mutual else {
        headers.remove("x-forwarded-client-cert");
        return;
    };
    match options.forward_client_cert {
        ForwardClientCert::Sanitize => {
            headers.remove("x-forwarded-client-cert");
        }
        ForwardClientCert::ForwardOnly | ForwardClientCert::AlwaysForwardOnly => {}
        ForwardClientCert::AppendForward => {
            headers.join(names::X_FORWARDED_CLIENT_CERT, Bytes::from(element(tls, options)), b",");
        }
        ForwardClientCert::SanitizeSet => {
            headers.set(names::X_FORWARDED_CLIENT_CERT, Bytes::from(element(tls, options)));
        }
    }
}

/// This hop's element.
fn element(tls: &TlsInfo, options: &HttpOptions) -> String {
    let mut parts = Vec::new();
    let Some(peer) = &tls.peer else { return String::new() };
    if let Some(uri) = tls.local.as_ref().and_then(|local| local.uris.first()) {
        parts.push(format!("By={uri}"));
    }
    parts.push(format!("Hash={}", peer.sha256));
    if options.xfcc.cert {
        parts.push(format!("Cert=\"{}\"", peer.escaped_pem));
    }
    if options.xfcc.chain {
        parts.push(format!("Chain=\"{}\"", tls.peer_chain_escaped));
    }
    if options.xfcc.subject {
        parts.push(format!("Subject=\"{}\"", peer.subject));
    }
    if options.xfcc.uri {
        // The key is there even when there is no URI.
        match peer.uris.as_slice() {
            [] => parts.push("URI=".into()),
            uris => parts.extend(uris.iter().map(|uri| format!("URI={uri}"))),
        }
    }
    if options.xfcc.dns {
        parts.extend(peer.dns_names.iter().map(|name| format!("DNS={name}")));
    }
    parts.join(";")
}
