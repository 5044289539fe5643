//! The outbound side of a sidecar: what the application beside it may reach, and how.
//!
//! Connections are redirected to one listener, `virtualOutbound`. Istio's listeners by address and port are groups of
//! its filter chains ([`listener`]); their HTTP chains have route tables ([`route_table`]) by port, or by host and port
//! where a service has an address of its own and its protocol has to be seen. What may be reached is the [`scope`], by
//! the Sidecar resource in force; what is not known goes where [`unknown_traffic`] says.

mod byte_chains;
mod entries;
mod host_names;
mod imports;
mod listener;
mod route_table;
mod scope;
mod unknown_traffic;

pub(super) use scope::Scope;

use std::sync::Arc;

use super::Context;
use super::alike::Alike;
use super::http_route::RouteBuilder;
use super::report::Reports;
use super::wanted::Wanted;
use crate::snapshot::Snapshot;

/// Adds the listeners, route tables and special clusters of a sidecar.
pub(super) fn add(
    snapshot: &mut Snapshot,
    context: &Context<'_>,
    scope: &Scope,
    wanted: &mut Wanted,
    reports: &mut Reports,
) {
    let outbound = listener::outbound(context, scope, wanted, reports);
    let mut builder = RouteBuilder { context, wanted, reports, alike: Alike::default() };
    for table in route_table::tables(&outbound.tables, scope, &mut builder) {
        snapshot.route_tables.insert(table.name.clone(), Arc::new(table));
    }
    snapshot.listeners.extend(outbound.listeners.into_iter().map(|one| (one.name.clone(), Arc::new(one))));
    unknown_traffic::add_clusters(snapshot, context, &scope.unknown);
}
