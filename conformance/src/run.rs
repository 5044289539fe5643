//! Plays a case against a gateway and puts each answer together from what the client, the backends and the access log
//! know.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::answer::{Answer, Seen};
use crate::case::{Case, Exchange};
use crate::client::{Client, Open};
use crate::compare::{Mismatch, compare};
use crate::echo::{Echo, attempt_count};
use crate::pki::Pki;
pub use crate::wire::Dialled;
use crate::wire::http1::find;

/// Which part of the patience is enough to be sure that nothing comes where nothing should.
const SURE_OF_NOTHING: u32 = 5;

/// How often it is looked whether what is waited for has come.
const POLL: Duration = Duration::from_millis(1);

/// A running gateway that has a case's configuration.
pub trait Gateway: Sync {
    /// Connects to a port of the gateway as the client `src`, 127.0.0.1 if `None`; refused if nothing listens there.
    fn connect(&self, port: u16, src: Option<IpAddr>) -> impl Future<Output = io::Result<Dialled>> + Send;

    /// Takes the access log's entries since the last call: Istio's JSON format, of which `response_flags`,
    /// `response_code_details` and `downstream_remote_address` are read.
    fn take_log(&self) -> Vec<Value>;
}

/// Why no gateway runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaunchError {
    /// The gateway refuses the case's configuration, with this reason.
    Rejected(String),
    /// Something else went wrong.
    Failed(String),
}

/// How long things may take. In memory, time is virtual and costs nothing.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Longest wait for an answer.
    pub patience: Duration,
    /// Longest wait for what the log and the backends still owe once the client has its answer.
    pub settle: Duration,
    /// Wait for what should not come, once all is there that should.
    pub grace: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let millis = Duration::from_millis;
        Self { patience: Duration::from_secs(5), settle: millis(1000), grace: millis(3) }
    }
}

impl Pace {
    fn hurried(self) -> Self {
        let patience = self.patience.min(Duration::from_millis(2500));
        Self { patience, settle: self.settle.min(Duration::from_millis(100)), grace: self.grace }
    }
}

/// What a case is played with.
#[derive(Debug, Clone, Copy)]
pub struct Bench<'a> {
    /// The backends.
    pub echo: &'a Echo,
    /// Client certificates.
    pub pki: &'a Pki,
    /// Timing.
    pub pace: Pace,
}

/// One exchange that did not go as recorded.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Number of the exchange, from 0; `None` if the whole case failed.
    pub exchange: Option<usize>,
    /// What was asked.
    pub request: String,
    /// Every key that differs.
    pub mismatches: Vec<Mismatch>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.exchange {
            Some(number) => writeln!(f, "  exchange {number}: {}", self.request)?,
            None => writeln!(f, "  {}", self.request)?,
        }
        for mismatch in &self.mismatches {
            writeln!(f, "    {}", mismatch.key)?;
            writeln!(f, "      - {}", mismatch.expected)?;
            writeln!(f, "      + {}", mismatch.actual)?;
        }
        Ok(())
    }
}

impl Failure {
    /// A failure that is not one of a single exchange.
    pub fn of_case(message: impl Into<String>) -> Self {
        Self { exchange: None, request: message.into(), mismatches: Vec::new() }
    }
}

