//! The access log in the formats that users ask for, line by line.

use std::path::Path;

use anyhow::ensure;
use serde_json::{Value, json};

use crate::backend::{TO_BACKEND, service, slow};
use crate::gateway::{HTTP, Sallyport, eventually, gateway, route};
use crate::shell::curl;

/// A mesh with these settings (lines of `mesh`).
fn mesh(settings: &str) -> String {
    let settings: String = settings.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\ndata:\n  mesh: |\n{settings}"
    )
}

/// What differs from run to run is replaced: times, ports other than the listener's, and the request's ID.
fn masked(line: &str) -> String {
    let mut words: Vec<String> = line.trim_end().split(' ').map(str::to_owned).collect();
    for word in &mut words {
        let bare = word.trim_matches(['"', '[', ']', ',']);
        let shape = bare.replace(|c: char| c.is_ascii_hexdigit(), "0");
        if shape == "0000-00-00T00:00:00.000Z" {
            *word = word.replace(bare, "<time>");
        } else if shape == "00000000-0000-0000-0000-000000000000" {
            *word = word.replace(bare, "<uuid>");
        } else if let Some((ip, port)) = bare.rsplit_once(':')
            && ip.parse::<std::net::IpAddr>().is_ok()
            && port != "8080"
        {
            *word = word.replace(&format!(":{port}"), ":<port>");
        }
    }
    words.join(" ")
}

/// The only line that the log gets for one request.
async fn line_of(settings: &str, log: &Path, curl_args: &[&str]) -> anyhow::Result<String> {
    let (address, permits, _server) = slow().await?;
    permits.add_permits(1);
    let settings = format!("accessLogFile: {}\n{settings}", log.display());
    let config = gateway(HTTP) + &route(TO_BACKEND) + &service(address, "http");
    let sallyport = Sallyport::start(&[("00-mesh.yaml", &mesh(&settings)), ("all.yaml", &config)]).await?;
    let answer = curl(&[&["-A", "probe/1", "http://127.0.0.1:8080/cart?id=7&secret=s"], curl_args].concat()).await?;
    ensure!(answer == "slow", "{answer}");
    let read = || std::fs::read_to_string(log).unwrap_or_default();
    eventually("no line in the log", async || Ok(read().ends_with('\n'))).await?;
    sallyport.stop().await?;
    Ok(read())
}

/// Istio's default, and a format of one's own with operators for parts of the request.
pub(crate) async fn text() -> anyhow::Result<()> {
    let logs = tempfile::tempdir()?;
    let default = line_of("", &logs.path().join("default.log"), &["-H", "host: shop.example.com"]).await?;
    let words: Vec<&str> = default.split(' ').collect();
    let (duration, service_time) = (words[11], words[12]);
    ensure!(duration.parse::<u32>().is_ok() && service_time.parse::<u32>().is_ok(), "{default}");
    let expected = format!(
        "[<time>] \"GET /cart?id=7&secret=s HTTP/1.1\" 200 - via_upstream - \"-\" 0 4 {duration} {service_time} \
         \"127.0.0.1\" \"probe/1\" \"<uuid>\" \"shop.example.com\" \"127.0.1.1:<port>\" \
         outbound|80||backend.default.svc.cluster.local 127.0.0.1:<port> 127.0.0.1:8080 127.0.0.1:<port> - -"
    );
    let got = masked(&default);
    ensure!(got == expected, "got      {got}\nexpected {expected}");

    let own = "accessLogFormat: '%REQ_WITHOUT_QUERY(:path)%|%REQ_WITHOUT_QUERY(x-none?x-target):5%|%REQ(x-long):3%|\
               %REQ(x-none?user-agent)%|%RESP(x-none)%|%PROTOCOL% %BYTES_SENT%%%'";
    let headers = ["-H", "x-target: /a?b", "-H", "x-long: abcdef"];
    let got = line_of(own, &logs.path().join("own.log"), &headers).await?;
    ensure!(got == "/cart|/a|abc|probe/1|-|HTTP/1.1 4%\n", "{got}");
    Ok(())
}

/// Numbers are numbers, what is missing is null, and what is written as JSON stays so.
pub(crate) async fn json() -> anyhow::Result<()> {
    let logs = tempfile::tempdir()?;
    let line =
        line_of("accessLogEncoding: JSON", &logs.path().join("default.log"), &["-H", "host: shop.example.com"]).await?;
    let mut got: Value = serde_json::from_str(&line)?;
    for (name, value) in got.as_object_mut().into_iter().flatten() {
        if name == "duration" {
            ensure!(value.is_u64(), "duration: {value}");
            *value = json!(0);
        } else if name == "upstream_service_time" {
            ensure!(value.as_str().is_some_and(|text| text.parse::<u32>().is_ok()), "{name}: {value}");
            *value = json!("0");
        } else if let Value::String(text) = value {
            *text = masked(text);
        }
    }
    let expected = json!({
        "start_time": "<time>", "route_name": null, "method": "GET", "path": "/cart?id=7&secret=s",
        "protocol": "HTTP/1.1", "response_code": 200, "response_flags": "-", "response_code_details": "via_upstream",
        "connection_termination_details": null, "bytes_received": 0, "bytes_sent": 4, "duration": 0,
        "upstream_service_time": "0", "x_forwarded_for": "127.0.0.1", "user_agent": "probe/1", "request_id": "<uuid>",
        "authority": "shop.example.com", "upstream_host": "127.0.1.1:<port>",
        "upstream_cluster": "outbound|80||backend.default.svc.cluster.local",
        "upstream_local_address": "127.0.0.1:<port>", "downstream_local_address": "127.0.0.1:8080",
        "downstream_remote_address": "127.0.0.1:<port>", "requested_server_name": null,
        "upstream_transport_failure_reason": null,
    });
    ensure!(got == expected, "got      {got}\nexpected {expected}");

    let own = r#"accessLogEncoding: JSON
accessLogFormat: '{"code": "%RESPONSE_CODE%", "text": "code %RESPONSE_CODE%", "in": {"ua": "%REQ(user-agent)%", "no": "%REQ(x-none)%"}, "one": 1}'"#;
    let got: Value = serde_json::from_str(&line_of(own, &logs.path().join("own.log"), &[]).await?)?;
    let expected = json!({"code": 200, "text": "code 200", "in": {"ua": "probe/1", "no": null}, "one": 1});
    ensure!(got == expected, "got      {got}\nexpected {expected}");
    Ok(())
}
