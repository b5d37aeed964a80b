//! Rules: which request goes where, what becomes of it on the way, and what comes back changed.

use crate::support::{Client, Conf, Origin, Proxy, Sessions, free_addr};

/// Rules in front of two clusters, `app` on n1 and `other` on n2.
fn with_rules(rules: &str) -> (Vec<Origin>, Proxy) {
    let nodes = Origin::several(2);
    let conf = Conf::over(&nodes[..1]).more(&format!("[cluster.other.nodes]\nn2 = {:?}", nodes[1].url()));
    let proxy = Proxy::start(&conf.text().replacen("[[rule]]", &format!("{rules}\n[[rule]]"), 1));
    (nodes, proxy)
}

fn goes_to(proxy: &Proxy, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    Client::new(proxy.addr).send(method, path, headers, b"").expect("an answer").node().to_owned()
}

/// Method, path, headers, and the node that is meant.
type Case = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str);

#[test]
fn the_first_rule_that_matches_wins() {
    let (_nodes, proxy) = with_rules(
        r#"
[[rule]]
host = ["exact.test", "*.wild.test"]
cluster = "other"
[[rule]]
path = "/shop"
cluster = "other"
[[rule]]
path-regex = "^/[0-9]+/edit$"
cluster = "other"
[[rule]]
method = ["PUT", "DELETE"]
cluster = "other"
[[rule]]
header = { X-Beta = "yes" }
cluster = "other"
[[rule]]
query = { version = "2", mode = "*" }
cluster = "other"
[[rule]]
source = "127.0.4.0/24"
cluster = "other"
"#,
    );
    let cases: &[Case] = &[
        ("GET", "/", &[("Host", "exact.test")], "n2"),
        ("GET", "/", &[("Host", "EXACT.test:8080")], "n2"),
        ("GET", "/", &[("Host", "a.wild.test")], "n2"),
        ("GET", "/", &[("Host", "wild.test")], "n1"),
        ("GET", "/", &[("Host", "exact.test.evil")], "n1"),
        ("GET", "/shop", &[], "n2"),
        ("GET", "/shop/cart?x=1", &[], "n2"),
        ("GET", "/shopping", &[], "n1"),
        ("GET", "/17/edit", &[], "n2"),
        ("GET", "/17/edit/x", &[], "n1"),
        ("PUT", "/", &[], "n2"),
        ("PATCH", "/", &[], "n1"),
        ("GET", "/", &[("x-beta", "yes")], "n2"),
        ("GET", "/", &[("x-beta", "no")], "n1"),
        ("GET", "/?version=2&mode=", &[], "n2"),
        ("GET", "/?mode=x&version=%32", &[], "n2"),
        ("GET", "/?version=2", &[], "n1"),
    ];
    for (method, path, headers, node) in cases {
        assert_eq!(goes_to(&proxy, method, path, headers), *node, "{method} {path} {headers:?}");
    }
    assert_eq!(Client::from([127, 0, 4, 9], proxy.addr).get("/").node(), "n2");
    assert_eq!(Client::from([127, 0, 5, 9], proxy.addr).get("/").node(), "n1");
}

#[test]
fn a_rule_cannot_be_walked_around() {
    let (nodes, proxy) = with_rules("[[rule]]\npath = \"/admin\"\nrespond = { status = 403 }");
    for path in [
        "/admin",
        "/admin/x",
        "/%61dmin",
        "/x/../admin",
        "/./admin",
        "//admin",
        "/x/%2e%2e/admin",
        "/admin;x=1",
        "/admin/../admin/x",
    ] {
        let answer = Client::new(proxy.addr).get(path);
        assert!(matches!(answer.status, 403 | 400), "{path}: {}", answer.status);
    }
    assert_eq!(nodes[0].hits(), 0);
}

#[test]
fn answers_at_once() {
    let (_nodes, proxy) = with_rules(
        r#"
[[rule]]
path = "/gone"
respond = { status = 410, body = "it went", content-type = "text/x-test" }
[[rule]]
path = "/moved"
redirect = { scheme = "https", host = "new.test", status = 308 }
[[rule]]
path = "/to"
redirect = { to = "https://new.test/from{path}", status = 302 }
"#,
    );
    let gone = Client::new(proxy.addr).get("/gone");
    assert_eq!(
        (gone.status, gone.text().as_str(), gone.head.get("content-type")),
        (410, "it went", Some("text/x-test"))
    );
    let moved = Client::new(proxy.addr).get("/moved/a?b=c");
    assert_eq!((moved.status, moved.head.get("location")), (308, Some("https://new.test/moved/a?b=c")));
    let to = Client::new(proxy.addr).get("/to/a");
    assert_eq!((to.status, to.head.get("location")), (302, Some("https://new.test/from/to/a")));
}

