//! A translation as text: short, stable, and complete enough that a change of meaning shows.

use std::fmt::Write as _;
use std::time::Duration;

use config_schema::snapshot::*;
use config_schema::translate::{Finding, Translation};

pub(crate) fn dump(translation: &Translation) -> String {
    let snapshot = &translation.snapshot;
    let mut text = settings(&snapshot.settings);
    for listener in snapshot.listeners.values() {
        text += &self::listener(listener);
    }
    for table in snapshot.route_tables.values() {
        text += &route_table(table);
    }
    for cluster in snapshot.clusters.values() {
        text += &self::cluster(cluster, snapshot.endpoints.get(&cluster.name).map(AsRef::as_ref));
    }
    if !snapshot.cluster_addresses.is_empty() {
        writeln!(text, "cluster-addresses {:?}", snapshot.cluster_addresses).unwrap();
    }
    for (path, fields) in &snapshot.files {
        for FieldRef { object, path: field } in fields {
            writeln!(text, "file {path} of {} {}/{} {field}", object.kind, object.namespace, object.name).unwrap();
        }
    }
    for (name, secret) in &snapshot.secrets {
        let kind = match secret.as_ref() {
            Secret::Certificate(certificate) => {
                format!("certificate{}", flag(certificate.ocsp_staple.is_some(), " staple"))
            }
            Secret::Trust(trust) => format!("trust{}", flag(trust.crl.is_some(), " crl")),
        };
        writeln!(text, "secret {name} {kind}").unwrap();
    }
    for report in &translation.reports {
        let object = &report.object;
        let verdict = if report.accepted { "accepted" } else { "NOT accepted" };
        writeln!(text, "report {} {}/{} {verdict}", object.kind, object.namespace, object.name).unwrap();
        for Finding { path, rule, severity, message } in &report.findings {
            writeln!(text, "  {severity} {path}: {message} [{rule}]").unwrap();
        }
    }
    text
}

/// Only what differs from the defaults.
fn settings(settings: &ProxySettings) -> String {
    let mut text = String::new();
    let fields = |options: &HttpOptions| serde_json::to_value(options).unwrap();
    let (own, default) = (fields(&settings.http), fields(&HttpOptions::default()));
    for (name, value) in own.as_object().unwrap() {
        if default[name] != *value {
            writeln!(text, "http {name} {value}").unwrap();
        }
    }
    if let Some(log) = &settings.access_log {
        let listeners = if log.listeners { "" } else { " not of listeners" };
        writeln!(text, "access log {} {:?} {:?}{listeners}", log.path, log.encoding, log.format).unwrap();
    }
    if settings.connection_limit.is_some() || settings.concurrency.is_some() {
        writeln!(text, "connections {:?} threads {:?}", settings.connection_limit, settings.concurrency).unwrap();
    }
    if settings.drain != Drain::default() {
        writeln!(text, "drain {} {}", time(settings.drain.minimum), time(settings.drain.maximum)).unwrap();
    }
    text
}

fn flag(on: bool, text: &str) -> &str {
    if on { text } else { "" }
}

fn time(duration: Duration) -> String {
    format!("{}s", duration.as_secs_f64())
}

fn option<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map(show).unwrap_or_default()
}

fn listener(listener: &Listener) -> String {
    let limit = option(listener.connection_limit, |limit| format!(" limit={limit}"));
    let proxy = flag(listener.proxy_protocol, " proxy-protocol");
    let redirected = flag(listener.bind == Bind::Redirected, " redirected");
    let detection = match listener.detection_timeout {
        Some(timeout) if timeout == Duration::from_secs(15) => String::new(),
        Some(timeout) => format!(" detection={}", time(timeout)),
        None => " detection=unlimited".to_owned(),
    };
    let mut text = format!("listener {} {}{redirected}{proxy}{limit}{detection}\n", listener.name, listener.address);
    for chain in &listener.filter_chains {
        let filter = match &chain.filter {
            NetworkFilter::Http(http) => {
                let (web, misdirected) = (flag(http.grpc_web, " grpc-web"), flag(http.misdirected, " misdirected=421"));
                format!("http {} port={}{web}{misdirected}", http.route_table, http.server_port)
            }
            NetworkFilter::Tcp(tcp) => format!("tcp {}", tcp_proxy(tcp)),
        };
        let matches = chain_match(&chain.matches);
        writeln!(text, "  chain {}{matches} -> {filter}", chain.name).unwrap();
        if let Some(tls) = &chain.tls {
            writeln!(text, "    tls {}", downstream_tls(tls)).unwrap();
        }
        if let NetworkFilter::Http(HttpFilter { forward_proxy: Some(forward_proxy), .. }) = &chain.filter {
            for ForwardDestination { host, port, cluster, connect, http } in &forward_proxy.destinations {
                let (connect, http) = (flag(*connect, " connect"), flag(*http, " http"));
                writeln!(text, "    forward {host}:{port}{connect}{http} -> {cluster}").unwrap();
            }
        }
    }
    text
}