impl Bench<'_> {
    /// Judges a case by what became of its gateway: one that runs plays all exchanges, and a case that Istio refuses
    /// must be refused. Empty if everything is as recorded.
    pub async fn check<G: Gateway>(&self, case: &Case, launched: &Result<G, LaunchError>) -> Vec<Failure> {
        match (launched, &case.rejected) {
            (Ok(gateway), None) => self.play(gateway, case).await,
            (Ok(_), Some(reason)) => vec![Failure::of_case(format!("not refused, though Istio says: {reason}"))],
            (Err(LaunchError::Rejected(_)), Some(_)) => Vec::new(),
            (Err(LaunchError::Rejected(reason)), None) => vec![Failure::of_case(format!("refused: {reason}"))],
            (Err(LaunchError::Failed(reason)), _) => vec![Failure::of_case(reason)],
        }
    }

    /// Plays all exchanges in order. Once one has failed, the others are waited for less long: the case has failed.
    pub async fn play(&self, gateway: &impl Gateway, case: &Case) -> Vec<Failure> {
        let mut failures = Vec::new();
        let mut bench = *self;
        for (number, exchange) in case.exchanges.iter().enumerate() {
            if !failures.is_empty() {
                bench.pace = self.pace.hurried();
            }
            let actual = bench.exchange(gateway, exchange).await;
            let mismatches = compare(exchange, &actual);
            if !mismatches.is_empty() {
                failures.push(Failure { exchange: Some(number), request: exchange.to_string(), mismatches });
            }
        }
        failures
    }

    /// Plays one exchange and tells what came of it.
    pub async fn exchange(&self, gateway: &impl Gateway, exchange: &Exchange) -> Answer {
        self.echo.log().take();
        gateway.take_log();
        match exchange.repeat {
            Some(times) => self.repeated(gateway, exchange, times).await,
            None => {
                let dialled = gateway.connect(exchange.port(), exchange.src).await;
                let from = dialled.as_ref().ok().map(|dialled| dialled.from);
                let (answer, open) = self.once(exchange, dialled).await;
                let log = Log { gateway, from, entries: Vec::new() };
                self.settled(log, exchange, answer, open).await
            }
        }
    }

    async fn once(&self, exchange: &Exchange, dialled: io::Result<Dialled>) -> (Answer, Option<Open>) {
        let nothing_comes = exchange.answer.error.as_deref() == Some("no answer");
        let patience = if nothing_comes { self.pace.patience / SURE_OF_NOTHING } else { self.pace.patience };
        let client = Client { pki: self.pki, patience };
        client.play(exchange, dialled).await
    }

    async fn repeated(&self, gateway: &impl Gateway, exchange: &Exchange, times: u32) -> Answer {
        let mut total = Answer::default();
        for _ in 0..times {
            let dialled = gateway.connect(exchange.port(), exchange.src).await;
            let (answer, _) = self.once(exchange, dialled).await;
            let status = answer.status.unwrap_or(0).to_string();
            *total.statuses.entry(answer.error.clone().unwrap_or(status)).or_default() += 1;
            if let Some(backend) = answering_backend(&answer) {
                *total.backends.entry(backend).or_default() += 1;
            }
        }
        total.distinct = Some(u32::try_from(total.backends.len()).unwrap_or(u32::MAX));
        total
    }

    /// Adds what the backends and the access log know, once they have had the time to know it. The connection stays
    /// open until the backends have seen what they should: some of it may come behind the answer.
    async fn settled(
        &self,
        mut log: Log<'_, impl Gateway>,
        exchange: &Exchange,
        mut answer: Answer,
        open: Option<Open>,
    ) -> Answer {
        let expected = &exchange.answer;
        if expected.is_error_alone() {
            return answer;
        }
        let until = Instant::now() + self.pace.settle;
        self.wait(until, || self.echo.log().len() >= expected.reached.len()).await;
        drop(open);
        self.wait(until, || log.has_entry() && self.echo.log().len() >= expected.reached.len()).await;
        sleep(self.pace.grace).await;
        answer.flags = log.field("response_flags");
        answer.details = log.field("response_code_details");
        let entries = self.echo.log().take();
        answer.reached = entries.iter().filter_map(|seen| seen.backend).collect();
        let seen = answering(&entries, &answer);
        answer.mirrored = mirrors(&entries, seen);
        answer.seen = seen.map(|index| entries[index].clone());
        answer
    }
}

impl Bench<'_> {
    async fn wait(&self, until: Instant, mut done: impl FnMut() -> bool) {
        while !done() && Instant::now() < until {
            sleep(POLL).await;
        }
    }
}

/// The backend that answered: it says so in a header, or in front of the bytes.
fn answering_backend(answer: &Answer) -> Option<SocketAddr> {
    match answer.header("x-backend") {
        Some(backend) => backend.parse().ok(),
        None if answer.status.is_none() => answer.body.as_deref()?.split(' ').next()?.parse().ok(),
        None => None,
    }
}

/// What the access log says of one connection.
struct Log<'a, G> {
    gateway: &'a G,
    from: Option<SocketAddr>,
    entries: Vec<Value>,
}

impl<G: Gateway> Log<'_, G> {
    fn has_entry(&mut self) -> bool {
        let (new, from) = (self.gateway.take_log(), self.from);
        self.entries.extend(new.into_iter().filter(|entry| is_of(entry, from)));
        !self.entries.is_empty()
    }

    /// A field of the first entry, unless it is `-`.
    fn field(&self, field: &str) -> Option<String> {
        let value = self.entries.first()?.get(field)?.as_str()?;
        (value != "-" && !value.is_empty()).then(|| value.to_owned())
    }
}

/// Whether an entry may be of the client's connection: late ones of earlier connections have another port. A client
/// behind trusted proxies has none.
fn is_of(entry: &Value, from: Option<SocketAddr>) -> bool {
    let address = entry.get("downstream_remote_address").and_then(Value::as_str);
    let port = address.and_then(|address| address.parse::<SocketAddr>().ok()).map_or(0, |address| address.port());
    port == 0 || from.is_none_or(|from| from.port() == port)
}

