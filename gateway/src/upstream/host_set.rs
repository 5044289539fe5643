//! The endpoints of a cluster.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use config_schema::snapshot::{EndpointAddress, Endpoints};

use super::host::{Host, HostState};

/// All endpoints of a cluster.
#[derive(Debug, Default)]
pub struct HostSet {
    /// By priority; the first is used first.
    pub priorities: Vec<Priority>,
}

/// Endpoints of one priority.
#[derive(Debug, Default)]
pub struct Priority {
    /// In order of configuration.
    pub hosts: Vec<Arc<Host>>,
    /// Ranges of `hosts` by locality, with the locality's weight.
    pub localities: Vec<(Range<usize>, u32)>,
}

impl HostSet {
    /// Takes over endpoints, keeping the state of those that stay. An address that is there twice counts once, where it
    /// comes first. Priorities are numbered without gaps.
    pub fn new(endpoints: &Endpoints, previous: &HostSet, now: Instant) -> Self {
        let known: HashMap<&EndpointAddress, &Arc<HostState>> =
            previous.iter().map(|host| (&host.spec.address, &host.state)).collect();
        let ranks: BTreeMap<u32, usize> = endpoints.localities.iter().map(|group| (group.priority, 0)).collect();
        let ranks: BTreeMap<u32, usize> = ranks.into_keys().zip(0..).collect();
        let mut priorities: Vec<Priority> = Vec::new();
        priorities.resize_with(ranks.len(), Priority::default);
        let mut seen: HashSet<&EndpointAddress> = HashSet::new();
        for group in &endpoints.localities {
            let index = ranks.get(&group.priority).copied().unwrap_or_default();
            let locality = Arc::new(group.locality.clone());
            let priority = &mut priorities[index];
            let start = priority.hosts.len();
            for endpoint in group.endpoints.iter().filter(|endpoint| seen.insert(&endpoint.address)) {
                let state =
                    known.get(&endpoint.address).map_or_else(|| Arc::new(HostState::new(now)), |s| Arc::clone(s));
                priority.hosts.push(Arc::new(Host {
                    name: endpoint.address.to_string().into(),
                    spec: endpoint.clone(),
                    locality: Arc::clone(&locality),
                    priority: u32::try_from(index).unwrap_or(u32::MAX),
                    state,
                }));
            }
            priority.localities.push((start..priority.hosts.len(), group.weight));
        }
        HostSet { priorities }
    }

    /// All endpoints.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Host>> {
        self.priorities.iter().flat_map(|priority| &priority.hosts)
    }

    /// Number of endpoints.
    pub fn len(&self) -> usize {
        self.priorities.iter().map(|priority| priority.hosts.len()).sum()
    }

    /// No endpoint at all.
    pub fn is_empty(&self) -> bool {
        self.priorities.iter().all(|priority| priority.hosts.is_empty())
    }

    /// Takes over from `previous`: what is not here any more has left.
    pub(super) fn replace(&self, previous: &HostSet) {
        for host in previous.iter() {
            host.state.set_member(false);
        }
        for host in self.iter() {
            host.state.set_member(true);
        }
    }
}
