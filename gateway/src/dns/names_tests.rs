use std::sync::atomic::{AtomicUsize, Ordering};

use prometheus::Registry;
use tokio::time::{advance, sleep};

use super::super::resolver::{Family, Lookup};
use super::*;

/// Gives one answer after the other; the last one again and again.
struct Script {
    answers: Vec<Result<Answer, LookupError>>,
    asked: AtomicUsize,
    takes: Duration,
}

impl Resolver for Script {
    fn lookup<'a>(&'a self, _: &'a Question, _: Family) -> Lookup<'a> {
        Box::pin(async move {
            sleep(self.takes).await;
            let n = self.asked.fetch_add(1, Ordering::Relaxed);
            self.answers[n.min(self.answers.len() - 1)].clone()
        })
    }
}

fn answer(addresses: &[&str], ttl: u64) -> Result<Answer, LookupError> {
    let addresses = addresses.iter().map(|a| a.parse().unwrap()).collect();
    Ok(Answer { addresses, ttl: Some(Duration::from_secs(ttl)) })
}

fn failed() -> Result<Answer, LookupError> {
    Err(LookupError::Failed("SERVFAIL".into()))
}

fn dns(answers: Vec<Result<Answer, LookupError>>, takes: Duration) -> (Dns, Arc<Script>) {
    let script = Arc::new(Script { answers, asked: AtomicUsize::new(0), takes });
    let metrics = Arc::new(DnsMetrics::new(&Registry::new()).unwrap());
    (Dns::new(Arc::clone(&script) as Arc<dyn Resolver>, Handle::current(), 1, metrics), script)
}

fn key(name: &str) -> NameKey {
    NameKey {
        question: Question { name: name.into(), search: false },
        families: Families { preferred: Family::V4, both: false },
        refresh: Duration::from_secs(60),
    }
}

fn addresses(watched: &Watched) -> Vec<String> {
    watched.state().addresses.iter().map(ToString::to_string).collect()
}

/// Lets the clock run, and whatever is due on the way.
async fn pass(secs: u64) {
    for _ in 0..secs * 2 {
        advance(Duration::from_millis(500)).await;
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn answers_are_refreshed_when_their_ttl_is_over() {
    let (dns, script) = dns(vec![answer(&["192.0.2.1"], 10), answer(&["192.0.2.2"], 1000)], Duration::ZERO);
    let changed = Arc::new(Notify::new());
    let watched = dns.watch(key("a.example.com"), Some(&changed));
    assert!(!watched.state().is_decided());
    watched.decided().await;
    assert_eq!(addresses(&watched), ["192.0.2.1"]);
    changed.notified().await;
    pass(9).await;
    assert_eq!(script.asked.load(Ordering::Relaxed), 1, "not before its time");
    pass(3).await;
    changed.notified().await;
    assert_eq!(addresses(&watched), ["192.0.2.2"]);
    assert_eq!(dns.metrics().changes.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_last_answer_serves_while_servers_fail() {
    let absent = Err(LookupError::NotFound { ttl: Some(Duration::from_secs(5)) });
    let script = vec![answer(&["192.0.2.1"], 10), failed(), failed(), absent, answer(&["192.0.2.3"], 1000)];
    let (dns, script) = dns(script, Duration::ZERO);
    let watched = dns.watch(key("a.example.com"), None);
    watched.decided().await;
    pass(12).await;
    assert!(watched.state().is_stale(), "{:?}", watched.state());
    assert_eq!(addresses(&watched), ["192.0.2.1"]);
    assert_eq!(dns.metrics().stale.get(), 1);
    // One second after the first failure, two after the second: then the server says that the name is gone.
    pass(4).await;
    assert_eq!(addresses(&watched), Vec::<String>::new());
    assert_eq!(watched.state().error().unwrap().to_string(), "Domain name not found");
    assert_eq!(dns.metrics().stale.get(), 0);
    pass(6).await;
    assert_eq!((addresses(&watched), script.asked.load(Ordering::Relaxed)), (vec!["192.0.2.3".to_owned()], 5));
}

#[tokio::test(start_paused = true)]
async fn a_name_is_asked_for_once_whoever_wants_it() {
    let (dns, script) = dns(vec![answer(&["192.0.2.1"], 10)], Duration::from_secs(1));
    let many: Vec<_> = (0..100).map(|_| dns.watch(key("a.example.com"), None)).collect();
    for watched in &many {
        watched.decided().await;
    }
    assert_eq!((script.asked.load(Ordering::Relaxed), dns.list().len(), dns.list()[0].2), (1, 1, 100));
}

#[tokio::test(start_paused = true)]
async fn a_name_that_nobody_wants_is_forgotten_unless_it_is_wanted_again_soon() {
    let (dns, script) = dns(vec![answer(&["192.0.2.1"], 1000)], Duration::ZERO);
    let watched = dns.watch(key("a.example.com"), None);
    watched.decided().await;
    drop(watched);
    pass(3).await;
    let again = dns.watch(key("a.example.com"), None);
    assert!(again.state().is_decided(), "still known");
    pass(30).await;
    assert_eq!((dns.list().len(), dns.metrics().names.get()), (1, 1));
    drop(again);
    pass(12).await;
    assert_eq!((dns.list().len(), dns.metrics().names.get()), (0, 0));
    assert_eq!(script.asked.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn lookups_are_bounded_in_number_and_time() {
    let (dns, script) = dns(vec![answer(&["192.0.2.1"], 1000)], Duration::from_secs(1));
    let many: Vec<_> = (0..1000).map(|n| dns.watch(key(&format!("n{n}.example.com")), None)).collect();
    tokio::task::yield_now().await;
    for second in 1..=16 {
        sleep(Duration::from_millis(1001)).await;
        assert!(script.asked.load(Ordering::Relaxed) <= second * LOOKUPS_AT_ONCE);
    }
    assert!(many.iter().all(|watched| watched.state().is_decided()));

    let (dns, _) = self::dns(vec![answer(&["192.0.2.1"], 1000)], Duration::from_secs(3600));
    let watched = dns.watch(key("slow.example.com"), None);
    let error = watched.decided().await.error().map(ToString::to_string);
    assert_eq!(error.as_deref(), Some("Timeout while contacting DNS servers"));
}
