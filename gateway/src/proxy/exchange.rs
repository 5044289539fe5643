//! One request and its answer.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use config_schema::snapshot::{DirectResponse, Redirect, RouteAction};
use rand::Rng;
use tokio::time::{Instant, sleep};

use super::HttpContext;
use super::admit::{Refused, admit};
use super::body::RequestBody;
use super::downstream::{Downstream, Gone};
use super::forward_proxy::{Denied, ForwardPolicy};
use super::local_reply::LocalReply;
use super::record::{Connection, HeadSize, Record};
use super::response::{self, Finishing};
use super::timers::Alarm;
use super::worker::Worker;
use crate::config::Runtime;
use crate::format::{Around, Scope};
use crate::headers::{Headers, names};
use crate::message::{BodyLength, RequestHead, ResponseHead, Version};
use crate::outcome::{Flag, Outcome, ProtocolError};
use crate::policy::cors::{CorsVerdict, Origin};
use crate::policy::fault;
use crate::policy::grpc_web::GrpcWeb;
use crate::route::{CompiledRoute, Matched, location};

/// Everything about one request while it is handled.
pub(super) struct Exchange<'a, D> {
    pub(super) worker: &'a Arc<Worker>,
    /// The configuration that this request started with and ends with.
    pub(super) runtime: Arc<Runtime>,
    pub(super) http: &'a HttpContext,
    pub(super) down: &'a mut D,
    /// Wakes the task at the request's deadlines.
    pub(super) alarm: &'a mut Alarm,
    pub(super) request: RequestHead,
    pub(super) length: BodyLength,
    pub(super) body: RequestBody,
    pub(super) record: Record,
    pub(super) started: Instant,
    pub(super) route: Option<Arc<CompiledRoute>>,
    /// Which of the route's destinations was chosen.
    pub(super) destination: usize,
    pub(super) origin: Option<Origin>,
    pub(super) grpc_web: Option<GrpcWeb>,
    /// `set-cookie` values of the hash policy.
    pub(super) cookies: Vec<Bytes>,
    /// Close the connection behind the answer.
    pub(super) close: bool,
    /// Fields of the answer, for the log.
    pub(super) response: Option<Headers>,
    /// Trailers of the answer, for the log.
    pub(super) trailers: Option<Headers>,
}

/// A request as its codec hands it over.
pub(super) struct Arrived {
    /// Head.
    pub head: RequestHead,
    /// Framing of the body.
    pub length: BodyLength,
    /// The configuration in force.
    pub runtime: Arc<Runtime>,
    /// Close the connection behind the answer (draining).
    pub close: bool,
}

/// Handles a request that the codec has accepted; returns when that was done.
pub(super) async fn handle<D: Downstream>(
    worker: &Arc<Worker>,
    http: &HttpContext,
    connection: &Arc<Connection>,
    arrived: Arrived,
    down: &mut D,
    alarm: &mut Alarm,
) -> Instant {
    let mut exchange = Exchange::new(worker, http, connection, arrived, down, alarm);
    let outcome = exchange.run().await;
    exchange.finish(outcome)
}

/// Answers what the codec has refused.
pub(super) async fn refuse<D: Downstream>(
    worker: &Arc<Worker>,
    http: &HttpContext,
    connection: &Arc<Connection>,
    runtime: Arc<Runtime>,
    error: ProtocolError,
    down: &mut D,
) {
    let arrived =
        Arrived { head: RequestHead::unread(Version::Http11), length: BodyLength::None, runtime, close: true };
    let mut alarm = Alarm::default();
    let mut exchange = Exchange::new(worker, http, connection, arrived, down, &mut alarm);
    let outcome = exchange.reply(Outcome::Protocol(error), |_| {}).await;
    exchange.finish(outcome);
}

impl<'a, D: Downstream> Exchange<'a, D> {
    fn new(
        worker: &'a Arc<Worker>,
        http: &'a HttpContext,
        connection: &Arc<Connection>,
        arrived: Arrived,
        down: &'a mut D,
        alarm: &'a mut Alarm,
    ) -> Self {
        let mut record = Record::new(Arc::clone(connection), worker.shared.clock.now());
        record.protocol = Some(arrived.head.version);
        record.received_head = HeadSize::of_request(&arrived.head);
        let started = Instant::now();
        record.moments.begun = Some(started);
        // A request without a body is there as soon as its head is.
        record.request_duration = arrived.length.is_none().then_some(Duration::ZERO);
        Exchange {
            worker,
            runtime: arrived.runtime,
            http,
            down,
            alarm,
            request: arrived.head,
            length: arrived.length,
            body: RequestBody::new(arrived.length.is_none()),
            record,
            started,
            route: None,
            destination: 0,
            origin: None,
            grpc_web: None,
            cookies: Vec::new(),
            close: arrived.close,
            response: None,
            trailers: None,
        }
    }

