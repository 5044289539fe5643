//! Profiles of the running process.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use axum::extract::Query;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

/// Samples per second: not a divisor of common timers, so that it does not fall into step with them.
const FREQUENCY: i32 = 99;
/// Nobody should leave a profiler on for ever.
const LONGEST: u64 = 600;

#[derive(Deserialize)]
pub(super) struct Span {
    seconds: Option<u64>,
}

impl Span {
    fn duration(&self, default: u64) -> Duration {
        Duration::from_secs(self.seconds.unwrap_or(default).clamp(1, LONGEST))
    }
}

/// Where CPU time goes for some seconds (10 if not said), as folded stacks: `root;caller;function samples`.
pub(super) async fn cpu(Query(span): Query<Span>) -> Response {
    let builder =
        pprof::ProfilerGuardBuilder::default().frequency(FREQUENCY).blocklist(&["libc", "libgcc", "pthread", "vdso"]);
    let guard = match builder.build() {
        Ok(guard) => guard,
        Err(error) => return failed(&format!("cannot profile: {error} (another profile may be under way)")),
    };
    tokio::time::sleep(span.duration(10)).await;
    match guard.report().build() {
        Ok(report) => ([(header::CONTENT_TYPE, "text/plain")], folded(&report)).into_response(),
        Err(error) => failed(&format!("cannot make a report: {error}")),
    }
}

fn folded(report: &pprof::Report) -> String {
    let mut stacks: BTreeMap<String, isize> = BTreeMap::new();
    for (frames, samples) in &report.data {
        let mut stack = frames.thread_name.clone();
        for frame in frames.frames.iter().rev() {
            for symbol in frame.iter().rev() {
                let _ = write!(stack, ";{symbol}");
            }
        }
        *stacks.entry(stack).or_default() += samples;
    }
    stacks.iter().fold(String::new(), |mut text, (stack, samples)| {
        let _ = writeln!(text, "{stack} {samples}");
        text
    })
}

/// What is allocated within some seconds (60 if not said) and still held at their end, as a gzipped pprof profile.
/// Allocations are sampled, one in 512 KiB.
pub(super) async fn heap(Query(span): Query<Span>) -> Response {
    let Some(control) = jemalloc_pprof::PROF_CTL.as_ref() else {
        return failed("this process was started without heap profiling (jemalloc prof:true)");
    };
    if let Err(error) = control.lock().await.activate() {
        return failed(&format!("cannot start heap profiling: {error}"));
    }
    tokio::time::sleep(span.duration(60)).await;
    let mut control = control.lock().await;
    let dumped = control.dump_pprof();
    if let Err(error) = control.deactivate() {
        tracing::error!(%error, "cannot stop heap profiling");
    }
    match dumped {
        Ok(profile) => ([(header::CONTENT_TYPE, "application/octet-stream")], profile).into_response(),
        Err(error) => failed(&format!("cannot dump the heap: {error}")),
    }
}

fn failed(reason: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response()
}
