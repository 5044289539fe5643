//! Deadlines of a request. A timer is registered only for a deadline that exists.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
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

/// One timer for the deadlines of a task, one after the other.
///
/// Most deadlines never pass. The timer is moved only when it must fire earlier than it would, so that a connection
/// with thousands of requests a second touches it now and then and not with every request. It may wake its task too
/// early; then it is set anew.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    timer: Deadline,
    armed: Option<Instant>,
}

impl Alarm {
    /// Ready once `deadline`, the earliest that the task awaits, has passed.
    pub(super) fn poll(&mut self, deadline: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = deadline else { return Poll::Pending };
        loop {
            if self.armed.is_none_or(|armed| armed > deadline) {
                self.timer.set(deadline);
                self.armed = Some(deadline);
            }
            ready!(self.timer.poll(cx));
            self.armed = None;
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
        }
    }
}

/// The first of some deadlines.
pub(super) fn earliest<const N: usize>(deadlines: [Option<Instant>; N]) -> Option<Instant> {
    deadlines.into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_alarm_serves_later_and_earlier_deadlines() {
        let start = Instant::now();
        let mut alarm = Alarm::default();
        let now_pending = |alarm: &mut Alarm, deadline| {
            let mut cx = Context::from_waker(std::task::Waker::noop());
            assert!(alarm.poll(Some(deadline), &mut cx).is_pending());
        };
        let after = |seconds| start + Duration::from_secs(seconds);
        now_pending(&mut alarm, after(10));
        now_pending(&mut alarm, after(60));
        poll_fn(|cx| alarm.poll(Some(after(20)), cx)).await;
        assert_eq!(Instant::now(), after(20), "armed for 10 s, it goes on to 20 s");
        now_pending(&mut alarm, after(90));
        poll_fn(|cx| alarm.poll(Some(after(30)), cx)).await;
        assert_eq!(Instant::now(), after(30), "armed for 90 s, it is moved to 30 s");
        poll_fn(|cx| alarm.poll(Some(after(5)), cx)).await;
        assert_eq!(Instant::now(), after(30), "what has passed is ready at once");
    }

    #[test]
    fn the_earliest_counts() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        assert_eq!(earliest([Some(later), None, Some(now)]), Some(now));
        assert_eq!(earliest([None, None]), None);
    }
}
