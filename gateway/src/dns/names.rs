//! Names that are kept resolved, shared by all who want them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::metrics::DnsMetrics;
use super::resolver::{Answer, Families, LookupError, Question, Resolver, resolve};
use super::schedule::next_refresh;

/// Lookups at once.
const LOOKUPS_AT_ONCE: usize = 64;
/// A lookup that takes longer has failed.
const LOOKUP_LIMIT: Duration = Duration::from_secs(10);
/// A name that nobody wants any more is kept for so long: a configuration that is replaced wants most of its names
/// again at once.
const LINGER: Duration = Duration::from_secs(10);

/// A name and how it is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NameKey {
    /// What is asked.
    pub question: Question,
    /// Which addresses.
    pub families: Families,
    /// Refresh for answers without TTL, and the longest wait after failures.
    pub refresh: Duration,
}

/// What is known of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameState {
    /// Its addresses, perhaps of an earlier answer; none if it has none.
    pub addresses: Arc<[IpAddr]>,
    /// How far they are to be trusted.
    pub condition: Condition,
    /// TTL of the last answer that had addresses.
    pub ttl: Option<Duration>,
    /// When the last answer came.
    pub answered: Option<Instant>,
    /// When it is asked for again.
    pub refresh_at: Option<Instant>,
    /// Lookups so far.
    pub lookups: u64,
}

/// How a name stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Not answered yet.
    Pending,
    /// As the last answer says.
    Fresh,
    /// The last answer says that there are no addresses.
    Absent(LookupError),
    /// The last lookup failed; the addresses are of an earlier answer, if there are any.
    Failed(LookupError),
}

impl NameState {
    fn pending() -> Self {
        NameState {
            addresses: Arc::new([]),
            condition: Condition::Pending,
            ttl: None,
            answered: None,
            refresh_at: None,
            lookups: 0,
        }
    }

    /// The first lookup has ended, one way or the other.
    pub fn is_decided(&self) -> bool {
        self.condition != Condition::Pending
    }

    /// Its addresses are of an earlier answer.
    pub fn is_stale(&self) -> bool {
        matches!(self.condition, Condition::Failed(_)) && !self.addresses.is_empty()
    }

    /// Why there are no addresses.
    pub fn error(&self) -> Option<&LookupError> {
        match &self.condition {
            Condition::Pending | Condition::Fresh => None,
            Condition::Absent(error) | Condition::Failed(error) => Some(error),
        }
    }

    /// The state after a lookup. Only an answer takes addresses away: while a server fails, the last ones serve on
    /// (RFC 8767).
    fn after(&self, outcome: Result<Answer, LookupError>, now: Instant, refresh_at: Instant) -> NameState {
        let (addresses, condition, ttl, answered) = match outcome {
            Ok(answer) => (answer.addresses.into(), Condition::Fresh, answer.ttl, Some(now)),
            Err(error @ LookupError::Failed(_)) => {
                (Arc::clone(&self.addresses), Condition::Failed(error), self.ttl, self.answered)
            }
            Err(error) => (Arc::from([]), Condition::Absent(error), None, Some(now)),
        };
        let lookups = self.lookups + 1;
        NameState { addresses, condition, ttl, answered, refresh_at: Some(refresh_at), lookups }
    }
}

/// Keeps names resolved.
#[derive(Clone)]
pub struct Dns(Arc<Inner>);

struct Inner {
    resolver: Arc<dyn Resolver>,
    runtime: Handle,
    names: Mutex<HashMap<NameKey, Arc<Name>>>,
    permits: Semaphore,
    rng: Mutex<SmallRng>,
    metrics: Arc<DnsMetrics>,
}

struct Name {
    key: NameKey,
    state: watch::Sender<Arc<NameState>>,
    /// Changed only while the map is locked.
    users: Mutex<usize>,
    released: Notify,
    listeners: Mutex<Vec<Weak<Notify>>>,
}

/// A name that is wanted for as long as this lives.
pub struct Watched {
    name: Arc<Name>,
    dns: Dns,
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched").field("key", &self.name.key).field("state", &self.state()).finish()
    }
}

impl Dns {
    /// Asks `resolver` on `runtime`, which must outlive all who want names. Refreshes are jittered from `seed`.
    pub fn new(resolver: Arc<dyn Resolver>, runtime: Handle, seed: u64, metrics: Arc<DnsMetrics>) -> Self {
        Dns(Arc::new(Inner {
            resolver,
            runtime,
            names: Mutex::default(),
            permits: Semaphore::new(LOOKUPS_AT_ONCE),
            rng: Mutex::new(SmallRng::seed_from_u64(seed)),
            metrics,
        }))
    }

    /// What is counted.
    pub fn metrics(&self) -> &DnsMetrics {
        &self.0.metrics
    }

    /// Wants a name. `changed` is told when its addresses change, and when it is decided that it has none.
    pub fn watch(&self, key: NameKey, changed: Option<&Arc<Notify>>) -> Watched {
        let mut names = self.0.names.lock();
        let name = match names.get(&key) {
            Some(name) => Arc::clone(name),
            None => {
                let name = Arc::new(Name {
                    key: key.clone(),
                    state: watch::Sender::new(Arc::new(NameState::pending())),
                    users: Mutex::new(0),
                    released: Notify::new(),
                    listeners: Mutex::default(),
                });
                names.insert(key, Arc::clone(&name));
                self.0.metrics.names.inc();
                self.0.runtime.spawn(keep_resolved(self.clone(), Arc::clone(&name)));
                name
            }
        };
        *name.users.lock() += 1;
        if let Some(changed) = changed {
            name.listeners.lock().push(Arc::downgrade(changed));
        }
        drop(names);
        Watched { name, dns: self.clone() }
    }

