//! Connections that no filter chain is for.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use config_schema::snapshot::Bind;
use tokio::time::Instant;

use super::chain::CompiledListener;
use super::sniff::Beginning;
use crate::dns::client_host;
use crate::format::Scope;
use crate::message::{RequestHead, Version};
use crate::observe::egress::{Passage, Spoken};
use crate::outcome::Flag;
use crate::proxy::Worker;
use crate::proxy::record::{Connection, Record};

/// `%RESPONSE_CODE_DETAILS%`, and the reason in the report of egress.
const NO_CHAIN: &str = "filter_chain_not_found";
/// The port that SNI stands for: clients do not say it.
const HTTPS: u16 = 443;

/// A connection that no filter chain is for.
pub(super) struct Refused<'a> {
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
    /// Of our own socket.
    pub(super) own: SocketAddr,
    pub(super) accepted: Instant,
    pub(super) beginning: &'a Beginning,
}

/// Tells the access log and the report of egress of it.
pub(super) fn report_refused(worker: &Worker, listener: &CompiledListener, refused: &Refused<'_>) {
    log(worker, listener, refused);
    if listener.egress {
        report_egress(worker, refused);
    }
}

impl Refused<'_> {
    fn server_name(&self) -> &str {
        self.beginning.hello().and_then(|hello| hello.server_name.as_deref()).unwrap_or_default()
    }
}

/// Writes the entry that Istio has the listeners of gateways write, and only for these connections. The listeners that
/// applications are redirected to have none.
fn log(worker: &Worker, listener: &CompiledListener, refused: &Refused<'_>) {
    let runtime = worker.shared.store.load();
    let Some(log) = runtime.access_log.as_ref().filter(|log| log.spec.listeners) else { return };
    if listener.spec.bind == Bind::Redirected {
        return;
    }
    let connection = Connection {
        id: worker.shared.next_connection_id(),
        peer: refused.peer,
        peer_ip: Bytes::from(refused.peer.ip().to_string()),
        local: refused.local,
        own: refused.own,
        dialled: None,
        server_name: refused.server_name().to_owned(),
        tls: None,
        hostname: Arc::clone(&worker.shared.hostname),
        listener: Arc::from(listener.spec.name.as_str()),
        accepted: refused.accepted,
    };
    let open = Instant::now() - refused.accepted;
    let mut record = Record::new(Arc::new(connection), worker.shared.clock.now() - open);
    record.flags.raise(Flag::NoRouteFound);
    record.details = NO_CHAIN.into();
    record.duration = Some(open);
    let request = RequestHead::unread(Version::Http11);
    let around = worker.around(None, &runtime);
    log.write(&Scope { request: &request, response: None, trailers: None, record: &record, around });
}

/// TLS for a host that no server has.
fn report_egress(worker: &Worker, refused: &Refused<'_>) {
    if refused.beginning.hello().is_none() {
        return;
    }
    let server_name = refused.server_name();
    let source = refused.peer.ip().to_string();
    let now = worker.shared.clock.now();
    let egress = &worker.shared.observer.egress;
    let passage = Passage { host: server_name, port: Some(HTTPS), spoken: Spoken::Tls, source: &source, now };
    egress.refused(&passage, NO_CHAIN);
    if let Ok(asked) = client_host::parse(server_name) {
        egress.learn(&Passage { host: &asked.name, ..passage }, HTTPS);
    }
}
