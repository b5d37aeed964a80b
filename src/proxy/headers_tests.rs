use super::*;

fn map(lines: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    map
}

fn names(map: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<&str> = map.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn hop_by_hop_ends_here() {
    #[allow(clippy::type_complexity, reason = "a table of cases")]
    let cases: [(&[(&str, &str)], &[&str]); 6] = [
        (&[("accept", "a"), ("host", "h")], &["accept", "host"]),
        (
            &[("connection", "X-Drop, keep-alive"), ("x-drop", "1"), ("keep-alive", "5"), ("host", "h")],
            &["host"],
        ),
        (
            &[
                ("connection", "Host, X-Forwarded-For, Cookie"),
                ("host", "h"),
                ("x-forwarded-for", "1"),
                ("cookie", "c"),
            ],
            &["cookie", "host", "x-forwarded-for"],
        ),
        (&[("connection", "upgrade, http2-settings"), ("upgrade", "h2c"), ("http2-settings", "x")], &[]),
        (&[("te", "gzip, trailers"), ("trailer", "x"), ("transfer-encoding", "chunked")], &["te", "trailer"]),
        (&[("te", "gzip"), ("proxy-connection", "x"), ("connection", ",,;=")], &[]),
    ];
    for (lines, left) in cases {
        let mut headers = map(lines);
        strip_hop_by_hop(&mut headers);
        assert_eq!(names(&headers), left, "{lines:?}");
    }
}

#[test]
fn only_a_whole_upgrade_counts() {
    for (lines, expected) in [
        (
            &[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket"), ("sec-websocket-key", "x")][..],
            Some("websocket"),
        ),
        (&[("connection", "upgrade"), ("upgrade", "irc/6.9")], Some("irc/6.9")),
        (&[("upgrade", "websocket"), ("sec-websocket-key", "x")], None),
        (&[("connection", "keep-alive"), ("upgrade", "websocket"), ("sec-websocket-key", "x")], None),
        (&[("connection", "upgrade"), ("upgrade", "WebSocket")], None),
        (&[("connection", "upgrade"), ("upgrade", "irc, websocket")], None),
        (&[("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-key", "")], None),
        (&[("connection", "upgrade"), ("upgrade", "h2c")], None),
        (&[("connection", "upgrade"), ("upgrade", "websocket, H2C")], None),
        (&[("connection", "upgrade"), ("upgrade", "a"), ("upgrade", "h2c")], None),
    ] {
        assert_eq!(upgrade_of(&map(lines)), expected, "{lines:?}");
    }
}

#[test]
fn strangers_are_replaced_and_the_trusted_added_to() {
    let said = [
        ("x-forwarded-for", "1.1.1.1"),
        ("x-forwarded-for", "2.2.2.2"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "for=1.1.1.1"),
    ];
    let [client_text, host, port] = ["10.0.0.9", "h:8080", "8080"].map(HeaderValue::from_static);
    let client = "::ffff:10.0.0.9".parse().unwrap();
    let mut origin = Origin {
        client,
        client_text: &client_text,
        trusted: false,
        scheme: "http",
        host: Some(&host),
        port: &port,
    };
    let mut headers = map(&said);
    forwarded(&mut headers, ForwardedStyle::Both, &origin);
    assert_eq!(headers["x-forwarded-for"], "10.0.0.9");
    assert_eq!(
        (&headers["x-forwarded-proto"], &headers["x-forwarded-port"]),
        (&HeaderValue::from_static("http"), &HeaderValue::from_static("8080"))
    );
    assert_eq!(headers["forwarded"], "for=10.0.0.9;host=\"h:8080\";proto=http");
    origin.trusted = true;
    let mut headers = map(&said);
    forwarded(&mut headers, ForwardedStyle::Both, &origin);
    assert_eq!(headers["x-forwarded-for"], "1.1.1.1, 2.2.2.2, 10.0.0.9");
    assert_eq!(headers["x-forwarded-proto"], "https");
    assert_eq!(headers["forwarded"], "for=1.1.1.1, for=10.0.0.9;host=\"h:8080\";proto=http");
    origin.trusted = false;
    let mut headers = map(&said);
    forwarded(&mut headers, ForwardedStyle::Off, &origin);
    assert!(headers.is_empty());
}

#[test]
fn the_client_behind_proxies() {
    let trusted: Vec<Network> = ["10.0.0.0/8", "fd00::/8"].iter().map(|text| text.parse().unwrap()).collect();
    for (peer, lines, expected) in [
        ("9.9.9.9", &[("x-forwarded-for", "1.1.1.1")][..], "9.9.9.9"),
        ("10.0.0.1", &[("x-forwarded-for", "6.6.6.6, 1.1.1.1, 10.0.0.2")], "1.1.1.1"),
        ("10.0.0.1", &[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "1.1.1.1:4000")], "1.1.1.1"),
        ("10.0.0.1", &[("x-forwarded-for", "1.1.1.1, garbage, 10.0.0.2")], "10.0.0.2"),
        ("10.0.0.1", &[("x-forwarded-for", "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
        (
            "10.0.0.1",
            &[("forwarded", "for=6.6.6.6, for=\"[2001:db8::1]:80\";proto=http, For=10.1.1.1")],
            "2001:db8::1",
        ),
        ("::ffff:10.0.0.1", &[], "10.0.0.1"),
    ] {
        assert_eq!(
            real_client(&map(lines), peer.parse().unwrap(), &trusted).to_string(),
            expected,
            "{peer} {lines:?}"
        );
    }
}

#[test]
fn via_is_one_line() {
    let mut headers = map(&[("via", "1.0 a"), ("via", "1.1 b")]);
    via(&mut headers, Version::HTTP_2);
    assert_eq!(headers["via"], "1.0 a, 1.1 b, 2.0 homing");
}

#[test]
fn names_are_told_by_their_text() {
    for name in HOP_BY_HOP {
        assert!(is_hop_by_hop(&name) && !is_forwarded(&name), "{name}");
    }
    for name in FORWARDED {
        assert!(is_forwarded(&name) && !is_hop_by_hop(&name), "{name}");
    }
    for name in [header::HOST, header::COOKIE, header::TRAILER, HeaderName::from_static("x-forwarded-user")] {
        assert!(!is_forwarded(&name) && !is_hop_by_hop(&name), "{name}");
    }
}
