use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A server that gives every connection the same answer to each request, on a thread of its own.
fn server(answer: &'static [u8]) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    while stream.read(&mut buffer).await.is_ok_and(|n| n > 0) {
                        stream.write_all(answer).await.unwrap();
                    }
                });
            }
        })
    });
    address
}

fn backend() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(async { crate::backend::serve(tokio::net::TcpListener::from_std(listener).unwrap()).await })
    });
    address
}

fn job(target: SocketAddr, name: &str, requests: u64) -> Job {
    let workload = Workload::named(name).unwrap();
    let length = Length::Requests(requests);
    Job { workload, target, tls: None, warmup: Duration::ZERO, length, threads: 2 }
}

#[test]
fn every_answer_of_the_backend_is_right() {
    let target = backend();
    for (name, requests) in [("h1", 500), ("h1-1k", 500), ("h1-1m", 20)] {
        let driven = drive(&job(target, name, requests), || Ok(())).unwrap();
        assert_eq!(driven.faults, [] as [String; 0], "{name}");
        assert!(driven.requests >= requests, "{name}: {}", driven.requests);
        assert!(driven.latency.count() > 0 && driven.latency.quantile(0.5) > 0.0, "{name}");
    }
}

#[test]
fn wrong_answers_are_told() {
    for (answer, fault) in [
        (&b"HTTP/1.1 503 No\r\ncontent-length: 1024\r\n\r\n"[..], "64 x status 503"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", "64 x content-length 5"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "64 x no content-length"),
        (b"SSH-2.0-x\r\n", "64 x the answer is no HTTP/1.1"),
    ] {
        let mut job = job(server(answer), "h1-1k", 10);
        job.threads = 1;
        let driven = drive(&job, || Ok(())).unwrap();
        assert_eq!(driven.faults, [fault]);
        assert_eq!(driven.requests, 0);
    }
}

#[test]
fn a_body_that_is_too_long_is_told() {
    let mut job = job(server(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nmore"), "h1", 10);
    job.threads = 1;
    assert_eq!(drive(&job, || Ok(())).unwrap().faults, ["64 x body of 4 bytes"]);
}

#[test]
fn nobody_listens() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap();
    drop(listener);
    let driven = drive(&job(target, "h1", 10), || Ok(())).unwrap();
    assert_eq!(driven.requests, 0);
    assert!(driven.faults.iter().all(|fault| fault.contains("connection:")) && !driven.faults.is_empty());
}

#[test]
fn shares_add_up() {
    assert_eq!([share(64, 3, 0), share(64, 3, 1), share(64, 3, 2)], [22, 21, 21]);
    assert_eq!([share(1, 2, 0), share(1, 2, 1)], [1, 0]);
}
