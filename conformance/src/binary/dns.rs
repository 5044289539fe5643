//! A DNS server that knows a case's names and no others, or does as a script says.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, SOA};
use hickory_proto::rr::{RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

/// Seconds that answers may be kept: longer than any case.
const TTL: u32 = 300;

/// How often a port is looked for that is free for both UDP and TCP.
const TRIES: usize = 10;

type Names = BTreeMap<String, Vec<IpAddr>>;

/// A question to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// In lower case, without final dot.
    pub name: String,
    /// IPv6 addresses are asked for; else IPv4 ones, or something that nobody has.
    pub aaaa: bool,
    /// IPv4 addresses are asked for.
    pub a: bool,
    /// Over TCP.
    pub tcp: bool,
}

/// What the server does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Addresses, of which those of the family that was asked for are sent, and their TTL in seconds.
    Addresses(Vec<IpAddr>, u32),
    /// NXDOMAIN; with the negative TTL of an SOA record if there is one.
    Missing(Option<u32>),
    /// SERVFAIL.
    Failure,
    /// No answer.
    Silence,
    /// An empty answer that says that it did not fit.
    Truncated,
}

type Script = dyn Fn(&Asked) -> Reply + Send + Sync;

/// A server on loopback, for UDP and TCP, that ends with this value.
#[derive(Debug)]
pub struct DnsServer {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl DnsServer {
    /// Starts a server that answers with these names; every other one does not exist.
    pub async fn start(names: &Names) -> anyhow::Result<Self> {
        let names: Names = names.iter().map(|(name, ips)| (canonical(name), ips.clone())).collect();
        Self::scripted(move |asked| match names.get(&asked.name) {
            Some(ips) => Reply::Addresses(ips.clone(), TTL),
            None => Reply::Missing(None),
        })
        .await
    }

    /// Starts a server that does as the script says.
    pub async fn scripted(script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> anyhow::Result<Self> {
        let script: Arc<Script> = Arc::new(script);
        let (udp, tcp) = bind().await?;
        let address = udp.local_addr()?;
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(udp, Arc::clone(&script)));
        tasks.spawn(async move {
            while let Ok((stream, _)) = tcp.accept().await {
                let script = Arc::clone(&script);
                tokio::spawn(async move { serve_tcp(stream, &*script).await });
            }
        });
        Ok(Self { address, _tasks: tasks })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn bind() -> anyhow::Result<(UdpSocket, TcpListener)> {
    for _ in 0..TRIES {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        if let Ok(tcp) = TcpListener::bind(udp.local_addr()?).await {
            return Ok((udp, tcp));
        }
    }
    anyhow::bail!("no port is free for both UDP and TCP")
}

async fn serve_udp(socket: UdpSocket, script: Arc<Script>) {
    let mut query = [0; 4096];
    while let Ok((n, from)) = socket.recv_from(&mut query).await {
        if let Ok(Some(answer)) = answer(&query[..n], false, &*script) {
            // Who asked may be gone.
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

async fn serve_tcp(mut stream: TcpStream, script: &Script) {
    while let Ok(length) = stream.read_u16().await {
        let mut query = vec![0; usize::from(length)];
        if stream.read_exact(&mut query).await.is_err() {
            return;
        }
        let Ok(Some(answer)) = answer(&query, true, script) else { return };
        let message = [&(answer.len() as u16).to_be_bytes()[..], &answer].concat();
        if stream.write_all(&message).await.is_err() {
            return;
        }
    }
}

fn answer(query: &[u8], tcp: bool, script: &Script) -> anyhow::Result<Option<Vec<u8>>> {
    let query = Message::from_vec(query)?;
    let question = query.queries.first().context("no question")?;
    let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
    answer.metadata.recursion_desired = query.metadata.recursion_desired;
    answer.metadata.recursion_available = true;
    answer.add_query(question.clone());
    let (name, kind) = (question.name(), question.query_type());
    let asked =
        Asked { name: canonical(&name.to_ascii()), aaaa: kind == RecordType::AAAA, a: kind == RecordType::A, tcp };
    match script(&asked) {
        Reply::Silence => return Ok(None),
        Reply::Truncated => answer.metadata.truncation = true,
        Reply::Failure => answer.metadata.response_code = ResponseCode::ServFail,
        Reply::Missing(ttl) => {
            answer.metadata.response_code = ResponseCode::NXDomain;
            if let Some(ttl) = ttl {
                let soa = SOA::new(name.base_name(), name.base_name(), 1, 60, 60, 60, ttl);
                answer.add_authority(Record::from_rdata(name.base_name(), ttl, RData::SOA(soa)));
            }
        }
        Reply::Addresses(ips, ttl) => {
            let data = ips.iter().filter_map(|ip| match ip {
                IpAddr::V4(ip) if asked.a => Some(RData::A(A(*ip))),
                IpAddr::V6(ip) if asked.aaaa => Some(RData::AAAA(AAAA(*ip))),
                IpAddr::V4(_) | IpAddr::V6(_) => None,
            });
            answer.add_answers(data.map(|data| Record::from_rdata(name.clone(), ttl, data)));
        }
    }
    Ok(Some(answer.to_vec()?))
}

fn canonical(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::op::Query;
    use hickory_proto::rr::Name;

    fn query(name: &str, kind: RecordType) -> Vec<u8> {
        let mut message = Message::query();
        message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        message.to_vec().unwrap()
    }

    #[tokio::test]
    async fn answers_over_udp_and_tcp() {
        let ips = vec!["127.2.1.1".parse().unwrap(), "127.2.1.2".parse().unwrap()];
        let names = Names::from([("Ext.example.com".to_owned(), ips), ("empty.example.com".to_owned(), Vec::new())]);
        let server = DnsServer::start(&names).await.unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        for (name, kind, code, count) in [
            ("ext.EXAMPLE.com.", RecordType::A, ResponseCode::NoError, 2),
            ("ext.example.com.", RecordType::AAAA, ResponseCode::NoError, 0),
            ("empty.example.com.", RecordType::A, ResponseCode::NoError, 0),
            ("other.example.com.", RecordType::A, ResponseCode::NXDomain, 0),
        ] {
            socket.send_to(&query(name, kind), server.address()).await.unwrap();
            let mut buffer = [0; 512];
            let n = socket.recv(&mut buffer).await.unwrap();
            let answer = Message::from_vec(&buffer[..n]).unwrap();
            assert_eq!((answer.metadata.response_code, answer.answers.len()), (code, count), "{name} {kind}");
        }
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        let query = query("ext.example.com.", RecordType::A);
        stream.write_u16(query.len() as u16).await.unwrap();
        stream.write_all(&query).await.unwrap();
        let mut answer = vec![0; usize::from(stream.read_u16().await.unwrap())];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(Message::from_vec(&answer).unwrap().answers.len(), 2);
    }
}
