//! TLS towards endpoints: a rule's `tls`, else automatic mutual TLS inside of the mesh.

use super::credential;
use super::registry::Service;
use crate::resources::MeshConfig;
use crate::resources::destination_rule::{ClientTlsMode, ClientTlsSettings};
use crate::resources::mesh_config::TlsConfig;
use crate::resources::peer_authentication::MutualTlsMode;
use crate::snapshot::{CertificateSource, SubjectAltName, TrustSource, UpstreamTls, UpstreamTlsMode};

/// File name that stands for the operating system's certificate authorities.
const SYSTEM_CA: &str = "system";

/// What TLS towards a cluster depends on besides the rule.
pub(super) struct TlsInput<'i> {
    pub(super) mesh: &'i MeshConfig,
    pub(super) service: &'i Service,
    /// SPIFFE IDs of the endpoints, and names that the service allows.
    pub(super) identities: Vec<String>,
    /// `outbound_.PORT_.SUBSET_.HOST`.
    pub(super) mesh_sni: String,
    /// The mode that PeerAuthentications set for the service; `None`: unknown.
    pub(super) mode: Option<MutualTlsMode>,
    pub(super) http2: bool,
    /// Endpoints are whatever clients dialled, so they cannot be told apart.
    pub(super) original_destination: bool,
    pub(super) dynamic_dns: bool,
}

/// TLS towards endpoints, and the names of the secrets it takes.
pub(super) fn upstream_tls(settings: Option<&ClientTlsSettings>, input: &TlsInput<'_>) -> UpstreamTlsMode {
    let Some(settings) = settings else { return automatic(input) };
    match settings.mode {
        ClientTlsMode::Disable => UpstreamTlsMode::Disable,
        ClientTlsMode::Simple | ClientTlsMode::Mutual => UpstreamTlsMode::Tls(originate(settings, input)),
        ClientTlsMode::IstioMutual => {
            let names = &settings.subject_alt_names;
            let names = if names.is_empty() { &input.identities } else { names };
            let mut tls = mesh_tls(names, input);
            tls.sni = settings.sni.clone().or(tls.sni);
            UpstreamTlsMode::Tls(tls)
        }
    }
}

/// Without a rule: mutual TLS to the endpoints that speak it, unless somebody has switched it off.
fn automatic(input: &TlsInput<'_>) -> UpstreamTlsMode {
    let off = matches!(input.mode, None | Some(MutualTlsMode::Disable));
    if input.service.external || !input.mesh.enable_auto_mtls() || off {
        return UpstreamTlsMode::Disable;
    }
    let tls = mesh_tls(&input.identities, input);
    if input.original_destination { UpstreamTlsMode::Tls(tls) } else { UpstreamTlsMode::Auto(tls) }
}

fn mesh_tls(names: &[String], input: &TlsInput<'_>) -> UpstreamTls {
    let alpn: &[&str] =
        if input.http2 { &["istio-peer-exchange", "istio", "h2"] } else { &["istio-peer-exchange", "istio"] };
    UpstreamTls {
        certificate: Some(CertificateSource::Workload),
        trust: TrustSource::Mesh,
        insecure_skip_verify: false,
        sni: (!input.dynamic_dns).then(|| input.mesh_sni.clone()),
        verify_auto_sni: input.dynamic_dns,
        subject_alt_names: names.iter().cloned().map(SubjectAltName).collect(),
        alpn: alpn.iter().map(|name| (*name).to_owned()).collect(),
        cipher_suites: Vec::new(),
        ecdh_curves: Vec::new(),
    }
}

fn originate(settings: &ClientTlsSettings, input: &TlsInput<'_>) -> UpstreamTls {
    let insecure = settings.insecure_skip_verify == Some(true);
    let mutual = settings.mode == ClientTlsMode::Mutual;
    let auto_sni = settings.sni.is_none();
    let names = if settings.subject_alt_names.is_empty() && !input.service.is_kubernetes() {
        &input.identities
    } else {
        &settings.subject_alt_names
    };
    let (certificate, trust) = match &settings.credential_name {
        Some(name) => (mutual.then(|| credential::certificate_source(name)), credential::trust_source(name)),
        None => (mutual.then(|| client_files(settings)).flatten(), trusted_files(settings)),
    };
    let defaults = input.mesh.tls_defaults.as_ref();
    UpstreamTls {
        certificate,
        trust,
        insecure_skip_verify: insecure,
        sni: settings.sni.clone(),
        verify_auto_sni: !insecure && (input.dynamic_dns || auto_sni && settings.subject_alt_names.is_empty()),
        subject_alt_names: names.iter().cloned().map(SubjectAltName).collect(),
        alpn: if input.http2 { vec!["h2".to_owned()] } else { Vec::new() },
        cipher_suites: defaults.map(|defaults| defaults.cipher_suites.clone()).unwrap_or_default(),
        ecdh_curves: defaults.map(TlsConfig::usable_ecdh_curves).unwrap_or_default(),
    }
}

fn client_files(settings: &ClientTlsSettings) -> Option<CertificateSource> {
    let (certificate, key) = (settings.client_certificate.clone()?, settings.private_key.clone()?);
    Some(CertificateSource::Files { certificate, key })
}

fn trusted_files(settings: &ClientTlsSettings) -> TrustSource {
    match &settings.ca_certificates {
        Some(ca) if ca != SYSTEM_CA => TrustSource::Files { ca: ca.clone(), crl: settings.ca_crl.clone() },
        _ => TrustSource::System { crl: settings.ca_crl.clone() },
    }
}

/// The identities as they are under the aliases of the trust domain, too; sorted, each once.
pub(super) fn with_aliases(identities: Vec<String>, mesh: &MeshConfig) -> Vec<String> {
    let mut all = identities.clone();
    for identity in &identities {
        let Some((domain, path)) = identity.strip_prefix("spiffe://").and_then(|rest| rest.split_once('/')) else {
            continue;
        };
        let known = domain == mesh.trust_domain() || mesh.trust_domain_aliases.iter().any(|alias| alias == domain);
        if known {
            all.extend(mesh.trust_domain_aliases.iter().map(|alias| format!("spiffe://{alias}/{path}")));
        }
    }
    all.sort();
    all.dedup();
    all
}
