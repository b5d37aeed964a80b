//! How nodes learn who asked: what proxies that are believed say, what strangers say, and what the conf wants.

use crate::support::client::{Answer, raw};
use crate::support::{Certs, Client, Conf, DEADLINE, Origin, Proxy, h2};

/// Every way in which a stranger may speak for others.
const FAMILY: [(&str, &str); 24] = [
    ("X-Forwarded-For", "6.6.6.6"),
    ("X-Forwarded-For", "7.7.7.7"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "evil.test"),
    ("X-Forwarded-Port", "666"),
    ("X-Forwarded-Server", "evil"),
    ("X-Forwarded-Prefix", "/evil"),
    ("X-Forwarded-Ssl", "on"),
    ("X-Forwarded-Scheme", "https"),
    ("X-Forwarded-By", "evil"),
    ("X-Forwarded-User", "admin"),
    ("Forwarded", "for=6.6.6.6;proto=https"),
    ("X-Real-IP", "6.6.6.6"),
    ("X-Client-IP", "6.6.6.6"),
    ("True-Client-IP", "6.6.6.6"),
    ("Front-End-Https", "on"),
    ("Proxy", "http://evil.test"),
    ("Homing-State", "ready"),
    ("Homing-Anything", "x"),
    ("x_forwarded_for", "6.6.6.6"),
    ("X-Forwarded_Proto", "https"),
    ("X_Real_IP", "6.6.6.6"),
    ("Front_End_Https", "on"),
    ("x_forwarded_prefix", "/evil"),
];

/// All that the node saw of the family, as "name: value", in order of names.
fn family(answer: &Answer) -> Vec<String> {
    let json = answer.json();
    let lines = json["headers"].as_array().expect("/headers lists them");
    let text = |line: &serde_json::Value, at: usize| line[at].as_str().unwrap().to_owned();
    let is_known = |name: &str| {
        FAMILY.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) || name.starts_with("x-forwarded")
    };
    let mut seen: Vec<String> = lines
        .iter()
        .map(|line| (text(line, 0).to_ascii_lowercase(), text(line, 1)))
        .filter(|(name, _)| is_known(name))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    seen.sort_by(|a, b| a.split(':').next().cmp(&b.split(':').next()));
    seen
}