fn chain_match(matches: &FilterChainMatch) -> String {
    let mut parts = Vec::new();
    parts.extend(matches.destination_port.map(|port| format!("port={port}")));
    parts.extend(matches.destination_networks.iter().map(|(ip, bits)| format!("to={ip}/{bits}")));
    parts.extend(matches.transport.map(|transport| format!("{transport:?}").to_lowercase()));
    if !matches.server_names.is_empty() {
        parts.push(format!("sni={}", matches.server_names.join(",")));
    }
    if !matches.application_protocols.is_empty() {
        parts.push(format!("alpn={}", matches.application_protocols.join(",")));
    }
    if parts.is_empty() { String::new() } else { format!(" [{}]", parts.join(" ")) }
}

fn tcp_proxy(tcp: &TcpProxy) -> String {
    let clusters: Vec<String> =
        tcp.clusters.iter().map(|cluster| format!("{}*{}", cluster.cluster, cluster.weight)).collect();
    let mut text = clusters.join(" ");
    if tcp.idle_timeout != Some(Duration::from_secs(3600)) {
        write!(text, " idle={:?}", tcp.idle_timeout).unwrap();
    }
    text += &option(tcp.max_connection_duration, |duration| format!(" life={}", time(duration)));
    text += flag(!tcp.hash_policy.is_empty(), " hash=source-ip");
    text += &option(tcp.tunnel.as_ref(), |tunnel| format!(" tunnel={}:{}", tunnel.target_host, tunnel.target_port));
    text
}

fn certificate(source: &CertificateSource) -> String {
    match source {
        CertificateSource::Secret(name) => name.clone(),
        CertificateSource::Files { certificate, key } => format!("files({certificate},{key})"),
        CertificateSource::Workload => "workload".to_owned(),
    }
}

fn trust(source: &TrustSource) -> String {
    match source {
        TrustSource::Secret(name) => name.clone(),
        TrustSource::Files { ca, crl } => format!("files({ca},{crl:?})"),
        TrustSource::Mesh => "mesh".to_owned(),
        TrustSource::System { crl: None } => "system".to_owned(),
        TrustSource::System { crl: Some(crl) } => format!("system(crl={crl})"),
    }
}

fn downstream_tls(tls: &DownstreamTls) -> String {
    let certificates: Vec<String> = tls.certificates.iter().map(certificate).collect();
    let mut text = format!("{} {:?}-{:?} {:?}", certificates.join("+"), tls.min_version, tls.max_version, tls.provider);
    if !tls.cipher_suites.is_empty() {
        write!(text, " ciphers={}", tls.cipher_suites.join(",")).unwrap();
    }
    if !tls.ecdh_curves.is_empty() {
        write!(text, " curves={}", tls.ecdh_curves.join(",")).unwrap();
    }
    if tls.alpn != ["h2", "http/1.1"] {
        write!(text, " alpn={}", tls.alpn.join(",")).unwrap();
    }
    let client = &tls.client;
    if client.request {
        write!(text, " client={}", if client.require { "required" } else { "asked" }).unwrap();
        text += flag(client.accept_untrusted, " untrusted-ok");
        text += &option(client.trust.as_ref(), |source| format!(" by={}", trust(source)));
        for (label, list) in
            [("san", &client.subject_alt_names), ("spki", &client.spki_hashes), ("hash", &client.certificate_hashes)]
        {
            text += &option(Some(list).filter(|list| !list.is_empty()), |list| format!(" {label}={}", list.join(",")));
        }
    }
    text
}

fn route_table(table: &RouteTable) -> String {
    let mut text = format!("routes {}\n", table.name);
    for host in &table.virtual_hosts {
        let tls = flag(host.require_tls, " https-redirect");
        writeln!(text, "  host {} [{}]{tls}", host.name, host.domains.join(" ")).unwrap();
        for route in &host.routes {
            let name = if route.name.is_empty() { "-" } else { &route.name };
            let source = format!("{}/{}", route.source.namespace, route.source.name);
            writeln!(text, "    {name} ({source}) {}", route_match(&route.matches)).unwrap();
            writeln!(text, "      -> {}{}", action(&route.action), extras(route)).unwrap();
        }
    }
    text
}

fn value(value: &ValueMatch) -> String {
    match value {
        ValueMatch::Present => "?".to_owned(),
        ValueMatch::Exact(text) => format!("={text:?}"),
        ValueMatch::Prefix(text) => format!("^={text:?}"),
        ValueMatch::Regex(text) => format!("~{text:?}"),
    }
}

