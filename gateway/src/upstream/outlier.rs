//! Outlier detection: endpoints that fail again and again are ejected for a while. Pure; time is passed in.
//!
//! Requests count failures in a row at the endpoint ([`Failures`]), without a lock. A full count is brought to the
//! cluster's [`Ejections`], which decides. The rules are Envoy's, as Istio configures it: ejections end on the beat of
//! `interval`, last longer each time, and never take out more than `maxEjectionPercent`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use config_schema::snapshot::OutlierDetection;
use rustc_hash::FxBuildHasher;

use crate::outcome::ResetReason;

/// An ejection lasts at most so long, or `baseEjectionTime` if that is longer (Envoy's default; no field in Istio).
const MAX_EJECTION_TIME: Duration = Duration::from_secs(300);

/// What a request has shown of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// A request got onto a connection.
    Connected,
    /// A connection for bytes was opened: nothing more will be learnt from it.
    Opened,
    /// An answer with this status.
    Status(u16),
    /// It could not be connected to.
    ConnectFailure,
    /// It broke off.
    Reset,
    /// It took too long.
    Timeout,
}

impl Observed {
    /// What a reset shows.
    pub fn from_reset(reason: &ResetReason) -> Self {
        match reason {
            ResetReason::ConnectionFailure(_) | ResetReason::ConnectionTimeout => Observed::ConnectFailure,
            _ => Observed::Reset,
        }
    }

    /// Whether it speaks against the endpoint.
    pub fn is_failure(self) -> bool {
        match self {
            Observed::Connected | Observed::Opened => false,
            Observed::Status(status) => status >= 500,
            Observed::ConnectFailure | Observed::Reset | Observed::Timeout => true,
        }
    }
}

/// Which count is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// `consecutive5xxErrors`
    Consecutive5xx,
    /// `consecutiveGatewayErrors`
    ConsecutiveGatewayErrors,
    /// `consecutiveLocalOriginFailures`
    ConsecutiveLocalOriginFailures,
}

/// Failures in a row at one endpoint.
#[derive(Debug, Default)]
pub(super) struct Failures {
    any_5xx: AtomicU32,
    gateway: AtomicU32,
    local: AtomicU32,
}

impl Failures {
    /// Counts; tells the triggers that this pulls (at most two: the gateway's and the general one).
    pub(super) fn count(&self, observed: Observed, config: &OutlierDetection) -> [Option<Trigger>; 2] {
        let split = config.split_external_local_origin_errors;
        match observed {
            Observed::Status(status) => self.external(judged(status, config), config),
            Observed::Connected if split => self.connected(),
            Observed::Connected => [None; 2],
            Observed::Opened if split => self.connected(),
            Observed::Opened => self.external(200, config),
            Observed::ConnectFailure | Observed::Reset | Observed::Timeout if split => {
                let full = add(&self.local, config.consecutive_local_origin_failures);
                [full.then_some(Trigger::ConsecutiveLocalOriginFailures), None]
            }
            Observed::ConnectFailure | Observed::Reset => self.external(503, config),
            Observed::Timeout => self.external(504, config),
        }
    }

    fn connected(&self) -> [Option<Trigger>; 2] {
        clear(&self.local);
        [None; 2]
    }

    fn external(&self, status: u16, config: &OutlierDetection) -> [Option<Trigger>; 2] {
        if !(500..600).contains(&status) {
            clear(&self.any_5xx);
            clear(&self.gateway);
            return [None; 2];
        }
        let gateway = if matches!(status, 502..=504) {
            add(&self.gateway, config.consecutive_gateway_errors)
        } else {
            clear(&self.gateway);
            false
        };
        let any = add(&self.any_5xx, config.consecutive_5xx);
        [gateway.then_some(Trigger::ConsecutiveGatewayErrors), any.then_some(Trigger::Consecutive5xx)]
    }

    /// Begins a count anew.
    fn reset(&self, trigger: Trigger) {
        let counter = match trigger {
            Trigger::Consecutive5xx => &self.any_5xx,
            Trigger::ConsecutiveGatewayErrors => &self.gateway,
            Trigger::ConsecutiveLocalOriginFailures => &self.local,
        };
        counter.store(0, Ordering::Relaxed);
    }

    /// The endpoint is back: all counts begin anew.
    pub(super) fn reset_all(&self) {
        self.reset(Trigger::Consecutive5xx);
        self.reset(Trigger::ConsecutiveGatewayErrors);
        self.reset(Trigger::ConsecutiveLocalOriginFailures);
    }
}

/// With a list of statuses that count as errors, only those do.
fn judged(status: u16, config: &OutlierDetection) -> u16 {
    match (config.http_errors.is_empty(), config.http_errors.contains(&status)) {
        (true, _) => status,
        (false, true) => status.max(500),
        (false, false) => 200,
    }
}

fn add(counter: &AtomicU32, threshold: u32) -> bool {
    counter.fetch_add(1, Ordering::Relaxed) + 1 == threshold
}

/// Does not write where nothing changes: healthy answers leave the memory of other workers' processors alone.
fn clear(counter: &AtomicU32) {
    if counter.load(Ordering::Relaxed) != 0 {
        counter.store(0, Ordering::Relaxed);
    }
}

