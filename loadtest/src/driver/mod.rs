//! The load driver: closed loops over many connections, every answer checked.

mod http1;
mod http2;
pub mod idle;
mod tally;

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::process::Cpu;
use crate::workload::{HOST, Protocol, Workload};
pub use tally::{Fault, Latency, Tally};

/// How long a connection may take to be established, and an answer to come.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the end of a measurement by count is looked for.
const POLL: Duration = Duration::from_millis(2);
/// How often a thread looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(100);
/// A measurement by count ends after this long, however many are missing.
const LONGEST: Duration = Duration::from_secs(600);

/// Load to be put on a proxy.
#[derive(Debug, Clone)]
pub struct Job {
    /// What is asked.
    pub workload: Workload,
    /// Where.
    pub target: SocketAddr,
    /// The client's side of TLS.
    pub tls: Option<Arc<ClientConfig>>,
    /// Load before measuring.
    pub warmup: Duration,
    /// How long to measure.
    pub length: Length,
    /// Threads that drive.
    pub threads: usize,
}

/// How long to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// For this long.
    Time(Duration),
    /// Until so many answers have come.
    Requests(u64),
}

/// What was measured, between two looks at the clocks.
#[derive(Debug)]
pub struct Driven<S> {
    /// Answers that were right.
    pub requests: u64,
    /// Time between the looks.
    pub elapsed: Duration,
    /// Latency of those answers.
    pub latency: Latency,
    /// What went wrong, also outside of the measured time.
    pub faults: Vec<String>,
    /// What the looks saw.
    pub looks: (S, S),
}

/// Puts load on a proxy; `look` reads whatever clocks are wanted, at the start and the end of the measured time.
pub fn drive<S>(job: &Job, mut look: impl FnMut() -> anyhow::Result<S>) -> anyhow::Result<Driven<S>> {
    let tallies = (0..job.threads.max(1)).map(|_| Tally::new().map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
    let mut latency = Latency::new()?;
    let started = Barrier::new(tallies.len() + 1);
    std::thread::scope(|scope| {
        for (number, tally) in tallies.iter().enumerate() {
            let share = share(job.workload.connections, tallies.len(), number);
            scope.spawn({
                let (tally, started) = (Arc::clone(tally), &started);
                move || thread(job, share, &tally, started)
            });
        }
        started.wait();
        let measured = measure(job, &tallies, &mut look);
        // Whatever happened, the threads must come to an end.
        tallies.iter().for_each(|tally| tally.stop());
        measured
    })
    .map(|(requests, elapsed, looks)| {
        tallies.iter().for_each(|tally| latency.add(&tally.latency()));
        let faults = tallies.iter().flat_map(|tally| tally.faults()).collect();
        Driven { requests, elapsed, latency, faults, looks }
    })
}

fn measure<S>(
    job: &Job,
    tallies: &[Arc<Tally>],
    look: &mut impl FnMut() -> anyhow::Result<S>,
) -> anyhow::Result<(u64, Duration, (S, S))> {
    let count = || tallies.iter().map(|tally| tally.requests()).sum::<u64>();
    std::thread::sleep(job.warmup);
    let before = look()?;
    let (counted, begun) = (count(), Instant::now());
    tallies.iter().for_each(|tally| tally.record(true));
    match job.length {
        Length::Time(time) => std::thread::sleep(time),
        Length::Requests(wanted) => {
            while count() - counted < wanted && begun.elapsed() < LONGEST && !tallies.iter().all(|t| t.is_over()) {
                crate::interrupt::check()?;
                std::thread::sleep(POLL);
            }
        }
    }
    let (requests, elapsed) = (count() - counted, begun.elapsed());
    let after = look()?;
    tallies.iter().for_each(|tally| tally.record(false));
    crate::interrupt::check()?;
    Ok((requests, elapsed, (before, after)))
}

/// How many of `whole` the part with a number gets.
fn share(whole: usize, parts: usize, number: usize) -> usize {
    whole / parts + usize::from(number < whole % parts)
}

/// One thread of the driver: opens its connections, tells that they are open, and keeps them busy.
fn thread(job: &Job, connections: usize, tally: &Arc<Tally>, started: &Barrier) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tally.fault(Fault::Io(error));
            started.wait();
            return;
        }
    };
    runtime.block_on(async {
        let mut tasks = Vec::with_capacity(connections);
        for _ in 0..connections {
            match open(job, tally).await {
                Ok(task) => tasks.push(task),
                Err(fault) => tally.fault(fault),
            }
        }
        started.wait();
        let all = async {
            for task in tasks {
                // A task reports its own faults; what is left is that it panicked.
                if task.await.is_err() {
                    tally.fault(Fault::Panicked);
                }
            }
        };
        tokio::select! {
            () = all => {}
            () = patience(tally) => tally.fault(Fault::NoAnswer),
        }
        tally.over();
    });
}

