//! The client: plays one exchange over a connection to the gateway and tells what came back.

mod http1;
mod http2;
mod raw;
mod tls;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::answer::Answer;
use crate::case::{Exchange, Version};
use crate::pki::Pki;
use crate::wire::{BoxedStream, Dialled, Peek, proxy_protocol};

/// Plays exchanges.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    /// Where client certificates come from.
    pub pki: &'a Pki,
    /// How long an exchange may take before it counts as without an answer.
    pub patience: Duration,
}

/// The client's end of a connection on which an answer has come.
pub struct Open {
    _stream: Peek<BoxedStream>,
}

impl Client<'_> {
    /// Plays one exchange once (`repeat` is the caller's) over a connection that was made for it, or not. The answer
    /// has what the client can know: error, status, headers, trailers, body, tls. After a response the connection is
    /// still open; whoever wants the gateway to know that the client is done drops it.
    pub async fn play(&self, exchange: &Exchange, connection: io::Result<Dialled>) -> (Answer, Option<Open>) {
        let dialled = match connection {
            Ok(dialled) => dialled,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                return (Answer::failed("connection refused"), None);
            }
            Err(error) => return (Answer::failed(format!("cannot connect: {error}")), None),
        };
        let mut answer = Answer::default();
        let open = match tokio::time::timeout(self.patience, self.converse(exchange, dialled, &mut answer)).await {
            Ok(Ok(open)) => Some(open),
            Ok(Err(error)) => {
                answer.error = Some(error);
                None
            }
            Err(_) => {
                answer.error = Some("no answer".to_owned());
                None
            }
        };
        (answer, open)
    }

    async fn converse(&self, exchange: &Exchange, dialled: Dialled, answer: &mut Answer) -> Result<Open, String> {
        let Dialled { mut stream, from } = dialled;
        if let Some(dst) = exchange.dst {
            let src = SocketAddr::new(exchange.src.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), from.port());
            stream.write_all(&proxy_protocol::v2(src, dst)).await.map_err(|error| closed(&error))?;
        }
        let mut alpn = None;
        if let Some(wanted) = &exchange.tls {
            let default = match (&exchange.raw, exchange.version) {
                (Some(_), _) => None,
                (None, Version::Http2) => Some("h2"),
                (None, _) => Some("http/1.1"),
            };
            let (inner, session) = tls::connect(self.pki, wanted, default, stream).await?;
            alpn.clone_from(&session.alpn);
            answer.tls = Some(session);
            stream = inner;
        }
        let mut stream = Peek::new(stream);
        let http2 = match (&exchange.tls, alpn.as_deref()) {
            (Some(_), Some(protocol)) => protocol == "h2",
            _ => exchange.version == Version::Http2,
        };
        match &exchange.raw {
            Some(bytes) => raw::converse(bytes, exchange.sent_method() == "HEAD", &mut stream, answer).await?,
            None if http2 => http2::converse(exchange, &mut stream, answer).await?,
            None => http1::converse(exchange, &mut stream, answer).await?,
        }
        Ok(Open { _stream: stream })
    }
}

/// The error of a connection that ended too early. An alert that comes after the handshake is an error of TLS.
fn closed(error: &io::Error) -> String {
    match tls::alert(error) {
        Some(alert) => alert,
        None if error.kind() == io::ErrorKind::ConnectionReset => "reset".to_owned(),
        None => "closed".to_owned(),
    }
}
