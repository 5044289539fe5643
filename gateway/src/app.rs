//! The process: workers, configuration, servers for operators, and leaving in order.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use config_schema::snapshot::Drain as DrainTimes;
use config_schema::translate::ProxyIdentity;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::admin::{self, AdminState};
use crate::cli::{Endpoint, Run};
use crate::clock::Clock;
use crate::config::source::FileSource;
use crate::config::{Applied, Builder, Engine, Identity, Store, announce, check_health};
use crate::dns::{Dns, DnsClusters, DnsMetrics, HickoryResolver, RESOLV_CONF};
use crate::listen::drain::Drain;
use crate::listen::manager::{ListenerState, Manager, Serve};
use crate::logging::Logging;
use crate::net::TcpDialer;
use crate::observe::access_log::{FileSink, Sink};
use crate::observe::{ClusterMetrics, Observer, learned};
use crate::proxy::{Shared, Worker};

/// How often a worker looks after its idle connections.
const SWEEP: Duration = Duration::from_secs(1);

/// The identity of `--proxy`; without it, a gateway labelled `istio: ingressgateway` in istio-system.
pub fn proxy_identity(pod: Option<&(String, String)>) -> ProxyIdentity {
    match pod {
        Some((namespace, name)) => ProxyIdentity::Pod { namespace: namespace.clone(), name: name.clone(), role: None },
        None => ProxyIdentity::default(),
    }
}

/// Serves until told to leave.
pub fn run(options: Run) -> ExitCode {
    let logging = Logging::start(&options.log, options.log_format);
    match start(&options, logging) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn start(options: &Run, logging: Logging) -> Result<(), String> {
    let control =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| format!("runtime: {e}"))?;
    let observer = Arc::new(Observer::new().map_err(|e| format!("metrics: {e}"))?);
    let store = Arc::new(Store::default());
    let source = FileSource::new(options.config.clone());
    let texts = source.read().map_err(|e| e.to_string())?;
    let mut engine =
        Engine::new(proxy_identity(options.proxy.as_ref()), builder(options, &observer), Arc::clone(&store))
            .learn_egress(options.learn_egress.is_some());
    let first = engine.apply(texts, std::time::Instant::now());
    let runtime = store.load();
    let workers =
        options.workers.map(usize::from).or(runtime.settings.concurrency.map(|n| n as usize)).filter(|n| *n > 0);
    let workers = workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into));
    let dns = dns(options, &observer, control.handle())?;
    let clusters = ClusterMetrics::new(Arc::clone(&store)).map(Box::new);
    clusters.and_then(|metrics| observer.registry().register(metrics)).map_err(|e| format!("metrics: {e}"))?;
    let shared = Shared::new(
        Arc::clone(&store),
        Arc::new(TcpDialer),
        dns.clone(),
        Clock::default(),
        Arc::clone(&observer),
        hostname(&runtime.node.name).into(),
    );
    let shared = Arc::new(shared.with_original_dst(options.original_dst));
    drop(runtime);
    let drain = Drain::new();
    let senders = (0..workers).map(|n| spawn_worker(n, &shared)).collect::<Result<Vec<_>, _>>()?;
    let manager = Manager::new(senders, options.bind, drain.clone());
    let state = Arc::new(AdminState {
        shared: Arc::clone(&shared),
        listeners: manager.states(),
        applied: Mutex::new(Arc::default()),
        ready: AtomicBool::new(false),
        leaving: AtomicBool::new(false),
        quit: tokio::sync::Notify::new(),
        logging,
    });
    let clusters = DnsClusters::new(dns, control.handle().clone());
    control.spawn(check_health(store, Arc::clone(&shared.dialer)));
    control.block_on(Control { engine, source, manager, clusters, state, drain, shared }.run(options, first))
}

