//! A recorded behaviour case: configuration, traffic, and the answers of Istio on Envoy.
//!
//! The format is described in `behaviour/README.md`. Parsing is strict: a key that is not known here is an error,
//! because a key that the bench ignores would be a case that cannot fail.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use crate::answer::{Answer, Headers};

/// One file of `behaviour/FAMILY/NAME.yaml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// File name without its extension; unique within the family.
    pub name: String,
    /// Folder that the case is in: `edge`, `upstream`, `layer4`, `egress`, `security` or `mesh`.
    pub family: String,
    /// Which rule the case pins down.
    pub about: String,
    /// Which proxy is asked; see [`Case::proxy`]. Absent means the ingress gateway.
    #[serde(default, rename = "proxy")]
    proxy_key: Option<String>,
    /// MeshConfig, as YAML text: the `mesh` key of ConfigMap istio-system/istio.
    #[serde(default)]
    pub mesh: Option<String>,
    /// What the DNS server answers; every other name is NXDOMAIN.
    #[serde(default)]
    pub dns: BTreeMap<String, Vec<IpAddr>>,
    /// The documents added to the world, in order, as YAML text.
    pub config: String,
    /// Addresses beside the world's on which echo servers listen.
    #[serde(default)]
    pub endpoints: Vec<SocketAddr>,
    /// Istio refuses this configuration with this reason; there are no exchanges then.
    #[serde(default)]
    pub rejected: Option<String>,
    /// Requests, in order, each with its recorded answer.
    #[serde(default)]
    pub exchanges: Vec<Exchange>,
}

/// One request (or one connection's bytes) with the answer that was recorded for it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// What this exchange shows.
    #[serde(default)]
    pub about: Option<String>,
    /// Port dialled; see [`Exchange::port`].
    #[serde(default, rename = "port")]
    port_key: Option<u16>,
    /// Request method; default GET.
    #[serde(default)]
    pub method: Option<String>,
    /// Host or `:authority`; default `localhost`, and `""` sends none.
    #[serde(default)]
    pub host: Option<String>,
    /// Request target as it is written on the wire; default `/`.
    #[serde(default)]
    pub path: Option<String>,
    /// Request headers, in order, names as written.
    #[serde(default)]
    pub headers: Headers,
    /// Request body.
    #[serde(default)]
    pub body: Option<String>,
    /// HTTP version; default 1.1.
    #[serde(default)]
    pub version: Version,
    /// Bytes sent instead of a request.
    #[serde(default)]
    pub raw: Option<String>,
    /// The connection is TLS.
    #[serde(default)]
    pub tls: Option<ClientTls>,
    /// Client address; default 127.0.0.1.
    #[serde(default)]
    pub src: Option<IpAddr>,
    /// Original destination: sent as a PROXY protocol v2 header before everything else.
    #[serde(default)]
    pub dst: Option<SocketAddr>,
    /// How many times the request is sent, each on its own connection; the answer then has only sets.
    #[serde(default)]
    pub repeat: Option<u32>,
    /// All repetitions meet the same backends, but which ones is the load balancer's secret: the answer has `distinct`
    /// alone.
    #[serde(default)]
    pub sticky: bool,
    /// What was recorded.
    pub answer: Answer,
}

/// HTTP version of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Version {
    /// HTTP/1.0.
    #[serde(rename = "1.0")]
    Http10,
    /// HTTP/1.1.
    #[default]
    #[serde(rename = "1.1")]
    Http11,
    /// HTTP/2: by ALPN with TLS, else with prior knowledge.
    #[serde(rename = "2")]
    Http2,
}

/// How the client speaks TLS.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientTls {
    /// Server name indication; none if absent.
    #[serde(default)]
    pub sni: Option<String>,
    /// ALPN offered; if absent, what the version of the request asks for, and none for `raw`.
    #[serde(default)]
    pub alpn: Option<Vec<String>>,
    /// Client certificate, by its name in `pki/`.
    #[serde(default)]
    pub cert: Option<String>,
    /// Lowest version offered; default 1.0.
    #[serde(default)]
    pub min: Option<TlsVersion>,
    /// Highest version offered; default 1.3.
    #[serde(default)]
    pub max: Option<TlsVersion>,
}

/// TLS protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum TlsVersion {
    /// TLS 1.0.
    #[serde(rename = "1.0")]
    Tls10,
    /// TLS 1.1.
    #[serde(rename = "1.1")]
    Tls11,
    /// TLS 1.2.
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    Tls13,
}

impl Case {
    /// Reads and checks one case file; errors name the file and, for a syntax error, the place in it.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let case = Self::parse(&text).with_context(|| path.display().to_string())?;
        let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        ensure!(case.name == stem, "{}: name is {:?}, not that of the file", path.display(), case.name);
        Ok(case)
    }

    /// Parses the text of a case.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let case: Self = serde_saphyr::from_str(text)?;
        match (&case.rejected, case.exchanges.is_empty()) {
            (Some(_), false) => bail!("a rejected case has no exchanges"),
            (None, true) => bail!("a case without exchanges shows nothing"),
            _ => Ok(case),
        }
    }

    /// `FAMILY/NAME`, as the ledger and the filter spell it.
    pub fn id(&self) -> String {
        format!("{}/{}", self.family, self.name)
    }

    /// The proxy that is asked, as `NAMESPACE/POD`.
    pub fn proxy(&self) -> &str {
        match self.proxy_key.as_deref() {
            None | Some("ingress") => "istio-system/istio-ingressgateway-0",
            Some("egress") => "istio-system/istio-egressgateway-0",
            Some(sidecar) => sidecar,
        }
    }

    /// Whether the proxy is a sidecar: its connections begin with a PROXY protocol header that stands for the
    /// redirection.
    pub fn is_sidecar(&self) -> bool {
        !matches!(self.proxy_key.as_deref(), None | Some("ingress" | "egress"))
    }
}

