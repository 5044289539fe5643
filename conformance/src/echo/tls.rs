//! TLS on the side of the backend.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::Context;
use boring::ssl::{
    AlpnError, ExtensionType, NameType, SelectCertError, Ssl, SslContext, SslContextBuilder, SslMethod, SslRef,
    SslVerifyMode, SslVersion,
};
use boring::x509::X509;

use crate::answer::SeenTls;
use crate::pki::{Identity, Pki, client_name};
use crate::wire::{BoxedStream, Peek};
use crate::world::World;

/// Certificates of the echo servers.
#[derive(Debug)]
pub(super) struct EchoTls {
    backend: Identity,
    backend_wrong: Identity,
    expired: Identity,
    client_ca: X509,
    world: World,
    workloads: BTreeMap<String, Identity>,
}

/// Which certificate a backend serves and whether it demands one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    /// 127.3.0.0/16, 198.51.100.0/24: a certificate that nobody expects.
    Wrong,
    /// 203.0.113.0/24: a certificate that has expired.
    Expired,
    /// 127.4.0.0/16: the client must have a certificate of client-ca.
    Demanding,
}

impl EchoTls {
    pub(super) fn new(pki: &Pki, world: &World) -> anyhow::Result<Self> {
        let mut workloads = BTreeMap::new();
        for endpoint in &world.endpoints {
            if let Some(name) = world.workload(endpoint.ip()).filter(|name| pki.has(name)) {
                workloads.insert(name.to_owned(), pki.identity(name)?);
            }
        }
        Ok(Self {
            backend: pki.identity("backend")?,
            backend_wrong: pki.identity("backend-wrong")?,
            expired: pki.identity("expired")?,
            client_ca: pki.certificate("client-ca")?,
            world: world.clone(),
            workloads,
        })
    }

    /// Ends TLS as the backend at `ip`.
    pub(super) async fn accept(&self, stream: Peek<BoxedStream>, ip: IpAddr) -> anyhow::Result<(BoxedStream, SeenTls)> {
        let context = self.context(ip)?;
        let ssl = Ssl::new(&context)?;
        let stream = tokio_boring::SslStreamBuilder::new(ssl, stream).accept().await;
        let stream = stream.map_err(|error| anyhow::anyhow!("{error}")).context("TLS handshake")?;
        let session = session(stream.ssl());
        Ok((Box::new(stream), session))
    }

    /// A context for one connection: callbacks need to know which backend it is for.
    fn context(&self, ip: IpAddr) -> anyhow::Result<SslContext> {
        let kind = kind(ip);
        let mut context = SslContext::builder(SslMethod::tls())?;
        context.set_min_proto_version(Some(SslVersion::TLS1_2))?;
        self.set_client_verification(&mut context, kind)?;
        let plain = match kind {
            Kind::Wrong => self.backend_wrong.clone(),
            Kind::Expired => self.expired.clone(),
            Kind::Plain | Kind::Demanding => self.backend.clone(),
        };
        let workload = self.world.workload(ip).and_then(|name| self.workloads.get(name)).cloned();
        context.set_select_certificate_callback(move |mut hello| {
            let offered = hello.get_extension(ExtensionType::APPLICATION_LAYER_PROTOCOL_NEGOTIATION);
            let istio = protocols(offered.and_then(|list| list.get(2..)).unwrap_or_default()).any(is_istio);
            let identity = workload.as_ref().filter(|_| istio).unwrap_or(&plain);
            let ssl = hello.ssl_mut();
            let set = ssl.set_certificate(&identity.certificate).and_then(|()| ssl.set_private_key(&identity.key));
            set.map_err(|_| SelectCertError::ERROR)
        });
        context.set_alpn_select_callback(|_, offered| choose(offered).ok_or(AlpnError::ALERT_FATAL));
        Ok(context.build())
    }

    fn set_client_verification(&self, context: &mut SslContextBuilder, kind: Kind) -> anyhow::Result<()> {
        if kind == Kind::Demanding {
            context.cert_store_mut().add_cert(&self.client_ca)?;
            context.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        } else {
            // Any certificate will do: it is only shown.
            context.set_custom_verify_callback(SslVerifyMode::PEER, |_| Ok(()));
        }
        Ok(())
    }
}

fn kind(ip: IpAddr) -> Kind {
    match ip {
        IpAddr::V4(ip) if ip.octets()[..2] == [127, 3] => Kind::Wrong,
        IpAddr::V4(ip) if ip.octets()[..2] == [127, 4] => Kind::Demanding,
        IpAddr::V4(ip) if ip.octets()[..3] == [198, 51, 100] => Kind::Wrong,
        IpAddr::V4(ip) if ip.octets()[..3] == [203, 0, 113] => Kind::Expired,
        _ => Kind::Plain,
    }
}

fn session(ssl: &SslRef) -> SeenTls {
    SeenTls {
        sni: ssl.servername(NameType::HOST_NAME).map(str::to_owned),
        alpn: ssl.selected_alpn_protocol().map(|alpn| String::from_utf8_lossy(alpn).into_owned()),
        client: ssl.peer_certificate().and_then(|certificate| client_name(&certificate)),
    }
}

/// The protocols of a list in wire format.
fn protocols(mut list: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = list.split_first()?;
        let (protocol, rest) = rest.split_at_checked(usize::from(*length))?;
        list = rest;
        Some(protocol)
    })
}

/// Istio's names first, then HTTP/2, then HTTP/1.1.
fn choose(offered: &[u8]) -> Option<&[u8]> {
    let find = |wanted: &[u8]| protocols(offered).find(|protocol| *protocol == wanted);
    protocols(offered).find(|p| is_istio(p)).or_else(|| find(b"h2")).or_else(|| find(b"http/1.1"))
}

fn is_istio(protocol: impl AsRef<[u8]>) -> bool {
    protocol.as_ref().starts_with(b"istio")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choice_of_protocol() {
        for (offered, chosen) in [
            (b"\x08http/1.1\x02h2".as_slice(), Some(b"h2".as_slice())),
            (b"\x08http/1.1", Some(b"http/1.1")),
            (b"\x02h2\x05istio", Some(b"istio")),
            (b"\x02h3", None),
            (b"\x09short", None),
        ] {
            assert_eq!(choose(offered), chosen);
        }
    }
}