/// Names are resolved on the control thread, for all workers.
fn dns(options: &Run, observer: &Observer, runtime: &Handle) -> Result<Dns, String> {
    let resolver = match options.dns_server {
        Some(server) => HickoryResolver::server(server),
        None => HickoryResolver::system(RESOLV_CONF),
    };
    let metrics = DnsMetrics::new(observer.registry()).map_err(|e| format!("metrics: {e}"))?;
    Ok(Dns::new(Arc::new(resolver), runtime.clone(), rand::random(), Arc::new(metrics)))
}

fn builder(options: &Run, observer: &Arc<Observer>) -> Builder {
    let identity = Identity { files: options.identity.clone().map(|files| (files.certificate, files.key, files.root)) };
    let dropped = observer.process.dropped_log_lines.clone();
    Builder::new(
        identity,
        Box::new(|path| std::fs::read(path)),
        Box::new(move |path| FileSink::start(path, dropped.clone()).map(|sink| Arc::new(Sink::File(sink)))),
    )
    .allow_addresses(options.allow_addresses.clone())
    .with_seed(usize::from(rand::random::<u16>()))
}

fn hostname(pod: &str) -> String {
    if !pod.is_empty() {
        return pod.to_owned();
    }
    std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned()).unwrap_or_default()
}

/// Starts a worker: a thread with a runtime of its own, which shares nothing that it would have to wait for.
fn spawn_worker(number: usize, shared: &Arc<Shared>) -> Result<mpsc::UnboundedSender<Serve>, String> {
    let (sender, mut sockets) = mpsc::unbounded_channel::<Serve>();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| format!("worker {number}: {e}"))?;
    let worker = Arc::new(Worker::new(Arc::clone(shared), rand::random()));
    std::thread::Builder::new()
        .name(format!("worker-{number}"))
        .spawn(move || {
            runtime.block_on(async move {
                tokio::spawn(sweep(Arc::clone(&worker)));
                while let Some(socket) = sockets.recv().await {
                    tokio::spawn(crate::listen::accept::accept(Arc::clone(&worker), socket));
                }
                // The process is leaving; connections that are still open end with it.
                std::future::pending::<()>().await;
            });
        })
        .map_err(|e| format!("worker {number}: {e}"))?;
    Ok(sender)
}

async fn sweep(worker: Arc<Worker>) {
    loop {
        sleep(SWEEP).await;
        let runtime = worker.shared.store.load();
        let current: std::collections::HashSet<u64> =
            runtime.clusters.values().map(|cluster| cluster.pool_id).collect();
        worker.pool.sweep(Instant::now(), |policy| current.contains(&policy));
    }
}

/// Keeps the file of what was learned up to date.
async fn write_learned(path: PathBuf, shared: Arc<Shared>) {
    let mut written = 0;
    loop {
        sleep(SWEEP).await;
        let egress = &shared.observer.egress;
        let version = egress.learned_version();
        if version == written {
            continue;
        }
        let namespace = shared.store.load().node.namespace.clone();
        match learned::write(&path, &learned::service_entries(&egress.learned(), &namespace)) {
            Ok(()) => written = version,
            Err(error) => tracing::error!(path = %path.display(), %error, "what was learned cannot be written"),
        }
    }
}

/// The thread that is no worker: configuration and operators.
struct Control {
    engine: Engine,
    source: FileSource,
    manager: Manager,
    clusters: DnsClusters,
    state: Arc<AdminState>,
    drain: Drain,
    shared: Arc<Shared>,
}

