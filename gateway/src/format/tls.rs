//! Operators about TLS with the client and with the endpoint.

use super::names::Plain;
use super::time::TimeFormat;
use super::value::{Scope, Value, list, text};
use crate::proxy::record::{CertificateInfo, TlsInfo};

impl<'a> Scope<'a> {
    pub(super) fn tls(&self, operator: Plain) -> Value<'a> {
        let of_endpoint = matches!(
            operator,
            Plain::UpstreamTlsVersion | Plain::UpstreamTlsCipher | Plain::UpstreamTlsGroup | Plain::UpstreamServerName
        );
        if of_endpoint || upstream_part(operator).is_some() {
            self.upstream_tls(operator)
        } else {
            self.client_tls(operator)
        }
    }

    fn client_tls(&self, operator: Plain) -> Value<'a> {
        let Some(tls) = &self.record.connection.tls else { return Value::Missing };
        match operator {
            Plain::DownstreamTlsVersion => text(tls.version),
            Plain::DownstreamTlsCipher => text(&tls.cipher),
            Plain::DownstreamTlsGroup => text(tls.group),
            Plain::DownstreamPeerIssuerFingerprint256 => issuer(tls, |c| &c.sha256),
            Plain::DownstreamPeerIssuerSerial => issuer(tls, |c| &c.serial),
            Plain::DownstreamPeerChainFingerprints1 => chain(tls, |c| &c.sha1),
            Plain::DownstreamPeerChainFingerprints256 => chain(tls, |c| &c.sha256),
            Plain::DownstreamPeerChainSerials => chain(tls, |c| &c.serial),
            _ => match (certificate_part(operator), &tls.peer, tls.local.as_deref()) {
                (Some((Whose::Other, part)), Some(certificate), _) => part.of(certificate),
                (Some((Whose::Own, part)), _, Some(certificate)) => part.of(certificate),
                _ => Value::Missing,
            },
        }
    }

    fn upstream_tls(&self, operator: Plain) -> Value<'a> {
        let Some(tls) = &self.record.upstream_ends.tls else { return Value::Missing };
        match (upstream_part(operator), tls.peer(), tls.local.as_deref()) {
            _ if operator == Plain::UpstreamTlsVersion => text(tls.version),
            _ if operator == Plain::UpstreamTlsCipher => text(&tls.cipher),
            _ if operator == Plain::UpstreamTlsGroup => text(tls.group),
            _ if operator == Plain::UpstreamServerName => text(&tls.server_name),
            (Some((Whose::Other, part)), Some(certificate), _) => part.of(certificate),
            (Some((Whose::Own, part)), _, Some(certificate)) => part.of(certificate),
            _ => Value::Missing,
        }
    }

    pub(super) fn certificate_time(&self, operator: Plain, format: &TimeFormat) -> Value<'a> {
        let Value::Bytes(time) = self.plain(operator) else { return Value::Missing };
        let time = std::str::from_utf8(time).ok().and_then(|time| time.parse::<jiff::Timestamp>().ok());
        time.map_or(Value::Missing, |time| Value::Owned(format.render(time.into())))
    }
}

enum Whose {
    Other,
    Own,
}

enum Part {
    Subject,
    Issuer,
    Uris,
    DnsNames,
    Addresses,
    Emails,
    Sha1,
    Sha256,
    Serial,
    Pem,
    NotBefore,
    NotAfter,
}

impl Part {
    fn of<'a>(&self, certificate: &'a CertificateInfo) -> Value<'a> {
        match self {
            Part::Subject => text(&certificate.subject),
            Part::Issuer => text(&certificate.issuer),
            Part::Uris => list(&certificate.uris),
            Part::DnsNames => list(&certificate.dns_names),
            Part::Addresses => list(&certificate.addresses),
            Part::Emails => list(&certificate.emails),
            Part::Sha1 => text(&certificate.sha1),
            Part::Sha256 => text(&certificate.sha256),
            Part::Serial => text(&certificate.serial),
            Part::Pem => text(&certificate.escaped_pem),
            Part::NotBefore => text(&certificate.not_before),
            Part::NotAfter => text(&certificate.not_after),
        }
    }
}

fn certificate_part(operator: Plain) -> Option<(Whose, Part)> {
    Some(match operator {
        Plain::DownstreamPeerSubject => (Whose::Other, Part::Subject),
        Plain::DownstreamPeerIssuer => (Whose::Other, Part::Issuer),
        Plain::DownstreamPeerUriSan => (Whose::Other, Part::Uris),
        Plain::DownstreamPeerDnsSan => (Whose::Other, Part::DnsNames),
        Plain::DownstreamPeerIpSan => (Whose::Other, Part::Addresses),
        Plain::DownstreamPeerEmailSan => (Whose::Other, Part::Emails),
        Plain::DownstreamPeerFingerprint1 => (Whose::Other, Part::Sha1),
        Plain::DownstreamPeerFingerprint256 => (Whose::Other, Part::Sha256),
        Plain::DownstreamPeerSerial => (Whose::Other, Part::Serial),
        Plain::DownstreamPeerCert => (Whose::Other, Part::Pem),
        Plain::DownstreamPeerCertVStart => (Whose::Other, Part::NotBefore),
        Plain::DownstreamPeerCertVEnd => (Whose::Other, Part::NotAfter),
        Plain::DownstreamLocalSubject => (Whose::Own, Part::Subject),
        Plain::DownstreamLocalUriSan => (Whose::Own, Part::Uris),
        Plain::DownstreamLocalDnsSan => (Whose::Own, Part::DnsNames),
        Plain::DownstreamLocalIpSan => (Whose::Own, Part::Addresses),
        Plain::DownstreamLocalEmailSan => (Whose::Own, Part::Emails),
        _ => return None,
    })
}

fn upstream_part(operator: Plain) -> Option<(Whose, Part)> {
    Some(match operator {
        Plain::UpstreamPeerSubject => (Whose::Other, Part::Subject),
        Plain::UpstreamPeerIssuer => (Whose::Other, Part::Issuer),
        Plain::UpstreamPeerUriSan => (Whose::Other, Part::Uris),
        Plain::UpstreamPeerDnsSan => (Whose::Other, Part::DnsNames),
        Plain::UpstreamPeerIpSan => (Whose::Other, Part::Addresses),
        Plain::UpstreamPeerCert => (Whose::Other, Part::Pem),
        Plain::UpstreamPeerCertVStart => (Whose::Other, Part::NotBefore),
        Plain::UpstreamPeerCertVEnd => (Whose::Other, Part::NotAfter),
        Plain::UpstreamLocalUriSan => (Whose::Own, Part::Uris),
        Plain::UpstreamLocalDnsSan => (Whose::Own, Part::DnsNames),
        Plain::UpstreamLocalIpSan => (Whose::Own, Part::Addresses),
        _ => return None,
    })
}

/// What each certificate of the client's chain has.
fn chain<'a>(tls: &'a TlsInfo, of: impl Fn(&'a CertificateInfo) -> &'a str) -> Value<'a> {
    let all: Vec<&str> = tls.peer.iter().chain(&tls.peer_issuers).map(of).collect();
    if all.is_empty() { Value::Missing } else { Value::Owned(all.join(",")) }
}

/// What the certificate that signed the client's has.
fn issuer<'a>(tls: &'a TlsInfo, of: impl Fn(&'a CertificateInfo) -> &'a str) -> Value<'a> {
    tls.peer_issuers.first().map_or(Value::Missing, |certificate| text(of(certificate)))
}
