//! `sallyport pretty`: the access log and the log, as JSON, turned into lines for people.
//!
//! ```text
//! kubectl logs -f deploy/gateway | sallyport pretty
//! ```

mod access;
mod log;
mod paint;

use std::io::{BufRead, Write};
use std::process::ExitCode;

use serde_json::Value;

/// Reads standard input to its end.
pub fn run() -> ExitCode {
    let mut out = anstream::AutoStream::auto(std::io::stdout().lock());
    for line in std::io::stdin().lock().split(b'\n') {
        let Ok(line) = line else { break };
        // Lines appear as they come; whoever reads them may have gone.
        if writeln!(out, "{}", pretty(&String::from_utf8_lossy(&line))).and_then(|()| out.flush()).is_err() {
            break;
        }
    }
    ExitCode::SUCCESS
}

/// One line, with colours; a line that is neither log stays as it is.
fn pretty(line: &str) -> String {
    let Ok(Value::Object(entry)) = serde_json::from_str(line) else { return line.to_owned() };
    access::line(&entry).or_else(|| log::line(&entry)).unwrap_or_else(|| line.to_owned())
}

/// `12:34:56` of an RFC 3339 time.
fn time(stamp: &str) -> &str {
    stamp.split_once('T').and_then(|(_, time)| time.get(..8)).unwrap_or(stamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(line: &str) -> String {
        anstream::adapter::strip_str(&pretty(line)).to_string()
    }

    #[test]
    fn requests() {
        let cases = [
            (
                r#"{"start_time":"2026-01-02T12:34:56.789Z","method":"GET","path":"/productpage?a=b","protocol":"HTTP/2",
                "authority":"localhost:8443","requested_server_name":"localhost","response_code":200,
                "response_flags":"-","response_code_details":"via_upstream","route_name":"page","duration":3,
                "upstream_cluster":"outbound|9080|v1|productpage.default.svc.cluster.local",
                "upstream_host":"127.0.90.10:9080"}"#,
                "12:34:56 GET  localhost:8443/productpage?a=b         page              \
                 productpage v1 127.0.90.10  200          3 ms tls h2",
            ),
            (
                r#"{"start_time":"2026-01-02T12:34:56.789Z","method":"GET","path":"/x","protocol":"HTTP/1.1",
                "authority":"localhost","response_code":404,"response_flags":"NR","route_name":null,"duration":0,
                "response_code_details":"route_not_found","upstream_cluster":null,"upstream_host":null}"#,
                "12:34:56 GET  localhost/x                            -                 \
                 (route_not_found)           404 NR       0 ms",
            ),
            (
                r#"{"start_time":"2026-01-02T12:34:56.789Z","method":null,"path":null,"protocol":null,"authority":null,
                "response_code":0,"response_flags":"UF","duration":12,"requested_server_name":"db.example.com",
                "upstream_cluster":"outbound|443||db.example.com","upstream_host":"127.0.0.9:443"}"#,
                "12:34:56 TCP  db.example.com                         -                 \
                 db.example.com 127.0.0.9      - UF      12 ms tls",
            ),
        ];
        for (entry, expected) in cases {
            assert_eq!(plain(&entry.replace('\n', " ")), expected);
        }
    }

    #[test]
    fn log_lines() {
        let line = r#"{"timestamp":"2026-01-02T12:34:56.789Z","level":"INFO","target":"gateway::app",
            "fields":{"message":"configuration in force","version":2}}"#;
        assert_eq!(plain(&line.replace('\n', " ")), "12:34:56 info  configuration in force version=2");
    }

    #[test]
    fn other_lines_stay() {
        for line in ["", "hello", "[2026] \"GET / HTTP/1.1\" 200", "{\"a\": 1}", "17"] {
            assert_eq!(pretty(line), line);
        }
    }
}