fn route_match(matches: &RouteMatch) -> String {
    let path = match &matches.path {
        PathMatch::Any => "any".to_owned(),
        PathMatch::Exact(path) => format!("exact {path}"),
        PathMatch::Prefix(path) => format!("prefix {path}"),
        PathMatch::SegmentPrefix(path) => format!("segments {path}"),
        PathMatch::Regex(path) => format!("regex {path}"),
    };
    let mut text = format!("{path}{}", flag(matches.ignore_path_case, " ignore-case"));
    for header in &matches.headers {
        write!(text, " {}{}{}", flag(header.invert, "!"), header.name, value(&header.value)).unwrap();
    }
    for query in &matches.query {
        write!(text, " query:{}{}", query.name, value(&query.value)).unwrap();
    }
    for claim in &matches.claims {
        write!(text, " {}claim:{}{}", flag(claim.invert, "!"), claim.path.join("/"), value(&claim.value)).unwrap();
    }
    text
}

fn headers(ops: &HeaderOps) -> String {
    let changes = |map: &std::collections::BTreeMap<String, String>, sign: &str| {
        map.iter().map(|(name, value)| format!("{sign}{name}:{value}")).collect::<Vec<_>>()
    };
    let mut parts: Vec<String> = ops.remove.iter().map(|name| format!("-{name}")).collect();
    parts.extend(changes(&ops.set, "="));
    parts.extend(changes(&ops.add, "+"));
    parts.join(",")
}

fn both_headers(request: &HeaderOps, response: &HeaderOps) -> String {
    let mut text = String::new();
    for (name, ops) in [("request", request), ("response", response)] {
        if !ops.is_empty() {
            write!(text, " {name}({})", headers(ops)).unwrap();
        }
    }
    text
}

fn action(action: &RouteAction) -> String {
    match action {
        RouteAction::Redirect(redirect) => format!(
            "redirect {} {:?} host={:?} scheme={:?} port={:?}",
            redirect.code, redirect.path, redirect.authority, redirect.scheme, redirect.port
        ),
        RouteAction::Direct(response) => {
            let body = response.body.as_ref().map(|body| String::from_utf8_lossy(body).into_owned());
            format!("direct {} {body:?}", response.status)
        }
        RouteAction::Forward(forward) => self::forward(forward),
    }
}

fn forward(forward: &Forward) -> String {
    let destination = |destination: &WeightedDestination| {
        let headers = both_headers(&destination.request_headers, &destination.response_headers);
        let host = option(destination.host_rewrite.as_ref(), |host| format!(" host={host}"));
        format!("{}*{}{headers}{host}", destination.cluster, destination.weight)
    };
    let mut text = forward.destinations.iter().map(destination).collect::<Vec<_>>().join(", ");
    text += &option(forward.path_rewrite.as_ref(), |rewrite| format!(" path={rewrite:?}"));
    text += &option(forward.host_rewrite.as_ref(), |host| format!(" host={host}"));
    text += &option(forward.timeout, |timeout| format!(" timeout={}", time(timeout)));
    for mirror in &forward.mirrors {
        write!(text, " mirror={}@{}", mirror.cluster, mirror.fraction.0).unwrap();
    }
    for policy in &forward.hash_policy {
        write!(text, " hash={policy:?}").unwrap();
    }
    text + &retry(forward.retry.as_deref())
}

fn retry(policy: Option<&RetryPolicy>) -> String {
    let Some(policy) = policy else { return " no-retry".to_owned() };
    let on = format!("{:?}", policy.retry_on);
    let on: Vec<&str> = on.split([' ', '{', ',', '}']).collect();
    let on: Vec<&str> =
        on.windows(2).filter(|pair| pair[1] == "true").map(|pair| pair[0].trim_end_matches(':')).collect();
    let default = "connect_failure,refused_stream,retriable_status_codes,cancelled,unavailable";
    let mut text = format!(" retry={}", policy.attempts);
    if on.join(",") != default {
        write!(text, " on={}", on.join(",")).unwrap();
    }
    if !policy.status_codes.is_empty() {
        write!(text, " codes={:?}", policy.status_codes).unwrap();
    }
    text += flag(!policy.avoid_previous_hosts, " same-hosts");
    text += flag(policy.previous_priorities, " other-localities");
    text += &option(policy.per_try_timeout, |timeout| format!(" per-try={}", time(timeout)));
    if policy.base_interval != Duration::from_millis(25) {
        write!(text, " backoff={}", time(policy.base_interval)).unwrap();
    }
    text
}

fn extras(route: &Route) -> String {
    let mut text = both_headers(&route.request_headers, &route.response_headers);
    text += &option(route.cors.as_ref(), |cors| format!(" {cors:?}"));
    text += &option(route.fault.as_ref(), |fault| format!(" {fault:?}"));
    text
}

