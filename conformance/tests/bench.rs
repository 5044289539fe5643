//! The bench against itself: client, echo servers and comparison around the simplest of gateways, which hands every
//! connection on to one backend and logs its end.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use conformance::Dialled;
use conformance::case::{Case, behaviour_dir};
use conformance::memory::{Memory, Network, pipe};
use conformance::run::{Gateway, LaunchError};
use serde_json::{Value, json};

/// Hands connections of each port on to a backend.
struct Forwarder {
    network: Network,
    ports: BTreeMap<u16, SocketAddr>,
    log: Arc<Mutex<Vec<Value>>>,
}

impl Gateway for Forwarder {
    async fn connect(&self, port: u16, _: Option<IpAddr>) -> io::Result<Dialled> {
        let backend = *self.ports.get(&port).ok_or(io::ErrorKind::ConnectionRefused)?;
        let (near, mut far) = pipe();
        let dialled = self.network.dial(backend);
        let log = Arc::clone(&self.log);
        tokio::spawn(async move {
            let flags = match dialled {
                Ok(mut upstream) => {
                    // How the connection ends is the bench's to see.
                    let _ = tokio::io::copy_bidirectional(&mut far, &mut upstream).await;
                    "-"
                }
                Err(_) => "UF,URX",
            };
            log.lock().unwrap().push(json!({"response_flags": flags, "response_code_details": null}));
        });
        Ok(Dialled { stream: Box::new(near), from: ([127, 0, 0, 1], 41000).into() })
    }

    fn take_log(&self) -> Vec<Value> {
        std::mem::take(&mut self.log.lock().unwrap())
    }
}

/// Plays exchanges (the `exchanges` of a case, as YAML) and returns every difference.
fn play(exchanges: &str) -> String {
    let case = Case::parse(&format!(
        "name: a\nfamily: layer4\nabout: x\nconfig: ''\nendpoints: ['127.3.0.1:443', '127.4.0.1:443']\nexchanges:\n{exchanges}"
    ));
    let ports = [
        (8080, "127.1.3.1:9080"),
        (8443, "127.1.22.1:9000"),
        (9003, "127.3.0.1:443"),
        (9004, "127.4.0.1:443"),
        (9999, "127.99.9.9:1"),
    ];
    let failures = Memory::load(&behaviour_dir()).unwrap().check(&case.unwrap(), async |_, network| {
        Ok(Forwarder {
            network: network.clone(),
            ports: ports.map(|(port, backend)| (port, backend.parse().unwrap())).into(),
            log: Arc::default(),
        })
    });
    failures.iter().map(ToString::to_string).collect()
}

/// What becomes of a case, rejected by Istio or not, whose gateway does not start.
fn not_started(rejected: &str, error: &LaunchError) -> Vec<String> {
    let exchanges = if rejected.is_empty() { "exchanges: [{answer: {status: 200}}]" } else { rejected };
    let case = Case::parse(&format!("name: a\nfamily: edge\nabout: x\nconfig: ''\n{exchanges}\n")).unwrap();
    let memory = Memory::load(&behaviour_dir()).unwrap();
    let failures = memory.check(&case, async |_, _| Err::<Forwarder, _>(error.clone()));
    failures.iter().map(|failure| failure.request.clone()).collect()
}

/// Asserts that exchanges go as they say.
macro_rules! holds {
    ($name:ident, $exchanges:expr) => {
        #[test]
        fn $name() {
            assert_eq!(play($exchanges), "");
        }
    };
}

const ANSWER: &str = "status: 200, reached: ['127.1.3.1:9080'], headers: [[x-backend, '127.1.3.1:9080'], \
                      [content-type, text/plain], [content-length, '4']]";

holds!(
    http1,
    &format!(
        "- {{method: PUT, path: /a?b, host: h, headers: [[X-Y, '1'], [x-echo-status, '200']], body: hi, answer: \
         {{{ANSWER}, seen: {{method: PUT, path: /a?b, authority: h, version: '1.1', headers: [[x-y, '1']], body: hi}}}}}}"
    )
);

