use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn config() -> OutlierDetection {
    OutlierDetection {
        consecutive_5xx: 3,
        consecutive_gateway_errors: 2,
        consecutive_local_origin_failures: 2,
        split_external_local_origin_errors: false,
        interval: 10 * SECOND,
        base_ejection_time: 30 * SECOND,
        max_ejection_percent: 50,
        http_errors: Vec::new(),
    }
}

/// Which triggers a row of observations pulls, and after how many.
fn triggers(config: &OutlierDetection, row: &[Observed]) -> Vec<(usize, Trigger)> {
    let failures = Failures::default();
    let mut pulled = Vec::new();
    for (index, observed) in row.iter().enumerate() {
        for trigger in failures.count(*observed, config).into_iter().flatten() {
            pulled.push((index + 1, trigger));
        }
    }
    pulled
}

#[test]
fn rows_of_failures() {
    use Observed::{ConnectFailure, Connected, Opened, Reset, Status, Timeout};
    use Trigger::{
        Consecutive5xx as Any, ConsecutiveGatewayErrors as Gateway, ConsecutiveLocalOriginFailures as Local,
    };
    let split = OutlierDetection { split_external_local_origin_errors: true, ..config() };
    let listed = OutlierDetection { http_errors: vec![429, 502], ..config() };
    type Case<'a> = (&'a str, OutlierDetection, &'a [Observed], &'a [(usize, Trigger)]);
    let cases: &[Case<'_>] = &[
        ("any 5xx counts", config(), &[Status(500), Status(501), Status(599)], &[(3, Any)]),
        ("gateway errors count twice", config(), &[Status(502), Status(503), Status(504)], &[(2, Gateway), (3, Any)]),
        ("a 500 ends the row of gateway errors", config(), &[Status(502), Status(500), Status(502)], &[(3, Any)]),
        ("an answer ends all rows", config(), &[Status(502), Status(404), Status(503), Status(500)], &[]),
        ("past the end nothing happens again", config(), &[Status(500); 7], &[(3, Any)]),
        ("own failures are 503 and 504", config(), &[ConnectFailure, Timeout, Reset], &[(2, Gateway), (3, Any)]),
        ("a connection proves nothing", config(), &[Reset, Connected, ConnectFailure], &[(3, Gateway)]),
        ("for bytes it does", config(), &[ConnectFailure, Opened, ConnectFailure], &[]),
        ("split: own failures apart", split.clone(), &[Status(500), Reset, Status(500), Timeout], &[(4, Local)]),
        ("split: a connection ends their row", split, &[Reset, Connected, Reset], &[]),
        ("a list replaces 5xx", listed.clone(), &[Status(503), Status(429), Status(429), Status(429)], &[(4, Any)]),
        ("what is not listed is success", listed, &[Status(429), Status(502), Status(503), Status(429)], &[]),
    ];
    for (name, config, row, expected) in cases {
        assert_eq!(triggers(config, row), *expected, "{name}");
    }
}

#[test]
fn a_threshold_of_zero_is_none() {
    let off = OutlierDetection { consecutive_5xx: 0, consecutive_gateway_errors: 0, ..config() };
    assert_eq!(triggers(&off, &[Observed::Status(503); 300]), []);
}

struct Bench {
    ejections: Ejections,
    config: OutlierDetection,
    start: Instant,
    hosts: usize,
}

