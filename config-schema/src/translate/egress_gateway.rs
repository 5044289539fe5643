//! Egress in one resource: a ServiceEntry with the annotation `sallyport.dev/egress-gateway: NAMESPACE/NAME` stands for
//! the Gateway, VirtualServices and DestinationRules that send its traffic through the egress gateway behind that
//! Kubernetes Service. They are written as an operator would write them, and read as if one had: what `validate
//! --explain` shows is what is in force. Being youngest, they give way to objects that are really there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use super::host::service_host;
use super::protocol::Protocol;
use super::report::{Report, Reports, object_ref};
use crate::parse::parse_documents;
use crate::resources::{Object, Resources, Service, ServiceEntry};
use crate::snapshot::ObjectRef;

/// Annotation of a ServiceEntry with the Service in front of its egress gateway.
pub(crate) const EGRESS_GATEWAY: &str = "sallyport.dev/egress-gateway";

/// Annotation of such a ServiceEntry with the names of HTTP ports on which the gateway speaks TLS to the host.
pub(crate) const ORIGINATE_TLS: &str = "sallyport.dev/originate-tls";

/// What an annotated ServiceEntry stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expansion {
    /// The ServiceEntry.
    pub entry: ObjectRef,
    /// Objects of Istio, as YAML documents; empty if the annotation cannot be followed.
    pub yaml: String,
    /// Why not all of its ports are there: field path and sentence.
    pub problems: Vec<(String, String)>,
}

/// What the annotated ServiceEntries stand for, by age.
#[must_use]
pub fn expansions(resources: &Resources) -> Vec<Expansion> {
    let entries = resources.service_entries.by_age().into_iter();
    entries
        .filter_map(|entry| entry.meta.annotations.get(EGRESS_GATEWAY).map(|to| expand(resources, entry, to)))
        .collect()
}

/// The resources with what ServiceEntries stand for; `None` if none is annotated.
pub(super) fn add(resources: &Resources, reports: &mut Reports) -> Option<(Resources, Generated)> {
    let expansions = expansions(resources);
    if expansions.is_empty() {
        return None;
    }
    let mut all = resources.clone();
    let mut generated = Generated::default();
    for expansion in expansions {
        for (path, problem) in expansion.problems {
            reports.error(&expansion.entry, path, "egress-gateway", problem);
        }
        let source = format!("{} {}/{}", expansion.entry.kind, expansion.entry.namespace, expansion.entry.name);
        for mut parsed in parse_documents(&source, &expansion.yaml).objects {
            let key = parsed.key();
            let object = ObjectRef { kind: key.kind.to_owned(), namespace: key.namespace, name: key.name };
            generated.by_object.insert(object, expansion.entry.clone());
            all.insert(&mut parsed.object);
        }
    }
    Some((all, generated))
}

/// Which ServiceEntry an object was made for.
#[derive(Debug, Default)]
pub(super) struct Generated {
    by_object: BTreeMap<ObjectRef, ObjectRef>,
}

impl Generated {
    /// Reports as the operator knows the objects: what concerns one that was made concerns its ServiceEntry.
    pub(super) fn attribute(&self, reports: Vec<Report>) -> Vec<Report> {
        let (made, mut written): (Vec<_>, Vec<_>) =
            reports.into_iter().partition(|report| self.by_object.contains_key(&report.object));
        for report in made {
            let Some(entry) = self.by_object.get(&report.object) else { continue };
            let at = match written.iter().position(|known| known.object == *entry) {
                Some(at) => at,
                None => {
                    written.push(Report { object: entry.clone(), accepted: false, findings: Vec::new() });
                    written.len() - 1
                }
            };
            written[at].accepted |= report.accepted;
            for mut finding in report.findings {
                let ObjectRef { kind, name, .. } = &report.object;
                finding.message = format!("{kind} {name}, made for this entry: {}: {}", finding.path, finding.message);
                finding.path = annotation(EGRESS_GATEWAY);
                if !written[at].findings.contains(&finding) {
                    written[at].findings.push(finding);
                }
            }
        }
        written.sort_by(|a, b| a.object.cmp(&b.object));
        written
    }
}

fn annotation(name: &str) -> String {
    format!("metadata.annotations[\"{name}\"]")
}

/// A port of the entry and where it is served at the gateway.
struct Served<'a> {
    name: &'a str,
    number: u32,
    kind: Kind,
    /// The port of the gateway's Service.
    gateway_port: u16,
    originates: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Http,
    Tls,
    Tcp,
}

