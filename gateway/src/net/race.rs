//! Several addresses of one peer: connections are tried in turn, overlapping (RFC 8305, happy eyeballs).

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use config_schema::snapshot::EndpointAddress;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{Conn, DialOptions, Dialer};

/// Wait for a connection before the next address is tried beside it (RFC 8305 §5 advises 250 ms; Envoy has 300).
const ATTEMPT_DELAY: Duration = Duration::from_millis(300);

/// A connection, our end of it, and the address that it leads to.
pub type Raced = (Conn, Option<SocketAddr>, SocketAddr);

type Attempt<'a> = Pin<Box<dyn Future<Output = io::Result<Raced>> + Send + 'a>>;

/// Connects to the first address that answers. The next one is tried when the last has failed, or has not answered for
/// a while; the caller limits how long the whole may take. Without addresses the error is `AddrNotAvailable`; when all
/// fail it is the last one's.
pub async fn race(dialer: &dyn Dialer, addresses: &[SocketAddr], options: &DialOptions) -> io::Result<Raced> {
    let mut waiting = addresses.iter().copied();
    let mut attempts: Vec<Attempt<'_>> = Vec::new();
    let mut delay: Option<Pin<Box<Sleep>>> = None;
    let mut last_error = io::Error::from(io::ErrorKind::AddrNotAvailable);
    poll_fn(|cx| {
        loop {
            let mut failed = false;
            let mut at = 0;
            while at < attempts.len() {
                match attempts[at].as_mut().poll(cx) {
                    Poll::Ready(Ok(connected)) => return Poll::Ready(Ok(connected)),
                    Poll::Ready(Err(error)) => {
                        last_error = error;
                        failed = true;
                        drop(attempts.remove(at));
                    }
                    Poll::Pending => at += 1,
                }
            }
            let due = delay.as_mut().is_none_or(|delay| delay.as_mut().poll(cx).is_ready());
            if !(failed || due || attempts.is_empty()) {
                return Poll::Pending;
            }
            match waiting.next() {
                Some(address) => {
                    attempts.push(Box::pin(attempt(dialer, address, options)));
                    let next = Instant::now() + ATTEMPT_DELAY;
                    match &mut delay {
                        Some(delay) => delay.as_mut().reset(next),
                        None => delay = Some(Box::pin(sleep_until(next))),
                    }
                }
                None if attempts.is_empty() => {
                    let error = std::mem::replace(&mut last_error, io::ErrorKind::AddrNotAvailable.into());
                    return Poll::Ready(Err(error));
                }
                None => return Poll::Pending,
            }
        }
    })
    .await
}

async fn attempt(dialer: &dyn Dialer, address: SocketAddr, options: &DialOptions) -> io::Result<Raced> {
    let endpoint = EndpointAddress::Socket(address);
    let (conn, local) = dialer.dial(&endpoint, options).await?;
    Ok((conn, local, address))
}

/// Addresses in the order in which to try them: families by turns, beginning with the first address's (RFC 8305 §4).
pub fn interleave(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else { return Vec::new() };
    let (same, other): (Vec<_>, Vec<_>) =
        addresses.iter().copied().partition(|address| address.is_ipv4() == first.is_ipv4());
    let mut ordered = Vec::with_capacity(addresses.len());
    let (mut same, mut other) = (same.into_iter(), other.into_iter());
    loop {
        let pair = [same.next(), other.next()];
        if pair.iter().all(Option::is_none) {
            return ordered;
        }
        ordered.extend(pair.into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Mutex;

    use super::*;

    /// After how many milliseconds an address answers, or refuses; others never do either.
    struct Scripted {
        answers: HashMap<u8, (u64, bool)>,
        dialled: Mutex<Vec<(u8, u128)>>,
        started: Instant,
    }

    impl Dialer for Scripted {
        fn dial<'a>(
            &'a self,
            address: &'a EndpointAddress,
            _: &'a DialOptions,
        ) -> Pin<Box<dyn Future<Output = io::Result<(Conn, Option<SocketAddr>)>> + Send + 'a>> {
            let EndpointAddress::Socket(address) = address else { unreachable!() };
            let id = id(*address);
            self.dialled.lock().unwrap().push((id, self.started.elapsed().as_millis()));
            Box::pin(async move {
                match self.answers.get(&id) {
                    Some((after, good)) => {
                        tokio::time::sleep(Duration::from_millis(*after)).await;
                        match good {
                            true => Ok((Conn::Memory(tokio::io::duplex(1).0), None)),
                            false => Err(io::ErrorKind::ConnectionRefused.into()),
                        }
                    }
                    None => std::future::pending().await,
                }
            })
        }
    }

    fn id(address: SocketAddr) -> u8 {
        match address.ip() {
            std::net::IpAddr::V4(v4) => v4.octets()[3],
            std::net::IpAddr::V6(v6) => v6.octets()[15],
        }
    }

    async fn play(addresses: &[&str], answers: &[(u8, u64, bool)]) -> (Result<u8, io::ErrorKind>, Vec<(u8, u128)>) {
        let answers = answers.iter().map(|(id, after, good)| (*id, (*after, *good))).collect();
        let dialer = Scripted { answers, dialled: Mutex::default(), started: Instant::now() };
        let addresses: Vec<SocketAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
        let outcome = race(&dialer, &addresses, &DialOptions::default()).await;
        (outcome.map(|(_, _, at)| id(at)).map_err(|e| e.kind()), dialer.dialled.into_inner().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_that_answers() {
        let three = ["192.0.2.1:80", "192.0.2.2:80", "192.0.2.3:80"];
        let (outcome, dialled) = play(&three, &[(1, 200, true)]).await;
        assert_eq!((outcome, dialled), (Ok(1), vec![(1, 0)]), "quick enough to be alone");
        let (outcome, dialled) = play(&three, &[(1, 100, false), (2, 10, true)]).await;
        assert_eq!((outcome, dialled), (Ok(2), vec![(1, 0), (2, 100)]), "a refusal is not waited out");
        let (outcome, dialled) = play(&three, &[(3, 10, true)]).await;
        assert_eq!((outcome, dialled), (Ok(3), vec![(1, 0), (2, 300), (3, 600)]), "silence is");
        let (outcome, _) = play(&three, &[(1, 400, true), (2, 500, true)]).await;
        assert_eq!(outcome, Ok(1), "the earlier ones go on beside the later ones");
        let (outcome, dialled) = play(&three, &[(1, 400, false), (2, 50, false), (3, 60, false)]).await;
        assert_eq!(outcome, Err(io::ErrorKind::ConnectionRefused));
        assert_eq!(dialled, [(1, 0), (2, 300), (3, 350)]);
        assert_eq!(play(&[], &[]).await.0, Err(io::ErrorKind::AddrNotAvailable));
    }

    #[test]
    fn families_by_turns() {
        let parse = |list: &[&str]| list.iter().map(|a| a.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let mixed = parse(&["[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1", "192.0.2.1:1", "192.0.2.2:1"]);
        let ordered = ["[2001:db8::1]:1", "192.0.2.1:1", "[2001:db8::2]:1", "192.0.2.2:1", "[2001:db8::3]:1"];
        assert_eq!(interleave(&mixed), parse(&ordered));
        assert_eq!(interleave(&parse(&["192.0.2.1:1", "192.0.2.2:1"])), parse(&["192.0.2.1:1", "192.0.2.2:1"]));
    }
}
