//! The access log: one line a request, in three formats, with the word that explains it.

use crate::support::{Client, Conf, Origin, Proxy, until};
use regex::Regex;

fn logged(format: &str) -> (Origin, Proxy) {
    let node = Origin::start("n1");
    let conf = Conf::over([&node])
        .affinity(r#""cookie""#)
        .server(&format!("access-log = {{ format = \"{format}\", to = \"access.log\" }}"));
    let proxy = Proxy::start(&conf.text());
    (node, proxy)
}

fn line(proxy: &Proxy, path: &str) -> String {
    let log = proxy.folder().join("access.log");
    until(&format!("the line for {path}"), || {
        std::fs::read_to_string(&log).ok()?.lines().find(|l| l.contains(path)).map(str::to_owned)
    })
}

#[test]
fn json_has_every_key() {
    let node = Origin::start("n1");
    let proxy = Proxy::start(&Conf::over([&node]).affinity(r#""cookie""#).text());
    Client::new(proxy.addr)
        .get_with("/big/json?n=1000", &[("Host", "app.test"), ("User-Agent", "a \"quoted\" agent")]);
    let line = &proxy.access_of("/big/json", 1)[0];
    for key in [
        "time",
        "client",
        "method",
        "host",
        "path",
        "status",
        "bytes",
        "duration_ms",
        "cluster",
        "node",
        "was",
        "why",
        "id",
    ] {
        assert!(line.get(key).is_some(), "{key} in {line}");
    }
    assert_eq!(
        (&line["method"], &line["host"], &line["status"]),
        (&"GET".into(), &"app.test".into(), &200.into())
    );
    assert_eq!((&line["cluster"], &line["node"], &line["why"]), (&"app".into(), &"n1".into(), &"new".into()));
    assert!(line["bytes"].as_u64().is_some_and(|n| n >= 1000), "{line}");
    assert!(line["duration_ms"].is_number(), "{line}");
}

#[test]
fn an_answer_of_our_own_is_logged_without_a_node() {
    let node = Origin::start("n1");
    let proxy = Proxy::start(&Conf::over([&node]).rule("path = \"/app\"").text());
    assert_eq!(Client::new(proxy.addr).get("/nowhere").status, 404);
    let line = &proxy.access_of("/nowhere", 1)[0];
    assert_eq!((&line["status"], &line["why"]), (&404.into(), &"none".into()));
}

#[test]
fn every_request_has_its_line() {
    let node = Origin::start("n1");
    let proxy = Proxy::start(&Conf::over([&node]).affinity(r#""cookie""#).text());
    let addr = proxy.addr;
    let threads: Vec<_> = (0..4)
        .map(|t| {
            std::thread::spawn(move || {
                let mut client = Client::with_jar(addr);
                (0..500).for_each(|i| assert_eq!(client.get(&format!("/every/{t}-{i}")).status, 200));
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().expect("no failure"));
    let mut paths: Vec<String> =
        proxy.access_of("/every/", 2_000).iter().map(|l| l["path"].to_string()).collect();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), 2_000);
}

#[test]
fn combined() {
    let (_node, proxy) = logged("combined");
    let headers = [("User-Agent", "test/1.0"), ("Referer", "http://from.test/")];
    Client::new(proxy.addr).get_with("/combined?x=1", &headers);
    let line = line(&proxy, "/combined");
    for part in [
        "127.0.0.1 - - [",
        "] \"GET /combined?x=1 HTTP/1.1\" 200 ",
        "\"http://from.test/\" \"test/1.0\"",
        "n1",
        "new",
    ] {
        assert!(line.contains(part), "{part:?} in {line}");
    }
}

/// What log tools expect of `option httplog`: HAProxy's manual, 8.2.3, without captures.
const HTTPLOG: &str = r#"(?x)^(?<client>[0-9a-f.:]+):\d+\ \[\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2}\.\d{3}\]
    \ (?<frontend>\S+?)~?\ (?<backend>[^/\s]+)/(?<server>\S+)
    \ (?<tr>\d+)/(?<tw>-1|\d+)/(?<tc>-1|\d+)/(?<trr>-1|\d+)/(?<ta>\d+)\ (?<status>\d{3})\ (?<bytes>\d+)\ -\ -
    \ (?<state>[CSPLRIDUKcs-][RQCHDLT-][NIDVEOU-][NIUPRD-])
    \ (?<ac>\d+)/(?<fc>\d+)/(?<bc>\d+)/(?<sc>\d+)/(?<rc>\+?\d+)\ (?<sq>\d+)/(?<bq>\d+)\ "(?<request>[^"]*)"$"#;

/// The named fields of the line for a path, in one string.
fn fields(proxy: &Proxy, path: &str, names: &str) -> String {
    let (line, parser) = (line(proxy, path), Regex::new(HTTPLOG).expect("it compiles"));
    let found = parser.captures(&line).unwrap_or_else(|| panic!("no log tool reads this: {line}"));
    names.split(' ').map(|name| &found[name]).collect::<Vec<_>>().join(" ")
}

#[test]
fn httplog() {
    let nodes = Origin::several(2);
    let conf = Conf::over(&nodes)
        .affinity(r#"{ cookie = "SRV", value = "route" }"#)
        .cluster("balance = \"first\"\nretries = 0");
    let conf = conf
        .cluster(
            "health = { kind = \"off\" }\npassive = { failures = 0 }\ntimeouts = { response = \"300ms\" }",
        )
        .rule("path = \"/app\"");
    let conf = conf.server("access-log = { format = \"httplog\", to = \"access.log\" }");
    let rules = "[[rule]]\npath = \"/go\"\nredirect = { scheme = \"https\" }\n[[rule]]\npath = [\"/reset\", \"/slow\"]\ncluster = \"app\"";
    let proxy = Proxy::start(&conf.more(rules).text());
    let mut user = Client::with_jar(proxy.addr);
    user.get("/app/new");
    user.get("/app/again");
    user.get("/go/there");
    user.get("/nowhere");
    user.get("/reset/it");
    user.get("/slow/it?ms=2000");
    Client::new(proxy.addr).cookie("SRV", "gone").get("/app/unknown");
    nodes[0].kill();
    user.get("/app/moved");
    nodes[1].kill();
    user.get("/app/nobody");
    for (path, names, expected) in [
        (
            "/app/new",
            "client frontend backend server status state rc sq bq request",
            "127.0.0.1 web app n1 200 --NI 0 0 0 GET /app/new HTTP/1.1",
        ),
        ("/app/again", "server status state rc", "n1 200 --VN 0"),
        ("/go/there", "frontend backend server tw tc trr status state", "web web <NOSRV> -1 -1 -1 302 LR--"),
        ("/nowhere", "backend server status state", "web <NOSRV> 404 PR--"),
        ("/reset/it", "server status state", "n1 502 SHVN"),
        ("/slow/it", "server status state", "n1 504 sHVN"),
        ("/app/unknown", "server status state", "n1 200 --II"),
        ("/app/moved", "server status state rc", "n2 200 --DI +2"),
        ("/app/nobody", "status state", "503 SCNN"),
    ] {
        assert_eq!(fields(&proxy, path, names), expected, "{path}");
    }
    assert_eq!(fields(&proxy, "/app/again", "ac fc"), "1 1", "one client is connected");
}

#[test]
fn a_client_cannot_write_lines_of_its_own() {
    let (_node, proxy) = logged("combined");
    Client::new(proxy.addr).get_with("/forged", &[("User-Agent", "x\" 200 0 \"-\" \"y")]);
    let line = line(&proxy, "/forged");
    assert!(!line.contains("x\" 200"), "a quote in a header is escaped: {line}");
}