impl Kind {
    fn of(protocol: Protocol) -> Option<Self> {
        match protocol {
            Protocol::Udp => None,
            Protocol::Https | Protocol::Tls => Some(Self::Tls),
            _ if protocol.is_http() => Some(Self::Http),
            _ => Some(Self::Tcp),
        }
    }
}

fn expand(resources: &Resources, entry: &Arc<Object<ServiceEntry>>, to: &str) -> Expansion {
    let mut expansion = Expansion { entry: object_ref(entry), yaml: String::new(), problems: Vec::new() };
    let mut problem = |path: String, message: String| expansion.problems.push((path, message));
    let service = to.split_once('/').and_then(|(namespace, name)| resources.services.get(namespace, name));
    let Some(service) = service else {
        problem(
            annotation(EGRESS_GATEWAY),
            format!("there is no Service {to}: the entry is not sent through a gateway"),
        );
        return expansion;
    };
    if service.spec.selector.is_empty() {
        problem(annotation(EGRESS_GATEWAY), format!("Service {to} selects no pods, so no gateway is behind it"));
        return expansion;
    }
    let served = served_ports(entry, service, to, &mut problem);
    let own_rule = |host: &String| {
        let mut rules = resources.destination_rules.in_namespace(&entry.meta.namespace);
        rules.find(|rule| rule.spec.host == *host).map(|rule| rule.meta.name.clone())
    };
    for (host, rule) in entry.spec.hosts.iter().filter_map(|host| Some((host, own_rule(host)?))) {
        if served.iter().any(|port| port.originates) {
            let message = format!("DestinationRule {rule} is there for {host} already: TLS is what that says");
            problem(annotation(ORIGINATE_TLS), message);
        }
    }
    if !served.is_empty() {
        let mut writer = Writer { entry, service, served: &served, yaml: String::new() };
        writer.write(|host| own_rule(host).is_none());
        expansion.yaml = writer.yaml;
    }
    expansion
}

/// Which port of the Service each port of the entry goes to: the one of its number, else the first that speaks its
/// protocol. Requests and TLS can share one with other hosts, bytes cannot.
fn served_ports<'a>(
    entry: &'a Object<ServiceEntry>,
    service: &Object<Service>,
    to: &str,
    problem: &mut impl FnMut(String, String),
) -> Vec<Served<'a>> {
    let originates: BTreeSet<&str> =
        entry.meta.annotations.get(ORIGINATE_TLS).into_iter().flat_map(|list| list.split(',')).map(str::trim).collect();
    let ports: Vec<(u16, Option<Kind>)> =
        service.spec.ports.iter().map(|port| (port.port, service_kind(port))).collect();
    let mut served: Vec<Served<'a>> = Vec::new();
    for (index, port) in entry.spec.ports.iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        let Some(kind) = Kind::of(Protocol::parse(port.protocol.as_deref().unwrap_or_default())) else {
            problem(path, "UDP does not go through an egress gateway".to_owned());
            continue;
        };
        let same = ports.iter().find(|(number, _)| u32::from(*number) == port.number);
        let alike = ports.iter().find(|(_, speaks)| *speaks == Some(kind) && kind != Kind::Tcp);
        let Some((gateway_port, _)) = same.or(alike).copied() else {
            let wanted = match kind {
                Kind::Http => "one for HTTP",
                Kind::Tls => "one for TLS or HTTPS",
                Kind::Tcp => "that one, since bytes do not say for which host they are",
            };
            problem(path, format!("Service {to} has no port {}; it needs {wanted}", port.number));
            continue;
        };
        if let Some(other) = served.iter().find(|other| other.gateway_port == gateway_port) {
            let message = format!(
                "ports {} and {} would both go to port {gateway_port} of Service {to}, which could not tell them apart; \
                 give the Service a port {}",
                other.name, port.name, port.number
            );
            problem(path, message);
            continue;
        }
        let originates = originates.contains(port.name.as_str());
        served.push(Served { name: &port.name, number: port.number, kind, gateway_port, originates });
    }
    for name in originates {
        if !served.iter().any(|port| port.name == name && port.kind == Kind::Http) {
            problem(
                annotation(ORIGINATE_TLS),
                format!("{name:?} is no HTTP port of the entry that the gateway serves"),
            );
        }
    }
    served
}

fn service_kind(port: &crate::resources::service::ServicePort) -> Option<Kind> {
    let name = port.name.as_deref().unwrap_or_default();
    Kind::of(Protocol::of_service_port(port.port, name, port.protocol.as_deref(), port.app_protocol.as_deref()))
}

