use super::*;
use crate::parse::parse_documents;

fn findings(text: &str) -> Vec<String> {
    let outcome = parse_documents("f.yaml", text);
    assert_eq!(outcome.violations, [], "{text}");
    outcome
        .objects
        .iter()
        .flat_map(check)
        .map(|v| format!("{}:{} {} {}: {}", v.line, v.column, v.severity, v.path, v.message))
        .collect()
}

#[test]
fn refused_fields_are_named_with_their_place() {
    let text = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a}
spec:
  hosts: [a]
  http:
  - match:
    - uri: {prefix: /}
      statPrefix: x
    fault:
      abort: {http2Error: x}
    route:
    - destination: {host: a}
";
    assert_eq!(
        findings(text),
        [
            "9:7 warning spec.http[0].match[0].statPrefix: it has no effect: It names statistics of Envoy; requests are \
             counted in istio_requests_total.",
            "11:15 error spec.http[0].fault.abort.http2Error: it is not supported: Istio does not implement it; use \
             httpStatus or grpcStatus.",
        ]
    );
}

#[test]
fn what_asks_for_nothing_is_left_alone() {
    let text = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    enablePrometheusMerge: true
    trustDomain: cluster.local
    defaultProviders: {metrics: [prometheus], tracing: []}
    enableTracing: false
    default_config:
      stat_name_length: 100
      binaryPath: /usr/local/bin/envoy
";
    assert_eq!(
        findings(text),
        [
            "9:5 error data.mesh.enableTracing: it is not supported yet: Traces are not built yet.",
            "11:7 error data.mesh.default_config.stat_name_length: it is not supported: It configures the process of \
             Envoy, and there is no Envoy here.",
        ]
    );
}

#[test]
fn the_purpose_of_a_patch_is_recognised() {
    let patch = |value: &str| {
        format!(
            "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {{name: a}}\nspec:\n  configPatches:\n  \
             - applyTo: HTTP_FILTER\n    patch: {{operation: INSERT_BEFORE, value: {value}}}\n"
        )
    };
    for (value, expected) in [
        ("{name: envoy.filters.http.local_ratelimit}", "a local rate limit, for which there is no field yet"),
        ("{typed_config: {rate_limits: []}}", "a global rate limit"),
        ("{name: envoy.filters.http.buffer}", "a limit of request bodies"),
        (
            "{typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.compressor.v3.Compressor}}",
            "compression",
        ),
        (
            "{typed_config: {http_protocol_options: {header_key_format: {}}}}",
            "the case of header names, for which there is no field yet",
        ),
        ("{typed_config: {xff_num_trusted_hops: 1}}", "gatewayTopology.numTrustedProxies"),
        ("{typed_config: {common_http_protocol_options: {idle_timeout: 1s}}}", "defaultConfig.connectionSettings"),
        ("{name: envoy.filters.http.lua, typed_config: {inline_code: x}}", "headers of a VirtualService"),
        ("{name: something}", "it is not known what this patch is for"),
    ] {
        let found = findings(&patch(value));
        assert_eq!(found.len(), 1, "{value}");
        assert!(
            found[0].starts_with("6:5 error spec.configPatches[0]: ") && found[0].contains(expected),
            "{}",
            found[0]
        );
    }
    assert_eq!(
        findings(
            "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: a}\nspec: {priority: 1}\n"
        )
        .len(),
        1
    );
}

#[test]
fn kinds_that_are_not_built_are_refused_once() {
    let text =
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}\nspec: {action: DENY}\n";
    assert_eq!(findings(text).len(), 1);
    let core = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80}]}\n";
    assert_eq!(findings(core), [""; 0]);
}
