//! The names of credentials: what `credentialName` refers to.

use crate::snapshot::{CertificateSource, TrustSource};

/// Scheme of the proxy's own certificate.
const BUILTIN: &str = "builtin://";
/// Ending of the Secret that holds the certificate authorities that belong to a credential.
const CA_SUFFIX: &str = "-cacert";

/// The full name of a credential: `SCHEME://…`, `kubernetes://` unless another scheme is given. There is no provider
/// for `sds://`, so it means the Secret of that name.
pub(super) fn resource_name(name: &str) -> String {
    let name = name.strip_prefix("sds://").unwrap_or(name);
    let schemes = ["configmap://", "kubernetes://", "kubernetes-gateway://", BUILTIN, "invalid://"];
    match schemes.iter().any(|scheme| name.starts_with(scheme)) {
        true => name.to_owned(),
        false => format!("kubernetes://{name}"),
    }
}

/// Where the certificate that `credentialName` names comes from.
pub(super) fn certificate_source(name: &str) -> CertificateSource {
    match resource_name(name) {
        name if name.starts_with(BUILTIN) => CertificateSource::Workload,
        name => CertificateSource::Secret(name),
    }
}

/// Where the certificate authorities beside `credentialName` come from.
pub(super) fn trust_source(name: &str) -> TrustSource {
    match resource_name(name) {
        name if name.starts_with(BUILTIN) => TrustSource::Mesh,
        name => TrustSource::Secret(format!("{name}{CA_SUFFIX}")),
    }
}

/// A parsed name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Credential<'n> {
    /// A Secret by `kubernetes://`: only in the proxy's namespace.
    Secret { namespace: &'n str, name: &'n str },
    /// A Secret by `kubernetes-gateway://`: where the Gateway is allowed to look.
    GatewaySecret { namespace: &'n str, name: &'n str },
    /// A ConfigMap with certificate authorities.
    ConfigMap { namespace: &'n str, name: &'n str },
    /// The proxy's own certificate.
    Builtin,
    /// Deliberately nothing.
    Invalid,
}

impl<'n> Credential<'n> {
    /// Reads a full name. `None` if a namespace or name is missing.
    pub(super) fn parse(resource: &'n str, proxy_namespace: &'n str) -> Option<Self> {
        let (scheme, rest) = resource.split_once("://")?;
        let mut parts = rest.split('/');
        let first = parts.next().unwrap_or_default();
        let second = parts.next();
        let qualified = || second.filter(|name| !first.is_empty() && !name.is_empty()).map(|name| (first, name));
        match scheme {
            "kubernetes" => Some(match second {
                Some(name) => Self::Secret { namespace: first, name },
                None => Self::Secret { namespace: proxy_namespace, name: first },
            }),
            "kubernetes-gateway" => qualified().map(|(namespace, name)| Self::GatewaySecret { namespace, name }),
            "configmap" => qualified().map(|(namespace, name)| Self::ConfigMap { namespace, name }),
            "builtin" => Some(Self::Builtin),
            "invalid" => Some(Self::Invalid),
            _ => None,
        }
    }
}

/// The name without the ending of certificate authorities.
pub(super) fn without_ca_suffix(name: &str) -> &str {
    name.strip_suffix(CA_SUFFIX).unwrap_or(name)
}

/// The name asks for certificate authorities.
pub(super) fn is_ca_name(name: &str) -> bool {
    name.ends_with(CA_SUFFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, expected) in [
            ("web", Some(Credential::Secret { namespace: "istio-system", name: "web" })),
            ("sds://web", Some(Credential::Secret { namespace: "istio-system", name: "web" })),
            ("kubernetes://web", Some(Credential::Secret { namespace: "istio-system", name: "web" })),
            ("kubernetes://shop/web", Some(Credential::Secret { namespace: "shop", name: "web" })),
            ("kubernetes-gateway://shop/web", Some(Credential::GatewaySecret { namespace: "shop", name: "web" })),
            ("kubernetes-gateway://web", None),
            ("configmap://shop/ca", Some(Credential::ConfigMap { namespace: "shop", name: "ca" })),
            ("configmap://ca", None),
            ("builtin://", Some(Credential::Builtin)),
            ("invalid://x", Some(Credential::Invalid)),
        ] {
            assert_eq!(Credential::parse(&resource_name(name), "istio-system"), expected, "{name}");
        }
    }
}