fn cluster(cluster: &Cluster, endpoints: Option<&Endpoints>) -> String {
    let discovery = match &cluster.discovery {
        Discovery::Endpoints => "endpoints".to_owned(),
        Discovery::Dns(lookup) => format!("dns refresh={}", time(lookup.refresh)),
        Discovery::DnsRoundRobin(lookup) => format!("dns-round-robin{}", flag(lookup.race_addresses, " race")),
        Discovery::DynamicDns { hosts, port, allow_addresses } => {
            let allow = flag(!allow_addresses.is_empty(), &format!(" allow={allow_addresses:?}")).to_owned();
            format!("dynamic-dns {} port={port:?}{allow}", hosts.join(","))
        }
        Discovery::OriginalDestination { port } => format!("original-destination {port:?}"),
    };
    let rule = option(cluster.destination_rule.as_ref(), |rule| format!(" rule={rule}"));
    let mut text = format!(
        "cluster {} {discovery} {:?}{}{rule}\n",
        cluster.name,
        cluster.protocol,
        flag(cluster.external, " external")
    );
    let lines = [balancer(&cluster.load_balancer), limits(cluster), upstream_tls(&cluster.tls)];
    for line in lines.iter().filter(|line| !line.is_empty()) {
        writeln!(text, "  {line}").unwrap();
    }
    text += &option(cluster.outlier_detection.as_ref(), |outlier| format!("  {outlier:?}\n"));
    text += &option(cluster.proxy_protocol, |version| format!("  proxy-protocol {version:?}\n"));
    let endpoints = match &cluster.discovery {
        Discovery::Dns(lookup) | Discovery::DnsRoundRobin(lookup) => Some(&lookup.endpoints),
        _ => endpoints,
    };
    text + &endpoints.map(locality_lines).unwrap_or_default()
}

fn balancer(balancer: &LoadBalancer) -> String {
    let default =
        LoadBalancer { policy: LbPolicy::LeastRequest, warmup: None, panic_threshold: 0, locality_weighted: false };
    if *balancer == default {
        return String::new();
    }
    let mut text = format!("{:?}", balancer.policy);
    text += &option(balancer.warmup.as_ref(), |warmup| format!(" {warmup:?}"));
    text += &option(Some(balancer.panic_threshold).filter(|share| *share > 0), |share| format!(" panic={share}"));
    text + flag(balancer.locality_weighted, " locality-weighted")
}

fn limits(cluster: &Cluster) -> String {
    let mut parts = Vec::new();
    if cluster.circuit_breakers != CircuitBreakers::default() {
        parts.push(format!("{:?}", cluster.circuit_breakers));
    }
    let pool = &cluster.pool;
    let hour = Some(Duration::from_secs(3600));
    let default = UpstreamPool {
        connect_timeout: Duration::from_secs(10),
        idle_timeout: hour,
        tcp_idle_timeout: hour,
        max_connection_duration: None,
        max_requests_per_connection: None,
        max_concurrent_streams: None,
        http2_keepalive: None,
        tcp_keepalive: None,
    };
    if *pool != default {
        parts.push(format!("{pool:?}"));
    }
    parts.join(" ")
}

fn upstream_tls(mode: &UpstreamTlsMode) -> String {
    let (label, tls) = match mode {
        UpstreamTlsMode::Disable => return String::new(),
        UpstreamTlsMode::Tls(tls) => ("tls", tls),
        UpstreamTlsMode::Auto(tls) => ("auto-mtls", tls),
    };
    let mut text = format!("{label} by={}", trust(&tls.trust));
    text += &option(tls.certificate.as_ref(), |source| format!(" certificate={}", certificate(source)));
    text += &option(tls.sni.as_ref(), |sni| format!(" sni={sni}"));
    text += flag(tls.verify_auto_sni, " verify-host");
    text += flag(tls.insecure_skip_verify, " insecure");
    for name in &tls.subject_alt_names {
        write!(text, " san={}", name.0).unwrap();
    }
    for (label, list) in [("alpn", &tls.alpn), ("ciphers", &tls.cipher_suites), ("curves", &tls.ecdh_curves)] {
        text += &option(Some(list).filter(|list| !list.is_empty()), |list| format!(" {label}={}", list.join(",")));
    }
    text
}

fn locality_lines(endpoints: &Endpoints) -> String {
    let mut text = String::new();
    for group in &endpoints.localities {
        let members: Vec<String> = group
            .endpoints
            .iter()
            .map(|endpoint| {
                let weight = option(Some(endpoint.weight).filter(|weight| *weight != 1), |weight| format!("*{weight}"));
                let health = flag(endpoint.health != Health::Healthy, "(unready)");
                format!("{}{weight}{}{health}", endpoint.address, flag(endpoint.mesh_tls, "+mtls"))
            })
            .collect();
        writeln!(text, "  p{} {} w{}: {}", group.priority, group.locality, group.weight, members.join(" ")).unwrap();
    }
    text
}
