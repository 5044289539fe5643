//! Injected faults.

use std::time::Duration;

use config_schema::snapshot::{Fault, Fraction};

use crate::outcome::Outcome;

/// What happens to one request: delay and abort are drawn independently.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Drawn {
    /// Wait this long first.
    pub delay: Option<Duration>,
    /// Then answer so.
    pub abort: Option<Outcome>,
}

/// Draws from a fault. `random` gives numbers from 0 to 999,999.
pub fn draw(fault: &Fault, mut random: impl FnMut() -> u32) -> Drawn {
    let mut hit = |fraction: Fraction| fraction.0 > 0 && random() < fraction.0;
    let delay = fault.delay.as_ref().filter(|d| !d.fixed.is_zero() && hit(d.fraction)).map(|d| d.fixed);
    let abort = fault.abort.as_ref().filter(|a| hit(a.fraction)).and_then(|abort| {
        match (abort.http_status, abort.grpc_status) {
            (Some(status), _) => Some(Outcome::FaultAbort { status, grpc_status: None }),
            (None, Some(code)) => Some(Outcome::FaultAbort { status: 200, grpc_status: Some(code) }),
            (None, None) => None,
        }
    });
    Drawn { delay, abort }
}