    /// All names, with how many want each, by name.
    pub fn list(&self) -> Vec<(NameKey, Arc<NameState>, usize)> {
        let names = self.0.names.lock();
        let mut list: Vec<_> = names
            .values()
            .map(|name| (name.key.clone(), Arc::clone(&name.state.borrow()), *name.users.lock()))
            .collect();
        list.sort_by(|(a, ..), (b, ..)| a.question.name.cmp(&b.question.name));
        list
    }

    async fn ask(&self, key: &NameKey) -> Result<Answer, LookupError> {
        // Never closed, so it cannot fail.
        let _permit = self.0.permits.acquire().await;
        let timer = self.0.metrics.duration.start_timer();
        let lookup = resolve(self.0.resolver.as_ref(), &key.question, key.families);
        let outcome = match timeout(LOOKUP_LIMIT, lookup).await {
            Ok(Ok(answer)) if answer.addresses.is_empty() => Err(LookupError::NoData { ttl: answer.ttl }),
            Ok(outcome) => outcome,
            Err(_) => Err(LookupError::Failed("Timeout while contacting DNS servers".to_owned())),
        };
        timer.observe_duration();
        self.0.metrics.lookups.with_label_values(&[DnsMetrics::result(&outcome)]).inc();
        outcome
    }

    /// Forgets a name unless somebody wants it.
    fn forget(&self, name: &Name) -> bool {
        let mut names = self.0.names.lock();
        if *name.users.lock() > 0 {
            return false;
        }
        names.remove(&name.key);
        self.0.metrics.names.dec();
        if name.state.borrow().is_stale() {
            self.0.metrics.stale.dec();
        }
        true
    }
}

/// Asks for a name again and again, until nobody wants it.
async fn keep_resolved(dns: Dns, name: Arc<Name>) {
    let mut failures = 0;
    loop {
        let outcome = dns.ask(&name.key).await;
        let now = Instant::now();
        failures = if matches!(outcome, Err(LookupError::Failed(_))) { failures + 1 } else { 0 };
        let jitter = dns.0.rng.lock().random();
        let due = now + next_refresh(&outcome, name.key.refresh, failures, jitter);
        name.publish(&dns.0.metrics, outcome, now, due);
        loop {
            tokio::select! {
                () = sleep_until(due) => break,
                () = name.released.notified() => {
                    sleep_until(due.min(Instant::now() + LINGER)).await;
                    if dns.forget(&name) {
                        return;
                    }
                }
            }
        }
        if dns.forget(&name) {
            return;
        }
    }
}

impl Name {
    fn publish(&self, metrics: &DnsMetrics, outcome: Result<Answer, LookupError>, now: Instant, due: Instant) {
        let before = Arc::clone(&self.state.borrow());
        let after = before.after(outcome, now, due);
        let name = &self.key.question.name;
        match (&before.condition, &after.condition) {
            (Condition::Failed(_), Condition::Failed(_)) => {}
            (_, Condition::Failed(error)) => {
                tracing::warn!(%name, %error, serving = after.addresses.len(), "DNS lookup failed");
            }
            (Condition::Failed(_), _) => tracing::info!(%name, "DNS lookup succeeded again"),
            _ => {}
        }
        match (before.is_stale(), after.is_stale()) {
            (false, true) => metrics.stale.inc(),
            (true, false) => metrics.stale.dec(),
            _ => {}
        }
        let moved = !same(&before.addresses, &after.addresses);
        if moved && before.is_decided() {
            metrics.changes.inc();
            tracing::debug!(%name, from = ?before.addresses, to = ?after.addresses, "addresses changed");
        }
        // The order of addresses counts for who connects to the first one.
        let tell = before.addresses != after.addresses || !before.is_decided();
        self.state.send_replace(Arc::new(after));
        if tell {
            self.listeners.lock().retain(|listener| match listener.upgrade() {
                Some(listener) => {
                    listener.notify_one();
                    true
                }
                None => false,
            });
        }
    }
}

/// Servers turn the order of their answers around; that is no change.
fn same(a: &[IpAddr], b: &[IpAddr]) -> bool {
    a.len() == b.len() && a.iter().all(|address| b.contains(address))
}

impl Watched {
    /// What is known now.
    pub fn state(&self) -> Arc<NameState> {
        Arc::clone(&self.name.state.borrow())
    }

    /// What is known once the first lookup has ended.
    pub async fn decided(&self) -> Arc<NameState> {
        self.until(NameState::is_decided).await
    }

    /// What is known once it is so.
    pub async fn until(&self, so: impl Fn(&NameState) -> bool) -> Arc<NameState> {
        let mut receiver = self.name.state.subscribe();
        match receiver.wait_for(|state| so(state)).await {
            Ok(state) => Arc::clone(&state),
            // The sender lives as long as we do.
            Err(_) => self.state(),
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let names = self.dns.0.names.lock();
        let mut users = self.name.users.lock();
        *users -= 1;
        if *users == 0 {
            self.name.released.notify_one();
        }
        drop(users);
        drop(names);
    }
}

#[cfg(test)]
#[path = "names_tests.rs"]
mod tests;