#[test]
fn headers_are_changed_on_the_way() {
    let (_nodes, proxy) = with_rules(
        r#"
[[rule]]
path = "/headers"
cluster = "app"
request-headers = { set = { X-Real-IP = "{client.ip}", X-Where = "{listener}/{cluster}/{node}", X-Id = "{request.id}" }, add = { X-More = "b" }, remove = ["X-Debug"] }
response-headers = { set = { X-Answer = "{method} {path}", X-Origin = "{header.Origin}" }, remove = ["Content-Type"] }
"#,
    );
    let headers = [
        ("X-Real-IP", "6.6.6.6"),
        ("X-Debug", "1"),
        ("X-More", "a"),
        ("X-Kept", "1"),
        ("Origin", "http://shop.test"),
    ];
    let answer = Client::new(proxy.addr).get_with("/headers", &headers);
    assert_eq!(answer.seen("x-real-ip"), ["127.0.0.1"]);
    assert_eq!(answer.seen("x-where"), ["web/app/n1"]);
    assert_eq!(answer.seen("x-more"), ["a", "b"]);
    assert_eq!(answer.seen("x-debug"), [""; 0]);
    assert_eq!(answer.seen("x-kept"), ["1"]);
    assert_eq!((answer.head.get("x-answer"), answer.head.get("content-type")), (Some("GET /headers"), None));
    assert_eq!(
        answer.head.get("x-origin"),
        Some("http://shop.test"),
        "an answer's edits read the request's headers"
    );
    assert_eq!(
        answer.seen("x-id"),
        [proxy.access_of("/headers", 1)[0]["id"].as_str().expect("every line has an id")]
    );
}

#[test]
fn paths_are_changed_on_the_way() {
    let (_nodes, proxy) = with_rules(
        r#"
[[rule]]
path = "/strip"
cluster = "app"
strip-prefix = "/strip"
request-headers = { set = { X-Asked = "{uri}" } }
[[rule]]
path-regex = "^/old/(.*)$"
cluster = "app"
rewrite = "/headers/$1"
"#,
    );
    let target = |path: &str| {
        Client::new(proxy.addr).get(path).json()["target"].as_str().expect("its target").to_owned()
    };
    assert_eq!(target("/strip/headers/x?y=1"), "/headers/x?y=1");
    assert_eq!(
        Client::new(proxy.addr).get("/strip/headers?y=1").seen("x-asked"),
        ["/strip/headers?y=1"],
        "as the client sent it"
    );
    assert_eq!(target("/old/a/b?y=1"), "/headers/a/b?y=1");
    assert_eq!(
        target("/headers/%41%2Fb?q=%20+"),
        "/headers/%41%2Fb?q=%20+",
        "otherwise the target stays byte for byte"
    );
}

#[test]
fn an_answer_is_given_the_prefix_only_where_it_was_stripped() {
    let node = Origin::with("n1", Sessions::Jvm("n1".into()));
    let conf =
        Conf::over([&node]).affinity(r#"{ route = "JSESSIONID" }"#).cluster("rewrite-responses = true");
    let proxy = Proxy::start(&conf.text().replacen("[[rule]]", "[[rule]]\nstrip-prefix = \"/shop\"", 1));
    let path = |asked: &str| {
        let answer = Client::new(proxy.addr).get(asked);
        let cookie = answer.set_cookie("JSESSIONID").expect("a session");
        cookie.split("Path=").nth(1).map(|path| path.split(';').next().unwrap_or_default().to_owned())
    };
    assert_eq!(path("/shop/login").as_deref(), Some("/shop"));
    assert_eq!(path("/sho%70/login").as_deref(), Some("/shop"));
    assert_eq!(path("/login").as_deref(), Some("/"), "the client does not come to /shop with it");
}

#[test]
fn the_host_is_kept_unless_told_otherwise() {
    let node = Origin::start("n1");
    let conf = Conf::over([&node]);
    let proxy = Proxy::start(&conf.text());
    let host = || Client::new(proxy.addr).get_with("/headers", &[("Host", "app.test")]).seen("host");
    assert_eq!(host(), ["app.test"]);
    assert!(proxy.reload_to(&conf.cluster("preserve-host = false").text()).applied());
    assert_eq!(host(), [node.addr.to_string()]);
}

#[test]
fn one_cluster_alone_needs_no_rule() {
    let node = Origin::start("n1");
    let web = free_addr();
    let conf = |more: &str| {
        format!("[listener.web]\nbind = \"{web}\"\n[cluster.app.nodes]\nn1 = {:?}\n{more}", node.url())
    };
    let proxy = Proxy::start(&conf(""));
    assert_eq!(Client::new(proxy.addr).get("/any/where").node(), "n1");
    assert!(proxy.reload_to(&conf("[cluster.other.nodes]\nn1 = \"http://127.0.0.1:1\"")).applied());
    assert_eq!(Client::new(proxy.addr).get("/any/where").status, 404, "with two it has to be said");
}
