//! Broken configuration (`validate/`), told of by `sallyport validate`, and written beside what a running gateway serves.

use anyhow::{Context, ensure};
use conformance::binary::sallyport_binary;
use conformance::broken::{Variant, good_files, variants};
use serde_json::Value;

use crate::gateway::{Sallyport, updates, wait_for_update};
use crate::shell::{curl, run};

/// Every variant: the exit code says that there is an error, the file and line are named.
pub(crate) async fn validate() -> anyhow::Result<()> {
    let (good, binary) = (good_files()?, sallyport_binary()?.display().to_string());
    let directory = tempfile::tempdir()?;
    let path = directory.path().display().to_string();
    for (name, text) in &good {
        std::fs::write(directory.path().join(name), text)?;
    }
    let said = run(&binary, &["validate", &path]).await?;
    ensure!(said.ok && said.out.contains("0 errors, 0 warnings"), "{}", said.all);
    for variant in variants()? {
        let file = directory.path().join(&variant.file);
        std::fs::write(&file, variant.content(&good)?)?;
        check(&variant, &binary, &path).await.with_context(|| variant.name.clone())?;
        std::fs::write(&file, &good[&variant.file])?;
    }
    let said = run(&binary, &["validate", "/nowhere"]).await?;
    ensure!(!said.ok && said.all.contains("/nowhere"), "{}", said.all);
    Ok(())
}

async fn check(variant: &Variant, binary: &str, path: &str) -> anyhow::Result<()> {
    let text = run(binary, &["validate", path]).await?;
    let json = run(binary, &["validate", "--output", "json", path]).await?;
    let findings: Vec<Value> = serde_json::from_str(&json.out).with_context(|| json.all.clone())?;
    ensure!(findings.len() >= variant.finds.len(), "{}", text.all);
    let wrong = findings.iter().any(|finding| finding["severity"] == "error");
    ensure!(text.ok != wrong && json.ok != wrong, "the exit code does not say what was found: {}", text.all);
    for finding in &findings {
        let (file, line, column) = (&finding["file"], &finding["line"], &finding["column"]);
        let place = format!("{}:{line}:{column}: ", file.as_str().unwrap_or_default());
        ensure!(text.out.contains(&place), "{place} is missing: {}", text.out);
    }
    let place = format!("{path}/{}:", variant.file_told_of());
    ensure!(text.out.contains(&place), "{place} is missing: {}", text.out);
    Ok(())
}

/// A gateway that is given one broken file after the other serves what stands beside it, and the last good version.
pub(crate) async fn live() -> anyhow::Result<()> {
    let good = good_files()?;
    let files: Vec<(&str, &str)> = good.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let sallyport = Sallyport::start(&files).await?;
    serves().await?;
    let mut before: Option<Variant> = None;
    for (n, variant) in variants()?.into_iter().enumerate() {
        let count = updates().await?;
        // Two ways to be unreadable may be one to the gateway; this is always a change.
        sallyport.put("count.yaml", format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: n-{n}}}\n"))?;
        if let Some(before) = &before {
            sallyport.put(&before.file, &good[&before.file])?;
        }
        sallyport.put(&variant.file, variant.content(&good)?)?;
        wait_for_update(count).await.with_context(|| variant.name.clone())?;
        serves().await.with_context(|| variant.name.clone())?;
        before = Some(variant);
    }
    sallyport.stop().await
}

/// The witness, and a rule of the files that are broken in turn: it was good before.
async fn serves() -> anyhow::Result<()> {
    let resolve = ["--resolve", "witness.example.com:8090:127.0.0.1", "--resolve", "shop.example.com:8080:127.0.0.1"];
    let said = curl(&[&resolve[..], &["http://witness.example.com:8090/"]].concat()).await?;
    ensure!(said == "still here", "{said}");
    let status = ["-o", "/dev/null", "-w", "%{http_code}"];
    let said = curl(&[&resolve[..], &status, &["http://shop.example.com:8080/old/x"]].concat()).await?;
    ensure!(said != "000", "the shop's port does not answer");
    Ok(())
}
