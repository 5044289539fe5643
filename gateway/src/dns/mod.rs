//! Names: an asynchronous cache of DNS shared by all workers, and the clusters whose endpoints are names.
//!
//! A name that is wanted is kept resolved on the control thread ([`Dns`], [`Watched`]): asked for again when its TTL is
//! over, served from its last answer while servers fail, dropped when an answer says so. Clusters with names of the
//! configuration follow them ([`DnsClusters`]); clusters whose names come with requests resolve what the client asked for
//! ([`DynamicHosts`]), under the guards against names that lead where no client should get ([`guard`], [`client_host`]).

pub mod client_host;
mod clusters;
mod dynamic;
pub mod guard;
mod hickory;
mod metrics;
mod names;
mod resolution;
mod resolver;
mod schedule;
mod search;

pub use clusters::{DnsClusters, preferred_family};
pub use dynamic::{DynamicHost, DynamicHosts, Overflow};
pub use hickory::{HickoryResolver, RESOLV_CONF};
pub use metrics::DnsMetrics;
pub use names::{Condition, Dns, NameKey, NameState, Watched};
pub use resolution::Resolution;
pub use resolver::{Answer, Families, Family, Lookup, LookupError, Question, Resolver};
