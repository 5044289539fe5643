//! What left through this proxy and what it did not let out: by host and port, and by source.
//!
//! Tables are bounded, and metrics with them, since hosts and sources are of the clients' choosing; what does not fit is
//! counted together under the host `(others)`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use parking_lot::Mutex;
use prometheus::{IntCounterVec, Opts, Registry};
use serde::Serialize;

/// Hosts with their port, refusals, and hosts that were learned: at most so many of each.
const ENTRIES: usize = 4096;
/// Sources that are named of each.
const SOURCES: usize = 32;
/// Stands for what is not told apart.
const OTHERS: &str = "(others)";

/// What goes to a host, as far as the proxy sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Spoken {
    /// Requests.
    Http,
    /// TLS that is not opened here.
    Tls,
    /// Other bytes.
    Tcp,
}

/// A request or connection on its way out.
#[derive(Debug, Clone, Copy)]
pub struct Passage<'a> {
    /// The host that was asked for; empty if none was.
    pub host: &'a str,
    /// Its port, if it is known.
    pub port: Option<u16>,
    /// What is spoken.
    pub spoken: Spoken,
    /// Who asked: the identity of a verified certificate, else an address.
    pub source: &'a str,
    /// When.
    pub now: SystemTime,
}

type Destination = (String, Option<u16>);

#[derive(Debug, Default)]
struct State {
    left: BTreeMap<Destination, Left>,
    refused: BTreeMap<(Destination, String, String), Refused>,
    learned: BTreeMap<String, BTreeMap<(u16, Spoken), Left>>,
}

#[derive(Debug, Clone)]
struct Left {
    requests: u64,
    bytes_out: u64,
    bytes_in: u64,
    first_seen: SystemTime,
    last_seen: SystemTime,
    sources: BTreeSet<String>,
}

#[derive(Debug, Clone)]
struct Refused {
    count: u64,
    first_seen: SystemTime,
    last_seen: SystemTime,
}

/// What left and what did not.
#[derive(Debug)]
pub struct Egress {
    state: Mutex<State>,
    /// Counts up when a host or port is learned.
    learned: AtomicU64,
    requests: IntCounterVec,
    bytes: IntCounterVec,
    refusals: IntCounterVec,
}

/// The report of the admin server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// By host and port.
    pub hosts: Vec<HostReport>,
    /// By host, source and reason.
    pub refused: Vec<RefusedReport>,
}

/// What left to a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostReport {
    /// Host.
    pub host: String,
    /// Port, if it is known.
    pub port: Option<u16>,
    /// Requests, or connections where requests are not seen.
    pub requests: u64,
    /// Bytes of bodies or connections to the host.
    pub bytes_out: u64,
    /// Bytes from the host.
    pub bytes_in: u64,
    /// RFC 3339.
    pub first_seen: String,
    /// RFC 3339.
    pub last_seen: String,
    /// Who asked; at most 32.
    pub sources: BTreeSet<String>,
}

/// What was not let out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedReport {
    /// Host; empty if none was asked for.
    pub host: String,
    /// Port, if it is known.
    pub port: Option<u16>,
    /// Who asked.
    pub source: String,
    /// As in the access log: `%RESPONSE_CODE_DETAILS%`.
    pub reason: String,
    /// How often.
    pub count: u64,
    /// RFC 3339.
    pub first_seen: String,
    /// RFC 3339.
    pub last_seen: String,
}

/// A host that was asked for and that no ServiceEntry has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learned {
    /// Host.
    pub host: String,
    /// Its ports: number, what is spoken, how often, by whom.
    pub ports: Vec<(u16, Spoken, u64, BTreeSet<String>)>,
}

