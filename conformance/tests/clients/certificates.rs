//! Certificates of a Gateway by file path instead of by Secret.

use anyhow::ensure;

use crate::gateway::{Sallyport, eventually, gateway, pki, route, says};
use crate::openssl::{connect, gets_in, subject};

/// `serverCertificate` and `privateKey`; files that change are served without a restart.
pub(crate) async fn files() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let (certificate, key) = (directory.path().join("tls.crt"), directory.path().join("tls.key"));
    let put = |name: &str| -> anyhow::Result<()> {
        std::fs::copy(pki(&format!("{name}.key")), &key)?;
        std::fs::copy(pki(&format!("{name}.crt")), &certificate)?;
        Ok(())
    };
    put("foo")?;
    let server = format!(
        "{{port: {{number: 8443, name: https, protocol: HTTPS}}, hosts: ['*'], \
         tls: {{mode: SIMPLE, serverCertificate: {}, privateKey: {}}}}}",
        certificate.display(),
        key.display()
    );
    let config = gateway(&server) + &route(&says("hello"));
    let sallyport = Sallyport::start(&[("all.yaml", &config)]).await?;
    let args = ["-connect", "127.0.0.1:8443", "-servername", "foo.example.com"];
    ensure!(subject(&connect(&args).await?)? == "foo");
    put("bar")?;
    eventually("the new files are not served", async || Ok(subject(&connect(&args).await?)? == "bar")).await?;
    // Half of a change must not harm: the key of another certificate.
    std::fs::copy(pki("foo.key"), &key)?;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    ensure!(subject(&connect(&args).await?)? == "bar", "the last good certificate does not serve on");
    sallyport.stop().await
}

/// `tlsCertificates`: clients get the one whose key they can verify.
pub(crate) async fn by_signature() -> anyhow::Result<()> {
    let entry = |name: &str| {
        let (certificate, key) = (pki(&format!("{name}.crt")), pki(&format!("{name}.key")));
        format!("{{serverCertificate: {certificate}, privateKey: {key}}}")
    };
    let server = format!(
        "{{port: {{number: 8443, name: https, protocol: HTTPS}}, hosts: ['*'], \
         tls: {{mode: SIMPLE, tlsCertificates: [{}, {}]}}}}",
        entry("bookinfo-rsa"),
        entry("bookinfo")
    );
    let sallyport = Sallyport::start(&[("all.yaml", &(gateway(&server) + &route(&says("hello"))))]).await?;
    for (algorithm, kind) in [("ECDSA+SHA256", "id-ecPublicKey"), ("RSA-PSS+SHA256:RSA+SHA256", "rsaEncryption")] {
        let args = ["-connect", "127.0.0.1:8443", "-servername", "bookinfo.example.com", "-sigalgs", algorithm];
        let said = connect(&args).await?;
        ensure!(said.out.contains(kind), "{algorithm}: {}", said.all);
    }
    sallyport.stop().await
}

/// `caCertificates` and `caCrl`.
pub(crate) async fn client_authorities() -> anyhow::Result<()> {
    let server = |port: u16, more: &str| {
        format!(
            "{{port: {{number: {port}, name: https-{port}, protocol: HTTPS}}, hosts: ['*'], tls: {{mode: MUTUAL, \
             serverCertificate: {}, privateKey: {}, caCertificates: {}{more}}}}}",
            pki("foo.crt"),
            pki("foo.key"),
            pki("client-ca.crt")
        )
    };
    let servers = [server(8443, ""), server(9443, &format!(", caCrl: {}", pki("client-ca.crl")))].join(", ");
    let sallyport = Sallyport::start(&[("all.yaml", &(gateway(&servers) + &route(&says("hello"))))]).await?;
    for (port, certificate, expected) in [
        (8443, Some("client"), true),
        (8443, Some("client-revoked"), true),
        (8443, None, false),
        (9443, Some("client"), true),
        (9443, Some("client-revoked"), false),
        (9443, Some("client-bad"), false),
    ] {
        let got = gets_in(port, certificate).await?;
        ensure!(got == expected, "port {port} with {certificate:?}: {got}");
    }
    sallyport.stop().await
}
