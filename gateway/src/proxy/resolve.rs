//! Endpoints that DNS must find first: the request waits for them, within its timeout.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use super::downstream::{Downstream, Gone};
use super::egress::source;
use super::exchange::Exchange;
use super::forward::Forwarding;
use crate::dns::{client_host, preferred_family};
use crate::outcome::Outcome;
use crate::upstream::Host;
use crate::upstream::choose::Asked;

impl<D: Downstream> Exchange<'_, D> {
    /// The endpoint for the next try. Without one the request has been answered.
    pub(super) async fn choose(&mut self, forwarding: &mut Forwarding) -> Result<Arc<Host>, Outcome> {
        if forwarding.cluster.is_dynamic() {
            return Box::pin(self.resolve(forwarding)).await;
        }
        let mut picked = self.pick(forwarding);
        if picked.is_none() && forwarding.cluster.asks_dns() {
            if forwarding.cluster.awaits_answers() {
                let cluster = Arc::clone(&forwarding.cluster);
                Box::pin(self.meanwhile(forwarding, cluster.first_answers())).await?;
            }
            // Also without a wait: the answers may have come since the first look.
            picked = self.pick(forwarding);
        }
        match picked {
            Some(host) => Ok(host),
            None => Err(self.reply(Outcome::NoHealthyUpstream, |_| {}).await),
        }
    }

    /// The endpoint that the request names.
    async fn resolve(&mut self, forwarding: &mut Forwarding) -> Result<Arc<Host>, Outcome> {
        let cluster = Arc::clone(&forwarding.cluster);
        let shared = Arc::clone(&self.worker.shared);
        let authority = self.request.authority_str().to_owned();
        let family = preferred_family(self.runtime.node.address);
        let asked = Asked::http(&authority, &cluster);
        match self.meanwhile(forwarding, cluster.dynamic_endpoint(&shared.dns, family, asked)).await? {
            Ok(host) => Ok(host),
            Err(none) => Err(self.reply(none.outcome(), |_| {}).await),
        }
    }

    /// The TLS that the request came by was for another host. Where the client chooses the endpoint, what it shows to
    /// the network must be what it asks for (domain fronting). In the mesh SNI is of the configuration's choosing, and to
    /// a forward proxy it names the proxy.
    pub(super) fn server_name_disagrees(&self) -> bool {
        let connection = &self.record.connection;
        let server_name = connection.server_name.trim_end_matches('.');
        let Some(tls) = &connection.tls else { return false };
        let in_mesh = tls.peer_verified && source(connection).starts_with("spiffe://");
        if in_mesh || server_name.is_empty() || self.http.forward_proxy.is_some() {
            return false;
        }
        let asked = client_host::parse(self.request.authority_str());
        !asked.is_ok_and(|asked| asked.name.eq_ignore_ascii_case(server_name))
    }

    /// Waits for something on the upstream side, reading the request's body ahead meanwhile.
    pub(super) async fn meanwhile<T>(
        &mut self,
        forwarding: &mut Forwarding,
        work: impl Future<Output = T>,
    ) -> Result<T, Outcome> {
        enum Event<T> {
            Done(T),
            Timeout,
            Gone(Gone),
        }
        let mut work = std::pin::pin!(work);
        let event = poll_fn(|cx| {
            if let Poll::Ready(result) = work.as_mut().poll(cx) {
                return Poll::Ready(Event::Done(result));
            }
            if let Poll::Ready(gone) = self.body.poll_read_ahead(self.down, &mut self.grpc_web, cx) {
                return Poll::Ready(Event::Gone(gone));
            }
            if self.body.is_complete() {
                forwarding.request_complete();
            }
            self.alarm.poll(forwarding.timeout, cx).map(|()| Event::Timeout)
        })
        .await;
        match event {
            Event::Done(result) => Ok(result),
            Event::Timeout => Err(self.reply(Outcome::ResponseTimeout, |_| {}).await),
            Event::Gone(gone) => Err(self.gone(gone).await),
        }
    }
}
