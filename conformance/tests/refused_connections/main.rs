//! What a TLS port does with what fits no filter chain or is no TLS: Envoy's alerts, and the access log's entries.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::time::Duration;

use boring::ssl::{Ssl, SslContext, SslMethod};
use conformance::case::{Case, behaviour_dir};
use conformance::echo::Echo;
use conformance::embedded::Embedded;
use conformance::memory::Network;
use conformance::pki::Pki;
use conformance::run::Gateway;
use conformance::world::World;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const NAMES: u16 = 8443;
const ALL: u16 = 8444;

fn start(more_mesh: &str) -> Embedded {
    let mut case: Case = serde_saphyr::from_str(include_str!("gateway.yaml")).unwrap();
    case.mesh.as_mut().unwrap().push_str(more_mesh);
    let world = World::load(&behaviour_dir().join("world.yaml")).unwrap();
    let pki = Pki::new(behaviour_dir().join("pki"));
    let network = Network::new(&Echo::new(&pki, &world).unwrap(), &world, &case);
    Embedded::start(&world, &case, &network, &pki).unwrap()
}

/// What comes back for these bytes until the gateway closes.
async fn answer(gateway: &Embedded, port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut stream = gateway.connect(port, None).await.unwrap().stream;
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    answer
}

/// Whether a handshake for this name comes to an end.
async fn handshake(gateway: &Embedded, port: u16, name: Option<&str>) -> bool {
    let stream = gateway.connect(port, None).await.unwrap().stream;
    let context = SslContext::builder(SslMethod::tls()).unwrap().build();
    let mut ssl = Ssl::new(&context).unwrap();
    ssl.set_verify(boring::ssl::SslVerifyMode::NONE);
    name.iter().for_each(|name| ssl.set_hostname(name).unwrap());
    tokio_boring::SslStreamBuilder::new(ssl, stream).connect().await.is_ok()
}

fn entries(gateway: &Embedded) -> Vec<(String, String, Value)> {
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let log = gateway.take_log();
    let entry = |e: &Value| {
        assert_eq!((&e["method"], &e["response_code"]), (&Value::Null, &0.into()), "{e}");
        (text(e, "response_flags"), text(e, "response_code_details"), e["requested_server_name"].clone())
    };
    log.iter().map(entry).collect()
}

/// Clients' first bytes that are no ClientHello, and the alert that BoringSSL has for them.
const NO_HELLO: &[(&[u8], Option<u8>)] = &[
    (b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", None),
    (b"CONNECT a:1 HTTP/1.1\r\n\r\n", None),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(70)),
    (b"\x00\x01\x02\x03\x04\x05\x06\x07\x08", Some(70)),
    (b"\x16\x03\x01\x00\x05hello", Some(47)),
    (b"\x16\x03\x01\x00\x08\x01\x00\x00\x04abcd", Some(50)),
    (b"\x16\x03\x01\x00\x08\x02\x00\x00\x04abcd", Some(10)),
    (b"\x15\x03\x01\x00\x02\x02\x28", None),
    (b"\x16\x03\x01\xff\xff\x01\x01\x01\x01\x01", Some(22)),
];

#[tokio::test(start_paused = true)]
async fn what_is_no_tls_is_answered_with_an_alert() {
    let gateway = start("");
    for (bytes, alert) in NO_HELLO {
        let expected = alert.map_or_else(Vec::new, |alert| vec![0x15, 3, 1, 0, 2, 2, alert]);
        assert_eq!(answer(&gateway, ALL, bytes).await, expected, "{}", bytes.escape_ascii());
    }
    assert_eq!(entries(&gateway), []);
}

#[tokio::test(start_paused = true)]
async fn what_fits_no_chain_is_closed_and_logged() {
    let gateway = start("");
    let entry = |name: Value| ("NR".to_owned(), "filter_chain_not_found".to_owned(), name);
    for (bytes, _) in NO_HELLO {
        assert_eq!(answer(&gateway, NAMES, bytes).await, b"", "{}", bytes.escape_ascii());
        assert_eq!(entries(&gateway), [entry(Value::Null)], "{}", bytes.escape_ascii());
    }
    for (name, logged) in [(Some("nope.example.com"), "nope.example.com".into()), (None, Value::Null)] {
        assert!(!handshake(&gateway, NAMES, name).await);
        assert_eq!(entries(&gateway), [entry(logged)]);
    }
    for (port, name) in [(NAMES, Some("foo.example.com")), (ALL, None)] {
        assert!(handshake(&gateway, port, name).await);
        assert_eq!(entries(&gateway), []);
    }
}

/// A client that goes, or says nothing for too long, fits none of them either, and is no entry.
#[tokio::test(start_paused = true)]
async fn what_says_too_little_is_no_entry() {
    let gateway = start("");
    assert_eq!(answer(&gateway, NAMES, b"\x16\x03\x01").await, b"");
    drop(gateway.connect(NAMES, None).await.unwrap());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(entries(&gateway), []);
}

#[tokio::test(start_paused = true)]
async fn the_entries_can_be_switched_off() {
    let gateway = start("disableEnvoyListenerLog: true\n");
    assert_eq!(answer(&gateway, NAMES, b"GET / HTTP/1.1\r\n\r\n").await, b"");
    assert_eq!(entries(&gateway), []);
}
