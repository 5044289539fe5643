//! What a bad backend does with a connection.

use std::time::Duration;

use boring::ssl::SslAcceptor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::certificate::Authority;

/// What a bad backend does.
#[derive(Clone, Copy)]
pub(super) enum Behaviour {
    /// Nothing listens.
    Refuse,
    /// Connections are never made.
    BlackHole,
    /// Reads something, says something, then ends in its own way.
    Say(&'static [u8], Then),
    /// Says one thing, and then another over and over.
    Repeat(&'static [u8], &'static [u8]),
    /// Shows a certificate.
    Tls {
        /// For this name.
        name: &'static str,
        /// Its time is over.
        expired: bool,
    },
}

/// How a connection goes on.
#[derive(Clone, Copy)]
pub(super) enum Then {
    /// It is held open.
    Wait,
    /// It is closed.
    Close,
    /// It is reset.
    Reset,
}

/// A behaviour with what it needs.
#[derive(Clone)]
pub(super) struct Acting {
    behaviour: Behaviour,
    tls: Option<SslAcceptor>,
}

impl Behaviour {
    /// Makes what it needs.
    pub(super) fn prepare(self, authority: &Authority) -> anyhow::Result<Acting> {
        let tls = match self {
            Behaviour::Tls { name, expired } => Some(authority.server(name, expired)?),
            Behaviour::Refuse | Behaviour::BlackHole | Behaviour::Say(..) | Behaviour::Repeat(..) => None,
        };
        Ok(Acting { behaviour: self, tls })
    }
}

impl Acting {
    /// Does it, until the gateway closes the connection.
    pub(super) async fn serve(self, mut stream: TcpStream) {
        let mut asked = [0; 4096];
        if let Some(tls) = self.tls {
            // The handshake is to fail.
            if let Ok(mut stream) = tokio_boring::accept(&tls, stream).await {
                let _ = stream.read(&mut asked).await;
            }
            return;
        }
        if !matches!(stream.read(&mut asked).await, Ok(1..)) {
            return;
        }
        match self.behaviour {
            Behaviour::Say(said, then) => {
                let _ = stream.write_all(said).await;
                match then {
                    Then::Wait => while matches!(stream.read(&mut asked).await, Ok(1..)) {},
                    // What was said must be read before the end is.
                    Then::Close => sleep(Duration::from_millis(20)).await,
                    Then::Reset => drop(stream.set_zero_linger()),
                }
            }
            Behaviour::Repeat(first, over_and_over) => {
                let mut broken = stream.write_all(first).await.is_err();
                while !broken {
                    broken = stream.write_all(over_and_over).await.is_err();
                    tokio::task::yield_now().await;
                }
            }
            Behaviour::Refuse | Behaviour::BlackHole | Behaviour::Tls { .. } => {}
        }
    }
}
