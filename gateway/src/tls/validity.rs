//! Certificates out of date: our own are in use all the same, as with Envoy, and somebody should know.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use rustls::pki_types::UnixTime;
use x509_parser::prelude::{FromDer, X509Certificate};

/// From when to when a certificate is valid, both in seconds since 1970, both included (RFC 5280, section 4.1.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// `notBefore`.
    pub not_before: i64,
    /// `notAfter`.
    pub not_after: i64,
}

impl Validity {
    /// Of a certificate; `None` if it is none.
    pub(super) fn of(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let validity = certificate.validity();
        Some(Validity { not_before: validity.not_before.timestamp(), not_after: validity.not_after.timestamp() })
    }

    /// Whether it is valid at `now`.
    pub(super) fn check(self, now: UnixTime) -> Result<(), webpki::Error> {
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let unix = |seconds: i64| UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
        if seconds > self.not_after {
            return Err(webpki::Error::CertExpired { time: now, not_after: unix(self.not_after) });
        }
        if seconds < self.not_before {
            return Err(webpki::Error::CertNotValidYet { time: now, not_before: unix(self.not_before) });
        }
        Ok(())
    }

    /// What is wrong with its dates at `now`, in words that stay the same from day to day.
    fn fault(self, now: i64) -> Option<String> {
        let (from, to) = (date(self.not_before), date(self.not_after));
        if now > self.not_after {
            Some(format!("expired on {to} (it is valid from {from})"))
        } else if now < self.not_before {
            Some(format!("is not valid before {from} (and until {to})"))
        } else {
            None
        }
    }
}

/// What is wrong at `now` with the dates of authorities, if none of them is valid.
pub(super) fn fault_of_authorities(authorities: &[Validity], now: SystemTime) -> Option<String> {
    let now = unix_seconds(now);
    let faults: Option<Vec<String>> = authorities.iter().map(|validity| validity.fault(now)).collect();
    let first = faults?.into_iter().next()?;
    Some(format!("no certificate authority is valid now, so that nobody is trusted: the first {first}"))
}

/// What is wrong at `now` with the dates of a chain, leaf first: that of the first certificate that is out of date.
pub(super) fn fault_of_chain(chain: &[Validity], now: SystemTime) -> Option<String> {
    let now = unix_seconds(now);
    chain.iter().enumerate().find_map(|(n, validity)| {
        let fault = validity.fault(now)?;
        let which = if n == 0 { "the certificate".to_owned() } else { format!("certificate {} of the chain", n + 1) };
        Some(format!("{which} {fault}; it is in use all the same, and whoever checks it refuses it"))
    })
}

fn unix_seconds(now: SystemTime) -> i64 {
    now.duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or(0)
}

fn date(unix_seconds: i64) -> String {
    Timestamp::from_second(unix_seconds).map(|time| time.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_certificate_out_of_date_is_told_of() {
        let valid = |not_before, not_after| Validity { not_before, not_after };
        let tail = "; it is in use all the same, and whoever checks it refuses it";
        for (chain, expected) in [
            (vec![], None),
            (vec![valid(0, 1000), valid(1000, 2000)], None),
            (
                vec![valid(0, 999)],
                Some("the certificate expired on 1970-01-01T00:16:39Z (it is valid from 1970-01-01T00:00:00Z)"),
            ),
            (
                vec![valid(1001, 2000)],
                Some("the certificate is not valid before 1970-01-01T00:16:41Z (and until 1970-01-01T00:33:20Z)"),
            ),
            (
                vec![valid(0, 1000), valid(0, 60)],
                Some(
                    "certificate 2 of the chain expired on 1970-01-01T00:01:00Z (it is valid from 1970-01-01T00:00:00Z)",
                ),
            ),
        ] {
            let found = fault_of_chain(&chain, UNIX_EPOCH + Duration::from_millis(1_000_500));
            assert_eq!(found, expected.map(|text| format!("{text}{tail}")), "{chain:?}");
        }
    }
}
