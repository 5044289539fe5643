//! TLS on the side of the client: it takes any certificate and tells which one it was.

use std::io;

use boring::ssl::{ErrorCode, Ssl, SslContext, SslContextBuilder, SslMethod, SslRef, SslVerifyMode, SslVersion};

use crate::answer::ServedTls;
use crate::case::{ClientTls, TlsVersion};
use crate::pki::{Pki, common_name};
use crate::wire::BoxedStream;

/// What a careful client offers up to TLS 1.2: forward secrecy only. The cases were recorded with such a client.
const CIPHERS: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:\
                       ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:\
                       ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA";

/// Makes a TLS connection; `default_alpn` is offered if the case does not say what is.
pub(super) async fn connect(
    pki: &Pki,
    wanted: &ClientTls,
    default_alpn: Option<&str>,
    stream: BoxedStream,
) -> Result<(BoxedStream, ServedTls), String> {
    let ssl = session(pki, wanted, default_alpn).map_err(|error| format!("cannot set TLS up: {error:#}"))?;
    match tokio_boring::SslStreamBuilder::new(ssl, stream).connect().await {
        Ok(stream) => {
            let served = served(stream.ssl());
            Ok((Box::new(stream), served))
        }
        Err(error) if error.code() == Some(ErrorCode::SSL) => Err(reason(&error.to_string())),
        Err(_) => Err("tls: closed".to_owned()),
    }
}

/// The alert that an error after the handshake stands for, if it does.
pub(super) fn alert(error: &io::Error) -> Option<String> {
    let error = error.get_ref()?.downcast_ref::<boring::ssl::Error>()?;
    (error.code() == ErrorCode::SSL).then(|| reason(&error.to_string()))
}

fn session(pki: &Pki, wanted: &ClientTls, default_alpn: Option<&str>) -> anyhow::Result<Ssl> {
    let mut context = SslContext::builder(SslMethod::tls())?;
    context.set_min_proto_version(Some(version(wanted.min.unwrap_or(TlsVersion::Tls10))))?;
    context.set_max_proto_version(Some(version(wanted.max.unwrap_or(TlsVersion::Tls13))))?;
    context.set_cipher_list(CIPHERS)?;
    context.set_verify(SslVerifyMode::NONE);
    offer(&mut context, wanted, default_alpn)?;
    if let Some(name) = &wanted.cert {
        let identity = pki.identity(name)?;
        context.set_certificate(&identity.certificate)?;
        context.set_private_key(&identity.key)?;
    }
    let mut ssl = Ssl::new(&context.build())?;
    if let Some(sni) = &wanted.sni {
        ssl.set_hostname(sni)?;
    }
    Ok(ssl)
}

fn offer(context: &mut SslContextBuilder, wanted: &ClientTls, default_alpn: Option<&str>) -> anyhow::Result<()> {
    let offered = match &wanted.alpn {
        Some(alpn) => alpn.iter().map(String::as_str).collect(),
        None => Vec::from_iter(default_alpn),
    };
    let mut list = Vec::new();
    for protocol in offered {
        list.push(u8::try_from(protocol.len())?);
        list.extend_from_slice(protocol.as_bytes());
    }
    if !list.is_empty() {
        context.set_alpn_protos(&list)?;
    }
    Ok(())
}

fn version(version: TlsVersion) -> SslVersion {
    match version {
        TlsVersion::Tls10 => SslVersion::TLS1,
        TlsVersion::Tls11 => SslVersion::TLS1_1,
        TlsVersion::Tls12 => SslVersion::TLS1_2,
        TlsVersion::Tls13 => SslVersion::TLS1_3,
    }
}

fn served(ssl: &SslRef) -> ServedTls {
    let version = ssl.version_str().trim_start_matches("TLSv");
    ServedTls {
        version: if version == "1" { "1.0".to_owned() } else { version.to_owned() },
        alpn: ssl.selected_alpn_protocol().map(|alpn| String::from_utf8_lossy(alpn).into_owned()),
        cert: ssl.peer_certificate().and_then(|certificate| common_name(&certificate)),
    }
}

/// An alert is the other side's error, everything else our own.
fn reason(error: &str) -> String {
    if error.contains("ALERT") { format!("remote error: tls: {error}") } else { format!("tls: {error}") }
}