    async fn run(&mut self) -> Outcome {
        let options = &self.runtime.settings.http;
        self.body.end_by(options.request_timeout.map(|timeout| self.started + timeout));
        let admitted = {
            let mut rng = self.worker.rng.lock();
            admit(&mut self.request, &self.record.connection, options, self.http.class, &mut *rng)
        };
        match admitted {
            Ok(client) => self.record.remote_address = Some(client),
            Err(Refused { outcome: Outcome::Protocol(error), .. }) if self.request.version == Version::Http2 => {
                self.down.abort_response();
                return Outcome::StreamRefused(error);
            }
            Err(Refused { outcome, location }) => {
                return self
                    .reply(outcome, |headers| {
                        if let Some(location) = location {
                            headers.append(names::LOCATION, location);
                        }
                    })
                    .await;
            }
        }
        let forward_proxy = self.http.forward_proxy.as_ref();
        if let Some(policy) = forward_proxy
            && &self.request.method[..] == b"CONNECT"
        {
            return Box::pin(self.serve_connect(policy)).await;
        }
        match (self.find_route(), forward_proxy) {
            (Some(Outcome::RouteNotFound), Some(policy)) if self.is_unrouted() => match self.find_destination(policy) {
                Ok(route) => self.take_route(route),
                Err(denied) => match self.http.learning.clone().filter(|_| denied.is_unknown()) {
                    Some(route) => self.take_route(route),
                    None => return self.deny(denied).await,
                },
            },
            (Some(Outcome::RouteNotFound), None) if self.is_unrouted() && self.record.connection.tls.is_none() => {
                match self.http.learning.clone() {
                    Some(route) => self.take_route(route),
                    None => return self.reply(Outcome::RouteNotFound, |_| {}).await,
                }
            }
            (Some(outcome), _) => {
                self.begin_grpc_web();
                return self.reply(outcome, |_| {}).await;
            }
            (None, _) => {}
        }
        if self.request.is_upgrade() && !self.is_websocket() {
            return self.reply(Outcome::UpgradeFailed, |_| {}).await;
        }
        self.begin_grpc_web();
        self.act().await
    }

    /// Turns a gRPC-Web request into a gRPC request, once its route has been looked for.
    fn begin_grpc_web(&mut self) {
        if self.http.grpc_web {
            self.grpc_web = GrpcWeb::start(&mut self.request);
            if self.grpc_web.is_some() && !self.length.is_none() {
                self.length = BodyLength::Streamed;
            }
        }
    }

    fn is_websocket(&self) -> bool {
        self.request.headers.get("upgrade").is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"))
    }

    /// Finds the route; an outcome if there is none.
    fn find_route(&mut self) -> Option<Outcome> {
        let Some(table) = self.runtime.route_table(&self.http.route_table) else {
            return Some(Outcome::RouteNotFound);
        };
        // CONNECT has no path, and a trusted proxy that names no scheme leaves nothing to route by: no route fits.
        let no_scheme = self.request.headers.get("x-forwarded-proto").is_some_and(|scheme| scheme.is_empty());
        if no_scheme || &self.request.method[..] == b"CONNECT" {
            return Some(Outcome::RouteNotFound);
        }
        match table.find(&self.request) {
            Matched::NoHost if self.is_misdirected() => Some(Outcome::Misdirected),
            Matched::NoHost => Some(Outcome::RouteNotFound),
            Matched::NoRoute(host) => {
                if host.require_tls && self.must_redirect() {
                    return None;
                }
                Some(Outcome::RouteNotFound)
            }
            Matched::Route(host, _) if host.require_tls && self.must_redirect() => None,
            Matched::Route(_, route) => {
                let route = Arc::clone(route);
                self.take_route(route);
                None
            }
        }
    }

    /// No VirtualService has the request's host.
    pub(super) fn is_unrouted(&self) -> bool {
        let authority = self.request.authority.as_deref().unwrap_or_default();
        self.runtime.route_table(&self.http.route_table).is_none_or(|table| !table.serves_host(authority))
    }

    /// The route of a forward proxy's client.
    fn find_destination(&self, policy: &ForwardPolicy) -> Result<Arc<CompiledRoute>, Denied> {
        let default_port = if &self.request.scheme[..] == b"https" { 443 } else { 80 };
        policy.request(self.request.authority_str(), default_port).cloned()
    }

