//! What the connection manager writes on every answer.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::sanitize;
use crate::clock::Clock;
use crate::headers::names;
use crate::message::ResponseHead;

/// What it needs to know.
pub(super) struct Finishing<'a> {
    /// Value of `server`; `None` leaves the backend's.
    pub server: Option<&'a str>,
    /// Tells the time of day.
    pub clock: Clock,
}

/// Removes what ends at this hop, and writes `server` and `date`.
pub(super) fn finish(head: &mut ResponseHead, finishing: &Finishing<'_>) {
    sanitize::response(&mut head.headers, head.status == 101);
    if !head.headers.contains("date") {
        head.headers.append(names::DATE, http_date(finishing.clock.now()));
    }
    if let Some(server) = finishing.server {
        head.headers.set(names::SERVER, server_name(server));
    }
}

thread_local! {
    /// The last `server` written: all answers have the same.
    static SERVER: RefCell<Bytes> = const { RefCell::new(Bytes::new()) };
    /// The last date written, by its second: hundreds of answers share one.
    static DATE: RefCell<(u64, Bytes)> = const { RefCell::new((0, Bytes::new())) };
}

fn server_name(name: &str) -> Bytes {
    SERVER.with_borrow_mut(|known| {
        if *known != name.as_bytes() {
            *known = Bytes::copy_from_slice(name.as_bytes());
        }
        known.clone()
    })
}

fn http_date(now: SystemTime) -> Bytes {
    let second = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    DATE.with_borrow_mut(|(known, text)| {
        if *known != second || text.is_empty() {
            *known = second;
            *text = Bytes::from(httpdate::fmt_http_date(now));
        }
        text.clone()
    })
}
