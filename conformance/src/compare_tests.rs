use super::*;
use crate::case::Case;

/// An exchange with this recorded answer; `more` are further keys of the exchange.
fn recorded(answer: &str, more: &str) -> Exchange {
    let text = format!(
        "name: a\nfamily: edge\nabout: x\nconfig: ''\nexchanges:\n- answer: {answer}\n{}",
        more.lines().map(|line| format!("  {line}\n")).collect::<String>()
    );
    Case::parse(&text).unwrap().exchanges.remove(0)
}

fn answer(text: &str) -> Answer {
    recorded(text, "").answer
}

/// The keys in which the recorded answer and the actual one differ.
fn keys(expected: &str, actual: &str) -> Vec<String> {
    let exchange = recorded(expected, "");
    compare(&exchange, &answer(actual)).into_iter().map(|m| m.key).collect()
}

#[test]
fn an_error_alone_is_its_class() {
    assert!(keys("{error: closed}", "{error: 'reset: NO_ERROR', flags: UH}").is_empty());
    assert!(keys("{error: 'tls: closed'}", "{error: 'remote error: tls: bad certificate'}").is_empty());
    assert_eq!(keys("{error: closed}", "{error: no answer}"), ["error"]);
    assert_eq!(keys("{error: closed}", "{status: 200}"), ["error"]);
    assert_eq!(keys("{error: connection refused}", "{error: closed}"), ["error"]);
}

#[test]
fn an_error_with_more_is_compared_whole() {
    assert_eq!(keys("{error: closed, flags: UH}", "{error: closed}"), ["flags"]);
    assert_eq!(keys("{error: closed, reached: ['127.0.0.1:1']}", "{error: closed}"), ["reached"]);
}

#[test]
fn headers_are_sorted_lists_without_what_differs_by_nature() {
    let expected = "{status: 404, details: x, headers: [[b, '2'], [a, '1'], [date, x], [server, envoy]]}";
    assert!(keys(expected, "{status: 404, details: x, headers: [[A, '1'], [B, '2'], [Connection, close]]}").is_empty());
    assert_eq!(keys(expected, "{status: 404, details: x, headers: [[a, '1'], [a, '1'], [b, '2']]}"), ["headers"]);
    assert_eq!(keys(expected, "{status: 404, details: x, headers: [[a, '1']]}"), ["headers"]);
    assert_eq!(keys(expected, "{status: 404, details: x, headers: [[a, '1'], [b, '3']]}"), ["headers"]);
}

#[test]
fn chance_values_do_not_count_but_their_presence_does() {
    let expected = r#"{status: 404, details: x, headers: [[set-cookie, 'u="<hash>"; Max-Age=1']]}"#;
    let actual = r#"{status: 404, details: x, headers: [[set-cookie, 'u="0123456789abcdef"; Max-Age=1']]}"#;
    assert!(keys(expected, actual).is_empty());
    assert_eq!(keys(expected, &actual.replace("Max-Age=1", "Max-Age=2")), ["headers"]);
    assert_eq!(keys(expected, &actual.replace("0123456789abcdef", "abc")), ["headers"]);

    let expected = "{status: 404, details: x, seen: {headers: [[x-request-id, <uuid>]]}}";
    assert!(keys(expected, "{status: 404, details: x, seen: {headers: [[x-request-id, a-b-c]]}}").is_empty());
    assert_eq!(keys(expected, "{status: 404, details: x, seen: {}}"), ["seen.headers"]);
}

#[test]
fn details_end_at_the_brace_and_flags_are_exact() {
    assert!(keys("{status: 503, details: 'a{b|c}'}", "{status: 503, details: 'a{z}'}").is_empty());
    assert_eq!(keys("{status: 503, details: 'a{b}'}", "{status: 503, details: b}"), ["details"]);
    assert_eq!(keys("{status: 503, details: a}", "{status: 503}"), ["details"]);
    assert_eq!(keys("{status: 503, details: a, flags: 'URX,UF'}", "{status: 503, details: a, flags: UF}"), ["flags"]);
}

