//! The configuration and what is changed in it.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use base64::Engine;
use conformance::case::behaviour_dir;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::backend::ADDRESSES;
use crate::load;

/// Ports of listeners that come and go.
const PASSING: std::ops::Range<u16> = 9100..9104;

/// A directory of configuration.
pub(crate) struct World {
    directory: PathBuf,
    routes: u32,
    weight: u32,
    endpoints: usize,
    certificate: bool,
    listeners: u16,
}

impl World {
    /// In an empty directory.
    pub(crate) fn new(directory: &Path) -> anyhow::Result<Self> {
        Ok(World {
            directory: directory.to_owned(),
            routes: 1,
            weight: 50,
            endpoints: 2,
            certificate: false,
            listeners: 0,
        })
    }

    /// Writes every file.
    pub(crate) fn write_all(&self) -> anyhow::Result<()> {
        self.gateway()?;
        self.routes()?;
        self.endpoints()?;
        self.certificate()
    }

    /// Makes a change: of routes, weights, endpoints, certificates or listeners.
    pub(crate) fn change(&mut self, n: u32) -> anyhow::Result<()> {
        match n % 5 {
            0 => {
                self.listeners = (self.listeners + 1) % (PASSING.len() as u16 + 1);
                self.gateway()
            }
            1 => {
                self.routes = n * 7 % 200 + 1;
                self.routes()
            }
            2 => {
                self.weight = n % 100;
                self.routes()
            }
            3 => {
                self.endpoints = 3 - self.endpoints;
                self.endpoints()
            }
            _ => {
                self.certificate = !self.certificate;
                self.certificate()
            }
        }
    }

    /// Whether the change is what is served.
    pub(crate) async fn check(&self, n: u32) -> anyhow::Result<()> {
        match n % 5 {
            0 => {
                for (index, port) in PASSING.enumerate() {
                    let wanted = index < usize::from(self.listeners);
                    let address = ("127.0.0.1", port);
                    // Workers let go of a socket one after the other.
                    let until = Instant::now() + Duration::from_secs(1);
                    while TcpStream::connect(address).await.is_ok() != wanted {
                        ensure!(Instant::now() < until, "port {port} is not as it should be: open {wanted}");
                        sleep(Duration::from_millis(5)).await;
                    }
                }
                Ok(())
            }
            1 => {
                let last = format!("/route-{}/x", self.routes - 1);
                load::get(&last).await.with_context(|| format!("{last} of {} routes", self.routes))
            }
            4 => {
                let served = load::served_certificate().await?;
                let wanted = self.certificate_name();
                ensure!(served == wanted, "certificate {served} is served instead of {wanted}");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn put(&self, file: &str, text: &str) -> anyhow::Result<()> {
        // As editors and `kubectl` do it: never half a file.
        let new = self.directory.join(format!(".{file}.new"));
        std::fs::write(&new, text)?;
        Ok(std::fs::rename(new, self.directory.join(file))?)
    }

    fn gateway(&self) -> anyhow::Result<()> {
        let mut servers = String::from(
            "  - {port: {number: 8080, name: http, protocol: HTTP}, hosts: ['*']}\n\
             \x20 - {port: {number: 8443, name: https, protocol: HTTPS}, hosts: ['*'], tls: {mode: SIMPLE, credentialName: site}}\n",
        );
        for port in PASSING.take(usize::from(self.listeners)) {
            writeln!(servers, "  - {{port: {{number: {port}, name: http-{port}, protocol: HTTP}}, hosts: ['*']}}")?;
        }
        self.put(
            "gateway.yaml",
            &format!(
                "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {{name: gw, namespace: istio-system}}\n\
                 spec:\n  selector: {{istio: ingressgateway}}\n  servers:\n{servers}"
            ),
        )
    }

    fn routes(&self) -> anyhow::Result<()> {
        let mut rules = String::new();
        for n in 0..self.routes {
            writeln!(
                rules,
                "  - {{match: [{{uri: {{prefix: /route-{n}/}}}}], route: [{{destination: {{host: web}}}}], \
                 headers: {{response: {{set: {{x-route: '{n}'}}}}}}}}"
            )?;
        }
        let (a, b) = (self.weight, 100 - self.weight);
        self.put(
            "routes.yaml",
            &format!(
                "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: site, namespace: default}}\n\
                 spec:\n  hosts: ['*']\n  gateways: [istio-system/gw]\n  http:\n{rules}  - route:\n    \
                 - {{destination: {{host: web}}, weight: {a}}}\n    - {{destination: {{host: web-2}}, weight: {b}}}\n"
            ),
        )
    }

    fn endpoints(&self) -> anyhow::Result<()> {
        let mut text = String::new();
        for (name, skip) in [("web", 0), ("web-2", self.endpoints - 1)] {
            write!(
                text,
                "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: default}}\n\
                 spec: {{selector: {{app: web}}, ports: [{{name: http, port: 80, targetPort: 7001}}]}}\n---\n\
                 apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\n\
                 metadata: {{name: {name}-1, namespace: default, labels: {{kubernetes.io/service-name: {name}}}}}\n\
                 ports: [{{name: http, port: 7001, protocol: TCP}}]\nendpoints:\n"
            )?;
            for address in ADDRESSES.iter().skip(skip).take(self.endpoints) {
                let ip = address.split(':').next().unwrap_or_default();
                writeln!(text, "- {{addresses: [{ip}], conditions: {{ready: true}}}}")?;
            }
            text.push_str("---\n");
        }
        self.put("endpoints.yaml", &text)
    }

    fn certificate_name(&self) -> &'static str {
        if self.certificate { "foo" } else { "bar" }
    }

    fn certificate(&self) -> anyhow::Result<()> {
        let read = |extension| {
            let path = behaviour_dir().join("pki").join(self.certificate_name()).with_extension(extension);
            let pem = std::fs::read(&path).with_context(|| path.display().to_string())?;
            anyhow::Ok(base64::engine::general_purpose::STANDARD.encode(pem))
        };
        self.put(
            "secret.yaml",
            &format!(
                "apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {{name: site, namespace: istio-system}}\n\
                 data: {{tls.crt: {}, tls.key: {}}}\n",
                read("crt")?,
                read("key")?
            ),
        )
    }
}
