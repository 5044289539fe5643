//! curl over every version of HTTP and TLS.

use anyhow::ensure;

use crate::gateway::{HTTP, Sallyport, gateway, pki, route, says, tls_secret};
use crate::shell::{curl, run};

/// Prints what came.
const FORMAT: [&str; 2] = ["-w", " %{http_code} %{http_version}"];

/// HTTP/1.1, HTTP/2 over TLS, HTTP/2 with prior knowledge and by upgrade's absence, HTTP/1.0.
pub(crate) async fn http_versions() -> anyhow::Result<()> {
    let servers = format!(
        "{HTTP}, {{port: {{number: 8443, name: https, protocol: HTTPS}}, hosts: ['*'], \
         tls: {{mode: SIMPLE, credentialName: foo}}}}"
    );
    let config = gateway(&servers) + &route(&says("hello")) + &tls_secret("foo")?;
    let sallyport = Sallyport::start(&[("all.yaml", &config)]).await?;
    let ca = pki("root.crt");
    let tls = ["--cacert", &ca, "--resolve", "foo.example.com:8443:127.0.0.1"];
    let (plain, secure) = ("http://127.0.0.1:8080/", "https://foo.example.com:8443/");
    for (args, expected) in [
        (vec!["--http1.1", plain], "hello 200 1.1"),
        (vec!["--http2-prior-knowledge", plain], "hello 200 2"),
        (vec!["--http2", plain], "hello 200 1.1"),
        (vec!["--http1.1", secure], "hello 200 1.1"),
        (vec!["--http2", secure], "hello 200 2"),
        (vec!["--http2", "-I", "-o", "/dev/null", secure], " 200 2"),
        (vec!["--http2", "--data-binary", "body", secure], "hello 200 2"),
        // As Istio has it: HTTP/1.0 is told to come again with a newer version.
        (vec!["--http1.0", "-o", "/dev/null", plain], " 426 1.1"),
    ] {
        let said = curl(&[&FORMAT[..], &tls, &args].concat()).await?;
        ensure!(said == expected, "curl {}: {said:?} instead of {expected:?}", args.join(" "));
    }
    sallyport.stop().await
}

/// TLS 1.0 to 1.3 where the server asks for them; 1.2 is the least otherwise.
pub(crate) async fn tls_versions() -> anyhow::Result<()> {
    let old = "ECDHE-ECDSA-AES128-SHA, ECDHE-ECDSA-AES128-GCM-SHA256";
    let servers = format!(
        "{{port: {{number: 8443, name: https, protocol: HTTPS}}, hosts: ['*'], \
         tls: {{mode: SIMPLE, credentialName: foo}}}}, \
         {{port: {{number: 9443, name: https-old, protocol: HTTPS}}, hosts: ['*'], \
         tls: {{mode: SIMPLE, credentialName: foo, minProtocolVersion: TLSV1_0, cipherSuites: [{old}]}}}}, \
         {{port: {{number: 9444, name: https-new, protocol: HTTPS}}, hosts: ['*'], \
         tls: {{mode: SIMPLE, credentialName: foo, minProtocolVersion: TLSV1_3}}}}"
    );
    let config = gateway(&servers) + &route(&says("hello")) + &tls_secret("foo")?;
    let sallyport = Sallyport::start(&[("all.yaml", &config)]).await?;
    let ca = pki("root.crt");
    for (port, least) in [(8443, 2), (9443, 0), (9444, 3)] {
        for version in 0..=3 {
            let url = format!("https://foo.example.com:{port}/");
            let resolve = format!("foo.example.com:{port}:127.0.0.1");
            let (min, max) = (format!("--tlsv1.{version}"), format!("1.{version}"));
            let mut args =
                vec!["-sS", "--noproxy", "*", "--cacert", &ca, "--resolve", &resolve, &min, "--tls-max", &max];
            args.extend(["--ciphers", "DEFAULT@SECLEVEL=0", &url]);
            let said = run("curl", &args).await?;
            ensure!(said.ok == (version >= least), "TLS 1.{version} at port {port}: {}", said.all);
            ensure!(!said.ok || said.out == "hello", "TLS 1.{version} at port {port}: {}", said.all);
        }
    }
    sallyport.stop().await
}

/// An HTTP/2 connection that is used for the host of another server.
pub(crate) async fn misdirected_requests() -> anyhow::Result<()> {
    let server = |name: &str| {
        format!(
            "{{port: {{number: 8443, name: https-{name}, protocol: HTTPS}}, hosts: [{name}.example.com], \
             tls: {{mode: SIMPLE, credentialName: {name}}}}}"
        )
    };
    let servers = format!("{}, {}", server("foo"), server("bar"));
    let plain = gateway(&servers);
    let asked = plain.replace("{name: gw,", "{name: gw, annotations: {sallyport.dev/misdirected-requests: \"421\"},");
    let rest = route(&says("hello")) + &tls_secret("foo")? + &tls_secret("bar")?;
    let sallyport = Sallyport::start(&[("gateway.yaml", &plain), ("rest.yaml", &rest)]).await?;
    let ca = pki("root.crt");
    let request = async |version: &str, host: &str| {
        let host = format!("host: {host}.example.com");
        let tls = ["--cacert", &ca, "--resolve", "foo.example.com:8443:127.0.0.1", version, "-H", &host];
        curl(&[&tls[..], &["-o", "/dev/null"], &FORMAT, &["https://foo.example.com:8443/"]].concat()).await
    };
    ensure!(request("--http2", "foo").await? == " 200 2");
    ensure!(request("--http2", "bar").await? == " 404 2", "as Istio");
    sallyport.change("gateway.yaml", &asked).await?;
    for (version, host, expected) in [
        ("--http2", "foo", " 200 2"),
        ("--http2", "bar", " 421 2"),
        ("--http2", "nobody", " 404 2"),
        ("--http1.1", "bar", " 404 1.1"),
    ] {
        let said = request(version, host).await?;
        ensure!(said == expected, "{version} {host}: {said:?} instead of {expected:?}");
    }
    sallyport.stop().await
}
