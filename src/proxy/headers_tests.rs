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
fn only_a_whole_upgrade_to_websocket_counts() {
    let key = ("sec-websocket-key", "x");
    for (lines, expected) in [
        (&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket"), key][..], true),
        (&[("connection", "upgrade"), ("upgrade", "irc, WebSocket"), key], true),
        (&[("connection", "upgrade"), ("upgrade", "a"), ("upgrade", "websocket"), key], true),
        (&[("upgrade", "websocket"), key], false),
        (&[("connection", "keep-alive"), ("upgrade", "websocket"), key], false),
        (&[("connection", "upgrade"), ("upgrade", "WebSocket")], false),
        (&[("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-key", "")], false),
        (&[("connection", "upgrade"), ("upgrade", "h2c"), key], false),
        (&[("connection", "upgrade"), ("upgrade", "irc/6.9"), key], false),
        (&[("connection", "upgrade"), ("upgrade", "websockets"), key], false),
        (&[("connection", "upgrade"), key], false),
    ] {
        assert_eq!(asks_for_websocket(&map(lines)), expected, "{lines:?}");
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
        assert!(is_hop_by_hop(&name), "{name}");
    }
    for name in [header::HOST, header::COOKIE, header::TRAILER, HeaderName::from_static("x-forwarded-user")] {
        assert!(!is_hop_by_hop(&name), "{name}");
    }
}
