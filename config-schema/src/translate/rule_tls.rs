//! The secrets and files that clusters take by DestinationRules, and the fields that name them.

use super::Context;
use super::credential::{certificate_source, trust_source};
use super::destination_rule::MergedRule;
use super::proxy::ProxyRole;
use super::report::Reports;
use super::secrets;
use super::wanted::Wanted;
use crate::resources::DestinationRule;
use crate::resources::destination_rule::{ClientTlsSettings, TrafficPolicy};
use crate::snapshot::{CertificateSource, Cluster, FieldRef, TrustSource, UpstreamTlsMode};

/// Notes the credentials of a cluster. Sidecars have those that a rule names for them, by `workloadSelector`; with another
/// rule that names a Secret they send plain bytes, as Istio's do.
pub(super) fn note_sources(
    cluster: &mut Cluster,
    rule: &MergedRule,
    context: &Context<'_>,
    wanted: &mut Wanted,
    reports: &mut Reports,
) {
    let Some(object) = rule.from.first() else { return };
    reports.accept(object);
    let meant_for_it = context.proxy.role == ProxyRole::Gateway || rule.workload_selector.is_some();
    let private = secrets::of_cluster(cluster).find(|name| secrets::is_private(name)).map(str::to_owned);
    if let Some(secret) = private.filter(|_| !meant_for_it) {
        let message = "not used, and requests leave WITHOUT TLS: a sidecar reads no Secret for a rule without \
                       workloadSelector; add one, or name a ConfigMap (configmap://NAMESPACE/NAME)";
        for FieldRef { object, path } in fields(rule, context, |tls| naming_secret(tls, &secret)) {
            reports.warn(&object, path, "credential", message.to_owned());
        }
        cluster.tls = UpstreamTlsMode::Disable;
    }
    for secret in secrets::of_cluster(cluster) {
        for FieldRef { object, path } in fields(rule, context, |tls| naming_secret(tls, secret)) {
            wanted.secret(secret, &object, &path);
        }
    }
    for file in files(cluster) {
        for field in fields(rule, context, |tls| naming_file(tls, file)) {
            wanted.file(file, field);
        }
    }
}

/// The PEM files of a cluster.
fn files(cluster: &Cluster) -> Vec<&str> {
    let UpstreamTlsMode::Tls(tls) = &cluster.tls else { return Vec::new() };
    let mut files = Vec::new();
    if let Some(CertificateSource::Files { certificate, key }) = &tls.certificate {
        files.extend([certificate.as_str(), key]);
    }
    match &tls.trust {
        _ if tls.insecure_skip_verify => {}
        TrustSource::Files { ca, crl } => {
            files.push(ca);
            files.extend(crl.as_deref());
        }
        TrustSource::System { crl } => files.extend(crl.as_deref()),
        TrustSource::Secret(_) | TrustSource::Mesh => {}
    }
    files
}

/// The fields of a rule's objects that `naming` finds in their TLS settings.
fn fields<'n>(
    rule: &MergedRule,
    context: &Context<'_>,
    naming: impl Fn(&ClientTlsSettings) -> Vec<&'n str>,
) -> Vec<FieldRef> {
    let mut found = Vec::new();
    for object in &rule.from {
        let Some(rule) = context.resources.destination_rules.get(&object.namespace, &object.name) else { continue };
        for (path, tls) in tls_settings(&rule.spec) {
            let fields = naming(tls).into_iter();
            found.extend(fields.map(|field| FieldRef { object: object.clone(), path: format!("{path}.{field}") }));
        }
    }
    found
}

fn naming_secret(tls: &ClientTlsSettings, secret: &str) -> Vec<&'static str> {
    let names = |name: &String| {
        certificate_source(name) == CertificateSource::Secret(secret.to_owned())
            || trust_source(name) == TrustSource::Secret(secret.to_owned())
    };
    tls.credential_name.iter().filter(|name| names(name)).map(|_| "credentialName").collect()
}

fn naming_file(tls: &ClientTlsSettings, file: &str) -> Vec<&'static str> {
    let fields = [
        ("clientCertificate", &tls.client_certificate),
        ("privateKey", &tls.private_key),
        ("caCertificates", &tls.ca_certificates),
        ("caCrl", &tls.ca_crl),
    ];
    fields.into_iter().filter(|(_, value)| value.as_deref() == Some(file)).map(|(field, _)| field).collect()
}

/// All TLS settings of a rule with their paths: of the host and its ports, of subsets and theirs.
fn tls_settings(rule: &DestinationRule) -> impl Iterator<Item = (String, &ClientTlsSettings)> {
    let whole = rule.traffic_policy.iter().map(|policy| ("spec.trafficPolicy".to_owned(), policy));
    let subsets = rule.subsets.iter().enumerate().filter_map(|(n, subset)| {
        subset.traffic_policy.as_ref().map(|policy| (format!("spec.subsets[{n}].trafficPolicy"), policy))
    });
    whole.chain(subsets).flat_map(|(path, policy)| of_policy(&path, policy))
}

fn of_policy<'p>(path: &str, policy: &'p TrafficPolicy) -> Vec<(String, &'p ClientTlsSettings)> {
    let own = policy.tls.iter().map(|tls| (format!("{path}.tls"), tls));
    let ports = policy.port_level_settings.iter().enumerate().filter_map(|(n, settings)| {
        settings.tls.as_ref().map(|tls| (format!("{path}.portLevelSettings[{n}].tls"), tls))
    });
    own.chain(ports).collect()
}