holds!(
    http2_with_prior_knowledge,
    &format!(
        "- {{version: '2', method: POST, path: /a, body: hi, headers: [[X-Echo-Trailers, t=1]], answer: \
         {{{ANSWER}, trailers: [[t, '1']], seen: {{method: POST, path: /a, authority: localhost, version: '2', body: hi}}}}}}"
    )
);

holds!(
    grpc_answers_have_a_status,
    "- {version: '2', headers: [[content-type, application/grpc]], answer: {status: 200, trailers: [[grpc-status, '0']], \
     headers: [[x-backend, '127.1.3.1:9080'], [content-type, application/grpc], [content-length, '4']], \
     reached: ['127.1.3.1:9080'], seen: {method: GET, path: /, authority: localhost, version: '2', \
     headers: [[content-type, application/grpc]]}}}"
);

holds!(
    closing_and_resetting,
    "- {headers: [[x-echo-close, '1']], answer: {error: closed}}\n\
     - {version: '2', headers: [[x-echo-close, '1']], answer: {error: 'reset: INTERNAL_ERROR'}}"
);

holds!(
    an_informational_status_is_no_answer,
    "- {headers: [[x-echo-status, '103']], answer: {error: no answer}}\n\
     - {version: '2', headers: [[x-echo-status, '100']], answer: {error: no answer}}"
);

holds!(
    delays_are_waited_for,
    &format!(
        "- {{headers: [[x-echo-delay, 2s]], answer: {{{ANSWER}, seen: {{method: GET, path: /, authority: localhost, version: '1.1'}}}}}}\n\
     - {{headers: [[x-echo-delay, 6s]], answer: {{error: no answer}}}}"
    )
);

holds!(
    upgrades,
    "- {headers: [[Connection, Upgrade], [Upgrade, WebSocket]], answer: {status: 101, reached: ['127.1.3.1:9080'], \
     headers: [[x-backend, '127.1.3.1:9080'], [upgrade, websocket]], \
     seen: {method: GET, path: /, authority: localhost, version: '1.1', headers: [[upgrade, WebSocket]]}}}"
);

holds!(
    bytes,
    "- {port: 8443, raw: \"hello\\n\", answer: {body: \"127.1.22.1:9000 hello\\n\", reached: ['127.1.22.1:9000'], \
     seen: {body: \"hello\\n\"}}}\n\
     - {port: 8443, raw: hello, answer: {body: 127.1.22.1:9000 hello, reached: ['127.1.22.1:9000'], seen: {body: hello}}}\n\
     - {port: 9999, raw: x, answer: {error: closed, flags: 'UF,URX'}}\n\
     - {port: 7, raw: x, answer: {error: connection refused}}"
);

holds!(
    raw_requests,
    "- {raw: \"GET /x HTTP/1.1\\nhost:h\\nx-echo-status: 204\\n\\n\", answer: {status: 204, reached: ['127.1.3.1:9080'], \
     headers: [[x-backend, '127.1.3.1:9080'], [content-type, text/plain]], \
     seen: {method: GET, path: /x, authority: h, version: '1.1'}}}\n\
     - {raw: \"GET / HTTP/1.1\\rHost: h\\r\\r\", answer: {body: \"127.1.3.1:9080 GET / HTTP/1.1\\rHost: h\\r\\r\", \
     reached: ['127.1.3.1:9080'], seen: {body: \"GET / HTTP/1.1\\rHost: h\\r\\r\"}}}"
);

holds!(
    tls,
    "- {tls: {sni: a.example, alpn: [istio], cert: mesh-default-sleep}, raw: \"hi\\n\", answer: \
     {body: \"127.1.22.1:9000 hi\\n\", reached: ['127.1.22.1:9000'], tls: {version: '1.3', alpn: istio, cert: mesh-mesh-gamma}, \
     seen: {body: \"hi\\n\", tls: {sni: a.example, alpn: istio, client: 'spiffe://cluster.local/ns/default/sa/sleep'}}}}\n\
     - {tls: {max: '1.2'}, version: '2', port: 8443, answer: {status: 200, reached: ['127.1.22.1:9000'], \
     headers: [[x-backend, '127.1.22.1:9000'], [content-type, text/plain]], tls: {version: '1.2', alpn: h2, cert: backend}, \
     seen: {method: GET, path: /, authority: localhost, version: '2', tls: {alpn: h2}}}}\n\
     - {tls: {max: '1.1', sni: a}, answer: {error: 'remote error: tls: protocol version not supported', \
     reached: ['127.1.22.1:9000'], seen: {tls: {sni: handshake failed}}}}\n\
     - {tls: {alpn: [h3]}, answer: {error: 'remote error: tls: no application protocol'}}\n\
     - {tls: {}, port: 9999, answer: {error: 'tls: closed'}}"
);

