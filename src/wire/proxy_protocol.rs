//! The PROXY protocol's header, version 1 and 2, that a balancer in front of us sends before a connection's
//! first byte.

use std::net::{IpAddr, SocketAddr};

/// The start of a version 2 header.
const V2_START: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2: the start, two bytes of kind and two of length.
const V2_FIXED: usize = 16;
/// The most of a version 2 header that is waited for; what balancers send is far below.
const V2_MAX: usize = 4096;
/// The start of a version 1 header.
const V1_START: &[u8] = b"PROXY ";
/// The longest version 1 header, its line end included.
const V1_MAX: usize = 107;

/// What the first bytes of a connection hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Header {
    /// The beginning of a header; more must be read.
    Incomplete,
    /// No PROXY protocol at all.
    NotProxy,
    /// A whole header.
    Parsed {
        /// Its bytes; what follows belongs to the connection itself.
        len: usize,
        /// The client; `None` when the balancer speaks for itself or does not say.
        source: Option<SocketAddr>,
        /// The address that the client connected to.
        destination: Option<SocketAddr>,
    },
    /// A header that is wrong.
    Invalid(&'static str),
}

/// Reads the header at the start of `bytes`.
pub fn parse(bytes: &[u8]) -> Header {
    if starts(bytes, V2_START) {
        v2(bytes)
    } else if starts(bytes, V1_START) {
        v1(bytes)
    } else {
        Header::NotProxy
    }
}

/// True when `bytes` begins with `start`, or is a beginning of it.
fn starts(bytes: &[u8], start: &[u8]) -> bool {
    let both = bytes.len().min(start.len());
    bytes[..both] == start[..both]
}

/// The crate takes some lines that can never become valid for incomplete, so a line's end is found here.
fn v1(bytes: &[u8]) -> Header {
    let window = &bytes[..bytes.len().min(V1_MAX)];
    let Some(end) = memchr::memchr(b'\n', window) else {
        return if bytes.len() >= V1_MAX {
            Header::Invalid("version 1 header too long")
        } else {
            Header::Incomplete
        };
    };
    let line = &window[..=end];
    let Ok(header) = ppp::v1::Header::try_from(line) else {
        return Header::Invalid("malformed version 1 header");
    };
    if header.header.len() != line.len() || line.contains(&b'+') {
        return Header::Invalid("malformed version 1 header");
    }
    let (source, destination) = match header.addresses {
        ppp::v1::Addresses::Unknown => (None, None),
        ppp::v1::Addresses::Tcp4(a) => {
            ends((a.source_address.into(), a.source_port), (a.destination_address.into(), a.destination_port))
        }
        ppp::v1::Addresses::Tcp6(a) => {
            ends((a.source_address.into(), a.source_port), (a.destination_address.into(), a.destination_port))
        }
    };
    Header::Parsed { len: line.len(), source, destination }
}

fn v2(bytes: &[u8]) -> Header {
    let Some(fixed) = bytes.get(..V2_FIXED) else { return Header::Incomplete };
    let len = V2_FIXED + usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if fixed[12] >> 4 != 2 {
        return Header::Invalid("unknown version of the PROXY protocol");
    }
    if len > V2_MAX {
        return Header::Invalid("version 2 header too long");
    }
    let Some(whole) = bytes.get(..len) else { return Header::Incomplete };
    if fixed[12] == 0x20 {
        // LOCAL: a check by the balancer itself. Whatever else it says is to be ignored.
        return Header::Parsed { len, source: None, destination: None };
    }
    let Ok(header) = ppp::v2::Header::try_from(whole) else {
        return Header::Invalid("malformed version 2 header");
    };
    let stream = header.protocol == ppp::v2::Protocol::Stream;
    let (source, destination) = match header.addresses {
        ppp::v2::Addresses::IPv4(a) if stream => {
            ends((a.source_address.into(), a.source_port), (a.destination_address.into(), a.destination_port))
        }
        ppp::v2::Addresses::IPv6(a) if stream => {
            ends((a.source_address.into(), a.source_port), (a.destination_address.into(), a.destination_port))
        }
        _ => (None, None),
    };
    Header::Parsed { len, source, destination }
}

fn ends(source: (IpAddr, u16), destination: (IpAddr, u16)) -> (Option<SocketAddr>, Option<SocketAddr>) {
    (Some(canonical(source)), Some(canonical(destination)))
}