impl Bench {
    fn new(config: OutlierDetection, hosts: usize) -> Self {
        let start = Instant::now();
        Bench { ejections: Ejections::new(start), config, start, hosts }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    fn eject(&mut self, id: u64, seconds: u64) -> bool {
        let now = self.at(seconds);
        self.ejections.eject((id, &Failures::default()), Trigger::Consecutive5xx, self.hosts, &self.config, now)
    }

    fn back(&mut self, seconds: u64) -> Vec<u64> {
        let now = self.at(seconds);
        self.ejections.sweep(&self.config, now)
    }

    fn next(&self) -> Option<u64> {
        self.ejections.next_sweep(&self.config).map(|next| (next - self.start).as_secs())
    }
}

#[test]
fn ejections_end_on_the_beat() {
    let mut bench = Bench::new(config(), 4);
    assert!(bench.eject(1, 3));
    assert_eq!(bench.next(), Some(40), "33 s, and then the next multiple of 10 s");
    assert_eq!(bench.back(39), [0; 0]);
    assert_eq!(bench.back(40), [1]);
    assert_eq!((bench.next(), bench.ejections.active()), (None, 0));
}

#[test]
fn each_ejection_is_longer_and_health_shortens_the_next() {
    let mut bench = Bench::new(config(), 4);
    assert!(bench.eject(1, 0));
    assert_eq!(bench.back(30), [1]);
    // Ejected again before a beat has passed: twice as long.
    assert!(bench.eject(1, 31));
    assert_eq!(bench.next(), Some(100));
    assert_eq!(bench.back(100), [1]);
    // The beats at 110 and 120 have taken both back.
    assert!(bench.eject(1, 121));
    assert_eq!(bench.next(), Some(160), "as if for the first time");
}

#[test]
fn no_ejection_is_longer_than_the_maximum() {
    let mut bench = Bench::new(config(), 4);
    let mut now = 0;
    let mut longest = 0;
    for _ in 0..20 {
        assert!(bench.eject(1, now));
        let end = bench.next().unwrap();
        longest = longest.max(end - now);
        assert_eq!(bench.back(end), [1]);
        now = end;
    }
    assert_eq!(longest, 300);
    let mut bench = Bench::new(OutlierDetection { base_ejection_time: 600 * SECOND, ..config() }, 4);
    assert!(bench.eject(1, 0));
    assert_eq!(bench.next(), Some(600), "the base time if that is longer");
}

#[test]
fn the_share_of_ejected_endpoints_is_a_hard_cap() {
    for (percent, hosts, expected) in
        [(10, 9, 0), (10, 10, 1), (50, 2, 1), (49, 2, 0), (66, 3, 1), (67, 3, 2), (100, 3, 3)]
    {
        let mut bench = Bench::new(OutlierDetection { max_ejection_percent: percent, ..config() }, hosts);
        let ejected = (0..hosts as u64).filter(|id| bench.eject(*id, 1)).count();
        assert_eq!(ejected, expected, "{percent} % of {hosts}");
    }
}

#[test]
fn who_is_ejected_is_not_ejected_again() {
    let mut bench = Bench::new(OutlierDetection { max_ejection_percent: 100, ..config() }, 2);
    assert!(bench.eject(1, 0));
    assert!(!bench.eject(1, 29));
    assert_eq!(bench.back(30), [1]);
}

#[test]
fn health_checks_end_ejections() {
    let mut bench = Bench::new(config(), 2);
    assert!(bench.eject(1, 0));
    let now = bench.at(5);
    assert!(bench.ejections.end(1, now));
    assert!(!bench.ejections.end(1, now));
    assert_eq!(bench.next(), None);
    assert!(bench.eject(1, 6));
    assert_eq!(bench.next(), Some(70), "the second one is longer all the same");
}

#[test]
fn endpoints_that_leave_make_room() {
    let mut bench = Bench::new(config(), 2);
    assert!(bench.eject(1, 0));
    assert!(!bench.eject(2, 0));
    bench.ejections.retain(|id| id != 1);
    assert!(bench.eject(2, 1));
}

#[test]
fn a_long_rest_is_no_work() {
    let mut bench = Bench::new(OutlierDetection { interval: Duration::from_millis(1), ..config() }, 4);
    assert!(bench.eject(1, 0));
    assert_eq!(bench.back(1_000_000_000), [1]);
    assert!(bench.eject(1, 2_000_000_000));
}
