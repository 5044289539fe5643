use std::collections::BTreeSet;

use super::report::Report;
use crate::document::PathRef;
use crate::resources::destination_rule::{ClientTlsMode, ClientTlsSettings};
use crate::resources::gateway::{ServerTlsMode, ServerTlsSettings, TlsProtocol};

const CIPHER_SUITES: [&str; 15] = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA",
    "AES256-SHA",
    "DES-CBC3-SHA",
];

/// True for a cipher suite by name, and for the expressions of OpenSSL (`ALL`, `!aNULL`, `-SHA`, `@STRENGTH`).
fn is_cipher_suite(name: &str) -> bool {
    name.is_empty() || name == "ALL" || !name.starts_with(char::is_alphanumeric) || CIPHER_SUITES.contains(&name)
}

/// Names of cipher suites, which are left out rather than refused if they are unknown or repeated.
pub(super) fn cipher_suites(names: &[String], path: PathRef<'_>, report: &mut Report<'_>) {
    let mut seen = BTreeSet::new();
    for (index, name) in names.iter().enumerate() {
        if !is_cipher_suite(name) {
            report.warning(
                path.index(index),
                "cipher-suite",
                format!("{name:?} is not a cipher suite and is left out"),
            );
        } else if !seen.insert(name) {
            report.warning(path.index(index), "cipher-suite", format!("{name:?} stands here twice"));
        }
    }
}

/// TLS as a server.
pub(super) fn server(tls: &ServerTlsSettings, path: PathRef<'_>, report: &mut Report<'_>) {
    let old = matches!(tls.min_protocol_version, TlsProtocol::V1_0 | TlsProtocol::V1_1);
    if old && tls.cipher_suites.is_empty() {
        let message = "versions before TLS 1.2 need cipherSuites that they can use; the default ones are too new";
        report.warning(path.key("minProtocolVersion"), "cipher-suite", message);
    }
    cipher_suites(&tls.cipher_suites, path.key("cipherSuites"), report);
    for (names, field) in
        [(tls.credential_names.len(), "credentialNames"), (tls.tls_certificates.len(), "tlsCertificates")]
    {
        let written = report.is_set(path.key(field));
        if names > 2 || written && names == 0 {
            report.error(path.key(field), "length", "must have one or two elements");
        }
    }
    match tls.mode {
        ServerTlsMode::IstioMutual => no_certificates_for_istio_mutual(tls, path, report),
        ServerTlsMode::Passthrough | ServerTlsMode::AutoPassthrough => {
            if has_certificates(tls) || tls.ca_certificates.is_some() || tls.ca_crl.is_some() {
                report.warning(path, "tls", "certificates are not used, since the connection is forwarded unopened");
            }
            certificate_sources(tls, path, report);
            revocation_list(tls, path, report);
        }
        ServerTlsMode::Simple | ServerTlsMode::Mutual | ServerTlsMode::OptionalMutual => {
            certificate_sources(tls, path, report);
            if tls.credential_name.is_none() && tls.credential_names.is_empty() {
                files_of_server(tls, path, report);
                revocation_list(tls, path, report);
            } else if tls.ca_crl.is_some() {
                let message = "it has no effect beside a credential; the list belongs into the Secret";
                report.warning(path.key("caCrl"), "tls", message);
            }
        }
    }
}

fn has_certificates(tls: &ServerTlsSettings) -> bool {
    tls.server_certificate.is_some()
        || tls.private_key.is_some()
        || !tls.tls_certificates.is_empty()
        || tls.credential_name.is_some()
        || !tls.credential_names.is_empty()
}

fn no_certificates_for_istio_mutual(tls: &ServerTlsSettings, path: PathRef<'_>, report: &mut Report<'_>) {
    for (set, field) in [
        (tls.server_certificate.is_some(), "serverCertificate"),
        (tls.private_key.is_some(), "privateKey"),
        (tls.ca_certificates.is_some(), "caCertificates"),
        (!tls.tls_certificates.is_empty(), "tlsCertificates"),
        (tls.credential_name.is_some(), "credentialName"),
        (!tls.credential_names.is_empty(), "credentialNames"),
    ] {
        if set {
            report.error(path.key(field), "tls", "ISTIO_MUTUAL uses the mesh's own certificates; leave it out");
        }
    }
}

fn certificate_sources(tls: &ServerTlsSettings, path: PathRef<'_>, report: &mut Report<'_>) {
    let sources = [
        tls.server_certificate.is_some() && tls.private_key.is_some(),
        tls.credential_name.is_some(),
        !tls.credential_names.is_empty(),
        !tls.tls_certificates.is_empty(),
    ];
    if sources.into_iter().filter(|set| *set).count() > 1 {
        let message = "only one of credentialName, credentialNames, serverCertificate with privateKey, and tlsCertificates may be set";
        report.error(path, "oneof", message);
    }
}

