//! Deadlines of a request. A timer is registered only for a deadline that exists.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// A deadline that may be set, moved or taken away.
#[derive(Debug, Default)]
pub struct Deadline {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// Sets it.
    pub fn set(&mut self, at: Instant) {
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(at),
            None => self.sleep = Some(Box::pin(sleep_until(at))),
        }
    }

    /// Sets it so far from now, if that is a time at all.
    pub fn set_after(&mut self, duration: Option<Duration>) {
        if let Some(duration) = duration {
            self.set(Instant::now() + duration);
        }
    }

    /// Takes it away.
    pub fn clear(&mut self) {
        self.sleep = None;
    }

    /// Ready once it has passed. Without regard to tokio's budget: who is asked after the streams of a request would
    /// never come to its turn while those have bytes without end.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.sleep {
            Some(sleep) => pin!(unconstrained(sleep.as_mut())).poll(cx),
            None => Poll::Pending,
        }
    }

    /// How long it is away, if it has been set.
    pub fn remaining(&self) -> Option<Duration> {
        Some(self.sleep.as_ref()?.deadline().saturating_duration_since(Instant::now()))
    }

    /// It has been set.
    pub fn is_set(&self) -> bool {
        self.sleep.is_some()
    }
}
