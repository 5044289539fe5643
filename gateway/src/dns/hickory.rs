//! Questions over the network: hickory's resolver, asked for one absolute name at a time.
//!
//! Its cache is off (ours serves stale answers and asks again by itself), and so is its search list, which would report
//! the last of several answers: a server that fails for one candidate and denies the next would look like a denial.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{TokioResolver, system_conf};
use parking_lot::RwLock;

use super::resolver::{Answer, Family, Lookup, LookupError, Question, Resolver};
use super::search::SearchList;

/// One try, with its repetitions over UDP and the change to TCP, at a server that the command line names.
const TRY: Duration = Duration::from_millis(1500);
/// Tries after the first.
const RETRIES: usize = 2;
/// Questions at once on a TCP connection to a server.
const PIPELINED: usize = 256;

/// The system's configuration.
pub const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Asks servers.
pub struct HickoryResolver {
    origin: Origin,
    servers: RwLock<Result<Servers, String>>,
}

/// Where the servers are written.
enum Origin {
    /// On the command line.
    Given,
    /// In this file.
    File(PathBuf),
}

#[derive(Clone)]
struct Servers {
    client: TokioResolver,
    search: SearchList,
    /// The file's text, to see that it has changed.
    text: Vec<u8>,
}

impl HickoryResolver {
    /// Asks this server alone, for names as they are: neither search domains nor `/etc/hosts` count.
    pub fn server(address: SocketAddr) -> Self {
        let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
        for connection in &mut connections {
            connection.port = address.port();
        }
        let server = NameServerConfig::new(address.ip(), true, connections);
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let mut options = ResolverOpts::default();
        options.timeout = TRY;
        options.attempts = RETRIES;
        options.use_hosts_file = ResolveHosts::Never;
        let servers =
            client(config, options).map(|client| Servers { client, search: SearchList::default(), text: Vec::new() });
        HickoryResolver { origin: Origin::Given, servers: RwLock::new(servers) }
    }

    /// Asks the servers of a `resolv.conf`, with its search domains and options, and after `/etc/hosts`. The file is
    /// read again when lookups fail and it has changed.
    pub fn system(resolv_conf: impl Into<PathBuf>) -> Self {
        let path = resolv_conf.into();
        let servers = read(&path);
        if let Err(error) = &servers {
            tracing::error!("{error}; names are not resolved until it can be read");
        }
        HickoryResolver { origin: Origin::File(path), servers: RwLock::new(servers) }
    }

    /// Takes over a file that has changed; true if it has.
    fn reload(&self) -> bool {
        let Origin::File(path) = &self.origin else { return false };
        let changed = match &*self.servers.read() {
            Ok(servers) => std::fs::read(path).is_ok_and(|text| text != servers.text),
            Err(_) => true,
        };
        if !changed {
            return false;
        }
        match read(path) {
            Ok(servers) => {
                tracing::info!(path = %path.display(), "DNS servers read again");
                *self.servers.write() = Ok(servers);
                true
            }
            Err(_) => false,
        }
    }

    async fn search(&self, question: &Question, family: Family) -> Result<Answer, LookupError> {
        let servers = self.servers.read().clone().map_err(LookupError::Failed)?;
        let mut exists = None;
        let mut missing = None;
        let mut failed = None;
        for candidate in servers.search.candidates(&question.name, question.search) {
            match ask(&servers.client, &candidate, family).await {
                Ok(answer) => return Ok(answer),
                Err(LookupError::NoData { ttl }) => exists = exists.or(Some(LookupError::NoData { ttl })),
                Err(LookupError::NotFound { ttl }) => missing = Some(LookupError::NotFound { ttl }),
                Err(LookupError::Failed(why)) => failed = failed.or(Some(LookupError::Failed(why))),
            }
        }
        // What failed might have been the answer.
        Err(failed.or(exists).or(missing).unwrap_or_else(|| LookupError::Failed("not a domain name".to_owned())))
    }
}

impl Resolver for HickoryResolver {
    fn lookup<'a>(&'a self, question: &'a Question, family: Family) -> Lookup<'a> {
        Box::pin(async move {
            match self.search(question, family).await {
                Err(LookupError::Failed(_)) if self.reload() => self.search(question, family).await,
                outcome => outcome,
            }
        })
    }
}

fn read(path: &Path) -> Result<Servers, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = std::fs::read(path).map_err(|error| failed(&error))?;
    let (config, mut options) = system_conf::parse_resolv_conf(&text).map_err(|error| failed(&error))?;
    options.use_hosts_file = ResolveHosts::Always;
    let domains = config.search().iter().map(|name| name.to_ascii()).collect();
    let search = SearchList::new(domains, options.ndots);
    let client = client(config, options)?;
    Ok(Servers { client, search, text })
}

fn client(config: ResolverConfig, mut options: ResolverOpts) -> Result<TokioResolver, String> {
    options.cache_size = 0;
    options.max_active_requests = PIPELINED;
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    *builder.options_mut() = options;
    builder.build().map_err(|error| error.to_string())
}

async fn ask(client: &TokioResolver, name: &str, family: Family) -> Result<Answer, LookupError> {
    let mut name = Name::from_str_relaxed(name).map_err(|error| LookupError::Failed(format!("{name}: {error}")))?;
    name.set_fqdn(true);
    let kind = match family {
        Family::V4 => RecordType::A,
        Family::V6 => RecordType::AAAA,
    };
    let lookup = client.lookup(name, kind).await.map_err(|error| explain(&error))?;
    let mut addresses = Vec::new();
    for record in lookup.answers() {
        match (&record.data, family) {
            (RData::A(a), Family::V4) => addresses.push(a.0.into()),
            (RData::AAAA(aaaa), Family::V6) => addresses.push(aaaa.0.into()),
            _ => {}
        }
    }
    // The shortest of the chain counts: an alias may move before its target's address does.
    let ttl = lookup.answers().iter().map(|record| record.ttl).min().map(|ttl| Duration::from_secs(ttl.into()));
    if addresses.is_empty() {
        return Err(LookupError::NoData { ttl });
    }
    Ok(Answer { addresses, ttl })
}

fn explain(error: &NetError) -> LookupError {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => {
            let ttl = none.negative_ttl.map(|ttl| Duration::from_secs(ttl.into()));
            match none.response_code {
                ResponseCode::NXDomain => LookupError::NotFound { ttl },
                ResponseCode::NoError => LookupError::NoData { ttl },
                code => LookupError::Failed(format!("DNS server answered {code}")),
            }
        }
        NetError::Dns(DnsError::ResponseCode(code)) => LookupError::Failed(format!("DNS server answered {code}")),
        NetError::Timeout => LookupError::Failed("Timeout while contacting DNS servers".to_owned()),
        NetError::NoConnections => LookupError::Failed("Could not contact DNS servers".to_owned()),
        error => LookupError::Failed(error.to_string()),
    }
}
