//! TLS towards endpoints.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use config_schema::snapshot::UpstreamTls;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::certificate::{KeyPair, describe};
use super::endpoint::EndpointTls;
use super::trust::{Trust, Usage};
use super::{TlsError, names, suites};
use crate::net::Conn;
use crate::proxy::record::CertificateInfo;

/// TLS policy of a cluster, compiled.
#[derive(Debug)]
pub struct ClientTls {
    spec: UpstreamTls,
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
    bytes: Arc<ClientConfig>,
    certificate: Option<Arc<CertificateInfo>>,
}

/// Stands for no name: an address sends no SNI.
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// What will be spoken inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Inner {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// Anything.
    Bytes,
}

impl ClientTls {
    /// `trust` is `None` where nothing is verified. `accounts`: identities of which a mesh endpoint must have one.
    pub fn new(spec: &UpstreamTls, pair: Option<&KeyPair>, trust: Option<Arc<Trust>>) -> Result<Self, TlsError> {
        let provider = suites::provider(&spec.cipher_suites, &spec.ecdh_curves)?;
        let verifier = Arc::new(Verifier {
            trust: if spec.insecure_skip_verify { None } else { trust },
            skip: spec.insecure_skip_verify,
            names: spec.subject_alt_names.iter().map(|name| name.0.clone()).collect(),
            check_server_name: spec.sni.is_none() && spec.verify_auto_sni,
            provider: Arc::clone(&provider),
        });
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS12, &rustls::version::TLS13])
            .map_err(TlsError::new)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match pair {
            Some(pair) => builder.with_client_cert_resolver(Arc::new(One(Arc::clone(&pair.certified)))),
            None => builder.with_no_client_auth(),
        };
        let with_alpn = |default: &[&str]| {
            let mut config = config.clone();
            config.alpn_protocols = match spec.alpn.as_slice() {
                [] => default.iter().map(|name| name.as_bytes().to_vec()).collect(),
                names => names.iter().map(|name| name.as_bytes().to_vec()).collect(),
            };
            Arc::new(config)
        };
        Ok(ClientTls {
            spec: spec.clone(),
            http1: with_alpn(&["http/1.1"]),
            http2: with_alpn(&["h2"]),
            bytes: with_alpn(&[]),
            certificate: pair.map(|pair| Arc::clone(&pair.info)),
        })
    }

    /// The name of the endpoint for a request to `host` (after rewrites, with or without port): the SNI, or the address
    /// that the certificate must be for, which is no SNI.
    pub fn server_name(&self, host: &str) -> Option<String> {
        if let Some(sni) = &self.spec.sni {
            return Some(sni.clone());
        }
        let name = String::from_utf8_lossy(&crate::route::normalize_host(host.as_bytes())).into_owned();
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        match bare.parse::<IpAddr>() {
            Ok(address) => self.spec.verify_auto_sni.then(|| address.to_string()),
            Err(_) => (!bare.is_empty()).then_some(name),
        }
    }

    /// Speaks TLS on a connection. The certificate is verified before anything is sent.
    pub async fn connect(
        &self,
        conn: Conn,
        server_name: Option<&str>,
        inner: Inner,
    ) -> Result<(tokio_rustls::client::TlsStream<Conn>, EndpointTls), TlsError> {
        let config = match inner {
            Inner::Http1 => &self.http1,
            Inner::Http2 => &self.http2,
            Inner::Bytes => &self.bytes,
        };
        let name = match server_name {
            Some(name) => ServerName::try_from(name.to_owned())
                .map_err(|_| TlsError::new(format!("{name:?} cannot be an SNI")))?,
            None => ServerName::IpAddress(NOBODY.into()),
        };
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(config));
        let stream = connector.connect(name, conn).await.map_err(TlsError::new)?;
        let known = EndpointTls::new(stream.get_ref().1, server_name, self.certificate.clone());
        Ok((stream, known))
    }
}

/// Shows one certificate to whoever asks.
#[derive(Debug)]
struct One(Arc<rustls::sign::CertifiedKey>);

impl rustls::client::ResolvesClientCert for One {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// The chain against the trust, then the names.
#[derive(Debug)]
struct Verifier {
    trust: Option<Arc<Trust>>,
    skip: bool,
    names: Vec<String>,
    check_server_name: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.skip {
            return Ok(ServerCertVerified::assertion());
        }
        let trust = self.trust.as_ref().ok_or(Error::InvalidCertificate(CertificateError::UnknownIssuer))?;
        trust.verify(end_entity, intermediates, Usage::Server, now)?;
        let info = describe(end_entity).ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
        if !self.names.is_empty() && !names::carries_any(&info, &self.names) {
            return Err(Error::General(format!(
                "the certificate is for {:?} {:?}, none of {:?}",
                info.dns_names, info.uris, self.names
            )));
        }
        let asked = server_name.to_str();
        let to_check = self.check_server_name && *server_name != ServerName::IpAddress(NOBODY.into());
        if to_check && !names::carries_any(&info, [&asked]) {
            return Err(Error::General(format!("the certificate is for {:?}, not for {asked}", info.dns_names)));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
