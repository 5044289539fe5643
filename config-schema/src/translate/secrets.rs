//! Secrets: the certificates and authorities that servers and clusters name, from Secrets and ConfigMaps.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Context;
use super::credential::{Credential, is_ca_name, without_ca_suffix};
use super::report::Reports;
use super::wanted::{Place, Wanted};
use crate::resources::{self, Resources};
use crate::snapshot::{
    CertificateSource, Cluster, FieldRef, ObjectRef, Secret, Snapshot, TlsCertificate, TrustBundle, TrustSource,
    UpstreamTlsMode,
};

/// Types of Secrets that are never looked at.
const IGNORED_TYPES: [&str; 2] = ["helm.sh/release.v1", "kubernetes.io/service-account-token"];

/// Why a secret cannot be had.
struct Fault {
    reason: String,
    /// Where it is to be mended, unless it is where the secret is named.
    holder: Option<FieldRef>,
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Fault { reason, holder: None }
    }
}

impl Fault {
    /// Something that an object lacks in one of its fields.
    fn lacking(kind: &str, namespace: &str, name: &str, path: &str, reason: String) -> Self {
        let object = ObjectRef { kind: kind.to_owned(), namespace: namespace.to_owned(), name: name.to_owned() };
        Fault { reason, holder: Some(FieldRef { object, path: path.to_owned() }) }
    }
}

/// Adds the secrets that are wanted; those that cannot be had are reported where they are named, and
/// those that lack something where they are written.
pub(super) fn add(snapshot: &mut Snapshot, context: &Context<'_>, wanted: &Wanted, reports: &mut Reports) {
    for (name, places) in &wanted.secrets {
        match resolve(name, places, context) {
            Ok(secret) => {
                snapshot.secrets.insert(name.clone(), Arc::new(secret));
            }
            Err(Fault { reason, holder: None }) => {
                for (object, path) in places {
                    let message = format!("TLS handshakes fail until this is mended: {reason}");
                    reports.error(object, path.clone(), "credential", message);
                }
            }
            Err(Fault { reason, holder: Some(FieldRef { object, path }) }) => {
                let mut breaks: Vec<String> = places.iter().map(|(object, path)| place(object, path)).collect();
                breaks.dedup();
                let message = format!("TLS handshakes of {} fail until this is mended: {reason}", breaks.join(" and "));
                reports.error(&object, path, "credential", message);
            }
        }
    }
}

/// The names of the secrets of a cluster.
pub(super) fn of_cluster(cluster: &Cluster) -> impl Iterator<Item = &str> {
    let tls = match &cluster.tls {
        UpstreamTlsMode::Disable => None,
        UpstreamTlsMode::Tls(tls) | UpstreamTlsMode::Auto(tls) => Some(tls),
    };
    let certificate = tls.and_then(|tls| match &tls.certificate {
        Some(CertificateSource::Secret(name)) => Some(name.as_str()),
        _ => None,
    });
    let trust = tls.filter(|tls| !tls.insecure_skip_verify).and_then(|tls| match &tls.trust {
        TrustSource::Secret(name) => Some(name.as_str()),
        _ => None,
    });
    certificate.into_iter().chain(trust)
}

/// The name stands for a Secret, which not every proxy may read.
pub(super) fn is_private(name: &str) -> bool {
    !name.starts_with("configmap://")
}

fn resolve(name: &str, places: &[Place], context: &Context<'_>) -> Result<Secret, Fault> {
    let own = &context.proxy.namespace;
    let resources = context.resources;
    match Credential::parse(name, own) {
        None => Err(format!("{name} is no credential name; it lacks a namespace or a name").into()),
        Some(Credential::Invalid) => Err(format!("{name} never has a certificate").into()),
        Some(Credential::Builtin) => Err(format!("{name} is the proxy's own certificate, not a Secret").into()),
        Some(Credential::ConfigMap { namespace, name }) => config_map(resources, namespace, name),
        Some(Credential::Secret { namespace, name }) if namespace == own => secret(resources, namespace, name),
        Some(Credential::Secret { namespace, name }) => Err(format!(
            "Secret {namespace}/{name} is in another namespace than the proxy ({own}), which alone may hold its \
             credentials; use kubernetes-gateway://{namespace}/{name} with a ReferenceGrant, or copy the Secret"
        )
        .into()),
        Some(Credential::GatewaySecret { namespace, name }) => {
            let same = namespace == own && places.iter().any(|(object, _)| object.namespace == *own);
            if same || is_granted(resources, own, namespace, without_ca_suffix(name)) {
                return secret(resources, namespace, name);
            }
            Err(format!(
                "Secret {namespace}/{name} is not granted to Gateways of namespace {own}; allow it with a \
                 ReferenceGrant in namespace {namespace}, or name it in a Gateway of namespace {own}"
            )
            .into())
        }
    }
}

