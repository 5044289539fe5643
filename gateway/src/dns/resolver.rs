//! What is asked of DNS, and what it answers. Who asks does not know whether sockets or a table in memory answer.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// `A` records.
    V4,
    /// `AAAA` records.
    V6,
}

impl Family {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Family::V4 => Family::V6,
            Family::V6 => Family::V4,
        }
    }

    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Family::V4 } else { Family::V6 }
    }
}

/// Which addresses of a name are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Families {
    /// This family first; alone, if the name has addresses of it.
    pub preferred: Family,
    /// Both families at once, for those who race addresses against each other.
    pub both: bool,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    /// The name, in lower case, without a final dot.
    pub name: Arc<str>,
    /// Complete the name with the search domains of the system's configuration. Never for names that clients choose:
    /// they would reach into the cluster's own domain.
    pub search: bool,
}

/// Addresses of a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// In the order in which the server gave them; never empty.
    pub addresses: Vec<IpAddr>,
    /// How long they hold. `None`, or zero: the server does not say.
    pub ttl: Option<Duration>,
}

/// Why there is no address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupError {
    /// The name does not exist (NXDOMAIN).
    NotFound {
        /// How long that holds (RFC 2308), if the server says so.
        ttl: Option<Duration>,
    },
    /// The name has no address of the family.
    NoData {
        /// How long that holds (RFC 2308), if the server says so.
        ttl: Option<Duration>,
    },
    /// Nobody knows: SERVFAIL, timeout, no server. Nothing that was known before is less true for it.
    Failed(String),
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LookupError::NotFound { .. } => f.write_str("Domain name not found"),
            LookupError::NoData { .. } => f.write_str("DNS server returned answer with no data"),
            LookupError::Failed(why) => f.write_str(why),
        }
    }
}

/// The future of a lookup.
pub type Lookup<'a> = Pin<Box<dyn Future<Output = Result<Answer, LookupError>> + Send + 'a>>;

/// Asks for addresses of one family. Retries, timeouts and the change to TCP are its matter; caching is not.
pub trait Resolver: Send + Sync + 'static {
    /// Asks.
    fn lookup<'a>(&'a self, question: &'a Question, family: Family) -> Lookup<'a>;
}

/// Asks for the families that are wanted.
pub(super) async fn resolve(
    resolver: &dyn Resolver,
    question: &Question,
    families: Families,
) -> Result<Answer, LookupError> {
    let first = resolver.lookup(question, families.preferred);
    if families.both {
        let second = resolver.lookup(question, families.preferred.other());
        let (first, second) = tokio::join!(first, second);
        return merge(first, second);
    }
    match first.await {
        Err(LookupError::NoData { ttl }) => match resolver.lookup(question, families.preferred.other()).await {
            // The name is there, it has no addresses at all.
            Err(LookupError::NoData { ttl: other }) => Err(LookupError::NoData { ttl: shorter(ttl, other) }),
            Ok(answer) => Ok(Answer { ttl: shorter(answer.ttl, ttl), ..answer }),
            other => other,
        },
        decided => decided,
    }
}

/// Both families: what one of them has is enough, and a failure counts only if nothing else is known.
fn merge(first: Result<Answer, LookupError>, second: Result<Answer, LookupError>) -> Result<Answer, LookupError> {
    match (first, second) {
        (Ok(mut first), Ok(second)) => {
            first.ttl = shorter(first.ttl, second.ttl);
            first.addresses.extend(second.addresses);
            Ok(first)
        }
        (Ok(answer), Err(_)) | (Err(_), Ok(answer)) => Ok(answer),
        (Err(failed @ LookupError::Failed(_)), Err(_)) | (Err(_), Err(failed @ LookupError::Failed(_))) => Err(failed),
        (Err(absent), Err(_)) => Err(absent),
    }
}

fn shorter(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers of both families for any name.
    struct Fixed(Result<Answer, LookupError>, Result<Answer, LookupError>);

    impl Resolver for Fixed {
        fn lookup<'a>(&'a self, _: &'a Question, family: Family) -> Lookup<'a> {
            let answer = if family == Family::V4 { self.0.clone() } else { self.1.clone() };
            Box::pin(async move { answer })
        }
    }

    fn answer(addresses: &[&str], ttl: u64) -> Result<Answer, LookupError> {
        let addresses = addresses.iter().map(|a| a.parse().unwrap()).collect();
        Ok(Answer { addresses, ttl: Some(Duration::from_secs(ttl)) })
    }

    #[tokio::test]
    async fn families_are_asked_by_preference() {
        let v4 = || answer(&["192.0.2.1"], 30);
        let v6 = || answer(&["2001:db8::1"], 20);
        let nothing = || Err(LookupError::NoData { ttl: Some(Duration::from_secs(5)) });
        let absent = || Err(LookupError::NotFound { ttl: None });
        let failed = || Err(LookupError::Failed("timeout".into()));
        let alone = |preferred| Families { preferred, both: false };
        let both = Families { preferred: Family::V6, both: true };
        let cases = [
            ("the preferred family is enough", v4(), v6(), alone(Family::V4), v4()),
            ("and the other is not asked", v4(), failed(), alone(Family::V4), v4()),
            ("without it the other one serves", nothing(), v6(), alone(Family::V4), answer(&["2001:db8::1"], 5)),
            ("none", nothing(), nothing(), alone(Family::V4), nothing()),
            ("a name that is not there has neither", absent(), v6(), alone(Family::V4), absent()),
            ("a failure is no absence", failed(), v6(), alone(Family::V4), failed()),
            ("both, the preferred first", v4(), v6(), both, answer(&["2001:db8::1", "192.0.2.1"], 20)),
            ("one of both", v4(), failed(), both, v4()),
            ("absence is not known while one failed", nothing(), failed(), both, failed()),
        ];
        for (what, a, aaaa, families, expected) in cases {
            let question = Question { name: "x.example.com".into(), search: false };
            assert_eq!(resolve(&Fixed(a, aaaa), &question, families).await, expected, "{what}");
        }
    }
}