/// Which entry is the request that was answered. With a backend's answer it is that backend's last attempt, and no
/// mirror. Without one no request was answered, but a connection that came to nothing is shown.
fn answering(entries: &[Seen], answer: &Answer) -> Option<usize> {
    let backend = answering_backend(answer);
    if answer.header("x-backend").is_none() {
        let bytes = |index: &usize| entries[*index].method.is_none();
        let last = |backend| (0..entries.len()).rev().filter(bytes).find(|i| backend == entries[*i].backend);
        return last(backend).or_else(|| (0..entries.len()).rev().find(bytes));
    }
    let from_backend: Vec<usize> =
        (0..entries.len()).filter(|i| entries[*i].backend == backend && entries[*i].method.is_some()).collect();
    let own: Vec<usize> = from_backend.iter().copied().filter(|i| !is_mirror(&entries[*i])).collect();
    let candidates = if own.is_empty() { from_backend } else { own };
    let mut found: BTreeMap<usize, usize> = BTreeMap::new();
    for index in candidates {
        found.entry(attempt_count(&entries[index].headers).unwrap_or(0)).or_insert(index);
    }
    found.pop_last().map(|(_, index)| index)
}

fn is_mirror(seen: &Seen) -> bool {
    let shadow = seen.authority.as_deref().is_some_and(|authority| authority.contains("-shadow"));
    shadow || find(&seen.headers, "x-envoy-internal") == Some("true")
}

fn mirrors(entries: &[Seen], answering: Option<usize>) -> Vec<Seen> {
    let mirrors = entries.iter().enumerate().filter(|(index, seen)| Some(*index) != answering && is_mirror(seen));
    mirrors.map(|(_, seen)| seen.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn seen(backend: &str, path: &str, headers: &[(&str, &str)]) -> Seen {
        Seen {
            backend: Some(backend.parse().unwrap()),
            method: Some("GET".to_owned()),
            path: Some(path.to_owned()),
            headers: headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            ..Seen::default()
        }
    }

    fn answered_by(backend: &str) -> Answer {
        Answer { status: Some(200), headers: vec![("x-backend".to_owned(), backend.to_owned())], ..Answer::default() }
    }

    const A: &str = "127.0.0.1:1";
    const B: &str = "127.0.0.1:2";

    #[test]
    fn the_last_attempt_answers_and_not_the_mirror() {
        let count = |n| [("x-envoy-attempt-count", n)];
        let entries = [seen(A, "/", &count("1")), seen(A, "/", &count("2")), seen(B, "/", &count("1"))];
        assert_eq!(answering(&entries, &answered_by(A)), Some(1));
        let mirror = [("x-envoy-internal", "true"), ("x-envoy-attempt-count", "1")];
        let entries = [seen(A, "/", &mirror), seen(A, "/", &count("1"))];
        assert_eq!(answering(&entries, &answered_by(A)), Some(1));
        assert_eq!(mirrors(&entries, Some(1)).len(), 1);
    }

    #[test]
    fn of_pipelined_requests_the_first_is_answered_first() {
        let entries = [seen(A, "/one", &[]), seen(A, "/two", &[])];
        assert_eq!(answering(&entries, &answered_by(A)), Some(0));
    }

    #[test]
    fn unanswered_requests_are_not_seen_but_connections_are() {
        let timeout = Answer { status: Some(504), ..Answer::default() };
        let bytes = Seen { method: None, path: None, ..seen(A, "", &[]) };
        assert_eq!(answering(&[seen(A, "/", &[])], &timeout), None);
        assert_eq!(answering(&[bytes.clone(), bytes.clone()], &timeout), Some(1));
        let other = Seen { backend: Some(B.parse().unwrap()), ..bytes.clone() };
        let echoed = Answer { body: Some(format!("{A} hello")), ..Answer::default() };
        assert_eq!(answering(&[bytes, other], &echoed), Some(0));
    }

    struct Logged(Vec<Value>);

    impl Gateway for Logged {
        async fn connect(&self, _: u16, _: Option<IpAddr>) -> io::Result<Dialled> {
            Err(io::ErrorKind::ConnectionRefused.into())
        }

        fn take_log(&self) -> Vec<Value> {
            self.0.clone()
        }
    }

    #[test]
    fn the_log_of_one_connection() {
        let entry = |address: &str, flags: &str| json!({"downstream_remote_address": address, "response_flags": flags});
        let field = |entries: Vec<Value>| {
            let mut log =
                Log { gateway: &Logged(entries), from: Some("127.0.0.1:5".parse().unwrap()), entries: Vec::new() };
            log.has_entry().then(|| log.field("response_flags"))
        };
        assert_eq!(
            field(vec![entry("127.0.0.1:4", "DC"), entry("127.0.0.1:5", "UH,URX")]),
            Some(Some("UH,URX".into()))
        );
        assert_eq!(field(vec![entry("127.0.0.1:4", "DC")]), None);
        assert_eq!(field(vec![entry("203.0.113.9:0", "NR")]), Some(Some("NR".into())));
        assert_eq!(field(vec![json!({"response_flags": "-"})]), Some(None));
        assert_eq!(field(Vec::new()), None);
    }
}
