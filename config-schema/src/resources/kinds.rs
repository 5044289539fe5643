use std::sync::Arc;

use super::collection::Collection;
use super::decode::{Decode, decode_meta, decode_spec};
use super::object::{Age, Object, ObjectMeta, Source};
use crate::document::{DecodeOptions, Decoded, Fault, Node, PathRef, decode};

/// A kind of object that we read.
pub trait Kind: Sized + 'static {
    /// Its name, group and versions.
    const INFO: KindInfo;

    /// The objects of this kind.
    fn collection(resources: &Resources) -> &Collection<Self>;
}

/// Name, group and versions of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindInfo {
    /// `kind`.
    pub kind: &'static str,
    /// The group of `apiVersion`; empty for the core group.
    pub group: &'static str,
    /// The versions of `apiVersion` that are served, all with the same fields.
    pub versions: &'static [&'static str],
    /// False for kinds without a namespace.
    pub namespaced: bool,
}

/// What an `apiVersion` and a `kind` mean to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// A kind that we read.
    Known(KindInfo),
    /// A kind that we read, in a version that does not exist.
    WrongVersion(KindInfo),
    /// Nothing, although the group is one of Istio's.
    WrongKind,
    /// A kind that does not concern us.
    Foreign,
}

/// Kind, namespace and name of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// `kind`.
    pub kind: &'static str,
    /// Namespace; empty for kinds without.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl std::fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{} {}", self.kind, self.name)
        } else {
            write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
        }
    }
}

