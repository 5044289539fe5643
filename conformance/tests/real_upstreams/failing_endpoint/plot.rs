//! What was counted, and a drawing of it.

use std::fmt::Write;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::{BUCKET, BUCKETS};

/// Requests by time.
pub(super) struct Series {
    name: &'static str,
    sent: Vec<AtomicU32>,
    failed: Vec<AtomicU32>,
    weak: Vec<AtomicU32>,
}

impl Series {
    pub(super) fn new(name: &'static str) -> Self {
        let zeros = || (0..BUCKETS).map(|_| AtomicU32::new(0)).collect();
        Series { name, sent: zeros(), failed: zeros(), weak: zeros() }
    }

    /// A request that was sent at this time has its answer.
    pub(super) fn answered(&self, at: Duration, good: bool) {
        let bucket = (at.as_millis() / BUCKET.as_millis()) as usize;
        if let (Some(sent), Some(failed)) = (self.sent.get(bucket), self.failed.get(bucket)) {
            sent.fetch_add(1, Ordering::Relaxed);
            failed.fetch_add(u32::from(!good), Ordering::Relaxed);
        }
    }

    /// So many requests reached the endpoint that fails.
    pub(super) fn weak_asked(&self, bucket: usize, count: u32) {
        if let Some(weak) = self.weak.get(bucket) {
            weak.fetch_add(count, Ordering::Relaxed);
        }
    }

    /// Requests that failed.
    pub(super) fn failed(&self) -> u32 {
        sum(&self.failed)
    }

    /// Requests that reached the endpoint that fails.
    pub(super) fn weak(&self) -> u32 {
        sum(&self.weak)
    }

    /// Requests that were sent in a span of time.
    pub(super) fn sent_while(&self, span: &Range<Duration>) -> u32 {
        let [first, end] = [span.start, span.end].map(|at| (at.as_millis() / BUCKET.as_millis()) as usize);
        sum(self.sent.get(first..end).unwrap_or_default())
    }

    /// The endpoint gets requests in the end.
    pub(super) fn recovers(&self) -> bool {
        sum(self.weak.get(BUCKETS - 5..).unwrap_or_default()) > 0
    }
}

fn sum(counts: &[AtomicU32]) -> u32 {
    counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 120.0;
const LEFT: f64 = 40.0;
const PANEL: f64 = 170.0;

/// One panel for each policy: the share of requests that fail, and that reach the failing endpoint, over time.
pub(super) fn draw(all: &[Series], fails: &Range<Duration>) -> String {
    let x = |bucket: f64| LEFT + bucket / BUCKETS as f64 * WIDTH;
    let total = PANEL * all.len() as f64 + 20.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{total}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        LEFT + WIDTH + 20.0
    );
    let at = |time: Duration| x(time.as_secs_f64() / BUCKET.as_secs_f64());
    for (n, series) in all.iter().enumerate() {
        let top = 30.0 + PANEL * n as f64;
        let y = |share: f64| top + HEIGHT * (1.0 - share.min(1.0));
        let line = |counts: &[AtomicU32]| {
            let points = counts.iter().zip(&series.sent).enumerate().map(|(bucket, (count, sent))| {
                let sent = f64::from(sent.load(Ordering::Relaxed).max(1));
                format!("{:.1},{:.1}", x(bucket as f64), y(f64::from(count.load(Ordering::Relaxed)) / sent))
            });
            points.collect::<Vec<_>>().join(" ")
        };
        let _ = write!(
            svg,
            "<text x=\"{LEFT}\" y=\"{}\" font-weight=\"bold\">{}: {} requests failed</text>\n\
             <rect x=\"{}\" y=\"{top}\" width=\"{}\" height=\"{HEIGHT}\" fill=\"#eee\"/>\n\
             <rect x=\"{LEFT}\" y=\"{top}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"none\" stroke=\"#999\"/>\n\
             <text x=\"4\" y=\"{}\">100 %</text><text x=\"16\" y=\"{}\">0 %</text>\n\
             <polyline fill=\"none\" stroke=\"#36c\" stroke-width=\"1.5\" points=\"{}\"/>\n\
             <polyline fill=\"none\" stroke=\"#c33\" stroke-width=\"2\" points=\"{}\"/>\n",
            top - 8.0,
            series.name,
            series.failed(),
            at(fails.start),
            at(fails.end) - at(fails.start),
            top + 10.0,
            top + HEIGHT,
            line(&series.weak),
            line(&series.failed),
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{:.0}\">6 seconds; grey: one endpoint of three answers 500; red: requests that fail; blue: \
         requests that reach it</text>\n</svg>",
        total - 6.0
    );
    svg
}