/// Writes the objects. Writing to a string cannot fail.
struct Writer<'a> {
    entry: &'a Object<ServiceEntry>,
    service: &'a Object<Service>,
    served: &'a [Served<'a>],
    yaml: String,
}

impl Writer<'_> {
    fn write(&mut self, rule_wanted: impl Fn(&String) -> bool) {
        self.gateway();
        let entry = self.entry;
        for (index, host) in entry.spec.hosts.iter().enumerate() {
            let suffix = if index == 0 { String::new() } else { format!("-{index}") };
            self.virtual_service(host, &suffix);
            if self.served.iter().any(|port| port.originates) && rule_wanted(host) {
                self.destination_rule(host, &suffix);
            }
        }
    }

    fn name(&self) -> String {
        format!("egress-{}", self.entry.meta.name)
    }

    fn head(&mut self, kind: &str, suffix: &str) {
        let separator = if self.yaml.is_empty() { "" } else { "---\n" };
        let (name, namespace) = (self.name(), &self.entry.meta.namespace);
        let _ = write!(
            self.yaml,
            "{separator}apiVersion: networking.istio.io/v1\nkind: {kind}\n\
             metadata: {{name: {name}{suffix}, namespace: {namespace}}}\nspec:\n"
        );
    }

    /// A server for each port, with the entry's hosts.
    fn gateway(&mut self) {
        self.head("Gateway", "");
        let selector: Vec<String> = self
            .service
            .spec
            .selector
            .iter()
            .map(|(name, value)| format!("{}: {}", quoted(name), quoted(value)))
            .collect();
        let hosts: Vec<String> = self.entry.spec.hosts.iter().map(|host| quoted(&format!("./{host}"))).collect();
        let _ = write!(self.yaml, "  selector: {{{}}}\n  servers:\n", selector.join(", "));
        for port in self.served {
            let (protocol, tls) = match port.kind {
                Kind::Http => ("HTTP", ""),
                Kind::Tls => ("TLS", "\n    tls: {mode: PASSTHROUGH}"),
                Kind::Tcp => ("TCP", ""),
            };
            let _ = write!(
                self.yaml,
                "  - port: {{number: {}, name: {}, protocol: {protocol}}}\n    hosts: [{}]{tls}\n",
                port.gateway_port,
                quoted(port.name),
                hosts.join(", ")
            );
        }
    }

    /// To the gateway from the mesh, and from the gateway to the host.
    fn virtual_service(&mut self, host: &str, suffix: &str) {
        self.head("VirtualService", suffix);
        let name = self.name();
        let _ = write!(self.yaml, "  hosts: [{}]\n  gateways: [mesh, {name}]\n", quoted(host));
        let export_to = &self.entry.spec.export_to;
        if !export_to.is_empty() {
            let list: Vec<String> = export_to.iter().map(|namespace| quoted(namespace)).collect();
            let _ = writeln!(self.yaml, "  exportTo: [{}]", list.join(", "));
        }
        let gateway = service_host(&self.service.meta.name, &self.service.meta.namespace);
        for (kind, section) in [(Kind::Http, "http"), (Kind::Tls, "tls"), (Kind::Tcp, "tcp")] {
            if self.served.iter().any(|port| port.kind == kind) {
                let _ = writeln!(self.yaml, "  {section}:");
            }
            for port in self.served.iter().filter(|port| port.kind == kind) {
                let sni = if kind == Kind::Tls { format!(", sniHosts: [{}]", quoted(host)) } else { String::new() };
                for (from, at, to, to_port) in [
                    ("mesh", port.number, gateway.as_str(), u32::from(port.gateway_port)),
                    (name.as_str(), u32::from(port.gateway_port), host, port.number),
                ] {
                    let _ = write!(
                        self.yaml,
                        "  - match: [{{gateways: [{from}], port: {at}{sni}}}]\n    \
                         route: [{{destination: {{host: {}, port: {{number: {to_port}}}}}}}]\n",
                        quoted(to)
                    );
                }
            }
        }
    }

    /// TLS from the gateway to the host, verified by the system's authorities and the host's name.
    fn destination_rule(&mut self, host: &str, suffix: &str) {
        self.head("DestinationRule", suffix);
        let _ = write!(self.yaml, "  host: {}\n  trafficPolicy:\n    portLevelSettings:\n", quoted(host));
        for port in self.served.iter().filter(|port| port.originates) {
            let _ = writeln!(self.yaml, "    - {{port: {{number: {}}}, tls: {{mode: SIMPLE}}}}", port.number);
        }
    }
}

/// As a JSON string, which is a YAML string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
