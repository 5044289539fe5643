//! What one thread of the driver counts.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use hdrhistogram::{CreationError, Histogram};
use parking_lot::Mutex;

/// An answer that is not what it should be, or none at all.
#[derive(Debug)]
pub enum Fault {
    /// The connection failed.
    Io(std::io::Error),
    /// HTTP/2 failed.
    Http2(h2::Error),
    /// The server closed the connection inside an answer, or where one was due.
    Closed,
    /// Nothing came for a long time.
    NoAnswer,
    /// The head of the answer is no HTTP/1.1.
    Head,
    /// Another status than 200.
    Status(u16),
    /// The head announces another length, or none.
    Length(Option<u64>),
    /// The body has another length.
    Body(u64),
    /// The host's name is none.
    Name,
    /// The driver failed.
    Panicked,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Io(error) => write!(f, "connection: {error}"),
            Fault::Http2(error) => write!(f, "HTTP/2: {error}"),
            Fault::Closed => f.write_str("closed by the server"),
            Fault::NoAnswer => f.write_str("no answer in time"),
            Fault::Head => f.write_str("the answer is no HTTP/1.1"),
            Fault::Status(status) => write!(f, "status {status}"),
            Fault::Length(None) => f.write_str("no content-length"),
            Fault::Length(Some(length)) => write!(f, "content-length {length}"),
            Fault::Body(length) => write!(f, "body of {length} bytes"),
            Fault::Name => f.write_str("not a host name"),
            Fault::Panicked => f.write_str("the driver failed"),
        }
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Fault::Io(error)
    }
}

impl From<h2::Error> for Fault {
    fn from(error: h2::Error) -> Self {
        Fault::Http2(error)
    }
}

/// Latencies, in nanoseconds.
#[derive(Debug, Clone)]
pub struct Latency(Histogram<u64>);

impl Latency {
    /// Nothing counted: 1 µs to 60 s at three digits.
    pub fn new() -> Result<Self, CreationError> {
        Histogram::new_with_bounds(1_000, 60_000_000_000, 3).map(Latency)
    }

    /// Adds what another has counted.
    pub fn add(&mut self, other: &Latency) {
        // Both have the same bounds, so that everything fits.
        let _ = self.0.add(&other.0);
    }

    /// Microseconds within which this part of the answers came.
    pub fn quantile(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1_000.0
    }

    /// Answers counted.
    pub fn count(&self) -> u64 {
        self.0.len()
    }
}

/// What one thread counts. Others read it now and then.
#[derive(Debug)]
pub struct Tally {
    requests: AtomicU64,
    recording: AtomicBool,
    stopped: AtomicBool,
    over: AtomicBool,
    latency: Mutex<Latency>,
    faults: Mutex<BTreeMap<String, u64>>,
}

impl Tally {
    /// Nothing counted.
    pub fn new() -> Result<Self, CreationError> {
        Ok(Tally {
            requests: AtomicU64::new(0),
            recording: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            over: AtomicBool::new(false),
            latency: Mutex::new(Latency::new()?),
            faults: Mutex::default(),
        })
    }

    /// Counts a right answer to a request that was sent at `begun`.
    pub fn answered(&self, begun: Instant) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if self.recording.load(Ordering::Relaxed) {
            let nanos = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.latency.lock().0.saturating_record(nanos);
        }
    }

    /// Right answers so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Whether latencies are recorded from now on.
    pub fn record(&self, on: bool) {
        self.recording.store(on, Ordering::Relaxed);
    }

    /// No further requests.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether no further requests are wanted.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// All loops of the thread have ended.
    pub(super) fn over(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Whether all loops of the thread have ended.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Counts a fault.
    pub fn fault(&self, fault: Fault) {
        *self.faults.lock().entry(fault.to_string()).or_default() += 1;
    }

    /// How a loop ended.
    pub(super) fn ended(&self, result: Result<(), Fault>) {
        if let Err(fault) = result {
            self.fault(fault);
        }
    }

    /// Latencies recorded so far.
    pub fn latency(&self) -> Latency {
        self.latency.lock().clone()
    }

    /// Faults, each with its number.
    pub fn faults(&self) -> Vec<String> {
        self.faults.lock().iter().map(|(fault, n)| format!("{n} x {fault}")).collect()
    }
}
