//! Leaving: a listener, or the whole process, asks its connections to end.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Asks connections to end.
#[derive(Debug, Clone, Default)]
pub struct Drain(CancellationToken);

impl Drain {
    /// Not asking yet.
    pub fn new() -> Self {
        Drain::default()
    }

    /// One that is asked when this one is, and can be asked by itself.
    pub fn child(&self) -> Self {
        Drain(self.0.child_token())
    }

    /// Asks.
    pub fn start(&self) {
        self.0.cancel();
    }

    /// Has been asked.
    pub fn is_draining(&self) -> bool {
        self.0.is_cancelled()
    }

    /// For one connection.
    pub fn signal(&self) -> DrainSignal {
        DrainSignal { token: self.0.clone(), waiting: Box::pin(self.0.clone().cancelled_owned()), done: false }
    }
}

/// A connection's ear for [`Drain`].
#[derive(Debug)]
pub struct DrainSignal {
    token: CancellationToken,
    waiting: Pin<Box<WaitForCancellationFutureOwned>>,
    done: bool,
}

impl DrainSignal {
    /// Cancelled when it is asked.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Has been asked.
    pub fn is_draining(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Ready once it has been asked.
    pub fn poll_draining(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.done {
            self.done = self.waiting.as_mut().poll(cx).is_ready();
        }
        if self.done { Poll::Ready(()) } else { Poll::Pending }
    }
}