fn files_of_server(tls: &ServerTlsSettings, path: PathRef<'_>, report: &mut Report<'_>) {
    if tls.mode != ServerTlsMode::Simple && tls.ca_certificates.is_none() {
        report.required(path.key("caCertificates"), "mutual TLS needs CAs that sign the clients' certificates");
    }
    if tls.tls_certificates.is_empty() {
        if tls.server_certificate.is_none() {
            report.required(path.key("serverCertificate"), "TLS needs a certificate (or a credentialName)");
        }
        if tls.private_key.is_none() {
            report.required(path.key("privateKey"), "TLS needs a private key (or a credentialName)");
        }
    }
    let certificates = path.key("tlsCertificates");
    for (index, certificate) in tls.tls_certificates.iter().enumerate() {
        let here = certificates.index(index);
        if certificate.server_certificate.is_none() {
            report.required(here.key("serverCertificate"), "TLS needs a certificate");
        }
        if certificate.private_key.is_none() {
            report.required(here.key("privateKey"), "TLS needs a private key");
        }
    }
}

fn revocation_list(tls: &ServerTlsSettings, path: PathRef<'_>, report: &mut Report<'_>) {
    if tls.ca_crl.is_none() {
        return;
    }
    if tls.credential_name.is_some() {
        report.error(path.key("caCrl"), "tls", "beside a credentialName the list belongs into the Secret");
    }
    if tls.mode == ServerTlsMode::Simple {
        report.error(path.key("caCrl"), "tls", "SIMPLE asks for no client certificates that could be revoked");
    }
}

/// TLS as a client, of an object in `namespace`.
pub(super) fn client(tls: Option<&ClientTlsSettings>, namespace: &str, path: PathRef<'_>, report: &mut Report<'_>) {
    let Some(tls) = tls else { return };
    if let Some(name) = tls.credential_name.as_deref().and_then(|name| name.strip_prefix("configmap://")) {
        config_map_credential(name, namespace, path.key("credentialName"), report);
    }
    if tls.insecure_skip_verify == Some(true) {
        skipped_verification(tls, path, report);
    }
    if !matches!(tls.mode, ClientTlsMode::Simple | ClientTlsMode::Mutual) {
        return;
    }
    if tls.credential_name.is_some() {
        for (set, field) in [
            (tls.client_certificate.is_some(), "clientCertificate"),
            (tls.private_key.is_some(), "privateKey"),
            (tls.ca_certificates.is_some(), "caCertificates"),
            (tls.ca_crl.is_some(), "caCrl"),
        ] {
            if set {
                report.error(path.key(field), "tls", "beside a credentialName it belongs into the Secret");
            }
        }
    } else if tls.mode == ClientTlsMode::Mutual {
        if tls.client_certificate.is_none() {
            report.required(path.key("clientCertificate"), "MUTUAL needs a client certificate (or a credentialName)");
        }
        if tls.private_key.is_none() {
            report.required(path.key("privateKey"), "MUTUAL needs a private key (or a credentialName)");
        }
    }
}

fn config_map_credential(name: &str, namespace: &str, path: PathRef<'_>, report: &mut Report<'_>) {
    let mut parts = name.split('/');
    match (parts.next().filter(|part| !part.is_empty()), parts.next().filter(|part| !part.is_empty())) {
        (Some(found), Some(_)) if found == namespace => {}
        (Some(_), Some(_)) => {
            report.error(path, "tls", format!("a ConfigMap must be in the namespace of the object, {namespace:?}"));
        }
        _ => report.error(path, "tls", "a ConfigMap has the form configmap://namespace/name"),
    }
}

fn skipped_verification(tls: &ClientTlsSettings, path: PathRef<'_>, report: &mut Report<'_>) {
    let verifies = [
        (tls.ca_certificates.is_some(), "caCertificates"),
        (!tls.subject_alt_names.is_empty(), "subjectAltNames"),
        (tls.credential_name.is_some() && tls.mode == ClientTlsMode::Simple, "credentialName"),
    ];
    if !matches!(tls.mode, ClientTlsMode::Simple | ClientTlsMode::Mutual) {
        return;
    }
    for (set, field) in verifies {
        if set {
            report.error(path.key(field), "tls", "it has no effect beside insecureSkipVerify; set one of the two");
        }
    }
}
