use super::*;
use crate::config::model::{Forwarded, ForwardedStyle, ForwardedTable};

fn map(lines: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    map
}

/// All lines, those of one name in their order.
fn lines(map: &HeaderMap) -> Vec<String> {
    let mut names: Vec<_> = map.keys().collect();
    names.sort_unstable_by_key(|name| name.as_str());
    let of = |name: &HeaderName| {
        let line = |value: &HeaderValue| format!("{name}: {}", value.to_str().unwrap());
        map.get_all(name).iter().map(line).collect::<Vec<_>>()
    };
    names.into_iter().flat_map(of).collect()
}

struct Case<'a> {
    way: &'a str,
    trusted: bool,
    said: &'a [(&'a str, &'a str)],
    told: &'a [&'a str],
}

/// A peer 10.0.0.9 that came by http and asks for h:8080.
fn check(cases: &[Case<'_>]) {
    let [peer_text, host, port] = ["10.0.0.9", "h:8080", "9000"].map(HeaderValue::from_static);
    let peer = "::ffff:10.0.0.9".parse().unwrap();
    for Case { way, trusted, said, told } in cases {
        let conf: Forwarded = serde_json::from_str(way).unwrap();
        let mut headers = map(said);
        let network = ["10.0.0.0/8".parse().unwrap()];
        let read = crate::wire::forwarded::Told::read(&headers, peer, if *trusted { &network } else { &[] });
        let origin = Origin {
            peer,
            peer_text: &peer_text,
            client: read.client,
            trusted: *trusted,
            scheme: read.scheme.unwrap_or("http"),
            hop_scheme: "http",
            host: Some(&host),
            port: &port,
        };
        let claims = OriginClaims::of(&headers);
        tell(&mut headers, claims, Forwarding::compile(&conf), &origin);
        assert_eq!(lines(&headers), *told, "{way} trusted {trusted} {said:?}");
    }
}

const SAID: &[(&str, &str)] = &[
    ("x-forwarded-for", "1.1.1.1"),
    ("x-forwarded-for", "2.2.2.2"),
    ("x-forwarded-proto", "https"),
    ("forwarded", "for=1.1.1.1"),
    ("x-forwarded-prefix", "/p"),
    ("x-real-ip", "1.1.1.1"),
    ("homing-state", "ready"),
    ("x_forwarded_for", "3.3.3.3"),
    ("proxy", "http://evil"),
    ("x-mine", "m"),
];

#[test]
fn strangers_are_replaced_and_the_trusted_added_to() {
    check(&[
        Case {
            way: r#""both""#,
            trusted: false,
            said: SAID,
            told: &[
                r#"forwarded: for=10.0.0.9;host="h:8080";proto=http"#,
                "x-forwarded-for: 10.0.0.9",
                "x-forwarded-host: h:8080",
                "x-forwarded-port: 8080",
                "x-forwarded-proto: http",
                "x-mine: m",
            ],
        },
        Case {
            way: r#""both""#,
            trusted: true,
            said: SAID,
            told: &[
                r#"forwarded: for=1.1.1.1, for=10.0.0.9;host="h:8080";proto=http"#,
                "homing-state: ready",
                "x-forwarded-for: 1.1.1.1, 2.2.2.2, 10.0.0.9",
                "x-forwarded-host: h:8080",
                "x-forwarded-port: 8080",
                "x-forwarded-prefix: /p",
                "x-forwarded-proto: https",
                "x-mine: m",
                "x-real-ip: 1.1.1.1",
            ],
        },
        Case { way: r#""off""#, trusted: false, said: SAID, told: &["x-mine: m"] },
        Case {
            way: r#""off""#,
            trusted: true,
            said: &[("x-forwarded-for", "1.1.1.1")],
            told: &["x-forwarded-for: 1.1.1.1"],
        },
    ]);
}

#[test]
fn what_a_trusted_proxy_says_in_one_language_is_told_in_the_other() {
    check(&[
        Case {
            way: r#""x-forwarded""#,
            trusted: true,
            said: &[("forwarded", "for=1.1.1.1;proto=https")],
            told: &[
                "forwarded: for=1.1.1.1;proto=https",
                "x-forwarded-for: 1.1.1.1, 10.0.0.9",
                "x-forwarded-host: h:8080",
                "x-forwarded-port: 8080",
                "x-forwarded-proto: https",
            ],
        },
        Case {
            way: r#""forwarded""#,
            trusted: true,
            said: &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-proto", "https,https")],
            told: &[
                r#"forwarded: for=1.1.1.1;host="h:8080";proto=https, for=10.0.0.9;host="h:8080";proto=http"#,
                "x-forwarded-for: 1.1.1.1",
                "x-forwarded-proto: https,https",
            ],
        },
    ]);
}

#[test]
fn scheme_host_and_port_are_one_thing_each() {
    check(&[
        Case {
            way: r#"{"write": ["proto", "port"]}"#,
            trusted: true,
            said: &[("x-forwarded-proto", "https,https"), ("x-forwarded-port", "443")],
            told: &["x-forwarded-port: 443", "x-forwarded-proto: https"],
        },
        Case {
            way: r#"{"write": ["proto", "port"]}"#,
            trusted: true,
            said: &[("x-forwarded-proto", "https"), ("x-forwarded-proto", "https")],
            told: &["x-forwarded-port: 8080", "x-forwarded-proto: https"],
        },
        // the host that it names has no port: that of the scheme
        Case {
            way: r#"{"write": ["port"]}"#,
            trusted: true,
            said: &[("x-forwarded-proto", "https"), ("x-forwarded-host", "shop.test")],
            told: &["x-forwarded-host: shop.test", "x-forwarded-port: 443", "x-forwarded-proto: https"],
        },
    ]);
}

#[test]
fn other_products_ways_can_be_said() {
    let stranger = |way, said, told| Case { way, trusted: false, said, told };
    let two: &[(&str, &str)] = &[("x-forwarded-for", "9.9.9.9"), ("x-forwarded-host", "evil")];
    check(&[
        // HAProxy: option forwardfor
        stranger(
            r#"{"write": ["for"], "how": "line", "strangers": "pass"}"#,
            two,
            &["x-forwarded-for: 9.9.9.9", "x-forwarded-for: 10.0.0.9", "x-forwarded-host: evil"],
        ),
        // HAProxy without it, httpd with ProxyAddHeaders Off: everything passes, twins too
        stranger(
            r#"{"write": [], "strangers": "pass"}"#,
            &[("x_forwarded_for", "1"), ("proxy", "p")],
            &["proxy: p", "x_forwarded_for: 1"],
        ),
        // httpd: ProxyAddHeaders On
        stranger(
            r#"{"write": ["for", "host", "server"], "how": "join", "strangers": "pass"}"#,
            two,
            &[
                "x-forwarded-for: 9.9.9.9, 10.0.0.9",
                "x-forwarded-host: evil, h:8080",
                "x-forwarded-server: h",
            ],
        ),
        // nginx: proxy_set_header X-Real-IP $remote_addr, X-Forwarded-For $remote_addr
        Case {
            way: r#"{"write": ["real-ip", "for", "proto", "forwarded"], "how": "replace"}"#,
            trusted: true,
            said: &[("x-forwarded-for", "6.6.6.6, 1.1.1.1, 10.0.0.2"), ("x-forwarded-proto", "https, https")],
            told: &[
                r#"forwarded: for=1.1.1.1;host="h:8080";proto=https"#,
                "x-forwarded-for: 1.1.1.1",
                "x-forwarded-proto: https",
                "x-real-ip: 1.1.1.1",
            ],
        },
        Case { way: r#"{"write": ["real-ip"]}"#, trusted: false, said: two, told: &["x-real-ip: 10.0.0.9"] },
    ]);
}

#[test]
fn a_word_is_a_table_and_a_table_without_more_is_the_default_word() {
    let default: Forwarded = serde_json::from_str("{}").unwrap();
    assert_eq!(default.table(), Forwarded::Style(ForwardedStyle::XForwarded).table());
    assert_eq!(ForwardedTable::default(), Forwarded::default().table());
}

#[test]
fn the_port_is_that_of_the_host_or_else_of_the_scheme() {
    let listener = HeaderValue::from_static("8443");
    for (host, scheme, told) in [
        (Some("shop.test"), "https", "443"),
        (Some("shop.test"), "http", "80"),
        (Some("shop.test:8443"), "https", "8443"),
        (Some("shop.test:9443"), "https", "9443"),
        (Some("[::1]:81"), "http", "81"),
        (Some("[::1]"), "https", "443"),
        (None, "https", "8443"),
    ] {
        let host = host.map(HeaderValue::from_static);
        let ip = IpAddr::from([127, 0, 0, 1]);
        let origin = Origin {
            peer: ip,
            peer_text: &listener,
            client: ip,
            trusted: false,
            scheme,
            hop_scheme: scheme,
            host: host.as_ref(),
            port: &listener,
        };
        assert_eq!(port(&HeaderMap::new(), false, &origin), told, "{host:?} {scheme}");
    }
}
