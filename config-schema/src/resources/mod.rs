//! What people write: one module per kind, and the [`Resources`] that hold the objects.
//!
//! Names follow the JSON names in `snake_case`. Absent scalars are `None`, and so are empty strings and zeros where the
//! protocol buffer cannot tell them from absent ones; enums have their wire default as [`Default`].

mod collection;
mod decode;
mod kinds;
mod object;
mod store;

pub mod authorization_policy;
pub mod config_map;
pub mod destination_rule;
pub mod endpoint_slice;
pub mod endpoints;
pub mod envoy_filter;
pub mod extension_provider;
pub mod gateway;
pub mod health_check;
pub mod mesh_config;
pub mod mesh_networks;
pub mod mesh_proxy_config;
pub mod namespace;
pub mod node;
pub mod peer_authentication;
pub mod pod;
pub mod proxy_config;
pub mod reference_grant;
pub mod request_authentication;
pub mod secret;
pub mod service;
pub mod service_entry;
pub mod sidecar;
pub mod telemetry;
pub mod traffic_extension;
pub mod virtual_service;
pub mod wasm_plugin;
pub mod wire;
pub mod workload_entry;
pub mod workload_group;

pub use authorization_policy::AuthorizationPolicy;
pub use collection::Collection;
pub use config_map::ConfigMap;
pub(crate) use decode::Decode;
pub use destination_rule::DestinationRule;
pub use endpoint_slice::EndpointSlice;
pub use endpoints::Endpoints;
pub use envoy_filter::EnvoyFilter;
pub use gateway::Gateway;
pub use kinds::{AnyObject, Kind, KindInfo, Lookup, ObjectKey, Resources, find_kind};
pub use mesh_config::MeshConfig;
pub use mesh_networks::MeshNetworks;
pub use namespace::Namespace;
pub use node::Node;
pub use object::{Age, Object, ObjectMeta, OwnerReference, Source, Timestamp};
pub use peer_authentication::PeerAuthentication;
pub use pod::Pod;
pub use proxy_config::ProxyConfig;
pub use reference_grant::ReferenceGrant;
pub use request_authentication::RequestAuthentication;
pub use secret::Secret;
pub use service::Service;
pub use service_entry::ServiceEntry;
pub use sidecar::Sidecar;
pub(crate) use store::MESH_CONFIG_MAP;
pub use store::Parsed;
pub use telemetry::Telemetry;
pub use traffic_extension::TrafficExtension;
pub use virtual_service::VirtualService;
pub use wasm_plugin::WasmPlugin;
pub use workload_entry::WorkloadEntry;
pub use workload_group::WorkloadGroup;
