use super::*;
use crate::resources::Resources;
use crate::resources::wire::StringMatch;

fn found(outcome: &ParseOutcome) -> Vec<String> {
    outcome.violations.iter().map(ToString::to_string).collect()
}

#[test]
fn a_file_of_several_kinds_is_read() {
    let text = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: [shop.example.com]
  http:
  - match: [{uri: {prefix: /}, headers: {x-user: {}}}]
    timeout: 1.5s
    route: [{destination: {host: shop, port: {number: 80}}}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: web}
---
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [], capacity: {cpu: 4}}
";
    let outcome = parse_documents("shop.yaml", text);
    assert_eq!(found(&outcome), [""; 0]);
    assert_eq!(outcome.skipped.len(), 1);
    assert!(outcome.skipped[0].to_string().starts_with("shop.yaml:11: info: Deployment web/shop: skipped"));
    assert_eq!((outcome.skipped[0].line, outcome.skipped[0].name.as_str()), (11, "web/shop"));
    let AnyObject::VirtualService(shop) = &outcome.objects[0].object else { panic!() };
    assert_eq!((shop.meta.namespace.as_str(), shop.source.line), ("default", 1));
    assert_eq!(shop.spec.http[0].r#match[0].headers["x-user"], StringMatch::Present);
    assert_eq!(shop.spec.http[0].timeout.map(|t| t.0.as_millis()), Some(1500));
    assert_eq!(outcome.objects[1].key().to_string(), "Node n1");
}

#[test]
fn one_bad_document_does_not_stop_the_others() {
    let text = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a, namespace: b}
spec:
  hosts: [x]
  http:
  - route:
    - destination:
        hst: reviews
        host: reviews
---
kind: [
---
apiVersion: networking.istio.io/v2
kind: Gateway
metadata: {name: g}
---
apiVersion: networking.istio.io/v1
kind: Gatway
metadata: {name: g}
---
a: 1
---
apiVersion: v1
kind: Namespace
metadata: {name: fine}
";
    let outcome = parse_documents("f.yaml", text);
    let found = found(&outcome);
    assert_eq!(
        found[0],
        "f.yaml:9:9: error: VirtualService b/a: spec.http[0].route[0].destination.hst: there is no field \"hst\" here; \
         did you mean \"host\"? [unknown-field]"
    );
    assert!(found[1].starts_with("f.yaml:1") && found[1].ends_with("[syntax]"), "{}", found[1]);
    assert!(found[2].starts_with("f.yaml:14:1: error: Gateway default/g: apiVersion: "), "{}", found[2]);
    assert!(found[3].starts_with("f.yaml:19:1: error: Gatway default/g: kind: "), "{}", found[3]);
    assert!(found[4].starts_with("f.yaml:22:1: error: not a Kubernetes object"), "{}", found[4]);
    assert_eq!((found.len(), outcome.objects.len(), outcome.refused.len()), (5, 1, 1));
}

#[test]
fn lists_and_json_are_read() {
    let text = r#"{"apiVersion": "v1", "kind": "List", "items": [
  {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}},
  {"apiVersion": "v1", "kind": "NamespaceList", "items": [{"metadata": {"name": "\ud83d\ude00"}}]}
]}"#;
    let outcome = parse_documents("list.json", text);
    assert_eq!(found(&outcome), [""; 0]);
    let names: Vec<_> = outcome.objects.iter().map(|parsed| parsed.key().name).collect();
    assert_eq!(names, ["a", "😀"]);
    let value = serde_json::from_str(text).unwrap();
    assert_eq!(parse_value("cluster", &value).objects.len(), 2);
}