fn trusting(node: &Origin) -> Conf {
    Conf::over([node]).affinity(r#"{ cookie = "SRV" }"#).listener("trusted-proxies = [\"127.0.0.0/8\"]")
}

#[test]
fn whatever_a_stranger_says_of_itself_is_dropped_over_either_http() {
    let node = Origin::start("n1");
    let proxy = Proxy::start(&Conf::over([&node]).text());
    let told = [
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-host: app.test",
        "x-forwarded-port: 80",
        "x-forwarded-proto: http",
    ];
    let mut headers = FAMILY.to_vec();
    headers.push(("Host", "app.test"));
    assert_eq!(family(&Client::new(proxy.addr).get_with("/headers", &headers)), told);
    // nor may a Connection line take off what we say
    headers.push(("Connection", "X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Port"));
    assert_eq!(family(&Client::new(proxy.addr).get_with("/headers", &headers)), told);
    h2::run(async {
        let mut send = h2::connect(proxy.addr).await;
        let mut request = h2::get("http", "app.test", "/headers");
        for (name, value) in FAMILY {
            let name: hyper::header::HeaderName = name.to_ascii_lowercase().parse().unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        assert_eq!(h2::fetch(&mut send, request).await.status(), 200);
    });
    let seen = node.seen();
    let head = &seen.last().unwrap().head;
    assert_eq!(head.all("x-forwarded-for").collect::<Vec<_>>(), ["127.0.0.1"]);
    for (name, _) in FAMILY
        .iter()
        .filter(|(name, _)| !told.iter().any(|told| told.starts_with(&name.to_ascii_lowercase())))
    {
        assert_eq!(head.get(name), None, "{name} over HTTP/2");
    }
}

#[test]
fn a_stranger_says_nothing_of_itself_in_trailers() {
    let node = Origin::start("n1");
    let proxy = Proxy::start(&Conf::over([&node]).text());
    let head =
        "POST /trailers HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let trailers = "X-Forwarded-For: 6.6.6.6\r\nX_Real_IP: 6.6.6.6\r\nX-Sum: 1\r\n";
    let back = raw(proxy.addr, format!("{head}5\r\nhello\r\n0\r\n{trailers}\r\n").as_bytes(), DEADLINE);
    assert_eq!(back.status(), 200, "{}", back.text);
    let text = back.text.to_ascii_lowercase();
    assert!(text.contains("x-sum") && !text.contains("6.6.6.6"), "{text}");
}

#[test]
fn a_rule_says_what_it_likes_whatever_was_dropped() {
    let node = Origin::start("n1");
    let rule = "request-headers = { set = { X-Real-IP = \"{client.ip}\", X-Forwarded-Prefix = \"/shop\", Front-End-Https = \"on\" } }";
    let proxy = Proxy::start(&Conf::over([&node]).rule(rule).text());
    let answer = Client::new(proxy.addr).get_with("/headers", &FAMILY);
    for (name, value) in
        [("x-real-ip", "127.0.0.1"), ("x-forwarded-prefix", "/shop"), ("front-end-https", "on")]
    {
        assert_eq!(answer.seen(name), [value], "{name}");
    }
    assert_eq!(answer.seen("x_real_ip"), [""; 0]);
}

#[test]
fn a_client_that_came_to_a_trusted_proxy_by_https_did_so_here_in_whichever_words() {
    let node = Origin::start("n1");
    let conf = trusting(&node).more("[[rule]]\nhost = \"old.test\"\nredirect = { host = \"new.test\" }");
    // the redirect is to be found first
    let text = conf.text();
    let (before, redirect) = text.split_at(text.rfind("[[rule]]").unwrap());
    let proxy = Proxy::start(&before.replacen("[[rule]]", &format!("{redirect}\n[[rule]]"), 1));
    let xff = ("X-Forwarded-For", "9.9.9.9");
    let cases: [(&[(&str, &str)], &str); 9] = [
        (&[("X-Forwarded-Proto", "https")], "https"),
        (&[("X-Forwarded-Proto", "https,https")], "https"),
        (&[("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "https")], "https"),
        (&[("X-Forwarded-Proto", "HTTPS, https"), xff], "https"),
        (&[("Forwarded", "for=9.9.9.9;proto=https;host=app.test")], "https"),
        (&[("Forwarded", "for=9.9.9.9;proto=https"), ("Forwarded", "for=127.0.0.2;proto=http")], "https"),
        (&[("X-Forwarded-Proto", "https, http"), xff], "http"),
        (&[("X-Forwarded-Proto", "http")], "http"),
        (&[], "http"),
    ];
    for (said, scheme) in cases {
        let headers: Vec<(&str, &str)> = said.iter().copied().chain([("Host", "app.test")]).collect();
        let answer = Client::new(proxy.addr).get_with("/headers", &headers);
        assert_eq!(answer.seen("x-forwarded-proto"), [scheme], "{said:?}");
        let port = if scheme == "https" { "443" } else { "80" };
        assert_eq!(answer.seen("x-forwarded-port"), [port], "{said:?}");
        let pin = answer.set_cookie("SRV").expect("a pin");
        let (secure, cross) = (pin.contains("Secure"), pin.contains("SameSite=None"));
        assert_eq!((secure, cross), (scheme == "https", scheme == "https"), "{said:?}: {pin}");
        let headers: Vec<(&str, &str)> = said.iter().copied().chain([("Host", "old.test")]).collect();
        let away = Client::new(proxy.addr).get_with("/x", &headers);
        assert_eq!(away.head.get("location"), Some(&*format!("{scheme}://new.test/x")), "{said:?}");
    }
}

#[test]
fn a_client_that_came_to_a_trusted_proxy_by_http_gets_a_pin_that_it_sends_back() {
    let certs = Certs::new();
    let node = Origin::start("n1");
    let folder = tempfile::tempdir().unwrap();
    certs.write(folder.path(), &["app.test"]);
    let tls = format!("tls = {{ certs = [{:?}] }}", folder.path().display().to_string());
    let proxy = Proxy::start(&trusting(&node).listener(&tls).text());
    let mut client = certs.client(proxy.addr, "app.test");
    let answer = client.get_with("/headers", &[("X-Forwarded-Proto", "http")]);
    assert!(!answer.set_cookie("SRV").expect("a pin").contains("Secure"), "{:?}", answer.head);
    let answer = client.get("/headers");
    assert!(answer.set_cookie("SRV").expect("a pin").contains("Secure"), "{:?}", answer.head);
}

#[test]
fn the_port_is_the_one_that_the_client_asked_at() {
    let node = Origin::start("n1");
    let port = |conf: &Conf, said: &[(&str, &str)]| {
        let proxy = Proxy::start(&conf.text());
        Client::new(proxy.addr).get_with("/headers", said).seen("x-forwarded-port").join(" ")
    };
    let stranger = Conf::over([&node]);
    let own = stranger.web.port().to_string();
    for (said, told) in [
        (&[("Host", "app.test")][..], "80"),
        (&[("Host", "app.test:8080")], "8080"),
        (&[("Host", "[::1]:81")], "81"),
        (&[("Host", &*format!("app.test:{own}"))], &own),
        (&[("Host", "app.test"), ("X-Forwarded-Port", "666")], "80"),
    ] {
        assert_eq!(port(&stranger, said), told, "{said:?}");
    }
    for (said, told) in [
        (&[("Host", "app.test"), ("X-Forwarded-Port", "8443")][..], "8443"),
        (&[("Host", "app.test"), ("X-Forwarded-Proto", "https")], "443"),
        (
            &[("Host", "in.test:8080"), ("X-Forwarded-Host", "app.test"), ("X-Forwarded-Proto", "https")],
            "443",
        ),
        (&[("Host", "in.test"), ("X-Forwarded-Host", "app.test:8444")], "8444"),
    ] {
        assert_eq!(port(&trusting(&node), said), told, "{said:?}");
    }
}

#[test]
fn a_redirect_leads_to_the_port_that_the_client_asked_at() {
    let node = Origin::start("n1");
    let rule = "[[rule]]\npath = \"/old\"\nredirect = { path = \"/new\" }\n[[rule]]\ncluster = \"app\"";
    let text = Conf::over([&node]).text().replacen("[[rule]]\ncluster = \"app\"", rule, 1);
    let proxy = Proxy::start(&text);
    for (host, location) in
        [("app.test", "http://app.test/new"), ("app.test:8080", "http://app.test:8080/new")]
    {
        let answer = Client::new(proxy.addr).get_with("/old", &[("Host", host)]);
        assert_eq!(answer.head.get("location"), Some(location), "{host}");
    }
}

#[test]
fn what_is_told_can_be_changed_by_a_reload() {
    let node = Origin::start("n1");
    let conf = Conf::over([&node]);
    let proxy = Proxy::start(&conf.text());
    let told = |proxy: &Proxy| {
        let said = [("Host", "app.test"), ("X-Forwarded-For", "6.6.6.6"), ("x_real_ip", "6.6.6.6")];
        family(&Client::new(proxy.addr).get_with("/headers", &said)).join("; ")
    };
    for (way, seen) in [
        (r#""off""#, ""),
        (r#""forwarded""#, "forwarded: for=127.0.0.1;host=\"app.test\";proto=http"),
        (r#"{ write = ["real-ip"] }"#, "x-real-ip: 127.0.0.1"),
        (
            r#"{ write = ["for"], how = "line", strangers = "pass" }"#,
            "x-forwarded-for: 6.6.6.6; x-forwarded-for: 127.0.0.1; x_real_ip: 6.6.6.6",
        ),
        (r#"{ write = [], strangers = "pass" }"#, "x-forwarded-for: 6.6.6.6; x_real_ip: 6.6.6.6"),
        (
            r#"{ write = ["for"], how = "replace", strangers = "pass" }"#,
            "x-forwarded-for: 127.0.0.1; x_real_ip: 6.6.6.6",
        ),
    ] {
        let reload = proxy.reload_to(&conf.clone().cluster(&format!("forwarded = {way}")).text());
        assert!(reload.applied(), "{reload:?}");
        assert_eq!(told(&proxy), seen, "{way}");
    }
}
