//! TLS of servers: certificates, versions, ciphers, and what is asked of clients.

use super::credential;
use super::gateway::GatewayServer;
use super::protocol::Protocol;
use super::server::ListenerBuilder;
use crate::resources::gateway::{ServerTlsMode, ServerTlsSettings, TlsProtocol};
use crate::resources::mesh_config::{MeshTlsProtocol, TlsConfig};
use crate::snapshot::{
    CertificateSource, ClientValidation, DownstreamTls, FieldRef, TlsProvider, TlsVersion, TrustSource,
};

/// Suites up to TLS 1.2 that rustls has, by OpenSSL name.
const RUSTLS_SUITES: [&str; 6] = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
];
/// Key exchanges that rustls has, in the order in which clients want them; BoringSSL has all that can be chosen.
const RUSTLS_CURVES: [&str; 4] = ["X25519MLKEM768", "X25519", "P-256", "P-384"];
/// Further suites that BoringSSL has.
const BORING_SUITES: [&str; 9] = [
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

/// TLS of a server that terminates it; `None` for a plain one.
pub(super) fn downstream_tls(builder: &mut ListenerBuilder<'_>, server: &GatewayServer) -> Option<DownstreamTls> {
    let settings = server.tls().filter(|_| !server.protocol.is_http())?;
    let certificates = certificates(settings);
    let client = client_validation(settings);
    note_sources(builder, server, settings, &certificates, &client);
    let mut tls = DownstreamTls {
        certificates,
        client,
        alpn: alpn(settings.mode, server.protocol),
        min_version: TlsVersion::V1_2,
        max_version: TlsVersion::V1_3,
        cipher_suites: Vec::new(),
        ecdh_curves: Vec::new(),
        provider: TlsProvider::Rustls,
    };
    // The workload's own certificate is served as the mesh does it.
    if settings.mode != ServerTlsMode::IstioMutual {
        let defaults = builder.context.mesh.tls_defaults.as_ref();
        versions(&mut tls, settings, defaults);
        suites(&mut tls, builder, server, settings, defaults);
    }
    tls.provider = provider(&tls);
    Some(tls)
}

fn versions(tls: &mut DownstreamTls, settings: &ServerTlsSettings, defaults: Option<&TlsConfig>) {
    match defaults.map(|defaults| defaults.min_protocol_version) {
        Some(MeshTlsProtocol::V1_3) => tls.min_version = TlsVersion::V1_3,
        Some(MeshTlsProtocol::V1_2 | MeshTlsProtocol::Auto) | None => {}
    }
    let version = |version| match version {
        TlsProtocol::Auto => None,
        TlsProtocol::V1_0 => Some(TlsVersion::V1_0),
        TlsProtocol::V1_1 => Some(TlsVersion::V1_1),
        TlsProtocol::V1_2 => Some(TlsVersion::V1_2),
        TlsProtocol::V1_3 => Some(TlsVersion::V1_3),
    };
    tls.min_version = version(settings.min_protocol_version).unwrap_or(tls.min_version);
    tls.max_version = version(settings.max_protocol_version).unwrap_or(tls.max_version);
}

/// The server's own list if something of it is known, else that of the mesh.
fn suites(
    tls: &mut DownstreamTls,
    builder: &mut ListenerBuilder<'_>,
    server: &GatewayServer,
    settings: &ServerTlsSettings,
    defaults: Option<&TlsConfig>,
) {
    for (index, name) in settings.cipher_suites.iter().enumerate() {
        if !is_known(name) {
            let message = format!("{name:?} is no cipher suite that can be chosen and is ignored");
            let path = format!("{}.tls.cipherSuites[{index}]", server.path());
            builder.reports.warn(&server.object(), path, "cipher-suite", message);
        } else if !tls.cipher_suites.contains(name) {
            tls.cipher_suites.push(name.clone());
        }
    }
    if let Some(defaults) = defaults {
        if tls.cipher_suites.is_empty() {
            tls.cipher_suites = defaults.cipher_suites.iter().filter(|name| is_known(name)).cloned().collect();
        }
        tls.ecdh_curves = defaults.usable_ecdh_curves();
    }
}

/// A suite, or an expression of BoringSSL's rule language, which begins with an operator.
fn is_known(name: &str) -> bool {
    let expression = name == "ALL" || name.starts_with(|c: char| !c.is_alphanumeric());
    expression || RUSTLS_SUITES.contains(&name) || BORING_SUITES.contains(&name)
}

/// BoringSSL for what rustls does not have.
fn provider(tls: &DownstreamTls) -> TlsProvider {
    let old = tls.min_version < TlsVersion::V1_2;
    let foreign_suite = tls.cipher_suites.iter().any(|name| !RUSTLS_SUITES.contains(&name.as_str()));
    // Of curves the server's order counts, but with rustls the client's does.
    let places: Option<Vec<usize>> =
        tls.ecdh_curves.iter().map(|name| RUSTLS_CURVES.iter().position(|known| known == name)).collect();
    let foreign_curves = places.is_none_or(|places| !places.is_sorted());
    if old || foreign_suite || foreign_curves { TlsProvider::Boring } else { TlsProvider::Rustls }
}

fn alpn(mode: ServerTlsMode, protocol: Protocol) -> Vec<String> {
    let names: &[&str] = if mode == ServerTlsMode::IstioMutual && protocol != Protocol::Https {
        &["istio-peer-exchange", "h2", "http/1.1"]
    } else {
        &["h2", "http/1.1"]
    };
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn certificates(settings: &ServerTlsSettings) -> Vec<CertificateSource> {
    if settings.mode == ServerTlsMode::IstioMutual {
        return vec![CertificateSource::Workload];
    }
    if !settings.credential_names.is_empty() {
        return settings.credential_names.iter().map(|name| credential::certificate_source(name)).collect();
    }
    if let Some(name) = &settings.credential_name {
        return vec![credential::certificate_source(name)];
    }
    let files = |certificate: &Option<String>, key: &Option<String>| match (certificate, key) {
        (Some(certificate), Some(key)) => {
            CertificateSource::Files { certificate: certificate.clone(), key: key.clone() }
        }
        _ => CertificateSource::Workload,
    };
    if settings.tls_certificates.is_empty() {
        return vec![files(&settings.server_certificate, &settings.private_key)];
    }
    settings.tls_certificates.iter().map(|entry| files(&entry.server_certificate, &entry.private_key)).collect()
}

fn client_validation(settings: &ServerTlsSettings) -> ClientValidation {
    let mode = settings.mode;
    let required = matches!(mode, ServerTlsMode::Mutual | ServerTlsMode::IstioMutual);
    if !required && mode != ServerTlsMode::OptionalMutual {
        return ClientValidation::default();
    }
    let names = !settings.subject_alt_names.is_empty();
    let credential = settings.credential_names.first().or(settings.credential_name.as_ref());
    let hashes = mode != ServerTlsMode::IstioMutual;
    let listed = |list: &[String]| if hashes { list.to_vec() } else { Vec::new() };
    let spki_hashes = listed(&settings.verify_certificate_spki);
    let certificate_hashes = listed(&settings.verify_certificate_hash);
    let accept_untrusted = settings.insecure_skip_verify == Some(true);
    // A certificate that must have a certain name or hash must be there.
    let implied = !accept_untrusted && (names || !spki_hashes.is_empty() || !certificate_hashes.is_empty());
    ClientValidation {
        request: true,
        require: required || implied,
        accept_untrusted,
        trust: Some(trust(settings, credential)),
        subject_alt_names: settings.subject_alt_names.clone(),
        spki_hashes,
        certificate_hashes,
    }
}

fn trust(settings: &ServerTlsSettings, credential: Option<&String>) -> TrustSource {
    if settings.mode == ServerTlsMode::IstioMutual {
        return TrustSource::Mesh;
    }
    match (credential, &settings.ca_cert_credential_name, &settings.ca_certificates) {
        (Some(_), Some(name), _) => match credential::certificate_source(name) {
            CertificateSource::Secret(name) => TrustSource::Secret(name),
            _ => TrustSource::Mesh,
        },
        (Some(name), None, _) => credential::trust_source(name),
        (None, _, Some(ca)) => TrustSource::Files { ca: ca.clone(), crl: settings.ca_crl.clone() },
        (None, _, None) => TrustSource::Mesh,
    }
}

/// Notes the secrets and files that a server names, with the fields that do.
fn note_sources(
    builder: &mut ListenerBuilder<'_>,
    server: &GatewayServer,
    settings: &ServerTlsSettings,
    certificates: &[CertificateSource],
    client: &ClientValidation,
) {
    let object = server.object();
    let path = format!("{}.tls", server.path());
    let mut file =
        |name: &str, field: String| builder.wanted.file(name, FieldRef { object: object.clone(), path: field });
    for (index, source) in certificates.iter().enumerate() {
        if let CertificateSource::Files { certificate, key } = source {
            let entry = if settings.tls_certificates.is_empty() {
                path.clone()
            } else {
                format!("{path}.tlsCertificates[{index}]")
            };
            file(certificate, format!("{entry}.serverCertificate"));
            file(key, format!("{entry}.privateKey"));
        }
    }
    if let Some(TrustSource::Files { ca, crl }) = &client.trust {
        file(ca, format!("{path}.caCertificates"));
        crl.iter().for_each(|crl| file(crl, format!("{path}.caCrl")));
    }
    for (index, source) in certificates.iter().enumerate() {
        if let CertificateSource::Secret(name) = source {
            let field = if settings.credential_names.is_empty() {
                "credentialName".to_owned()
            } else {
                format!("credentialNames[{index}]")
            };
            builder.wanted.secret(name, &object, &format!("{path}.{field}"));
        }
    }
    if let Some(TrustSource::Secret(name)) = &client.trust {
        let field = match &settings.ca_cert_credential_name {
            Some(_) => "caCertCredentialName",
            None if settings.credential_names.is_empty() => "credentialName",
            None => "credentialNames[0]",
        };
        builder.wanted.secret(name, &object, &format!("{path}.{field}"));
    }
}
