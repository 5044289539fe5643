use std::io::{self, Read, Write};

use boring::ssl::{HandshakeError, Ssl, SslContext, SslMethod};

use super::*;

/// Keeps what is written; there is never anything to read.
#[derive(Debug, Default)]
struct Written(Vec<u8>);

impl Read for Written {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn hello(name: &str) -> Vec<u8> {
    let context = SslContext::builder(SslMethod::tls()).unwrap().build();
    let mut ssl = Ssl::new(&context).unwrap();
    if !name.is_empty() {
        ssl.set_hostname(name).unwrap();
    }
    match ssl.setup_connect(Written::default()).handshake() {
        Err(HandshakeError::WouldBlock(waiting)) => waiting.get_ref().0.clone(),
        other => panic!("{other:?}"),
    }
}

/// What gets through, or why not, if bytes come in pieces of `size`.
fn pass(tunnel: &str, bytes: &[u8], size: usize) -> Result<Vec<u8>, &'static str> {
    let mut check = ServerNameCheck::new(tunnel.to_owned());
    let mut passed = Vec::new();
    for piece in bytes.chunks(size) {
        passed.extend(check.pass(Bytes::copy_from_slice(piece)).map_err(Denied::as_str)?);
    }
    passed.extend(check.rest());
    Ok(passed)
}

#[test]
fn tls_in_a_tunnel_is_for_its_host() {
    for (name, expected) in [
        ("api.example.com", Ok(())),
        ("API.example.com", Ok(())),
        ("", Ok(())),
        ("other.example.com", Err("server_name_mismatch")),
        ("api.example.com.evil.org", Err("server_name_mismatch")),
    ] {
        let hello = hello(name);
        for size in [1, 7, hello.len()] {
            let passed = pass("api.example.com", &hello, size);
            assert_eq!(passed, expected.map(|()| hello.clone()), "{name} in pieces of {size}");
        }
    }
}

#[test]
fn other_bytes_pass() {
    for bytes in [&b"SSH-2.0-OpenSSH_9.9\r\n"[..], b"GET / HTTP/1.1\r\n\r\n", b"\x16", b""] {
        assert_eq!(pass("api.example.com", bytes, 3), Ok(bytes.to_vec()));
    }
    // A handshake record that is none, and so might be a name that the check does not see.
    let broken = [b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\xff".to_vec(), vec![0; 40]].concat();
    assert_eq!(pass("api.example.com", &broken, 64), Err("broken_client_hello"));
}
