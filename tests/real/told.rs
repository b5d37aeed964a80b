//! What those make of it who are told: Tomcat's RemoteIpValve; and that HAProxy's and httpd's ways of telling can
//! be said in our conf.

use crate::fronts::{Front, NEEDED};
use crate::programs::have;
use crate::support::client::Answer;
use crate::support::{Certs, Client, Conf, Origin, Proxy, free_addr};
use crate::tomcat::Tomcat;

const VALVE: &str = r#"<Valve className="org.apache.catalina.valves.RemoteIpValve" portHeader="X-Forwarded-Port" hostHeader="X-Forwarded-Host"/>"#;

#[test]
fn tomcat_sends_its_clients_back_to_where_they_came() {
    if !Tomcat::is_here() {
        return;
    }
    let certs = Certs::new();
    let tomcat = Tomcat::behind(31, VALVE);
    let folder = tempfile::tempdir().unwrap();
    certs.write(folder.path(), &["shop.test"]);
    let (secure, trusting) = (free_addr(), free_addr());
    let conf = Conf::over(std::iter::empty::<&Origin>())
        .node("t", &format!("\"http://{}\"", tomcat.addr))
        .more(&format!(
            "[listener.secure]\nbind = \"{secure}\"\ntls = {{ certs = [{:?}] }}\n\
             [listener.inner]\nbind = \"{trusting}\"\ntrusted-proxies = [\"127.0.0.0/8\"]",
            folder.path().display().to_string()
        ));
    let proxy = Proxy::start(&conf.text());
    let location = |client: &mut Client, said: &[(&str, &str)]| {
        let answer = client.get_with("/app/go.jsp", said);
        assert_eq!(answer.status, 302, "{}", answer.text());
        answer.head.get("location").expect("it leads somewhere").to_owned()
    };
    // 443 is led to another port, as containers do: the client named none
    let mut browser = certs.client(secure, "shop.test");
    assert_eq!(location(&mut browser, &[]), "https://shop.test:443/app/index.jsp");
    assert_eq!(location(&mut browser, &[("Host", "shop.test:8443")]), "https://shop.test:8443/app/index.jsp");
    let liar = [
        ("Host", "shop.test"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Port", "666"),
        ("X-Forwarded-Host", "evil"),
    ];
    assert_eq!(location(&mut Client::new(proxy.addr), &liar), "http://shop.test:80/app/index.jsp");
    for words in [
        &[("X-Forwarded-Proto", "https,https")][..],
        &[("Forwarded", "for=9.9.9.9;proto=https")],
        &[("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "https")],
    ] {
        let said: Vec<(&str, &str)> = words.iter().copied().chain([("Host", "shop.test")]).collect();
        let seen = location(&mut Client::new(trusting), &said);
        assert_eq!(seen, "https://shop.test:443/app/index.jsp", "{words:?}");
    }
}

/// What a node is told of the client, in order of names.
fn told(answer: &Answer) -> Vec<String> {
    let known =
        ["for", "proto", "host", "port", "server", "prefix"].map(|name| format!("x-forwarded-{name}"));
    let names = known.iter().map(String::as_str).chain(["forwarded", "x-real-ip"]);
    let lines = |name: &str| {
        answer.seen(name).into_iter().map(|value| format!("{name}: {value}")).collect::<Vec<_>>()
    };
    names.flat_map(lines).collect()
}

#[test]
fn the_ways_of_haproxy_and_httpd_can_be_said() {
    if !have(&NEEDED) {
        return;
    }
    let node = Origin::start("n1");
    let at = node.url().trim_start_matches("http://").parse().unwrap();
    const HTTPD: &str = "LogLevel warn\nServerName shop.test\nProxyPreserveHost On\nProxyPass / http://N1/\n";
    for (what, front, way) in [
        (
            "option forwardfor",
            Front::Haproxy("option forwardfor\nserver s N1"),
            r#"{ write = ["for"], how = "line", strangers = "pass" }"#,
        ),
        ("HAProxy without it", Front::Haproxy("server s N1"), r#"{ write = [], strangers = "pass" }"#),
        (
            "httpd",
            Front::Httpd(HTTPD),
            r#"{ write = ["for", "host", "server"], how = "join", strangers = "pass" }"#,
        ),
        (
            "ProxyAddHeaders Off",
            Front::Httpd(
                "ServerName shop.test\nProxyAddHeaders Off\nProxyPreserveHost On\nProxyPass / http://N1/\n",
            ),
            r#"{ write = [], strangers = "pass" }"#,
        ),
    ] {
        let theirs = free_addr();
        let _front = front.start(theirs, &[at]);
        let ours = Proxy::start(&Conf::over([&node]).cluster(&format!("forwarded = {way}")).text());
        let two_lines = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "7.7.7.7")];
        let others = [("X-Forwarded-Host", "evil"), ("X-Forwarded-Prefix", "/p"), ("X-Real-IP", "6.6.6.6")];
        for said in [&[][..], &two_lines, &others] {
            let said: Vec<(&str, &str)> = said.iter().copied().chain([("Host", "shop.test")]).collect();
            let [theirs, ours] = [theirs, ours.addr].map(|addr| {
                let lines = told(&Client::new(addr).get_with("/headers", &said));
                // httpd joins lines of one name as they come in
                if what == "httpd" || what == "ProxyAddHeaders Off" { joined(lines) } else { lines }
            });
            assert_eq!(ours, theirs, "{what} {said:?}");
        }
    }
}

/// Lines of one name as one.
fn joined(lines: Vec<String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        match out.iter_mut().find(|known| known.starts_with(&format!("{name}: "))) {
            Some(known) => known.push_str(&format!(", {value}")),
            None => out.push(line.clone()),
        }
    }
    out
}
