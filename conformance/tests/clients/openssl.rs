//! openssl s_client: who is shown which certificate, and who gets in.

use std::path::Path;

use anyhow::{Context, ensure};

use crate::gateway::{Sallyport, gateway, pki, route, says, secret, tls_secret};
use crate::shell::{Said, openssl, run};

fn https(port: u16, name: &str, host: &str, tls: &str) -> String {
    format!("{{port: {{number: {port}, name: {name}, protocol: HTTPS}}, hosts: ['{host}'], tls: {{{tls}}}}}")
}

/// A handshake.
pub(crate) async fn connect(args: &[&str]) -> anyhow::Result<Said> {
    openssl(&[&["s_client", "-CAfile", &pki("root.crt"), "-verify_return_error"], args].concat()).await
}

/// The subject of the certificate that was shown.
pub(crate) fn subject(said: &Said) -> anyhow::Result<&str> {
    let line = said.out.lines().find_map(|line| line.strip_prefix("subject="));
    let name = line.and_then(|line| line.rsplit("CN = ").next());
    name.with_context(|| format!("no certificate: {}", said.all))
}

/// Exact names before wildcards; a name that no server has, and none at all, are closed.
pub(crate) async fn sni() -> anyhow::Result<()> {
    let servers = [
        https(8443, "https-foo", "foo.example.com", "mode: SIMPLE, credentialName: foo"),
        https(8443, "https-bar", "bar.example.com", "mode: SIMPLE, credentialName: bar"),
        https(8443, "https-wild", "*.example.com", "mode: SIMPLE, credentialName: wild"),
    ]
    .join(", ");
    let mut config = gateway(&servers) + &route(&says("hello"));
    for name in ["foo", "bar", "wild"] {
        config += &tls_secret(name)?;
    }
    let sallyport = Sallyport::start(&[("all.yaml", &config)]).await?;
    for (name, shown) in [
        ("foo.example.com", Some("foo")),
        ("FOO.example.com", Some("foo")),
        ("bar.example.com", Some("bar")),
        ("other.example.com", Some("wild")),
        ("example.org", None),
        ("", None),
    ] {
        let mut args = vec!["-connect", "127.0.0.1:8443"];
        args.extend(if name.is_empty() { vec!["-noservername"] } else { vec!["-servername", name] });
        let said = connect(&args).await?;
        match shown {
            Some(shown) => ensure!(said.ok && subject(&said)? == shown, "{name}: {}", said.all),
            None => ensure!(!said.ok && !said.out.contains("subject="), "{name}: {}", said.all),
        }
    }
    sallyport.stop().await
}

/// A request with a client certificate; whether it was answered. TLS 1.3 clients learn of a refusal after the handshake.
pub(crate) async fn gets_in(port: u16, certificate: Option<&str>) -> anyhow::Result<bool> {
    let (ca, resolve) = (pki("root.crt"), format!("foo.example.com:{port}:127.0.0.1"));
    let url = format!("https://foo.example.com:{port}/");
    let files = certificate.map(|name| (pki(&format!("{name}.crt")), pki(&format!("{name}.key"))));
    let mut args = vec!["-sS", "--noproxy", "*", "--cacert", &ca, "--resolve", &resolve, &url];
    if let Some((certificate, key)) = &files {
        args.extend(["--cert", certificate, "--key", key]);
    }
    let said = run("curl", &args).await?;
    Ok(said.ok && said.out == "hello")
}

/// MUTUAL asks for a certificate of its authority that is not revoked; OPTIONAL_MUTUAL takes none, too.
pub(crate) async fn client_certificates() -> anyhow::Result<()> {
    let servers = [
        https(8443, "https-mutual", "*", "mode: MUTUAL, credentialName: foo"),
        https(9443, "https-optional", "*", "mode: OPTIONAL_MUTUAL, credentialName: foo"),
        https(9444, "https-crl", "*", "mode: MUTUAL, credentialName: crl"),
    ]
    .join(", ");
    let files = |ca: &str| vec![("tls.crt", pki("foo.crt")), ("tls.key", pki("foo.key")), ("ca.crt", pki(ca))];
    let with_crl = [files("client-ca.crt"), vec![("ca.crl", pki("client-ca.crl"))]].concat();
    let config = gateway(&servers) + &route(&says("hello"));
    let config = config + &secret("foo", &files("client-ca.crt"))? + &secret("crl", &with_crl)?;
    let sallyport = Sallyport::start(&[("all.yaml", &config)]).await?;
    for (port, certificate, expected) in [
        (8443, Some("client"), true),
        (8443, Some("client-revoked"), true),
        (8443, Some("client-bad"), false),
        (8443, None, false),
        (9443, Some("client"), true),
        (9443, Some("client-bad"), false),
        (9443, None, true),
        (9444, Some("client"), true),
        (9444, Some("client-revoked"), false),
        (9444, None, false),
    ] {
        let got = gets_in(port, certificate).await?;
        ensure!(got == expected, "port {port} with {certificate:?}: {got}");
    }
    let said = connect(&["-connect", "127.0.0.1:8443", "-servername", "foo.example.com"]).await?;
    ensure!(said.all.contains("Acceptable client certificate CA names"), "{}", said.all);
    sallyport.stop().await
}

/// Key `tls.ocsp-staple` of the Secret is what clients get that ask for the certificate's status.
pub(crate) async fn ocsp_staple() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let staple = make_staple(directory.path()).await?;
    let server = https(8443, "https", "*", "mode: SIMPLE, credentialName: foo");
    let keys = [("tls.crt", pki("foo.crt")), ("tls.key", pki("foo.key")), ("tls.ocsp-staple", staple)];
    let config = gateway(&server) + &route(&says("hello")) + &secret("foo", &keys)?;
    let sallyport = Sallyport::start(&[("all.yaml", &config)]).await?;
    for version in ["-tls1_2", "-tls1_3"] {
        let args = ["-connect", "127.0.0.1:8443", "-servername", "foo.example.com", "-status", version];
        let said = connect(&args).await?;
        ensure!(said.out.contains("OCSP Response Status: successful"), "{version}: {}", said.all);
        ensure!(said.out.contains("Cert Status: good"), "{version}: {}", said.all);
    }
    sallyport.stop().await
}

/// An answer about the certificate `foo` by who issued it.
async fn make_staple(directory: &Path) -> anyhow::Result<String> {
    let path = |name: &str| directory.join(name).display().to_string();
    let (certificate, root, key) = (pki("foo.crt"), pki("root.crt"), pki("root.key"));
    let shown = openssl(&["x509", "-in", &certificate, "-noout", "-serial"]).await?;
    let serial = shown.out.trim().strip_prefix("serial=").context("no serial number")?.to_owned();
    let index = path("index.txt");
    std::fs::write(&index, format!("V\t560101000000Z\t\t{serial}\tunknown\t/O=Sallyport test/CN=foo\n"))?;
    let (request, answer) = (path("request.der"), path("answer.der"));
    for args in [
        vec!["ocsp", "-issuer", &root, "-cert", &certificate, "-no_nonce", "-reqout", &request],
        vec![
            "ocsp", "-index", &index, "-rsigner", &root, "-rkey", &key, "-CA", &root, "-reqin", &request, "-respout",
            &answer, "-ndays", "7",
        ],
    ] {
        let said = openssl(&args).await?;
        ensure!(said.ok, "openssl {}: {}", args.join(" "), said.all);
    }
    Ok(answer)
}