#[test]
fn bodies_count_where_configuration_or_backend_made_them() {
    assert!(
        keys("{status: 503, details: cluster_not_found, body: a}", "{status: 503, details: cluster_not_found}")
            .is_empty()
    );
    let rbac = "{status: 403, details: rbac_access_denied, body: 'RBAC: access denied'}";
    assert_eq!(keys(rbac, "{status: 403, details: rbac_access_denied}"), ["body"]);
    let direct = "{status: 200, details: direct_response, body: hello}";
    assert_eq!(keys(direct, "{status: 200, details: direct_response, body: hell}"), ["body"]);
    assert!(keys(direct, direct).is_empty());
}

#[test]
fn an_absent_body_is_the_echo_or_an_empty_one() {
    let echo = "{status: 200, details: via_upstream, headers: [[content-length, '4']]}";
    assert!(keys(echo, "{status: 200, details: via_upstream, body: echo}").is_empty());
    assert_eq!(keys(echo, "{status: 200, details: via_upstream}"), ["body"]);
    assert!(keys("{status: 301, details: direct_response}", "{status: 301, details: direct_response}").is_empty());
    assert!(keys("{status: 204, details: via_upstream}", "{status: 204, details: via_upstream}").is_empty());
    let head = recorded("{status: 200, details: via_upstream, headers: [[content-length, '4']]}", "method: HEAD");
    assert!(compare(&head, &answer("{status: 200, details: via_upstream}")).is_empty());
}

#[test]
fn seen_is_compared_key_by_key() {
    let expected =
        "{status: 400, details: x, seen: {method: GET, path: /a, authority: h, version: '1.1', headers: [[a, b]]}}";
    assert!(keys(expected, expected).is_empty());
    assert_eq!(keys(expected, &expected.replace("/a", "/b")), ["seen.path"]);
    assert_eq!(keys(expected, &expected.replace("GET", "PUT")), ["seen.method"]);
    assert_eq!(keys(expected, &expected.replace("authority: h", "authority: H")), ["seen.authority"]);
    assert_eq!(keys(expected, &expected.replace("'1.1'", "'2'")), ["seen.version"]);
    assert_eq!(keys(expected, &expected.replace("}}", "}, reached: ['127.0.0.1:1']}")), ["reached"]);
    assert_eq!(keys(expected, "{status: 400, details: x}"), ["seen"]);
    assert_eq!(keys("{status: 400, details: x}", expected), ["seen"]);
}

#[test]
fn istio_alpn_names_count_as_one() {
    let expected = "{seen: {tls: {sni: a, alpn: istio-peer-exchange, client: c}}, body: x}";
    assert!(keys(expected, &expected.replace("istio-peer-exchange", "istio")).is_empty());
    assert_eq!(keys(expected, &expected.replace("istio-peer-exchange", "h2")), ["seen.tls"]);
    assert_eq!(keys(expected, &expected.replace("client: c", "client: d")), ["seen.tls"]);
}

#[test]
fn repeated_requests_are_sets() {
    let expected = "{statuses: {'200': 5, closed: 2}, backends: {'127.0.0.1:1': 3, '127.0.0.1:2': 2}, distinct: 2}";
    let compare = |actual: &str, more: &str| -> Vec<String> {
        let exchange = recorded(expected, &format!("repeat: 7\n{more}"));
        compare(&exchange, &answer(actual)).into_iter().map(|m| m.key).collect()
    };
    let same =
        "{statuses: {'200': 1, 'reset: CANCEL': 6}, backends: {'127.0.0.1:1': 1, '127.0.0.1:2': 6}, distinct: 2}";
    assert!(compare(same, "").is_empty());
    assert_eq!(compare(&same.replace("127.0.0.1:2", "127.0.0.1:3"), ""), ["backends"]);
    assert!(compare(&same.replace("127.0.0.1:2", "127.0.0.1:3"), "sticky: true").is_empty());
    assert_eq!(compare(&same.replace("200", "404"), ""), ["statuses"]);
    assert_eq!(compare(&same.replace("distinct: 2", "distinct: 1"), "sticky: true"), ["distinct"]);
}

#[test]
fn mismatches_read_well() {
    let exchange = recorded("{status: 404, details: x, headers: [[a, '1'], [b, '2']]}", "");
    let found = compare(&exchange, &answer("{status: 200, details: x, headers: [[a, '1'], [c, '3']]}"));
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(lines, ["status: expected 404, got 200", "headers: expected b: 2, got c: 3"]);
}
