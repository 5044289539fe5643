use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;
use crate::document::compose;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
struct Route {
    host: String,
    port: Option<u16>,
    #[serde(default)]
    weights: BTreeMap<u32, f64>,
    #[serde(default)]
    hosts: Vec<String>,
    mode: Option<Mode>,
    pick: Option<Pick>,
    inner: Option<Box<Route>>,
    tls: Option<bool>,
}

#[derive(Debug, Deserialize, PartialEq)]
enum Mode {
    #[serde(rename = "SIMPLE")]
    Simple,
    #[serde(rename = "MUTUAL")]
    Mutual,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
enum Pick {
    Name(String),
    Number(u8),
}

fn read(text: &str, options: DecodeOptions) -> (Option<Route>, Vec<String>) {
    let node = compose(text, 0).unwrap().unwrap();
    let decoded = decode(&node, PathRef::ROOT, options);
    let faults = decoded.faults.iter().map(|f| format!("{}: {} [{}]", f.path, f.message, f.rule)).collect();
    (decoded.value, faults)
}

fn faults(text: &str) -> Vec<String> {
    read(text, DecodeOptions::default()).1
}

#[test]
fn nulls_of_messages_are_absent_and_keys_become_numbers() {
    let text = "host: a\nport: null\nweights: {1: 2, 3: 0.5}\nhosts: ~\npick: {name: x, number: ~}\nmode: MUTUAL\n";
    let (route, faults) = read(text, DecodeOptions::default());
    assert_eq!(faults, [""; 0]);
    let route = route.unwrap();
    assert_eq!(route.weights, BTreeMap::from([(1, 2.0), (3, 0.5)]));
    assert_eq!((route.port, route.pick, route.mode), (None, Some(Pick::Name("x".into())), Some(Mode::Mutual)));
}

#[test]
fn every_fault_is_found_in_one_go() {
    let text = "hst: a\nhost: 80\nport: 70000\nweights: {x: 1}\nhosts: [a, 1, [b], null]\nmode: SIMPEL\n\
                pick: {name: a, number: 1}\ninner: {host: b, oops: 1, inner: {port: -1}}\n";
    assert_eq!(
        faults(text),
        [
            "hst: there is no field \"hst\" here; did you mean \"host\"? [unknown-field]",
            "inner.oops: there is no field \"oops\" here [unknown-field]",
            "host: expected a string, found the number 80; put it in quotes if it is meant as text [type]",
            "port: expected an integer from 0 to 65535, found the number 70000 [value]",
            "weights.x: expected an integer from 0 to 4294967295, found the key \"x\" [type]",
            "hosts[1]: expected a string, found the number 1; put it in quotes if it is meant as text [type]",
            "hosts[2]: expected a string, found a list [type]",
            "hosts[3]: expected a string, found null [type]",
            "mode: \"SIMPEL\" is not one of SIMPLE, MUTUAL; did you mean SIMPLE? [enum]",
            "pick: exactly one of name, number must be set [value]",
            "inner.inner.port: expected an integer from 0 to 65535, found the number -1 [value]",
            "inner.inner.host: the field \"host\" is required [required]",
        ]
    );
}

#[test]
fn a_faulty_part_is_left_out_and_the_rest_is_there() {
    let (route, faults) = read("host: a\nhosts: [x, 1, z]\ninner: {port: x}\n", DecodeOptions::default());
    assert_eq!(faults.len(), 3);
    let route = route.unwrap();
    assert_eq!((route.hosts, route.inner), (vec!["x".to_owned(), "z".to_owned()], None));
}

#[test]
fn unknown_fields_may_be_ignored_and_proto_names_accepted() {
    let ignore = DecodeOptions { ignore_unknown_fields: true, ..DecodeOptions::default() };
    assert_eq!(read("host: a\nmore: [1]\n", ignore).1, [""; 0]);
    assert_eq!(camel_case("enable_64bit_trace_id"), "enable64bitTraceId");
}

#[test]
fn numbers_are_those_of_json() {
    let (route, faults) = read("host: a\nport: 8e1\nweights: {0: 1}\n", DecodeOptions::default());
    assert_eq!((route.unwrap().port, faults), (Some(80), vec![]));
    assert!(self::faults("host: a\nport: 80.5\n")[0].contains("found the number 80.5"));
    assert!(self::faults("host: a\nport: \"80\"\n")[0].contains("found the string \"80\""));
}

#[test]
fn an_ipv6_address_that_ends_in_colons_is_an_address_in_a_flow_list() {
    let (route, faults) = read("host: a\nhosts: [1.2.3.4, 2001:db8::]\n", DecodeOptions::default());
    assert_eq!((route.unwrap().hosts[1].as_str(), faults), ("2001:db8::", vec![]));
    assert_eq!(self::faults("host: a\nhosts: [{x: null}]\n").len(), 1);
}

#[test]
fn words_are_what_the_field_takes() {
    let (route, faults) = read("host: off\ntls: on\nhosts: [y, 'no']\n", DecodeOptions::default());
    assert_eq!(faults, [""; 0]);
    let route = route.unwrap();
    assert_eq!((route.host.as_str(), route.tls, route.hosts.join(",").as_str()), ("off", Some(true), "y,no"));
    assert!(self::faults("host: a\ntls: 'on'\n")[0].contains("expected a boolean"));
    let strict = DecodeOptions { strict_words: true, ..DecodeOptions::default() };
    let (_, faults) = read("host: off\ntls: on\nhosts: [y, 'no']\n", strict);
    assert_eq!(faults.len(), 2);
    assert!(faults[0].contains("is the boolean false to Kubernetes"), "{}", faults[0]);
}