/// What a cluster remembers of an endpoint that has been ejected.
#[derive(Debug, Clone, Copy)]
struct Record {
    /// Multiplies the base time; falls by one with each beat in health.
    backoff: u32,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Ejected { at: Instant },
    Back { since: Instant },
}

/// The ejections of one cluster.
#[derive(Debug)]
pub(super) struct Ejections {
    /// Beats are counted from here.
    started: Instant,
    records: HashMap<u64, Record, FxBuildHasher>,
    /// Ejections ever.
    pub(super) total: u64,
}

impl Ejections {
    /// None, from `now` on.
    pub(super) fn new(now: Instant) -> Self {
        Ejections { started: now, records: HashMap::default(), total: 0 }
    }

    /// An endpoint has pulled a trigger; ejects it, unless too many of the `hosts` endpoints are ejected already.
    /// Returns whether it was.
    pub(super) fn eject(
        &mut self,
        (id, failures): (u64, &Failures),
        trigger: Trigger,
        hosts: usize,
        config: &OutlierDetection,
        now: Instant,
    ) -> bool {
        let active = self.active();
        let known = self.records.get(&id).copied();
        if matches!(known, Some(Record { state: State::Ejected { .. }, .. })) {
            return false;
        }
        failures.reset(trigger);
        let share = 100.0 * (active + 1) as f64 / hosts.max(1) as f64;
        if share > f64::from(config.max_ejection_percent.min(100)) {
            return false;
        }
        let backoff = known.map_or(0, |record| self.backoff(&record, config, now));
        let longest = config.base_ejection_time.max(MAX_EJECTION_TIME);
        let grows = config.base_ejection_time.saturating_mul(backoff) < longest + config.base_ejection_time;
        let record = Record { backoff: backoff + u32::from(grows), state: State::Ejected { at: now } };
        self.records.insert(id, record);
        self.total += 1;
        true
    }

    /// Endpoints whose ejection has ended by `now`; their counts begin anew.
    pub(super) fn sweep(&mut self, config: &OutlierDetection, now: Instant) -> Vec<u64> {
        let mut back = Vec::new();
        let (started, interval) = (self.started, interval(config));
        for (id, record) in &mut self.records {
            let State::Ejected { at } = record.state else { continue };
            let end = next_beat(started, interval, at + length(record.backoff, config));
            if end <= now {
                record.state = State::Back { since: end };
                back.push(*id);
            }
        }
        let forgotten: Vec<u64> = self
            .records
            .iter()
            .filter(|(_, record)| matches!(record.state, State::Back { .. }) && self.backoff(record, config, now) == 0)
            .map(|(id, _)| *id)
            .collect();
        for id in forgotten {
            self.records.remove(&id);
        }
        // Same run, same order.
        back.sort_unstable();
        back
    }

    /// When [`sweep`](Self::sweep) has something to do next, if ever.
    pub(super) fn next_sweep(&self, config: &OutlierDetection) -> Option<Instant> {
        let ends = self.records.values().filter_map(|record| match record.state {
            State::Ejected { at } => {
                Some(next_beat(self.started, interval(config), at + length(record.backoff, config)))
            }
            State::Back { .. } => None,
        });
        ends.min()
    }

    /// Health checks have found it healthy: it is back at once.
    pub(super) fn end(&mut self, id: u64, now: Instant) -> bool {
        match self.records.get_mut(&id) {
            Some(record) if matches!(record.state, State::Ejected { .. }) => {
                record.state = State::Back { since: now };
                true
            }
            Some(_) | None => false,
        }
    }

    /// Forgets endpoints that have left.
    pub(super) fn retain(&mut self, is_member: impl Fn(u64) -> bool) {
        self.records.retain(|id, _| is_member(*id));
    }

    /// Endpoints that are ejected.
    pub(super) fn active(&self) -> usize {
        self.records.values().filter(|record| matches!(record.state, State::Ejected { .. })).count()
    }

    /// What is left of a backoff: each whole interval since the endpoint came back has taken one off.
    fn backoff(&self, record: &Record, config: &OutlierDetection, now: Instant) -> u32 {
        let State::Back { since } = record.state else { return record.backoff };
        let interval = interval(config);
        let first = next_beat(self.started, interval, since + interval);
        if now < first {
            return record.backoff;
        }
        let beats = (now - first).as_nanos() / interval.as_nanos() + 1;
        record.backoff.saturating_sub(u32::try_from(beats).unwrap_or(u32::MAX))
    }
}

fn interval(config: &OutlierDetection) -> Duration {
    config.interval.max(Duration::from_millis(1))
}

fn length(backoff: u32, config: &OutlierDetection) -> Duration {
    let base = config.base_ejection_time;
    base.saturating_mul(backoff).min(base.max(MAX_EJECTION_TIME))
}

/// The first beat at or after a time.
fn next_beat(started: Instant, interval: Duration, time: Instant) -> Instant {
    let nanos = time.saturating_duration_since(started).as_nanos();
    let beats = nanos.div_ceil(interval.as_nanos()).max(1);
    let offset = u64::try_from(beats.saturating_mul(interval.as_nanos())).unwrap_or(u64::MAX);
    started.checked_add(Duration::from_nanos(offset)).unwrap_or(time)
}

#[cfg(test)]
mod tests;
