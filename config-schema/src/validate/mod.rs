//! The rules that an object must keep by itself, as Istio's admission webhook and the schemas of its CRDs judge.
//!
//! [`crate::parse`] has seen to it that every field exists and has the right type; what is left are ranges, formats,
//! and fields that need or exclude each other. What needs other objects is not judged here.

mod address;
mod authorization_policy;
mod authz_values;
mod connection_pool;
mod destination_rule;
mod envoy_filter;
mod export_to;
mod extension_provider;
mod gateway;
mod header;
mod http_actions;
mod http_match;
mod http_route;
mod labels;
mod load_balancer;
mod locality;
mod mesh_config;
mod mesh_networks;
mod mesh_proxy_config;
mod metadata;
mod names;
mod peer_authentication;
mod protocol;
mod proxy_config;
mod report;
mod request_authentication;
mod retry;
mod selector;
mod service_entry;
mod sidecar;
mod telemetry;
mod tls;
mod traffic_policy;
mod unreachable;
mod url;
mod virtual_service;
mod wasm;
mod workload_entry;
mod workload_group;

use crate::resources::{AnyObject, Parsed};
use crate::violation::Violation;
use report::Report;

pub use protocol::Protocol;

/// Everything that is wrong with one object.
#[must_use]
pub fn validate(parsed: &Parsed) -> Vec<Violation> {
    let mut report = Report::new(&parsed.document, parsed.key().to_string());
    metadata::validate(&parsed.object, &mut report);
    match &parsed.object {
        AnyObject::Gateway(object) => gateway::validate(object, &mut report),
        AnyObject::VirtualService(object) => virtual_service::validate(object, &mut report),
        AnyObject::DestinationRule(object) => destination_rule::validate(object, &mut report),
        AnyObject::ServiceEntry(object) => service_entry::validate(object, &mut report),
        AnyObject::WorkloadEntry(object) => workload_entry::validate(object, &mut report),
        AnyObject::WorkloadGroup(object) => workload_group::validate(object, &mut report),
        AnyObject::Sidecar(object) => sidecar::validate(object, &mut report),
        AnyObject::ProxyConfig(object) => proxy_config::validate(object, &mut report),
        AnyObject::EnvoyFilter(object) => envoy_filter::validate(object, &mut report),
        AnyObject::PeerAuthentication(object) => peer_authentication::validate(object, &mut report),
        AnyObject::RequestAuthentication(object) => request_authentication::validate(object, &mut report),
        AnyObject::AuthorizationPolicy(object) => authorization_policy::validate(object, &mut report),
        AnyObject::Telemetry(object) => telemetry::validate(object, &mut report),
        AnyObject::WasmPlugin(object) => wasm::validate_plugin(object, &mut report),
        AnyObject::TrafficExtension(object) => wasm::validate_extension(object, &mut report),
        AnyObject::MeshConfig(object) => mesh_config::validate(object, &mut report),
        AnyObject::MeshNetworks(object) => mesh_networks::validate(object, &mut report),
        // The API server has judged these, and a file is as good as `kubectl apply` would find it.
        AnyObject::ReferenceGrant(_)
        | AnyObject::Service(_)
        | AnyObject::EndpointSlice(_)
        | AnyObject::Endpoints(_)
        | AnyObject::Pod(_)
        | AnyObject::Node(_)
        | AnyObject::Namespace(_)
        | AnyObject::Secret(_)
        | AnyObject::ConfigMap(_) => {}
    }
    report.finish()
}
