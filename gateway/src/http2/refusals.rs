//! Requests that the HTTP/2 layer refuses before we see them.
//!
//! h2 answers a malformed head with a stream reset and tells nobody. Envoy closes the connection and logs it. What
//! was refused shows in the frames that go out: a reset for a stream that was never handed over.

use std::sync::atomic::{AtomicU32, Ordering};

/// Length, type, flags, stream (RFC 9113 §4.1).
const FRAME_HEAD: usize = 9;
const RST_STREAM: u8 = 3;
const PROTOCOL_ERROR: u32 = 1;

/// The highest stream that was reset for a protocol error; 0: none.
#[derive(Debug, Default)]
pub struct Refusals(AtomicU32);

impl Refusals {
    /// The stream of the last refusal, once.
    pub fn take(&self) -> Option<u32> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            _ => Some(self.0.swap(0, Ordering::Relaxed)),
        }
    }
}

/// Follows the frames of an outgoing byte stream.
#[derive(Debug, Default)]
pub struct FrameWatch {
    head: [u8; FRAME_HEAD + 4],
    have: usize,
    skip: usize,
}

impl FrameWatch {
    /// Looks at what is sent.
    pub fn observe(&mut self, mut sent: &[u8], refusals: &Refusals) {
        while !sent.is_empty() {
            if self.skip > 0 {
                let n = self.skip.min(sent.len());
                self.skip -= n;
                sent = &sent[n..];
                continue;
            }
            let wanted = if self.have >= FRAME_HEAD { FRAME_HEAD + 4 } else { FRAME_HEAD };
            let n = (wanted - self.have).min(sent.len());
            self.head[self.have..self.have + n].copy_from_slice(&sent[..n]);
            self.have += n;
            sent = &sent[n..];
            if self.have == wanted {
                self.step(refusals);
            }
        }
    }

    fn step(&mut self, refusals: &Refusals) {
        let [a, b, c, kind, _, s0, s1, s2, s3, payload @ ..] = self.head;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let is_reset = kind == RST_STREAM && length == 4;
        if is_reset && self.have == FRAME_HEAD {
            return;
        }
        if is_reset && u32::from_be_bytes(payload) == PROTOCOL_ERROR {
            refusals.0.fetch_max(u32::from_be_bytes([s0, s1, s2, s3]), Ordering::Relaxed);
        }
        self.skip = if is_reset { 0 } else { length };
        self.have = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resets_are_seen_wherever_writes_are_cut() {
        let data = [0, 0, 5, 0, 1, 0, 0, 0, 1, 3, 3, 3, 3, 3];
        let cancelled = [0, 0, 4, 3, 0, 0, 0, 0, 5, 0, 0, 0, 8];
        let refused = [0, 0, 4, 3, 0, 0, 0, 0, 7, 0, 0, 0, 1];
        let all = [&data[..], &cancelled, &refused, &data].concat();
        for piece in 1..all.len() {
            let (mut watch, refusals) = (FrameWatch::default(), Refusals::default());
            all.chunks(piece).for_each(|chunk| watch.observe(chunk, &refusals));
            assert_eq!(refusals.take(), Some(7), "in pieces of {piece}");
            assert_eq!(refusals.take(), None);
        }
    }
}