/// A ReferenceGrant opens the Secret to Gateways of the proxy's namespace.
fn is_granted(resources: &Resources, from: &str, namespace: &str, name: &str) -> bool {
    resources.reference_grants.in_namespace(namespace).any(|grant| {
        let from = grant.spec.from.iter().any(|entry| {
            entry.group == "gateway.networking.k8s.io" && entry.kind == "Gateway" && entry.namespace == from
        });
        let to = grant.spec.to.iter().any(|entry| {
            entry.group.is_empty()
                && entry.kind == "Secret"
                && entry.name.as_deref().is_none_or(|granted| granted == name)
        });
        from && to
    })
}

fn find<'r>(resources: &'r Resources, namespace: &str, name: &str) -> Option<&'r resources::Secret> {
    let object = resources.secrets.get(namespace, name)?;
    let ignored = object.spec.r#type.as_deref().is_some_and(|kind| IGNORED_TYPES.contains(&kind));
    (!ignored).then_some(&object.spec)
}

/// A certificate, or authorities if the name ends so; the latter are looked for beside the certificate, too.
fn secret(resources: &Resources, namespace: &str, name: &str) -> Result<Secret, Fault> {
    if is_ca_name(name) {
        let base = without_ca_suffix(name);
        let found = find(resources, namespace, name).map(|secret| (secret, name));
        let (secret, name) = found
            .or_else(|| find(resources, namespace, base).map(|secret| (secret, base)))
            .ok_or_else(|| format!("there is neither a Secret {namespace}/{name} nor a Secret {namespace}/{base}"))?;
        return trust_bundle(|key| secret.get(key)).ok_or_else(|| {
            let reason = format!("it has no certificate authority under the key cacert or ca.crt; {}", keys_of(secret));
            Fault::lacking("Secret", namespace, name, field_of(secret), reason)
        });
    }
    let secret = find(resources, namespace, name).ok_or_else(|| format!("there is no Secret {namespace}/{name}"))?;
    certificate(secret).ok_or_else(|| {
        let reason = format!(
            "it has no certificate with its key under the keys tls.crt and tls.key, or cert and key; {}",
            keys_of(secret)
        );
        Fault::lacking("Secret", namespace, name, field_of(secret), reason)
    })
}

fn keys_of(secret: &resources::Secret) -> String {
    let keys: Vec<&str> = secret.keys().collect();
    if keys.is_empty() { "it is empty".to_owned() } else { format!("its keys are {}", keys.join(", ")) }
}

/// The field that the content of a Secret is written in.
fn field_of(secret: &resources::Secret) -> &'static str {
    if secret.string_data.is_empty() { "data" } else { "stringData" }
}

fn certificate(secret: &resources::Secret) -> Option<Secret> {
    let value = |key: &str| secret.get(key).filter(|value| !value.is_empty());
    let (chain, key, ocsp_staple) = match (value("cert"), value("key")) {
        (Some(chain), Some(key)) => (chain, key, None),
        _ => (value("tls.crt")?, value("tls.key")?, value("tls.ocsp-staple")),
    };
    Some(Secret::Certificate(TlsCertificate {
        chain: chain.to_vec(),
        key: key.to_vec(),
        ocsp_staple: ocsp_staple.map(<[u8]>::to_vec),
    }))
}

/// `cacert` with `crl`, else `ca.crt` with `ca.crl`.
fn trust_bundle<'s>(get: impl Fn(&str) -> Option<&'s [u8]>) -> Option<Secret> {
    let value = |key: &str| get(key).filter(|value| !value.is_empty());
    let (ca, crl) = match value("cacert") {
        Some(ca) => (ca, value("crl")),
        None => (value("ca.crt")?, value("ca.crl")),
    };
    Some(Secret::Trust(TrustBundle { ca: ca.to_vec(), crl: crl.map(<[u8]>::to_vec) }))
}

fn config_map(resources: &Resources, namespace: &str, name: &str) -> Result<Secret, Fault> {
    let name = without_ca_suffix(name);
    let object = resources
        .config_maps
        .get(namespace, name)
        .ok_or_else(|| format!("there is no ConfigMap {namespace}/{name}"))?;
    let data: &BTreeMap<String, String> = &object.spec.data;
    trust_bundle(|key| data.get(key).map(String::as_bytes)).ok_or_else(|| {
        let reason = "it has no certificate authority under the key cacert or ca.crt".to_owned();
        Fault::lacking("ConfigMap", namespace, name, "data", reason)
    })
}

/// `KIND NAMESPACE/NAME PATH`.
fn place(ObjectRef { kind, namespace, name }: &ObjectRef, path: &str) -> String {
    format!("{kind} {namespace}/{name} {path}")
}