#[test]
fn the_mesh_config_is_read_with_its_lines() {
    let text = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |-
    # a comment
    accessLogFile: /dev/stdout
    default_config:
      concurency: 2
      gatewayTopology: {numTrustedProxies: x}
  meshNetworks: 'networks: {}'
";
    let outcome = parse_documents("mesh.yaml", text);
    assert_eq!(
        found(&outcome),
        [
            "mesh.yaml:9:7: error: ConfigMap istio-system/istio: data.mesh.default_config.concurency: there is no field \
             \"concurency\" here; did you mean \"concurrency\"? [unknown-field]",
            "mesh.yaml:10:25: error: ConfigMap istio-system/istio: data.mesh.default_config.gatewayTopology.\
             numTrustedProxies: expected an integer from 0 to 4294967295, found the string \"x\" [type]",
        ]
    );
    let fixed = text.replace("concurency", "concurrency").replace(": x}", ": 2}");
    let outcome = parse_documents("mesh.yaml", &fixed);
    let (resources, _) = Resources::load(outcome.objects);
    let mesh = &resources.mesh_config().unwrap().spec;
    assert_eq!(mesh.access_log_file.as_deref(), Some("/dev/stdout"));
    assert_eq!(mesh.default_config.as_ref().unwrap().num_trusted_proxies(), 2);
    assert!(resources.mesh_networks().is_some());
}

#[test]
fn a_broken_mesh_config_names_its_line() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: |\n    \
                a: 1\n    a: 2\n";
    assert_eq!(
        found(&parse_documents("m.yaml", text)),
        ["m.yaml:7:5: error: ConfigMap istio-system/istio: data.mesh: the key \"a\" stands here twice [syntax]"]
    );
}

#[test]
fn age_is_the_timestamp_else_the_order_of_loading() {
    let object = |name: &str, time: &str| {
        format!("apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, creationTimestamp: {time}}}\n---\n")
    };
    let text = [
        object("first", "null"),
        object("z-old", "2026-01-01T00:00:00Z"),
        object("a-new", "2026-01-02T00:00:00Z"),
        object("a-same", "2026-01-01T00:00:00Z"),
        object("later", "null"),
        object("latest", "null"),
        object("backdated", "2025-01-01T00:00:00Z"),
        object("first", "null"),
    ]
    .concat();
    let outcome = parse_documents("f.yaml", &text);
    let (mut resources, violations) = Resources::load(outcome.objects);
    let names = |resources: &Resources| {
        resources.services.by_age().iter().map(|object| object.meta.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&resources), ["first", "backdated", "a-same", "z-old", "a-new", "later", "latest"]);
    assert_eq!(violations.len(), 1);
    assert_eq!((violations[0].rule, violations[0].line), ("duplicate-object", 31));
    assert!(violations[0].message.ends_with("f.yaml:1"));

    let before = resources.clone();
    let key = crate::resources::ObjectKey { kind: "Service", namespace: "default".into(), name: "later".into() };
    assert!(resources.remove(&key) && !resources.remove(&key));
    assert_eq!((resources.len(), before.len()), (6, 7));
}

#[test]
fn a_secret_hides_its_content_in_debug_output() {
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ntype: kubernetes.io/tls\ndata: {tls.key: aGVsbG8=}\n\
                stringData: {other: hello}\n";
    let outcome = parse_documents("s.yaml", text);
    let AnyObject::Secret(secret) = &outcome.objects[0].object else { panic!() };
    assert_eq!((secret.spec.get("tls.key"), secret.spec.get("other")), (Some(&b"hello"[..]), Some(&b"hello"[..])));
    assert!(!format!("{:?}", secret.spec).contains("hello"));
}

#[test]
fn the_mesh_config_may_stand_alone() {
    let outcome = parse_mesh_config("mesh.yaml", "accessLogFile: /dev/stdout\n");
    let (resources, _) = Resources::load(outcome.objects);
    assert_eq!(resources.mesh_config().unwrap().spec.access_log_file.as_deref(), Some("/dev/stdout"));
    assert_eq!(parse_mesh_config("mesh.yaml", "").objects.len(), 1);
    let outcome = parse_mesh_config("mesh.yaml", "\naccessLogFiles: x\n");
    assert!(found(&outcome)[0].starts_with("mesh.yaml:2:1: error: MeshConfig: accessLogFiles: "), "{outcome:?}");
}

#[test]
fn the_annotation_of_a_proxy_is_read() {
    let config = parse_proxy_config("gatewayTopology: {numTrustedProxies: 2}\nstatus_port: 15021\n").unwrap();
    assert_eq!((config.num_trusted_proxies(), config.status_port(), config.proxy_admin_port()), (2, 15021, 15000));
    assert_eq!(parse_proxy_config("").unwrap(), MeshProxyConfig::default());
    assert_eq!(parse_proxy_config("concurrency: a\n").unwrap_err().len(), 1);
    assert!(parse_proxy_config("a: [").is_err());
}
