//! The end of a request: its record is completed, and told to metrics and log exactly once.

use tokio::time::Instant;

use super::downstream::Downstream;
use super::exchange::Exchange;
use crate::format::Scope;
use crate::outcome::Outcome;

impl<D: Downstream> Exchange<'_, D> {
    /// Records how the request ended.
    pub(super) fn finish(&mut self, outcome: Outcome) {
        self.record.duration = Some(Instant::now() - self.started);
        self.record.bytes_received = self.body.received;
        match &outcome {
            // Nobody was left to tell: what happened shows in the log alone.
            Outcome::DownstreamDisconnect | Outcome::DownstreamReset => {
                if let Some(flag) = outcome.flag() {
                    self.record.flags.raise(flag);
                }
                self.record.details = outcome.details();
            }
            _ if self.record.details.is_empty() => self.record.details = outcome.details(),
            _ => {}
        }
        if self.request.is_grpc() {
            self.record.grpc_status = self.grpc_status();
        }
        let cluster = self.runtime.clusters.get(&*self.record.upstream_cluster);
        self.worker.metrics.request(&self.record, &self.request, cluster.map(|c| &**c), &self.runtime.node);
        if let Some(log) = &self.runtime.access_log {
            log.write(&Scope {
                request: &self.request,
                response: self.response.as_ref(),
                trailers: self.trailers.as_ref(),
                record: &self.record,
            });
        }
    }

    /// grpc-status of the answer, in its trailers or (trailers-only) in its head.
    fn grpc_status(&self) -> Option<u16> {
        let find = |headers: &Option<crate::headers::Headers>| {
            headers.as_ref().and_then(|h| h.get_str("grpc-status")).and_then(|code| code.parse().ok())
        };
        find(&self.trailers).or_else(|| find(&self.response))
    }
}
