//! The binary under continuous load while its configuration changes again and again: no request fails, no connection
//! ends that the new configuration still allows, and memory stays what it was.
//!
//! `CHANGES` says how often (1,000 if not set); the report goes to standard output.
#![allow(clippy::print_stdout, reason = "without a harness a test tells its results itself")]

mod backend;
mod changes;
mod load;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use conformance::binary::{Command, isolate, sallyport_binary};

use changes::World;
use load::Load;

/// Changes before memory is measured for the first time: by then everything has been allocated once.
const WARM: u32 = 100;
/// How much more memory may be in use at the end, in KiB: the allocator's noise.
const GROWTH: u64 = 8 * 1024;
/// A change must be in force after so long.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let isolated = isolate();
    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(run()));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("live_changes: {error:#}");
            if let Err(error) = isolated {
                eprintln!("(in the host's network: {error:#})");
            }
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let count: u32 = std::env::var("CHANGES").map_or(Ok(1000), |text| text.parse()).context("CHANGES")?;
    let _backends = backend::start().await?;
    let directory = tempfile::tempdir()?;
    let mut world = World::new(directory.path())?;
    world.write_all()?;
    let mut command = Command::new(&sallyport_binary()?);
    command.args(["run", "--config"]).arg(directory.path()).args(["--workers", "2"]);
    let mut process = command.spawn()?;
    let ready = ([127, 0, 0, 1], 15021).into();
    process.wait_ready(ready, "/healthz/ready", PATIENCE).await?;

    let load = Arc::new(Load::default());
    let clients = load::start(&load);
    let began = Instant::now();
    let mut slowest = Duration::ZERO;
    let mut samples = Vec::new();
    for n in 1..=count {
        if n % WARM.min(count) == 0 {
            samples.push(process.resident_memory()?);
        }
        let before = load::updates().await?;
        let changed = Instant::now();
        world.change(n)?;
        load::wait_for_update(before, PATIENCE).await.with_context(|| format!("change {n}"))?;
        slowest = slowest.max(changed.elapsed());
        let checked = world.check(n).await;
        checked
            .with_context(|| format!("change {n}; the last requests: {:?}", process.take_log().iter().rev().take(3)))?;
        ensure!(load.failures().is_empty(), "change {n}: {}", load.failures().join("\n"));
    }
    let took = began.elapsed();
    let end = process.resident_memory()?;
    load.stop();
    for client in clients {
        client.await?;
    }
    ensure!(load.failures().is_empty(), "{}", load.failures().join("\n"));
    println!("changes: {count} in {:.1} s, the slowest in force after {} ms", took.as_secs_f64(), slowest.as_millis());
    println!("requests: {} ({}), failed: 0", load.total(), load.summary());
    println!("dropped connections: 0");
    // The number of routes goes up and down, and memory with it.
    let warm = samples[..samples.len().div_ceil(2)].iter().copied().max().unwrap_or(end);
    println!("resident memory in KiB, every {} changes: {samples:?}, at the end {end}", WARM.min(count));
    ensure!(end <= warm + GROWTH, "memory grew from {warm} to {end} KiB");
    match process.stop().await {
        None => Ok(()),
        Some(ended) => anyhow::bail!(ended),
    }
}
