//! The end of a request: its record is completed, and told to metrics and log exactly once.

use std::sync::Arc;

use tokio::time::Instant;

use super::downstream::Downstream;
use super::exchange::Exchange;
use super::record::{Connection, Record};
use super::worker::Worker;
use crate::config::Runtime;
use crate::format::Scope;
use crate::message::{RequestHead, Version};
use crate::outcome::Outcome;

impl<D: Downstream> Exchange<'_, D> {
    /// Records how the request ended; returns when.
    pub(super) fn finish(&mut self, outcome: Outcome) -> Instant {
        let now = Instant::now();
        self.record.duration = Some(now - self.started);
        self.record.bytes_received = self.body.received;
        match &outcome {
            // Nobody was left to tell: what happened shows in the log alone.
            Outcome::DownstreamDisconnect | Outcome::DownstreamReset | Outcome::StreamRefused(_) => {
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
        self.report_egress(&outcome);
        let scope = Scope {
            request: &self.request,
            response: self.response.as_ref().map(|headers| (self.record.response_code, headers)),
            trailers: self.trailers.as_ref(),
            record: &self.record,
            around: self.around(),
        };
        tell(self.worker, &self.runtime, &scope);
        now
    }

    /// grpc-status of the answer, in its trailers or (trailers-only) in its head.
    fn grpc_status(&self) -> Option<u16> {
        let find = |headers: &Option<crate::headers::Headers>| {
            headers.as_ref().and_then(|h| h.get_str("grpc-status")).and_then(|code| code.parse().ok())
        };
        find(&self.trailers).or_else(|| find(&self.response))
    }
}

/// Records a request that could neither be read nor answered.
pub(super) fn unanswered(worker: &Worker, connection: &Arc<Connection>, version: Version, outcome: &Outcome) {
    let mut record = Record::new(Arc::clone(connection), worker.shared.clock.now());
    record.protocol = Some(version);
    record.details = outcome.details();
    if let Some(flag) = outcome.flag() {
        record.flags.raise(flag);
    }
    let request = RequestHead::unread(version);
    let runtime = worker.shared.store.load();
    let around = worker.around(None, &runtime);
    tell(worker, &runtime, &Scope { request: &request, response: None, trailers: None, record: &record, around });
}

fn tell(worker: &Worker, runtime: &Runtime, scope: &Scope<'_>) {
    let cluster = runtime.clusters.get(&*scope.record.upstream_cluster);
    worker.metrics.request(scope.record, scope.request, cluster.map(|c| &**c), &runtime.node);
    if let Some(log) = &runtime.access_log {
        log.write(scope);
    }
}