impl Control {
    async fn run(mut self, options: &Run, first: Option<Arc<Applied>>) -> Result<(), String> {
        let Endpoint(readiness) = options.readiness;
        if let Some(address) = readiness {
            admin::serve_readiness(address, Arc::clone(&self.state)).await?;
        }
        for Endpoint(metrics) in options.metrics.iter().copied() {
            if let Some(address) = metrics {
                admin::serve_metrics(address, Arc::clone(&self.state)).await?;
            }
        }
        if let Endpoint(Some(address)) = options.admin {
            admin::serve_admin(address, Arc::clone(&self.state)).await?;
        }
        self.put_in_force(first);
        if let Some(path) = options.learn_egress.clone() {
            tracing::warn!(path = %path.display(), "hosts that no ServiceEntry has are let out, to learn them");
            tokio::spawn(write_learned(path, Arc::clone(&self.shared)));
        }
        let (sender, mut changed) = mpsc::channel(1);
        let (files, extra) = watch::channel(self.pem_files());
        tokio::spawn(self.source.clone().watch(extra, sender));
        let mut leave = std::pin::pin!(told_to_leave(Arc::clone(&self.state)));
        let mut rotated = signal(SignalKind::user_defined1()).map_err(|e| format!("SIGUSR1: {e}"))?;
        loop {
            tokio::select! {
                () = &mut leave => break,
                change = changed.recv() => match change {
                    Some(()) => {
                        self.reload();
                        files.send_replace(self.pem_files());
                    }
                    None => break,
                },
                _ = rotated.recv() => self.reopen_logs(),
            }
        }
        let again = told_to_leave(Arc::clone(&self.state));
        tokio::select! {
            () = self.leave() => {}
            () = again => tracing::warn!("told to leave a second time: left without waiting"),
        }
        Ok(())
    }

    /// Files beside the configuration that it reads.
    fn pem_files(&self) -> Vec<PathBuf> {
        self.engine.files().into_iter().map(Into::into).collect()
    }

    /// SIGUSR1, as Envoy has it: what has moved the log's file away says so.
    fn reopen_logs(&self) {
        tracing::info!("the access log's file is opened anew");
        self.shared.store.load().access_log.iter().for_each(|log| log.reopen());
    }

    fn reload(&mut self) {
        match self.source.read() {
            Ok(texts) => {
                let applied = self.engine.apply(texts, std::time::Instant::now());
                self.put_in_force(applied);
            }
            // What serves goes on serving; the next notice brings another try.
            Err(error) => tracing::error!("{error}; the configuration in force stays"),
        }
    }

    /// Binds what the configuration in force asks for, and tells what was found.
    fn put_in_force(&mut self, applied: Option<Arc<Applied>>) {
        let runtime = self.shared.store.load();
        self.clusters.reconcile(&runtime);
        self.manager.reconcile(&runtime);
        let Some(applied) = applied else { return };
        let process = &self.shared.observer.process;
        process.updates.inc();
        let rejected = applied.rejections.iter().filter(|rejection| rejection.is_error()).count();
        process.rejected_objects.set(i64::try_from(rejected).unwrap_or(i64::MAX));
        let before = std::mem::replace(&mut *self.state.applied.lock(), Arc::clone(&applied));
        announce(&before, &applied, runtime.listeners.len());
        let all_bound = self.state.listeners.lock().values().all(|s| matches!(s, ListenerState::Bound(_)));
        // Once ready, a later listener that cannot be bound does not take the others out of service.
        if all_bound {
            self.state.ready.store(true, Ordering::Relaxed);
        }
    }

    /// Fails readiness, asks connections to end, stops accepting, and waits for them.
    async fn leave(&mut self) {
        let DrainTimes { minimum, maximum } = self.shared.store.load().settings.drain.clone();
        let deadline = Instant::now() + maximum.max(minimum);
        self.state.leaving.store(true, Ordering::Relaxed);
        tracing::info!(?minimum, ?maximum, "leaving");
        self.drain.start();
        // Load balancers need a while to notice: connections that still come are served, and told to close.
        sleep(minimum).await;
        self.manager.stop();
        let open = || self.shared.open_connections.load(Ordering::Relaxed);
        while open() > 0 && Instant::now() < deadline {
            sleep_until((Instant::now() + Duration::from_millis(20)).min(deadline)).await;
        }
        tracing::info!(open = open(), "left");
        self.shared.store.load().access_log.iter().for_each(|log| log.flush());
    }
}

async fn told_to_leave(state: Arc<AdminState>) {
    let quit = state.quit.notified();
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                () = quit => {}
            }
        }
        _ => quit.await,
    }
}
