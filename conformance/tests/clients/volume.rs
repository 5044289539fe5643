//! ConfigMaps and Secrets as Kubernetes mounts them: files are symlinks through `..data`, a symlink to a directory that is
//! replaced as a whole by moving that symlink.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::ensure;

use crate::gateway::{HTTP, Sallyport, eventually, gateway, pki, route, says};
use crate::openssl::{connect, subject};
use crate::shell::curl;

/// A mounted volume.
struct Volume {
    path: PathBuf,
    generation: u32,
}

impl Volume {
    fn mount(path: PathBuf, files: &[(&str, &str)]) -> anyhow::Result<Self> {
        fs::create_dir_all(&path)?;
        let mut volume = Volume { path, generation: 0 };
        volume.update(files)?;
        for (name, _) in files {
            symlink(Path::new("..data").join(name), volume.path.join(name))?;
        }
        Ok(volume)
    }

    /// As the kubelet does it: a new directory, a new symlink moved over the old, the old directory removed.
    fn update(&mut self, files: &[(&str, &str)]) -> anyhow::Result<()> {
        let old = format!("..2026_11_21_{}", self.generation);
        self.generation += 1;
        let new = format!("..2026_11_21_{}", self.generation);
        fs::create_dir(self.path.join(&new))?;
        for (name, text) in files {
            fs::write(self.path.join(&new).join(name), text)?;
        }
        symlink(&new, self.path.join("..data_tmp"))?;
        fs::rename(self.path.join("..data_tmp"), self.path.join("..data"))?;
        if self.path.join(&old).exists() {
            fs::remove_dir_all(self.path.join(&old))?;
        }
        Ok(())
    }
}

/// Routes from a ConfigMap below the watched directory, a certificate from a Secret outside of it.
pub(crate) async fn swap() -> anyhow::Result<()> {
    let outside = tempfile::tempdir()?;
    let read = |name: &str| -> anyhow::Result<[String; 2]> {
        Ok([fs::read_to_string(pki(&format!("{name}.crt")))?, fs::read_to_string(pki(&format!("{name}.key")))?])
    };
    let secret = |[certificate, key]: &[String; 2]| -> [(&'static str, String); 2] {
        [("tls.crt", certificate.clone()), ("tls.key", key.clone())]
    };
    fn borrowed<'a>(files: &'a [(&'static str, String); 2]) -> [(&'a str, &'a str); 2] {
        [(files[0].0, &files[0].1), (files[1].0, &files[1].1)]
    }
    let certificate = outside.path().join("tls");
    let mut secrets = Volume::mount(certificate.clone(), &borrowed(&secret(&read("foo")?)))?;
    let servers = format!(
        "{HTTP}, {{port: {{number: 8443, name: https, protocol: HTTPS}}, hosts: ['*'], \
         tls: {{mode: SIMPLE, serverCertificate: {0}/tls.crt, privateKey: {0}/tls.key}}}}",
        certificate.display()
    );
    let sallyport = Sallyport::start(&[("gateway.yaml", &gateway(&servers))]).await?;
    let mounted = sallyport.directory().join("routes");
    let mut routes = Volume::mount(mounted, &[("routes.yaml", &route(&says("one")))])?;
    let says_now = async |text: &str| {
        let what = format!("{text:?} is not served");
        eventually(&what, async || Ok(curl(&["http://127.0.0.1:8080/"]).await? == text)).await
    };
    says_now("one").await?;
    for text in ["two", "three", "four"] {
        routes.update(&[("routes.yaml", &route(&says(text)))])?;
        says_now(text).await?;
    }
    let args = ["-connect", "127.0.0.1:8443", "-servername", "foo.example.com"];
    ensure!(subject(&connect(&args).await?)? == "foo");
    secrets.update(&borrowed(&secret(&read("bar")?)))?;
    eventually("the new certificate is not served", async || Ok(subject(&connect(&args).await?)? == "bar")).await?;
    sallyport.stop().await
}
