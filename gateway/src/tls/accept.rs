//! The handshake with a client, and the stream that comes of it.

use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::Duration;

use boring::ssl::{SslContext, SslContextBuilder, SslMethod};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::boring::peer_chain;
use super::certificate::{KeyPair, describe, escape_pem};
use super::server::{Chosen, ServerTls};
use super::{TlsError, suites};
use crate::listen::sniff::ClientHello;
use crate::net::{Conn, Rewind};
use crate::proxy::record::TlsInfo;

/// A client's stream, decrypted if it was TLS that is terminated here.
#[derive(Debug)]
pub enum DownstreamIo {
    /// As it is.
    Plain(Rewind<Conn>),
    /// Terminated by rustls.
    Rustls(Box<tokio_rustls::server::TlsStream<Rewind<Conn>>>),
    /// Terminated by BoringSSL.
    Boring(Box<tokio_boring::SslStream<Rewind<Conn>>>),
}

macro_rules! each {
    ($self:ident, $io:ident => $body:expr) => {
        match $self.get_mut() {
            DownstreamIo::Plain($io) => $body,
            DownstreamIo::Rustls($io) => $body,
            DownstreamIo::Boring($io) => $body,
        }
    };
}

impl DownstreamIo {
    /// The socket, if its bytes are the application's own.
    pub fn plain_socket(&self) -> Option<&TcpStream> {
        match self {
            DownstreamIo::Plain(io) => io.plain_socket(),
            DownstreamIo::Rustls(_) | DownstreamIo::Boring(_) => None,
        }
    }
}

impl AsyncRead for DownstreamIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_read(cx, buf))
    }
}

impl AsyncWrite for DownstreamIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, io => Pin::new(io).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, io => Pin::new(io).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            DownstreamIo::Plain(io) => io.is_write_vectored(),
            DownstreamIo::Rustls(io) => io.is_write_vectored(),
            DownstreamIo::Boring(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, io => Pin::new(io).poll_shutdown(cx))
    }
}

/// Terminates TLS.
pub async fn handshake(
    tls: &ServerTls,
    hello: &ClientHello,
    stream: Rewind<Conn>,
) -> Result<(DownstreamIo, TlsInfo), TlsError> {
    let begun = Instant::now();
    let mut done = match tls.choose(hello) {
        None => Err(TlsError::new("no certificate to serve")),
        Some(Chosen::Rustls(pair, config)) => {
            let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(config));
            let stream = acceptor.accept(stream).await.map_err(TlsError::new)?;
            let info = rustls_info(stream.get_ref().1, pair, tls);
            Ok((DownstreamIo::Rustls(Box::new(stream)), info))
        }
        Some(Chosen::Boring(pair, context)) => {
            let ssl = boring::ssl::Ssl::new(&context.context).map_err(TlsError::new)?;
            let stream = tokio_boring::SslStreamBuilder::new(ssl, stream);
            let accepted = pin!(stream.accept()).await;
            let stream = accepted.map_err(TlsError::new)?;
            let info = boring_info(stream.ssl(), pair, tls);
            Ok((DownstreamIo::Boring(Box::new(stream)), info))
        }
    };
    if let Ok((_, info)) = &mut done {
        info.handshake = begun.elapsed();
    }
    done
}

/// Reads what is no ClientHello as far as it takes to say so: with the alert that BoringSSL has for it, as Envoy answers,
/// and without one for HTTP.
pub async fn refuse(stream: Rewind<Conn>) -> Result<(), TlsError> {
    let context = CERTIFICATELESS.as_ref().map_err(Clone::clone)?;
    let ssl = boring::ssl::Ssl::new(context).map_err(TlsError::new)?;
    let accepted = pin!(tokio_boring::SslStreamBuilder::new(ssl, stream).accept()).await;
    accepted.map(drop).map_err(TlsError::new)
}

/// Without a certificate no handshake comes to an end.
static CERTIFICATELESS: LazyLock<Result<SslContext, TlsError>> = LazyLock::new(|| {
    let builder = SslContextBuilder::new(SslMethod::tls()).map_err(TlsError::new)?;
    Ok(builder.build())
});

fn rustls_info(session: &rustls::ServerConnection, pair: &KeyPair, tls: &ServerTls) -> TlsInfo {
    let chain = session.peer_certificates().unwrap_or_default();
    TlsInfo {
        version: suites::version_name(session.protocol_version()),
        cipher: session.negotiated_cipher_suite().map(|s| suites::openssl_name(s.suite())).unwrap_or_default(),
        group: session.negotiated_key_exchange_group().map_or("", |group| suites::group_name(group.name())),
        handshake: Duration::ZERO,
        alpn: session.alpn_protocol().map(<[u8]>::to_vec),
        peer: chain.first().and_then(|leaf| describe(leaf)),
        peer_issuers: chain.iter().skip(1).filter_map(|certificate| describe(certificate)).collect(),
        peer_chain_escaped: chain.iter().map(|certificate| escape_pem(certificate)).collect(),
        peer_verified: !chain.is_empty() && !tls.spec.client.accept_untrusted,
        local: Some(Arc::clone(&pair.info)),
    }
}

fn boring_info(ssl: &boring::ssl::SslRef, pair: &KeyPair, tls: &ServerTls) -> TlsInfo {
    let chain = peer_chain(ssl);
    TlsInfo {
        version: ssl.version_str(),
        cipher: ssl.current_cipher().map(|cipher| cipher.name().to_owned()).unwrap_or_default(),
        group: ssl.curve_name().unwrap_or_default(),
        handshake: Duration::ZERO,
        alpn: ssl.selected_alpn_protocol().map(<[u8]>::to_vec),
        peer: chain.first().and_then(|leaf| describe(leaf)),
        peer_issuers: chain.iter().skip(1).filter_map(|certificate| describe(certificate)).collect(),
        peer_chain_escaped: chain.iter().map(|der| escape_pem(der)).collect(),
        peer_verified: !chain.is_empty() && !tls.spec.client.accept_untrusted,
        local: Some(Arc::clone(&pair.info)),
    }
}
