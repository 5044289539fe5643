//! A routing table, compiled.

use std::sync::Arc;

use config_schema::snapshot::{self, RouteAction};

use super::candidates::Found;
use super::condition::{CompileError, Condition};
use super::host::{HostTable, normalize_host};
use super::interner::Interner;
use super::path_index::PathIndex;
use super::rewrite::PathRewriter;
use crate::message::RequestHead;
use crate::policy::cors::CompiledCors;
use crate::policy::header_ops::CompiledOps;

/// Hosts and their routes, ready to match.
#[derive(Debug, Default)]
pub struct RouteTable {
    /// Name in the snapshot.
    pub name: String,
    hosts: HostTable,
    virtual_hosts: Vec<VirtualHost>,
}

/// Routes of some hosts.
#[derive(Debug)]
pub struct VirtualHost {
    /// Name in the snapshot.
    pub name: String,
    /// Plaintext requests are redirected to https.
    pub require_tls: bool,
    index: PathIndex,
    /// Of each route, beside each other: most of those that are looked at are not taken.
    conditions: Vec<Condition>,
    routes: Vec<Arc<CompiledRoute>>,
}

/// A route with everything compiled that a request may need.
#[derive(Debug)]
pub struct CompiledRoute {
    /// Name of the rule.
    pub name: Arc<str>,
    /// As configured.
    pub spec: Arc<snapshot::Route>,
    /// New path, if the route has one.
    pub path_rewrite: Option<PathRewriter>,
    /// Cross-origin rules.
    pub cors: Option<CompiledCors>,
    /// Header changes: of the route, and of each destination.
    pub ops: RouteOps,
    /// Sum of the weights of all destinations.
    pub total_weight: u64,
}

/// Header changes of a route.
#[derive(Debug, Default)]
pub struct RouteOps {
    /// Of the request, at the route.
    pub request: CompiledOps,
    /// Of the response, at the route.
    pub response: CompiledOps,
    /// Of request and response, at each destination.
    pub destinations: Vec<(CompiledOps, CompiledOps)>,
}

/// What a table says about a request.
#[derive(Debug)]
pub enum Matched<'a> {
    /// No virtual host has the name.
    NoHost,
    /// The virtual host has no such route.
    NoRoute(&'a VirtualHost),
    /// A route.
    Route(&'a VirtualHost, &'a Arc<CompiledRoute>),
}

impl RouteTable {
    /// Compiles. A route that does not compile is left out and reported; the others serve.
    pub fn new(table: &snapshot::RouteTable, errors: &mut Vec<(snapshot::ObjectRef, CompileError)>) -> Self {
        let mut interner = Interner::default();
        let virtual_hosts = Vec::with_capacity(table.virtual_hosts.len());
        let mut compiled = RouteTable { name: table.name.clone(), virtual_hosts, ..RouteTable::default() };
        for virtual_host in &table.virtual_hosts {
            for domain in &virtual_host.domains {
                compiled.hosts.insert(domain, compiled.virtual_hosts.len());
            }
            compiled.virtual_hosts.push(VirtualHost::new(virtual_host, &mut interner, errors));
        }
        compiled
    }

    /// Finds the route of a request.
    pub fn find(&self, request: &RequestHead) -> Matched<'_> {
        let authority = request.authority.as_deref().unwrap_or_default();
        let Some(index) = self.hosts.find(&normalize_host(authority)) else { return Matched::NoHost };
        let virtual_host = &self.virtual_hosts[index];
        match virtual_host.find(request) {
            Some(route) => Matched::Route(virtual_host, route),
            None => Matched::NoRoute(virtual_host),
        }
    }

    /// Whether a host name is served at all, whatever the path.
    pub fn serves_host(&self, authority: &[u8]) -> bool {
        self.hosts.find(&normalize_host(authority)).is_some()
    }
}

impl VirtualHost {
    fn new(
        virtual_host: &snapshot::VirtualHost,
        interner: &mut Interner,
        errors: &mut Vec<(snapshot::ObjectRef, CompileError)>,
    ) -> Self {
        let mut routes = Vec::with_capacity(virtual_host.routes.len());
        let mut conditions = Vec::with_capacity(virtual_host.routes.len());
        for route in &virtual_host.routes {
            let condition = Condition::new(&route.matches, interner);
            match condition.and_then(|condition| Ok((condition, CompiledRoute::new(route, interner)?))) {
                Ok((condition, compiled)) => {
                    conditions.push(condition);
                    routes.push(Arc::new(compiled));
                }
                Err(error) => errors.push(((*route.source).clone(), error)),
            }
        }
        VirtualHost {
            name: virtual_host.name.clone(),
            require_tls: virtual_host.require_tls,
            index: PathIndex::new(routes.iter().map(|route| &route.spec.matches), interner),
            conditions,
            routes,
        }
    }

    fn find(&self, request: &RequestHead) -> Option<&Arc<CompiledRoute>> {
        let path = request.path_only();
        let holds = |position: u32, by: Option<Found<'_>>| self.conditions[position as usize].holds(request, path, by);
        let position = self.index.find(path, request, holds)?;
        self.routes.get(position as usize)
    }
}

impl CompiledRoute {
    /// Compiles a route.
    pub fn new(route: &Arc<snapshot::Route>, interner: &mut Interner) -> Result<Self, CompileError> {
        let mut ops = RouteOps {
            request: CompiledOps::new(&route.request_headers)?,
            response: CompiledOps::new(&route.response_headers)?,
            destinations: Vec::new(),
        };
        let (mut path_rewrite, mut total_weight) = (None, 0);
        match &route.action {
            RouteAction::Forward(forward) => {
                if let Some(rewrite) = &forward.path_rewrite {
                    path_rewrite = Some(PathRewriter::new(rewrite, &route.matches)?);
                }
                for destination in &forward.destinations {
                    total_weight += u64::from(destination.weight);
                    ops.destinations.push((
                        CompiledOps::new(&destination.request_headers)?,
                        CompiledOps::new(&destination.response_headers)?,
                    ));
                }
            }
            RouteAction::Redirect(_) | RouteAction::Direct(_) => {}
        }
        // One destination alone: its list and the route's are one.
        if let RouteAction::Forward(forward) = &route.action
            && !forward.weighted
            && let [_] = ops.destinations.as_slice()
            && let Some((request, response)) = ops.destinations.pop()
        {
            ops.request.extend(request);
            ops.response.extend(response);
        }
        ops.destinations.shrink_to_fit();
        Ok(CompiledRoute {
            name: Arc::clone(&route.name),
            path_rewrite,
            cors: route.cors.as_deref().map(|cors| CompiledCors::new(cors, interner)).transpose()?,
            ops,
            total_weight,
            spec: Arc::clone(route),
        })
    }
}