    /// What operators may read beside the request.
    pub(super) fn around(&self) -> Around<'_> {
        self.worker.around(self.route.as_deref(), &self.runtime)
    }

    fn take_route(&mut self, route: Arc<CompiledRoute>) {
        self.record.route_name = Some(Arc::clone(&route.name));
        if !route.spec.operation.is_empty() {
            let operation = Bytes::copy_from_slice(route.spec.operation.as_bytes());
            self.request.headers.set(names::X_ENVOY_DECORATOR_OPERATION, operation);
        }
        self.route = Some(route);
    }

    /// Browsers reuse an HTTP/2 connection for every name of its certificate, and so reach a server that does not have
    /// the host while another has: the request should come on a connection of its own (RFC 9110 §15.5.20).
    fn is_misdirected(&self) -> bool {
        let authority = self.request.authority.as_deref().unwrap_or_default();
        let serves = |name: &Arc<str>| self.runtime.route_table(name).is_some_and(|table| table.serves_host(authority));
        self.request.version == Version::Http2
            && self.record.connection.tls.is_some()
            && self.http.siblings.iter().any(serves)
    }

    /// Whether httpsRedirect applies to this request.
    fn must_redirect(&self) -> bool {
        self.request.headers.get("x-forwarded-proto").is_none_or(|proto| &proto[..] != b"https")
    }

    /// Does what the route says.
    async fn act(&mut self) -> Outcome {
        let Some(route) = self.route.clone() else {
            return self.redirect_to_https().await;
        };
        match &route.spec.action {
            RouteAction::Redirect(redirect) => self.redirect(redirect, &route).await,
            RouteAction::Direct(direct) => self.answer_directly(direct, &route).await,
            RouteAction::Forward(forward) => {
                if let Some(outcome) = self.inject_fault(&route).await {
                    return outcome;
                }
                match route.cors.as_ref().map(|cors| cors.judge(&self.request)) {
                    Some(CorsVerdict::Preflight(fields)) => {
                        return self
                            .reply(Outcome::CorsPreflight, |headers| {
                                fields.iter().for_each(|(name, value)| headers.append(name.clone(), value.clone()));
                            })
                            .await;
                    }
                    Some(CorsVerdict::Allowed(origin)) => self.origin = Some(origin),
                    Some(CorsVerdict::Pass) | None => {}
                }
                self.forward(&route, forward).await
            }
        }
    }

    async fn redirect_to_https(&mut self) -> Outcome {
        let authority = self.request.authority.clone().unwrap_or_default();
        let location = [b"https://", &authority[..], &self.request.path[..]].concat();
        self.configured_reply(301, Bytes::new(), |headers| headers.set(names::LOCATION, Bytes::from(location))).await
    }

    async fn redirect(&mut self, redirect: &Redirect, route: &CompiledRoute) -> Outcome {
        let target = Bytes::from(location(redirect, &route.spec.matches, &self.request));
        self.configured_reply(redirect.code, Bytes::new(), |headers| headers.set(names::LOCATION, target)).await
    }

    async fn answer_directly(&mut self, direct: &DirectResponse, _route: &CompiledRoute) -> Outcome {
        let body = direct.body.as_ref().map(|body| Bytes::copy_from_slice(body)).unwrap_or_default();
        // These statuses speak of a place; Envoy names the request's own.
        let needs_location = direct.status == 201 || (300..400).contains(&direct.status);
        let own = needs_location.then(|| self.own_url());
        self.configured_reply(direct.status, body, |headers| {
            if let Some(own) = own {
                headers.append(names::LOCATION, own);
            }
        })
        .await
    }

    fn own_url(&self) -> Bytes {
        let authority = self.request.authority.as_deref().unwrap_or_default();
        Bytes::from([&self.request.scheme[..], b"://", authority, &self.request.path[..]].concat())
    }

    /// Draws the route's fault and lets it happen.
    async fn inject_fault(&mut self, route: &CompiledRoute) -> Option<Outcome> {
        let fault = route.spec.fault.as_ref()?;
        let drawn = {
            let mut rng = self.worker.rng.lock();
            fault::draw(fault, || (rng.next_u64() % 1_000_000) as u32)
        };
        if let Some(delay) = drawn.delay {
            self.record.flags.raise(Flag::DelayInjected);
            if let Err(gone) = self.wait(delay).await {
                return Some(self.gone(gone).await);
            }
        }
        let abort = drawn.abort?;
        Some(self.reply(abort, |_| {}).await)
    }

    /// Waits, reading the request's body ahead meanwhile.
    pub(super) async fn wait(&mut self, duration: Duration) -> Result<(), Gone> {
        let mut timer = std::pin::pin!(sleep(duration));
        poll_fn(|cx| {
            if timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            self.body.poll_read_ahead(self.down, &mut self.grpc_web, cx).map(Err)
        })
        .await
    }

    /// The client is gone, or sends nonsense.
    pub(super) async fn gone(&mut self, gone: Gone) -> Outcome {
        match gone {
            Gone::Disconnected => Outcome::DownstreamDisconnect,
            Gone::Reset => Outcome::DownstreamReset,
            Gone::Malformed(error) => self.reply(Outcome::Protocol(error), |_| {}).await,
            Gone::TooSlow => self.reply(Outcome::RequestTimeout, |_| {}).await,
        }
    }

    /// Answers with what an outcome says.
    pub(super) async fn reply(&mut self, outcome: Outcome, change: impl FnOnce(&mut Headers)) -> Outcome {
        let Some(status) = outcome.status() else { return outcome };
        if let Some(flag) = outcome.flag() {
            self.record.flags.raise(flag);
        }
        self.record.details = outcome.details();
        self.close |= outcome.closes_connection();
        let reply = LocalReply::new(&outcome, status);
        match self.send_reply(reply, change).await {
            Ok(()) => outcome,
            Err(_) => Outcome::DownstreamDisconnect,
        }
    }

    /// Answers with what the configuration says.
    async fn configured_reply(&mut self, status: u16, body: Bytes, change: impl FnOnce(&mut Headers)) -> Outcome {
        self.record.details = Outcome::DirectResponse.details();
        let reply =
            LocalReply { head: ResponseHead::new(status), body, grpc_status: crate::outcome::grpc_status(status) };
        match self.send_reply(reply, change).await {
            Ok(()) => Outcome::DirectResponse,
            Err(_) => Outcome::DownstreamDisconnect,
        }
    }

    async fn send_reply(&mut self, mut reply: LocalReply, change: impl FnOnce(&mut Headers)) -> Result<(), Gone> {
        change(&mut reply.head.headers);
        // A preflight is answered before there is a route's answer to change.
        if self.record.details != Outcome::CorsPreflight.details() {
            self.apply_response_ops(reply.head.status, &mut reply.head.headers);
        }
        // A version too low is answered before a look at what is asked.
        let grpc = self.request.is_grpc() && self.record.details != Outcome::LowVersion.details();
        let grpc = grpc && self.grpc_web.is_none();
        let (mut head, body) = match &self.grpc_web {
            Some(web) => reply.finish_web(web, self.request.is_head()),
            None => reply.finish(grpc, self.request.is_head()),
        };
        self.record.response_code = head.status;
        self.finish_response_head(&mut head);
        let trailers_only = grpc && self.request.version == Version::Http2;
        if grpc && !trailers_only {
            // Over HTTP/1 nothing but a length says that there is no body.
            head.headers.set(names::CONTENT_LENGTH, Bytes::from_static(b"0"));
        }
        let bodiless = self.request.is_head() || matches!(head.status, 204 | 304);
        let length = match body.is_empty() || bodiless {
            true => BodyLength::None,
            false => BodyLength::Exact(body.len() as u64),
        };
        // What the client still sends is not read: the connection cannot be used again.
        self.close |= self.request.version != Version::Http2 && !self.down.request_is_complete();
        self.note_response(&head.headers);
        self.down.start_response(head, length, self.close);
        if !body.is_empty() {
            if !self.request.is_head() {
                self.record.bytes_sent = body.len() as u64;
            }
            self.down.send_data(body);
        }
        self.down.end_response(None);
        poll_fn(|cx| self.down.poll_flush(cx)).await
    }

    /// Keeps the fields of the answer for the log and for gRPC's status.
    pub(super) fn note_response(&mut self, headers: &Headers) {
        if self.runtime.access_log.is_some() || self.request.is_grpc() {
            self.response = Some(headers.clone());
        }
    }

    /// The route's response operations, on answers of backends and on local ones.
    pub(super) fn apply_response_ops(&mut self, status: u16, headers: &mut Headers) {
        let Some(route) = self.route.clone() else { return };
        let mut apply = |ops: &crate::policy::header_ops::CompiledOps| {
            if ops.is_empty() {
                return;
            }
            ops.remove_from(headers);
            let response = Some((status, &*headers));
            let around = self.worker.around(Some(&route), &self.runtime);
            let scope = Scope { request: &self.request, response, trailers: None, record: &self.record, around };
            ops.compute(&scope).apply_to_response(headers);
        };
        if let Some((_, destination)) = route.ops.destinations.get(self.destination) {
            apply(destination);
        }
        apply(&route.ops.response);
        for cookie in std::mem::take(&mut self.cookies) {
            headers.append(names::SET_COOKIE, cookie);
        }
    }

    /// Cross-origin fields, and what the connection manager writes on every answer.
    pub(super) fn finish_response_head(&mut self, head: &mut ResponseHead) {
        if let (Some(origin), Some(cors)) = (&self.origin, self.route.as_ref().and_then(|route| route.cors.as_ref())) {
            cors.mark_response(origin, &mut head.headers);
        }
        let finishing =
            Finishing { server: self.runtime.settings.http.server.as_deref(), clock: self.worker.shared.clock };
        response::finish(head, &finishing);
    }
}
