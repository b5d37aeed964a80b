//! The access log: one line a request, in three formats, with the word that explains it.

use crate::support::{Client, Conf, Origin, Proxy, until};

fn logged(format: &str) -> (Origin, Proxy) {
    let node = Origin::start("n1");
    let conf =
        Conf::over([&node]).affinity(r#""cookie""#).server(&format!("access-log = {{ format = \"{format}\", to = \"access.log\" }}"));
    let proxy = Proxy::start(&conf.text());
    (node, proxy)
}

fn line(proxy: &Proxy, path: &str) -> String {
    let log = proxy.folder().join("access.log");
    until(&format!("the line for {path}"), || std::fs::read_to_string(&log).ok()?.lines().find(|l| l.contains(path)).map(str::to_owned))
}

#[test]
fn json_has_every_key() {
    let node = Origin::start("n1");
    let proxy = Proxy::start(&Conf::over([&node]).affinity(r#""cookie""#).text());
    Client::new(proxy.addr).get_with("/big/json?n=1000", &[("Host", "app.test"), ("User-Agent", "a \"quoted\" agent")]);
    let line = &proxy.access_of("/big/json", 1)[0];
    for key in ["time", "client", "method", "host", "path", "status", "bytes", "duration_ms", "cluster", "node", "was", "why", "id"] {
        assert!(line.get(key).is_some(), "{key} in {line}");
    }
    assert_eq!((&line["method"], &line["host"], &line["status"]), (&"GET".into(), &"app.test".into(), &200.into()));
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
    let mut paths: Vec<String> = proxy.access_of("/every/", 2_000).iter().map(|l| l["path"].to_string()).collect();
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
    for part in ["127.0.0.1 - - [", "] \"GET /combined?x=1 HTTP/1.1\" 200 ", "\"http://from.test/\" \"test/1.0\"", "n1", "new"] {
        assert!(line.contains(part), "{part:?} in {line}");
    }
}

#[test]
fn httplog() {
    let (_node, proxy) = logged("httplog");
    Client::new(proxy.addr).get("/httplog");
    let line = line(&proxy, "/httplog");
    for part in ["127.0.0.1:", " app/n1 ", " 200 ", "\"GET /httplog HTTP/1.1\""] {
        assert!(line.contains(part), "{part:?} in {line}");
    }
}

#[test]
fn a_client_cannot_write_lines_of_its_own() {
    let (_node, proxy) = logged("combined");
    Client::new(proxy.addr).get_with("/forged", &[("User-Agent", "x\" 200 0 \"-\" \"y")]);
    let line = line(&proxy, "/forged");
    assert!(!line.contains("x\" 200"), "a quote in a header is escaped: {line}");
}
