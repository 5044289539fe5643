//! The wall clock. Monotonic time is tokio's.

use std::time::SystemTime;

/// Tells the time of day; tests tell it what it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    fixed: Option<SystemTime>,
}

impl Clock {
    /// Always this time.
    pub fn fixed(time: SystemTime) -> Self {
        Clock { fixed: Some(time) }
    }

    /// The time of day.
    pub fn now(&self) -> SystemTime {
        self.fixed.unwrap_or_else(SystemTime::now)
    }
}
