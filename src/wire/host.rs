//! What stands in a `Host` header, or for it in a URL.

use std::net::Ipv6Addr;

/// The host without its port and trailing dot; none if it is no host.
pub fn host_of(value: &str) -> Option<&str> {
    let host = match value.strip_prefix('[') {
        Some(rest) => &value[..rest.find(']')? + 2],
        None => value.split_once(':').map_or(value, |(host, _)| host),
    };
    let rest = &value[host.len()..];
    let port_ok =
        rest.is_empty() || rest.strip_prefix(':').is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()));
    // no `%`: with it one host would have several names
    let letter = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&b);
    let host_ok = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => host.bytes().all(letter),
    };
    (port_ok && host_ok).then(|| host.strip_suffix('.').unwrap_or(host))
}

/// The port that stands in it, if one does.
pub fn port_of(value: &str) -> Option<&str> {
    let (host, port) = value.rsplit_once(':')?;
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    // within brackets a colon is the address's own
    (digits && (!host.contains(':') || host.ends_with(']'))).then_some(port)
}

/// Whether the port that stands in it is that one, given in digits.
pub fn has_port(value: &[u8], digits: &[u8]) -> bool {
    let Some(host) = value.strip_suffix(digits).and_then(|before| before.strip_suffix(b":")) else {
        return false;
    };
    host.is_ascii() && (memchr::memchr(b':', host).is_none() || host.ends_with(b"]"))
}

/// The host without its port, whatever it is.
pub fn without_port(value: &[u8]) -> &[u8] {
    let end = value.iter().rposition(|byte| matches!(byte, b':' | b']')).filter(|at| value[*at] == b':');
    &value[..end.unwrap_or(value.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_name() {
        for (value, host) in [
            ("shop.example.com", Some("shop.example.com")),
            ("shop.example.com.:8080", Some("shop.example.com")),
            ("127.0.0.1:80", Some("127.0.0.1")),
            ("[::1]:80", Some("[::1]")),
            ("[::1]", Some("[::1]")),
            ("a:", Some("a")),
            ("", Some("")),
            ("a:b", None),
            ("a:1:2", None),
            ("::1", None),
            ("[::1", None),
            ("[::1]x", None),
            ("[::ffff:10.0.0.1]", Some("[::ffff:10.0.0.1]")),
            ("[]", None),
            ("[1]", None),
            ("[::1::2]", None),
            ("[::1%eth0]", None),
            ("[a.test]", None),
            ("[10.0.0.1]", None),
            ("[v1.x]", None),
            ("a%41", None),
            ("a/b", None),
        ] {
            assert_eq!(host_of(value), host, "{value}");
        }
    }

    #[test]
    fn a_port_stands_behind_the_host() {
        for (value, port) in [
            ("shop.example.com", None),
            ("shop.example.com:8443", Some("8443")),
            ("[::1]:80", Some("80")),
            ("[::1]", None),
            ("::1", None),
            ("a:", None),
            ("a:b", None),
            ("", None),
        ] {
            assert_eq!(port_of(value), port, "{value}");
            for asked in ["80", "8443", "443", "0"] {
                assert_eq!(
                    has_port(value.as_bytes(), asked.as_bytes()),
                    port == Some(asked),
                    "{value} {asked}"
                );
            }
        }
    }

    #[test]
    fn a_host_is_left_where_its_port_is_taken_off() {
        for (value, host) in [
            ("shop.example.com", "shop.example.com"),
            ("shop.example.com:8443", "shop.example.com"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("a:", "a"),
            (":80", ""),
            ("", ""),
        ] {
            assert_eq!(without_port(value.as_bytes()), host.as_bytes(), "{value}");
        }
    }
}
