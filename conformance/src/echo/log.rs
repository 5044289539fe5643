//! What the echo servers have seen.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::answer::{Headers, Seen};
use crate::wire::http1::find;

/// Requests and connections in the order of their arrival.
#[derive(Debug, Default)]
pub struct EchoLog {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How often the log was taken; entries of earlier rounds are gone.
    round: u64,
    entries: Vec<(Seen, Vec<u8>)>,
    /// Attempts seen of each request id.
    attempts: HashMap<String, usize>,
}

/// Where an entry is, for adding to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct EntryId {
    round: u64,
    index: usize,
}

impl EchoLog {
    /// How many entries there are since the log was last taken.
    pub fn len(&self) -> usize {
        self.state().entries.len()
    }

    /// Whether nothing was seen since the log was last taken.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes all entries and begins anew: attempts are counted from one again.
    pub fn take(&self) -> Vec<Seen> {
        let mut state = self.state();
        state.round += 1;
        state.attempts.clear();
        let entries = std::mem::take(&mut state.entries);
        entries.into_iter().map(|(seen, bytes)| Seen { body: text(&bytes), ..seen }).collect()
    }

    /// Adds a whole request and tells which attempt (from 0) it is: by the proxy's own count where it sends one, else
    /// by what was seen of the same request id.
    pub(super) fn request(&self, mut seen: Seen, body: &[u8]) -> usize {
        let mut state = self.state();
        let nth = match find(&seen.headers, "x-request-id") {
            Some(id) => {
                let count = state.attempts.entry(id.to_owned()).or_default();
                *count += 1;
                *count - 1
            }
            None => 0,
        };
        let counted = attempt_count(&seen.headers);
        seen.headers.retain(|(name, _)| !super::steering::steers(name));
        state.entries.push((seen, body.to_vec()));
        counted.map_or(nth, |count| count.saturating_sub(1))
    }

    /// Adds a connection of bytes, as yet without any.
    pub(super) fn bytes(&self, seen: Seen) -> EntryId {
        let mut state = self.state();
        state.entries.push((seen, Vec::new()));
        EntryId { round: state.round, index: state.entries.len() - 1 }
    }

    /// Adds bytes to a connection's entry, unless the log was taken since.
    pub(super) fn more_bytes(&self, entry: EntryId, bytes: &[u8]) {
        let mut state = self.state();
        if state.round == entry.round
            && let Some((_, body)) = state.entries.get_mut(entry.index)
        {
            body.extend_from_slice(bytes);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The proxy's own count of attempts.
pub(crate) fn attempt_count(headers: &Headers) -> Option<usize> {
    find(headers, "x-envoy-attempt-count")?.parse().ok()
}

fn text(bytes: &[u8]) -> Option<String> {
    (!bytes.is_empty()).then(|| String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(headers: &[(&str, &str)]) -> Seen {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Seen { headers, ..Seen::default() }
    }

    #[test]
    fn attempts() {
        let log = EchoLog::default();
        assert_eq!(log.request(with(&[("x-envoy-attempt-count", "3"), ("x-request-id", "a")]), b""), 2);
        assert_eq!(log.request(with(&[("x-request-id", "a")]), b""), 1);
        assert_eq!(log.request(with(&[("x-request-id", "b")]), b""), 0);
        assert_eq!(log.request(with(&[]), b""), 0);
        log.take();
        assert_eq!(log.request(with(&[("x-request-id", "a")]), b""), 0);
    }

    #[test]
    fn taken_entries_do_not_grow() {
        let log = EchoLog::default();
        let entry = log.bytes(Seen::default());
        log.more_bytes(entry, b"ab");
        assert_eq!(log.take()[0].body.as_deref(), Some("ab"));
        log.bytes(Seen::default());
        log.more_bytes(entry, b"c");
        assert_eq!(log.take()[0].body, None);
    }

    #[test]
    fn steering_headers_are_not_shown() {
        let log = EchoLog::default();
        log.request(with(&[("X-Echo-Status", "500"), ("x-a", "1")]), b"");
        assert_eq!(log.take()[0].headers, [("x-a".to_owned(), "1".to_owned())]);
    }
}