holds!(
    certificates_of_address_ranges,
    "- {tls: {}, raw: \"a\\n\", port: 9003, answer: {body: \"127.3.0.1:443 a\\n\", reached: ['127.3.0.1:443'], \
     tls: {version: '1.3', cert: backend-wrong}, seen: {body: \"a\\n\", tls: {}}}}\n\
     - {tls: {cert: proxy-client}, raw: \"a\\n\", port: 9004, answer: {body: \"127.4.0.1:443 a\\n\", reached: ['127.4.0.1:443'], \
     tls: {version: '1.3', cert: backend}, seen: {body: \"a\\n\", tls: {client: proxy-client}}}}\n\
     - {tls: {}, raw: \"a\\n\", port: 9004, answer: {error: 'remote error: tls: certificate required', \
     tls: {version: '1.3', cert: backend}, reached: ['127.4.0.1:443'], seen: {tls: {sni: handshake failed}}}}\n\
     - {tls: {cert: client-bad, max: '1.2'}, raw: \"a\\n\", port: 9004, answer: {error: 'remote error: tls: unknown certificate \
     authority', reached: ['127.4.0.1:443'], seen: {tls: {sni: handshake failed}}}}"
);

holds!(
    a_proxy_header_goes_first,
    "- {raw: \"x\\n\", dst: '10.96.0.10:80', src: 127.0.0.7, answer: {reached: ['127.1.3.1:9080'], \
     body: \"127.1.3.1:9080 \\r\\n\\r\\n\\0\\r\\nQUIT\\n!\\x11\\0\\x0C\\x7F\\0\\0\\x07\\n`\\0\\n\u{FFFD}(\\0Px\\n\", \
     seen: {body: \"\\r\\n\\r\\n\\0\\r\\nQUIT\\n!\\x11\\0\\x0C\\x7F\\0\\0\\x07\\n`\\0\\n\u{FFFD}(\\0Px\\n\"}}}"
);

holds!(
    repetitions,
    "- {repeat: 3, answer: {statuses: {'200': 99}, backends: {'127.1.3.1:9080': 99}, distinct: 1}}\n\
     - {repeat: 3, sticky: true, raw: \"x\\n\", answer: {statuses: {'0': 3}, distinct: 1}}\n\
     - {repeat: 2, port: 9999, answer: {statuses: {closed: 2}}}\n\
     - {repeat: 2, headers: [[x-echo-status, '503,200']], answer: {statuses: {'503': 2}, backends: {'127.1.3.1:9080': 2}, distinct: 1}}"
);

#[test]
fn differences_are_told() {
    let wrong = "- {path: /a, answer: {status: 404, reached: ['127.0.0.1:1'], seen: {method: GET, path: /b}}}\n\
                 - {port: 9999, answer: {error: closed, flags: NC}}";
    let text = play(wrong);
    for key in ["status", "headers", "reached", "seen.path", "seen.authority", "seen.version", "flags"] {
        assert!(text.contains(&format!("    {key}\n")), "{key} is missing in {text}");
    }
    assert!(text.contains("exchange 0: GET /a (host localhost) to port 8080\n"), "{text}");
}

#[test]
fn refusals() {
    let (refused, broken) = (LaunchError::Rejected("no".to_owned()), LaunchError::Failed("oops".to_owned()));
    assert_eq!(not_started("rejected: bad", &refused), Vec::<String>::new());
    assert_eq!(not_started("rejected: bad", &broken), ["oops"]);
    assert_eq!(not_started("", &refused), ["refused: no"]);
    assert_eq!(not_started("", &broken), ["oops"]);
}