macro_rules! kinds {
    ($($collection:ident: $Type:ident, $group:literal, [$($version:literal),*], $namespaced:literal, $doc:literal;)*) => {
        /// All objects that are known, by kind. Pure data; cloning is cheap.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct Resources {
            $(#[doc = $doc] pub $collection: Collection<super::$Type>,)*
            /// The youngest creationTimestamp so far.
            pub(super) youngest: Option<i64>,
            /// Objects without creationTimestamp so far.
            pub(super) places: u64,
        }

        /// An object of any kind. Cloning is cheap.
        #[derive(Debug, Clone, PartialEq)]
        pub enum AnyObject {
            $(#[doc = $doc] $Type(Arc<Object<super::$Type>>),)*
        }

        $(impl Kind for super::$Type {
            const INFO: KindInfo = KindInfo {
                kind: stringify!($Type),
                group: $group,
                versions: &[$($version),*],
                namespaced: $namespaced,
            };

            fn collection(resources: &Resources) -> &Collection<Self> {
                &resources.$collection
            }
        })*

        const KINDS: &[KindInfo] = &[$(<super::$Type as Kind>::INFO),*];

        impl AnyObject {
            /// Kind, group and versions.
            #[must_use]
            pub fn info(&self) -> KindInfo {
                match self { $(Self::$Type(_) => <super::$Type as Kind>::INFO,)* }
            }

            /// Name, labels and so on.
            #[must_use]
            pub fn meta(&self) -> &ObjectMeta {
                match self { $(Self::$Type(object) => &object.meta,)* }
            }

            /// Where it was written.
            #[must_use]
            pub fn source(&self) -> &Source {
                match self { $(Self::$Type(object) => &object.source,)* }
            }

            /// Kind, namespace and name.
            #[must_use]
            pub fn key(&self) -> ObjectKey {
                let meta = self.meta();
                ObjectKey { kind: self.info().kind, namespace: meta.namespace.clone(), name: meta.name.clone() }
            }

            /// Copies the object only if it is of another age and somebody else holds it too.
            pub(super) fn set_age(&mut self, age: Age) {
                match self { $(Self::$Type(object) => if object.age != age { Arc::make_mut(object).age = age },)* }
            }

            /// Reads an object of the kind `info` from the root of its document.
            pub(crate) fn decode(info: KindInfo, root: &Node, source: Source) -> (Option<Self>, Vec<Fault>) {
                match info.kind {
                    $(stringify!($Type) => {
                        let (object, faults) = decode_object_of(info, root, source);
                        (object.map(|object| Self::$Type(Arc::new(object))), faults)
                    })*
                    _ => (None, Vec::new()),
                }
            }
        }

        impl Resources {
            /// The age and source of an object that is there already.
            pub(super) fn existing(&self, key: &ObjectKey) -> Option<(Age, Source)> {
                match key.kind {
                    $(stringify!($Type) => self.$collection
                        .get(&key.namespace, &key.name)
                        .map(|object| (object.age, object.source.clone())),)*
                    _ => None,
                }
            }

            pub(super) fn put(&mut self, object: AnyObject) {
                match object { $(AnyObject::$Type(object) => { self.$collection.insert(object); })* }
            }

            /// Removes an object; false if it was not there.
            pub fn remove(&mut self, key: &ObjectKey) -> bool {
                match key.kind {
                    $(stringify!($Type) => self.$collection.remove(&key.namespace, &key.name).is_some(),)*
                    _ => false,
                }
            }

            /// The number of objects of all kinds.
            #[must_use]
            pub fn len(&self) -> usize {
                [$(self.$collection.len()),*].iter().sum()
            }
        }
    };
}

kinds! {
    gateways: Gateway, "networking.istio.io", ["v1", "v1beta1", "v1alpha3"], true, "Gateways of Istio.";
    virtual_services: VirtualService, "networking.istio.io", ["v1", "v1beta1", "v1alpha3"], true, "VirtualServices.";
    destination_rules: DestinationRule, "networking.istio.io", ["v1", "v1beta1", "v1alpha3"], true, "DestinationRules.";
    service_entries: ServiceEntry, "networking.istio.io", ["v1", "v1beta1", "v1alpha3"], true, "ServiceEntries.";
    workload_entries: WorkloadEntry, "networking.istio.io", ["v1", "v1beta1", "v1alpha3"], true, "WorkloadEntries.";
    workload_groups: WorkloadGroup, "networking.istio.io", ["v1", "v1beta1", "v1alpha3"], true, "WorkloadGroups.";
    sidecars: Sidecar, "networking.istio.io", ["v1", "v1beta1", "v1alpha3"], true, "Sidecars.";
    proxy_configs: ProxyConfig, "networking.istio.io", ["v1beta1"], true, "ProxyConfigs.";
    envoy_filters: EnvoyFilter, "networking.istio.io", ["v1alpha3"], true, "EnvoyFilters.";
    peer_authentications: PeerAuthentication, "security.istio.io", ["v1", "v1beta1"], true, "PeerAuthentications.";
    request_authentications: RequestAuthentication, "security.istio.io", ["v1", "v1beta1"], true,
        "RequestAuthentications.";
    authorization_policies: AuthorizationPolicy, "security.istio.io", ["v1", "v1beta1"], true,
        "AuthorizationPolicies.";
    telemetries: Telemetry, "telemetry.istio.io", ["v1", "v1alpha1"], true, "Telemetries.";
    wasm_plugins: WasmPlugin, "extensions.istio.io", ["v1alpha1"], true, "WasmPlugins.";
    traffic_extensions: TrafficExtension, "extensions.istio.io", ["v1alpha1"], true, "TrafficExtensions.";
    reference_grants: ReferenceGrant, "gateway.networking.k8s.io", ["v1", "v1beta1", "v1alpha2"], true,
        "ReferenceGrants of the Gateway API.";
    services: Service, "", ["v1"], true, "Services.";
    endpoint_slices: EndpointSlice, "discovery.k8s.io", ["v1"], true, "EndpointSlices.";
    endpoints: Endpoints, "", ["v1"], true, "Endpoints, the older form of EndpointSlices.";
    pods: Pod, "", ["v1"], true, "Pods.";
    nodes: Node, "", ["v1"], false, "Nodes.";
    namespaces: Namespace, "", ["v1"], false, "Namespaces.";
    secrets: Secret, "", ["v1"], true, "Secrets.";
    config_maps: ConfigMap, "", ["v1"], true, "ConfigMaps.";
    mesh_configs: MeshConfig, "mesh.istio.io", [], true,
        "The mesh's configuration, under the name of its ConfigMap; see [`Resources::mesh_config`].";
    mesh_networks: MeshNetworks, "mesh.istio.io", [], true, "The mesh's networks, under the name of their ConfigMap.";
}

/// The groups of which we read every kind.
const OWN_GROUPS: [&str; 4] = ["networking.istio.io", "security.istio.io", "telemetry.istio.io", "extensions.istio.io"];

/// What an `apiVersion` and a `kind` mean to us.
#[must_use]
pub fn find_kind(api_version: &str, kind: &str) -> Lookup {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    match KINDS.iter().find(|info| info.kind == kind && info.group == group && !info.versions.is_empty()) {
        Some(info) if info.versions.contains(&version) => Lookup::Known(*info),
        Some(info) => Lookup::WrongVersion(*info),
        None if OWN_GROUPS.contains(&group) => Lookup::WrongKind,
        None => Lookup::Foreign,
    }
}

fn decode_object_of<S: Decode>(info: KindInfo, root: &Node, source: Source) -> (Option<Object<S>>, Vec<Fault>) {
    let meta = decode_meta(root, info.namespaced);
    let spec = S::decode(root);
    let mut faults = meta.faults;
    faults.extend(spec.faults);
    let object = match (meta.value, spec.value) {
        (Some(meta), Some(spec)) => Some(Object { meta, spec, source, age: Age::default() }),
        _ => None,
    };
    (object, faults)
}

macro_rules! custom_resources {
    ($($Type:ident $spec_required:literal)*) => {
        $(impl Decode for super::$Type {
            fn decode(root: &Node) -> Decoded<Self> {
                decode_spec(root, $spec_required)
            }
        })*
    };
}

custom_resources! {
    Gateway false
    VirtualService false
    DestinationRule false
    ServiceEntry true
    WorkloadGroup true
    Sidecar false
    ProxyConfig false
    EnvoyFilter false
    PeerAuthentication false
    RequestAuthentication false
    AuthorizationPolicy false
    Telemetry false
    WasmPlugin true
    TrafficExtension true
    ReferenceGrant true
}

macro_rules! mesh_messages {
    ($($Type:ident)*) => {
        $(impl Decode for super::$Type {
            fn decode(root: &Node) -> Decoded<Self> {
                decode(root, PathRef::ROOT, DecodeOptions { proto_field_names: true, ..DecodeOptions::default() })
            }
        })*
    };
}

mesh_messages! { MeshConfig MeshNetworks }
