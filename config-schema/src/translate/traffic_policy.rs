//! The policy of a cluster: a rule's, by port and subset, over the mesh's defaults.

use super::destination_rule::MergedRule;
use crate::resources::MeshConfig;
use crate::resources::destination_rule::{
    ClientTlsMode, ClientTlsSettings, ConnectionPoolSettings, LoadBalancerSettings, OutlierDetection, ProxyProtocol,
    RetryBudget, TrafficPolicy, TunnelSettings,
};

/// The blocks that hold for a port of a host or of a subset.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Policy<'r> {
    pub(super) load_balancer: Option<&'r LoadBalancerSettings>,
    pub(super) connection_pool: Option<&'r ConnectionPoolSettings>,
    pub(super) outlier_detection: Option<&'r OutlierDetection>,
    pub(super) tls: Option<&'r ClientTlsSettings>,
    pub(super) proxy_protocol: Option<ProxyProtocol>,
    pub(super) retry_budget: Option<RetryBudget>,
    /// `outlier_detection` comes from a rule, not from the mesh.
    pub(super) outlier_by_rule: bool,
}

/// The policy of `port`, and whether it is one of `portLevelSettings`, which inherit nothing.
fn for_port(policy: &TrafficPolicy, port: u16) -> (Policy<'_>, bool) {
    let settings = policy
        .port_level_settings
        .iter()
        .find(|settings| settings.port.is_some_and(|selected| selected.number == u32::from(port)));
    match settings {
        Some(settings) => {
            let policy = Policy {
                load_balancer: settings.load_balancer.as_ref(),
                connection_pool: settings.connection_pool.as_ref(),
                outlier_detection: settings.outlier_detection.as_ref(),
                tls: settings.tls.as_ref(),
                outlier_by_rule: settings.outlier_detection.is_some(),
                ..Policy::default()
            };
            (policy, true)
        }
        None => {
            let whole = Policy {
                load_balancer: policy.load_balancer.as_ref(),
                connection_pool: policy.connection_pool.as_ref(),
                outlier_detection: policy.outlier_detection.as_ref(),
                tls: policy.tls.as_ref(),
                proxy_protocol: policy.proxy_protocol,
                retry_budget: policy.retry_budget,
                outlier_by_rule: policy.outlier_detection.is_some(),
            };
            (whole, false)
        }
    }
}

impl<'r> Policy<'r> {
    /// The policy for a port of a host, or of its subset if `subset` is not empty.
    pub(super) fn new(rule: Option<&'r MergedRule>, mesh: &'r MeshConfig, port: u16, subset: &str) -> Self {
        let whole = rule.and_then(|rule| rule.traffic_policy.as_ref());
        let base = whole.map(|policy| for_port(policy, port).0).unwrap_or_default().over(mesh);
        let subset = rule.and_then(|rule| rule.subset(subset)).and_then(|subset| subset.traffic_policy.as_ref());
        match subset {
            Some(policy) => base.overridden(for_port(policy, port)),
            None => base,
        }
    }

    /// Blocks that are not set come from `defaultTrafficPolicy`.
    fn over(self, mesh: &'r MeshConfig) -> Self {
        let Some(defaults) = &mesh.default_traffic_policy else { return self };
        Self {
            connection_pool: self.connection_pool.or(defaults.connection_pool.as_ref()),
            outlier_detection: self.outlier_detection.or(defaults.outlier_detection.as_ref()),
            ..self
        }
    }

    /// With the blocks of a subset in place of one's own; its port-level settings reset the blocks they leave out.
    fn overridden(self, (subset, port_level): (Self, bool)) -> Self {
        Self {
            load_balancer: override_block(self.load_balancer, subset.load_balancer, port_level),
            connection_pool: override_block(self.connection_pool, subset.connection_pool, port_level),
            outlier_detection: override_block(self.outlier_detection, subset.outlier_detection, port_level),
            tls: override_block(self.tls, subset.tls, port_level),
            proxy_protocol: subset.proxy_protocol.or(self.proxy_protocol),
            retry_budget: subset.retry_budget.or(self.retry_budget),
            outlier_by_rule: subset.outlier_by_rule || (self.outlier_by_rule && !port_level),
        }
    }
}

fn override_block<T>(own: Option<T>, subset: Option<T>, reset: bool) -> Option<T> {
    if reset { subset } else { subset.or(own) }
}

/// The tunnel of a byte route to a host, or to its subset, which inherits none. Ports make no difference.
pub(super) fn tunnel<'r>(rule: Option<&'r MergedRule>, subset: &str) -> Option<&'r TunnelSettings> {
    let policy =
        if subset.is_empty() { rule?.traffic_policy.as_ref() } else { rule?.subset(subset)?.traffic_policy.as_ref() };
    policy?.tunnel.as_ref()
}

/// The kind of TLS that a rule gives endpoints: unlike the policy of the cluster, settings of a port that have no `tls`
/// keep that of the rule here.
pub(super) fn rule_tls_mode(rule: Option<&MergedRule>, port: u16, subset: &str) -> Option<ClientTlsMode> {
    let rule = rule?;
    let of = |policy: &TrafficPolicy| {
        let (of_port, port_level) = for_port(policy, port);
        let tls = if port_level { of_port.tls } else { None };
        tls.or(policy.tls.as_ref()).map(|tls| tls.mode)
    };
    let of_rule = rule.traffic_policy.as_ref();
    if subset.is_empty() {
        return of(of_rule?);
    }
    rule.subset(subset)?.traffic_policy.as_ref().and_then(of).or_else(|| of(of_rule?))
}
