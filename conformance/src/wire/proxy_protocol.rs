//! The PROXY protocol header, version 2 (<https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt>).

use std::net::{IpAddr, SocketAddr};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The header of a proxied TCP connection from `src` to `dst`. Addresses of different families are both written as
/// IPv6, with the IPv4 one mapped.
pub(crate) fn v2(src: SocketAddr, dst: SocketAddr) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    let (family, addresses) = match (src.ip(), dst.ip()) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => (0x11, [src.octets(), dst.octets()].concat()),
        (src, dst) => (0x21, [six(src), six(dst)].concat()),
    };
    header.extend([0x21, family]);
    header.extend((addresses.len() as u16 + 4).to_be_bytes());
    header.extend(addresses);
    header.extend(src.port().to_be_bytes());
    header.extend(dst.port().to_be_bytes());
    header
}

fn six(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_and_six() {
        let header = v2("127.0.0.7:1025".parse().unwrap(), "10.96.0.10:443".parse().unwrap());
        assert_eq!(header[12..], [0x21, 0x11, 0, 12, 127, 0, 0, 7, 10, 96, 0, 10, 4, 1, 1, 187]);
        let header = v2("[::1]:1".parse().unwrap(), "10.0.0.1:2".parse().unwrap());
        assert_eq!(header[12..16], [0x21, 0x21, 0, 36]);
        assert_eq!(header.len(), 16 + 36);
    }
}