/// IPv4 written as IPv6 counts as IPv4, so that networks match.
fn canonical((address, port): (IpAddr, u16)) -> SocketAddr {
    SocketAddr::new(address.to_canonical(), port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(len: usize, source: Option<&str>, destination: Option<&str>) -> Header {
        let address = |text: &str| text.parse().unwrap();
        Header::Parsed { len, source: source.map(address), destination: destination.map(address) }
    }

    fn v2_bytes(kind: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        [V2_START, &[kind, family], &length, body].concat()
    }

    #[test]
    fn version_1() {
        let ok = "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
        let whole = parsed(ok.len(), Some("192.0.2.1:56324"), Some("198.51.100.7:443"));
        assert_eq!(parse(ok.as_bytes()), whole);
        assert_eq!(parse(format!("{ok}GET / HTTP/1.1\r\n").as_bytes()), whole);
        for end in 0..ok.len() {
            assert_eq!(parse(&ok.as_bytes()[..end]), Header::Incomplete, "{end}");
        }
        let six = "PROXY TCP6 2001:db8::1 ::ffff:10.0.0.1 1 2\r\n";
        assert_eq!(parse(six.as_bytes()), parsed(six.len(), Some("[2001:db8::1]:1"), Some("10.0.0.1:2")));
        assert_eq!(parse(b"PROXY UNKNOWN\r\nx"), parsed(15, None, None));
        assert_eq!(parse(b"PROXY UNKNOWN a b c d\r\n"), parsed(23, None, None));
    }

    #[test]
    fn version_1_refused() {
        for bad in [
            "PROXY TCP4\r\n",
            "PROXY TCP4 192.0.2.1\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\n",
            "PROXY TCP4 192.0.2.1 198.51.100.7 56324 99999\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.7 +5 443\r\n",
            "PROXY TCP4 2001:db8::1 ::1 1 2\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.7 1 2 3\r\n",
            "PROXY UDP4 192.0.2.1 198.51.100.7 1 2\r\n",
            "PROXY \n",
        ] {
            assert!(matches!(parse(bad.as_bytes()), Header::Invalid(_)), "{bad:?}");
        }
        assert!(matches!(parse(format!("PROXY UNKNOWN {}", "x".repeat(100)).as_bytes()), Header::Invalid(_)));
    }

    #[test]
    fn version_2() {
        let four = [192, 0, 2, 1, 198, 51, 100, 7, 0xdc, 4, 1, 187];
        let with_tlv = [&four[..], &[4, 0, 1, 0]].concat();
        let whole = |len| parsed(len, Some("192.0.2.1:56324"), Some("198.51.100.7:443"));
        assert_eq!(parse(&v2_bytes(0x21, 0x11, &four)), whole(28));
        let bytes = v2_bytes(0x21, 0x11, &with_tlv);
        assert_eq!(parse(&bytes), whole(32));
        for end in 0..bytes.len() {
            assert_eq!(parse(&bytes[..end]), Header::Incomplete, "{end}");
        }
        let mut six = [0u8; 36];
        six[15] = 1;
        six[31] = 2;
        six[33] = 80;
        assert_eq!(parse(&v2_bytes(0x21, 0x21, &six)), parsed(52, Some("[::1]:80"), Some("[::2]:0")));
        assert_eq!(parse(&v2_bytes(0x20, 0x00, &[])), parsed(16, None, None));
        assert_eq!(parse(&v2_bytes(0x20, 0x11, &[1, 2])), parsed(18, None, None));
        assert_eq!(parse(&v2_bytes(0x21, 0x00, &[])), parsed(16, None, None));
        assert_eq!(parse(&v2_bytes(0x21, 0x31, &[0; 216])), parsed(232, None, None));
    }

    #[test]
    fn version_2_refused() {
        for bad in [
            v2_bytes(0x11, 0x11, &[0; 12]),
            v2_bytes(0x22, 0x11, &[0; 12]),
            v2_bytes(0x21, 0x41, &[0; 12]),
            v2_bytes(0x21, 0x11, &[0; 11]),
            v2_bytes(0x21, 0x11, &[0; 4081]),
        ] {
            assert!(matches!(parse(&bad), Header::Invalid(_)), "{bad:?}");
        }
        assert_eq!(parse(b"GET / HTTP/1.1\r\n"), Header::NotProxy);
        assert_eq!(parse(b""), Header::Incomplete);
    }

    proptest! {
        #[test]
        fn never_panics(start in 0..3usize, bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let starts: [&[u8]; 3] = [b"", V1_START, b"\r\n\r\n\0\r\nQUIT\n\x21"];
            let input = [starts[start], &bytes].concat();
            if let Header::Parsed { len, .. } = parse(&input) {
                prop_assert!(len <= input.len());
                prop_assert_eq!(parse(&input[..len - 1]), Header::Incomplete);
            }
        }
    }
}