/// Ends some time after no further requests are wanted.
async fn patience(tally: &Tally) {
    while !tally.is_stopped() {
        tokio::time::sleep(LOOK).await;
    }
    tokio::time::sleep(PATIENCE).await;
}

/// Opens a connection and starts the loops on it.
async fn open(job: &Job, tally: &Arc<Tally>) -> Result<tokio::task::JoinHandle<()>, Fault> {
    let (job, tally) = (job.clone(), Arc::clone(tally));
    if job.workload.reconnect {
        return Ok(tokio::spawn(async move {
            let result = http1::reconnecting(&job, &tally).await;
            tally.ended(result);
        }));
    }
    let io = connect(job.target, job.tls.as_ref()).await?;
    match job.workload.protocol {
        Protocol::Http1 => Ok(tokio::spawn(async move {
            let result = http1::keep_alive(io, &job.workload, &tally).await;
            tally.ended(result);
        })),
        Protocol::Http2 => http2::start(io, job.workload, tally).await,
    }
}

/// A connection to a proxy.
pub(crate) type Io = Box<dyn Stream>;

/// What HTTP needs of a connection.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Connects, with a TLS handshake where there is TLS.
pub(crate) async fn connect(target: SocketAddr, tls: Option<&Arc<ClientConfig>>) -> Result<Io, Fault> {
    let connecting = async {
        let tcp = TcpStream::connect(target).await?;
        tcp.set_nodelay(true)?;
        let Some(config) = tls else { return Ok::<Io, Fault>(Box::new(tcp)) };
        let name = ServerName::try_from(HOST).map_err(|_| Fault::Name)?;
        Ok(Box::new(TlsConnector::from(Arc::clone(config)).connect(name, tcp).await?))
    };
    tokio::time::timeout(PATIENCE, connecting).await.map_err(|_| Fault::NoAnswer)?
}

/// Whether a proxy answers a request of this workload as it should.
pub fn answers(target: SocketAddr, tls: Option<&Arc<ClientConfig>>, workload: &Workload) -> bool {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return false };
    runtime.block_on(async {
        match connect(target, tls).await {
            Ok(mut io) => http1::once(&mut io, workload).await.is_ok(),
            Err(_) => false,
        }
    })
}

/// The command `drive`.
pub fn run(options: &crate::cli::Drive) -> anyhow::Result<ExitCode> {
    crate::interrupt::listen()?;
    crate::limits::raise_open_files();
    let mut workload = options.workload;
    workload.connections = options.connections.map_or(workload.connections, |n| n as usize);
    let job = Job {
        workload,
        target: options.target,
        tls: tls(&workload, options.ca.as_deref())?,
        warmup: Duration::from_secs_f64(options.warmup),
        length: options.requests.map_or(Length::Time(Duration::from_secs_f64(options.seconds)), Length::Requests),
        threads: options.threads.into(),
    };
    let driven = drive(&job, || options.pid.map(Cpu::of).transpose())?;
    crate::compare::print_driven(&workload, &driven)?;
    Ok(if driven.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tls(workload: &Workload, ca: Option<&Path>) -> anyhow::Result<Option<Arc<ClientConfig>>> {
    if !workload.tls {
        return Ok(None);
    }
    let Some(ca) = ca else { bail!("workload {} needs --ca", workload.name) };
    crate::certificate::client(ca, workload.protocol).map(Some).context("--ca")
}

#[cfg(test)]
mod tests;