impl Egress {
    /// Registers its metrics.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
            let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        };
        Ok(Egress {
            state: Mutex::default(),
            learned: AtomicU64::new(0),
            requests: counters(
                "sallyport_egress_requests_total",
                "Requests and connections to hosts outside",
                &["host"],
            )?,
            bytes: counters("sallyport_egress_bytes_total", "Bytes to and from hosts outside", &["host", "direction"])?,
            refusals: counters(
                "sallyport_egress_refused_total",
                "Requests and connections that were not let out",
                &["host", "source", "reason"],
            )?,
        })
    }

    /// Something left.
    pub fn left(&self, passage: &Passage<'_>, bytes_out: u64, bytes_in: u64) {
        let host = name(passage.host);
        let mut state = self.state.lock();
        let key = (host.clone(), passage.port);
        let fits = state.left.len() < ENTRIES || state.left.contains_key(&key);
        let key = if fits { key } else { (OTHERS.to_owned(), None) };
        state.left.entry(key).or_insert_with(|| Left::new(passage.now)).add(passage, bytes_out, bytes_in);
        drop(state);
        let label = if fits { &host } else { OTHERS };
        self.requests.with_label_values(&[label]).inc();
        self.bytes.with_label_values(&[label, "out"]).inc_by(bytes_out);
        self.bytes.with_label_values(&[label, "in"]).inc_by(bytes_in);
    }

    /// Something was not let out. It is logged the first time, and again each time that the count has doubled.
    pub fn refused(&self, passage: &Passage<'_>, reason: &str) {
        let host = name(passage.host);
        let mut state = self.state.lock();
        let key = ((host.clone(), passage.port), passage.source.to_owned(), reason.to_owned());
        let fits = state.refused.len() < ENTRIES || state.refused.contains_key(&key);
        let key = match fits {
            true => key,
            false => ((OTHERS.to_owned(), None), OTHERS.to_owned(), reason.to_owned()),
        };
        let entry = state.refused.entry(key).or_insert_with(|| Refused {
            count: 0,
            first_seen: passage.now,
            last_seen: passage.now,
        });
        entry.count += 1;
        entry.last_seen = passage.now;
        let count = entry.count;
        drop(state);
        let (label, source) = if fits { (host.as_str(), passage.source) } else { (OTHERS, OTHERS) };
        self.refusals.with_label_values(&[label, source, reason]).inc();
        if count.is_power_of_two() {
            let Passage { port, source, .. } = passage;
            tracing::warn!(%host, port, source, reason, count, "destination refused");
        }
    }

    /// A host was asked for that no ServiceEntry has, whether or not it was reached.
    pub fn learn(&self, passage: &Passage<'_>, port: u16) {
        let mut state = self.state.lock();
        if !state.learned.contains_key(passage.host) && state.learned.len() >= ENTRIES {
            return;
        }
        let ports = state.learned.entry(passage.host.to_owned()).or_default();
        let key = (port, passage.spoken);
        if !ports.contains_key(&key) {
            if ports.len() >= SOURCES {
                return;
            }
            self.learned.fetch_add(1, Ordering::Relaxed);
        }
        ports.entry(key).or_insert_with(|| Left::new(passage.now)).add(passage, 0, 0);
    }

    /// Differs from its last value when there is more to learn.
    pub fn learned_version(&self) -> u64 {
        self.learned.load(Ordering::Relaxed)
    }

    /// The hosts that no ServiceEntry has, by name.
    pub fn learned(&self) -> Vec<Learned> {
        let state = self.state.lock();
        let ports = |ports: &BTreeMap<(u16, Spoken), Left>| {
            ports.iter().map(|((port, spoken), seen)| (*port, *spoken, seen.requests, seen.sources.clone())).collect()
        };
        state.learned.iter().map(|(host, of_host)| Learned { host: host.clone(), ports: ports(of_host) }).collect()
    }

    /// Everything, by host.
    pub fn report(&self) -> Report {
        let state = self.state.lock();
        let hosts = state.left.iter().map(|((host, port), left)| HostReport {
            host: host.clone(),
            port: *port,
            requests: left.requests,
            bytes_out: left.bytes_out,
            bytes_in: left.bytes_in,
            first_seen: time(left.first_seen),
            last_seen: time(left.last_seen),
            sources: left.sources.clone(),
        });
        let refused = state.refused.iter().map(|(((host, port), source, reason), refused)| RefusedReport {
            host: host.clone(),
            port: *port,
            source: source.clone(),
            reason: reason.clone(),
            count: refused.count,
            first_seen: time(refused.first_seen),
            last_seen: time(refused.last_seen),
        });
        Report { hosts: hosts.collect(), refused: refused.collect() }
    }
}

