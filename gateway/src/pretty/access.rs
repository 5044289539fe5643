//! A line of the access log, in Istio's default JSON form or any other that has the same names.

use serde_json::{Map, Value};

use super::paint::{Paint, column};
use super::time;

/// `None` if it is no entry of an access log.
pub(super) fn line(entry: &Map<String, Value>) -> Option<String> {
    let code = entry.get("response_code")?;
    let text = |name: &str| entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty() && *text != "-");
    let start = text("start_time")?;
    let code = code.as_u64().or_else(|| code.as_str()?.parse().ok()).unwrap_or(0);
    let flags = text("response_flags").unwrap_or_default();
    let duration = entry.get("duration").map(|value| value.as_str().map_or_else(|| value.to_string(), Into::into));
    let paint = match code {
        _ if flags.starts_with('U') => Paint::Bad,
        500.. => Paint::Bad,
        400.. => Paint::Odd,
        300.. => Paint::Own,
        _ => Paint::Good,
    };
    let status = if code == 0 { "-".to_owned() } else { code.to_string() };
    // Without a server name nobody knows whether it was TLS.
    let tls = text("requested_server_name").map_or("", |_| " tls");
    let protocol = match text("protocol") {
        Some("HTTP/2") => " h2",
        Some("HTTP/1.0") => " 1.0",
        _ => "",
    };
    Some(format!(
        "{} {} {} {} {} {} {} ms{}",
        Paint::Dim.over(time(start)),
        column(text("method").unwrap_or("TCP"), 4),
        column(&target(&text), 38),
        column(text("route_name").unwrap_or("-"), 17),
        column(&destination(&text), 27),
        paint.over(&format!("{status:>3} {flags:4}")),
        format_args!("{:>5}", duration.as_deref().unwrap_or("-")),
        Paint::Dim.over(&format!("{tls}{protocol}")),
    ))
}

/// What was asked for.
fn target<'a>(text: &impl Fn(&str) -> Option<&'a str>) -> String {
    match (text("authority"), text("path")) {
        (Some(host), path) => format!("{host}{}", path.unwrap_or_default()),
        (None, Some(path)) => path.to_owned(),
        (None, None) => {
            text("requested_server_name").or_else(|| text("downstream_local_address")).unwrap_or("-").to_owned()
        }
    }
}

/// Who answered: service, subset, endpoint; or why it was the gateway itself.
fn destination<'a>(text: &impl Fn(&str) -> Option<&'a str>) -> String {
    let Some(cluster) = text("upstream_cluster") else {
        let details = text("response_code_details").unwrap_or_default();
        return if details.is_empty() { "-".to_owned() } else { format!("({details})") };
    };
    // outbound|port|subset|host
    let parts: Vec<&str> = cluster.split('|').collect();
    let (port, subset, host) = match parts.as_slice() {
        [_, port, subset, host] => (*port, *subset, short(host)),
        _ => ("", "", cluster.to_owned()),
    };
    let endpoint = text("upstream_host").unwrap_or("(nobody)");
    // A port that is the service's own says nothing new.
    let endpoint = endpoint.strip_suffix(port).and_then(|address| address.strip_suffix(':')).unwrap_or(endpoint);
    [host.as_str(), subset, endpoint].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(" ")
}

/// `reviews` of `reviews.default.svc.cluster.local`, `reviews.shop` of another namespace; other hosts stay.
fn short(host: &str) -> String {
    let Some((name, _)) = host.split_once(".svc.") else { return host.to_owned() };
    name.strip_suffix(".default").unwrap_or(name).to_owned()
}
