//! TLS at the door: what a filter chain needs to terminate it.

use std::sync::Arc;

use config_schema::snapshot::{DownstreamTls, TlsProvider, TlsVersion};
use rustls::ServerConfig;
use rustls::server::NoServerSessionStorage;
use rustls::sign::CertifiedKey;

use super::boring::BoringContext;
use super::certificate::KeyPair;
use super::client_auth::{ClientRules, RustlsVerifier};
use super::trust::Trust;
use super::{TlsError, suites};
use crate::listen::sniff::ClientHello;

/// TLS termination of a filter chain.
#[derive(Debug)]
pub struct ServerTls {
    /// As configured.
    pub spec: DownstreamTls,
    /// One for each certificate, in order. Empty: every handshake is closed.
    keys: Vec<ServerKey>,
}

/// A certificate and the configuration that serves it.
#[derive(Debug)]
pub(super) struct ServerKey {
    /// The certificate.
    pub pair: KeyPair,
    engine: Engine,
}

#[derive(Debug)]
enum Engine {
    Rustls {
        /// For TLS 1.3, and for TLS 1.2 where no suites are named: the client's order of suites counts.
        by_client: AlpnConfigs,
        /// For TLS 1.2 where suites are named: the order in which they are named counts.
        by_server: Option<AlpnConfigs>,
    },
    Boring(Box<BoringContext>),
}

#[derive(Debug)]
struct AlpnConfigs {
    /// Offers the configured ALPN.
    with: Arc<ServerConfig>,
    /// Selects none: for clients whose ALPN has nothing in common with ours, whom Envoy lets in.
    without: Arc<ServerConfig>,
}

/// What serves one handshake.
#[derive(Debug)]
pub enum Chosen<'a> {
    /// By rustls.
    Rustls(&'a KeyPair, &'a Arc<ServerConfig>),
    /// By BoringSSL.
    Boring(&'a KeyPair, &'a BoringContext),
}

impl ServerTls {
    /// `pairs`: the certificates that could be had. `trust`: whom client certificates are checked against.
    pub fn new(spec: &DownstreamTls, pairs: Vec<KeyPair>, trust: Option<Arc<Trust>>) -> Result<Self, TlsError> {
        let rules = Arc::new(ClientRules::new(spec.client.clone(), trust));
        let keys = pairs
            .into_iter()
            .map(|pair| {
                let engine = match spec.provider {
                    TlsProvider::Boring => Engine::Boring(Box::new(BoringContext::new(spec, &pair, &rules)?)),
                    TlsProvider::Rustls => rustls_engine(spec, &pair, &rules)?,
                };
                Ok(ServerKey { pair, engine })
            })
            .collect::<Result<_, TlsError>>()?;
        Ok(ServerTls { spec: spec.clone(), keys })
    }

    /// Without any certificate: every handshake is closed.
    pub fn closed(spec: &DownstreamTls) -> Self {
        ServerTls { spec: spec.clone(), keys: Vec::new() }
    }

    /// The certificates.
    pub fn certificates(&self) -> impl Iterator<Item = &KeyPair> {
        self.keys.iter().map(|key| &key.pair)
    }

    /// Picks the certificate: one that covers the SNI, ECDSA before others if the client can do it; else the first.
    pub fn choose(&self, hello: &ClientHello) -> Option<Chosen<'_>> {
        let name = hello.server_name.as_deref();
        let covering = || self.keys.iter().filter(|key| name.is_some_and(|name| key.pair.covers(name)));
        let key = covering()
            .find(|key| key.pair.is_ecdsa && hello.supports_ecdsa)
            .or_else(|| covering().find(|key| !key.pair.is_ecdsa))
            .or_else(|| covering().next())
            .or_else(|| self.keys.first())?;
        Some(match &key.engine {
            Engine::Boring(context) => Chosen::Boring(&key.pair, context),
            Engine::Rustls { by_client, by_server } => {
                let tls13 = hello.offers_tls13 && self.spec.max_version >= TlsVersion::V1_3;
                let configs = by_server.as_ref().filter(|_| !tls13).unwrap_or(by_client);
                let common =
                    self.spec.alpn.iter().any(|own| hello.alpn.iter().any(|offered| offered == own.as_bytes()));
                Chosen::Rustls(&key.pair, if common { &configs.with } else { &configs.without })
            }
        })
    }
}

fn rustls_engine(spec: &DownstreamTls, pair: &KeyPair, rules: &Arc<ClientRules>) -> Result<Engine, TlsError> {
    let versions: Vec<&'static rustls::SupportedProtocolVersion> =
        [(TlsVersion::V1_2, &rustls::version::TLS12), (TlsVersion::V1_3, &rustls::version::TLS13)]
            .into_iter()
            .filter(|(version, _)| spec.min_version <= *version && *version <= spec.max_version)
            .map(|(_, supported)| supported)
            .collect();
    let builder = ServerConfig::builder_with_provider(suites::provider(&spec.cipher_suites, &spec.ecdh_curves)?)
        .with_protocol_versions(&versions)
        .map_err(|e| TlsError::new(format!("TLS versions: {e}")))?;
    let builder = if rules.request() {
        builder.with_client_cert_verifier(Arc::new(RustlsVerifier::new(Arc::clone(rules))))
    } else {
        builder.with_no_client_auth()
    };
    let mut config = builder.with_cert_resolver(Arc::new(One(Arc::clone(&pair.certified))));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer =
        rustls::crypto::aws_lc_rs::Ticketer::new().map_err(|e| TlsError::new(format!("ticket keys: {e}")))?;
    config.send_tls13_tickets = 1;
    let by_server = (spec.cipher_suites.len() > 1).then(|| {
        let mut config = config.clone();
        config.ignore_client_order = true;
        alpn_configs(spec, config)
    });
    Ok(Engine::Rustls { by_client: alpn_configs(spec, config), by_server })
}

fn alpn_configs(spec: &DownstreamTls, without: ServerConfig) -> AlpnConfigs {
    let mut with = without.clone();
    with.alpn_protocols = spec.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    AlpnConfigs { with: Arc::new(with), without: Arc::new(without) }
}

/// Serves one certificate; which one has been decided before the handshake.
#[derive(Debug)]
struct One(Arc<CertifiedKey>);

impl rustls::server::ResolvesServerCert for One {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}