impl Left {
    fn new(now: SystemTime) -> Self {
        Left { requests: 0, bytes_out: 0, bytes_in: 0, first_seen: now, last_seen: now, sources: BTreeSet::new() }
    }

    fn add(&mut self, passage: &Passage<'_>, bytes_out: u64, bytes_in: u64) {
        self.requests += 1;
        self.bytes_out += bytes_out;
        self.bytes_in += bytes_in;
        self.last_seen = passage.now;
        if self.sources.len() < SOURCES && !self.sources.contains(passage.source) {
            self.sources.insert(passage.source.to_owned());
        }
    }
}

/// A host as it is reported: what a client sends may be anything.
fn name(host: &str) -> String {
    let mut name: String = host.chars().take(253).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect();
    name.make_ascii_lowercase();
    name
}

/// RFC 3339, to the second.
fn time(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    jiff::Timestamp::from_second(i64::try_from(seconds).unwrap_or(0)).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn passage<'a>(host: &'a str, port: u16, source: &'a str, seconds: u64) -> Passage<'a> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        Passage { host, port: Some(port), spoken: Spoken::Tls, source, now }
    }

    #[test]
    fn what_left_and_what_did_not() {
        let registry = Registry::new();
        let egress = Egress::new(&registry).unwrap();
        egress.left(&passage("API.example.com", 443, "10.0.0.1", 60), 10, 1000);
        egress.left(&passage("api.example.com", 443, "10.0.0.2", 120), 5, 500);
        egress.refused(&passage("evil.example.org", 443, "10.0.0.1", 180), "route_not_found");
        egress.refused(&passage("evil.example.org", 443, "10.0.0.1", 240), "route_not_found");
        let report = egress.report();
        let host = &report.hosts[0];
        assert_eq!(
            (host.host.as_str(), host.requests, host.bytes_out, host.bytes_in),
            ("api.example.com", 2, 15, 1500)
        );
        assert_eq!(
            (host.first_seen.as_str(), host.last_seen.as_str()),
            ("1970-01-01T00:01:00Z", "1970-01-01T00:02:00Z")
        );
        assert_eq!(host.sources.len(), 2);
        let refused = &report.refused[0];
        assert_eq!((refused.source.as_str(), refused.count), ("10.0.0.1", 2));
        let refusals = egress.refusals.with_label_values(&["evil.example.org", "10.0.0.1", "route_not_found"]);
        assert_eq!(refusals.get(), 2);
    }

    #[test]
    fn clients_cannot_fill_memory() {
        let egress = Egress::new(&Registry::new()).unwrap();
        for n in 0..(ENTRIES + 100) {
            let host = format!("h{n}.example.org");
            egress.left(&passage(&host, 443, "10.0.0.1", 1), 1, 1);
            egress.refused(&passage(&host, 443, "10.0.0.1", 1), "unknown_host");
            egress.learn(&passage(&host, 443, "10.0.0.1", 1), 443);
        }
        let report = egress.report();
        assert_eq!((report.hosts.len(), report.refused.len()), (ENTRIES + 1, ENTRIES + 1));
        assert_eq!(report.hosts.iter().find(|host| host.host == OTHERS).map(|host| host.requests), Some(100));
        assert_eq!(egress.learned().len(), ENTRIES);
    }

    #[test]
    fn hosts_are_learned_with_their_ports() {
        let egress = Egress::new(&Registry::new()).unwrap();
        let before = egress.learned_version();
        for _ in 0..3 {
            egress.learn(&passage("api.example.com", 443, "10.0.0.1", 1), 443);
        }
        egress.learn(&passage("api.example.com", 8443, "10.0.0.2", 1), 8443);
        assert_eq!(egress.learned_version(), before + 2);
        let learned = egress.learned();
        assert_eq!(learned.len(), 1);
        assert_eq!(learned[0].ports[0], (443, Spoken::Tls, 3, BTreeSet::from(["10.0.0.1".to_owned()])));
    }
}