impl Exchange {
    /// Port dialled: 8080 by default, 8443 with TLS.
    pub fn port(&self) -> u16 {
        self.port_key.unwrap_or(if self.tls.is_some() { 8443 } else { 8080 })
    }

    /// Request method, GET by default.
    pub fn method(&self) -> &str {
        self.method.as_deref().unwrap_or("GET")
    }

    /// The method on the wire: with `raw` its first word.
    pub fn sent_method(&self) -> &str {
        match &self.raw {
            Some(raw) => raw.trim_start().split(' ').next().unwrap_or_default(),
            None => self.method(),
        }
    }

    /// Host, if one is sent.
    pub fn host(&self) -> Option<&str> {
        match self.host.as_deref() {
            None => Some("localhost"),
            Some("") => None,
            Some(host) => Some(host),
        }
    }

    /// Request target, `/` by default.
    pub fn path(&self) -> &str {
        self.path.as_deref().unwrap_or("/")
    }
}

impl fmt::Display for Exchange {
    /// One line that tells which request this is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.raw {
            Some(raw) => write!(f, "raw {:?}", raw.chars().take(60).collect::<String>())?,
            None => write!(f, "{} {} (host {})", self.method(), self.path(), self.host().unwrap_or("none"))?,
        }
        write!(f, " to port {}", self.port())?;
        if let Some(tls) = &self.tls {
            write!(f, " with TLS, SNI {}", tls.sni.as_deref().unwrap_or("none"))?;
        }
        match self.repeat {
            Some(times) => write!(f, ", {times} times"),
            None => Ok(()),
        }
    }
}

/// The folder of recorded behaviour in this crate.
pub fn behaviour_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("behaviour")
}

/// The folder of behaviour recorded later, in the same format and the same world.
pub fn more_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("behaviour-more")
}

/// Loads every case of this crate: those of [`behaviour_dir`], then those of [`more_dir`]. No name is in both.
pub fn load_everything() -> anyhow::Result<Vec<Case>> {
    let mut cases = load_all(&behaviour_dir())?;
    let names: BTreeSet<String> = cases.iter().map(Case::id).collect();
    let more = load_all(&more_dir())?;
    if let Some(twice) = more.iter().map(Case::id).find(|id| names.contains(id)) {
        bail!("{twice} is in {} and in {}", behaviour_dir().display(), more_dir().display());
    }
    cases.extend(more);
    Ok(cases)
}

/// Loads every case of every family below `dir`, in the order of family and name.
pub fn load_all(dir: &Path) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for family in subfolders(dir)? {
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(&family)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
        files.sort();
        for file in files.iter().filter(|file| file.extension().is_some_and(|e| e == "yaml")) {
            let case = Case::load(file)?;
            ensure!(family.ends_with(&case.family), "{}: family is {:?}", file.display(), case.family);
            cases.push(case);
        }
    }
    ensure!(!cases.is_empty(), "no cases below {}", dir.display());
    Ok(cases)
}

fn subfolders(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("pki") {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "name: a\nfamily: edge\nabout: x\nconfig: ''\nexchanges: [{answer: {status: 200}}]\n";

    #[test]
    fn all_cases_parse() {
        let cases = load_everything().unwrap();
        assert!(cases.len() > 900, "{}", cases.len());
    }

    #[test]
    fn defaults() {
        let case = Case::parse(LEAST).unwrap();
        let exchange = &case.exchanges[0];
        assert_eq!(case.proxy(), "istio-system/istio-ingressgateway-0");
        assert!(!case.is_sidecar());
        assert_eq!((exchange.port(), exchange.method(), exchange.path()), (8080, "GET", "/"));
        assert_eq!(exchange.host(), Some("localhost"));
        assert_eq!(exchange.version, Version::Http11);
    }

    #[test]
    fn unknown_keys_are_errors() {
        let error = Case::parse(&format!("{LEAST}surprise: 1\n")).unwrap_err();
        assert!(format!("{error:#}").contains("surprise"), "{error:#}");
        let error = Case::parse(&LEAST.replace("status: 200", "colour: red")).unwrap_err();
        assert!(format!("{error:#}").contains("colour"), "{error:#}");
    }

    #[test]
    fn rejected_or_exchanges() {
        assert!(Case::parse("name: a\nfamily: edge\nabout: x\nconfig: ''\n").is_err());
        assert!(Case::parse(&format!("{LEAST}rejected: no\n")).is_err());
        assert!(Case::parse("name: a\nfamily: edge\nabout: x\nconfig: ''\nrejected: no\n").is_ok());
    }
}
