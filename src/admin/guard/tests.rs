use super::*;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

fn guard_in(conf: &str, files: &NamedFiles) -> Result<AdminGuard, TokenFileError> {
    let config: Config = toml::from_str(conf).unwrap();
    let binds: Vec<Address> =
        config.server.admin.iter().flat_map(Admin::binds).map(|bind| bind.parse().unwrap()).collect();
    AdminGuard::new(&config, &binds, files, Rc::default())
}

fn guard(conf: &str) -> AdminGuard {
    guard_in(conf, &NamedFiles::default()).unwrap()
}

const TCP: Peer = Peer::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7));

fn caller(peer: Peer) -> Caller {
    Caller { peer, encrypted: false, user: None, names: None }
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    lines.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
}

#[test]
fn without_a_token_the_host_is_an_address_or_known() {
    let guard =
        guard("server.admin = 'localhost:9900'\n[[rule]]\nhost = ['Shop.example.com', '*.example.org']");
    for (host, good) in [
        ("127.0.0.1:9900", true),
        ("127.0.0.1", true),
        ("[::1]:9900", true),
        ("localhost:9900", true),
        ("LOCALHOST", true),
        ("shop.example.com:9900", true),
        ("shop.example.com.", true),
        ("evil.example.com:9900", false),
        ("x.example.org", false),
        ("127.0.0.1.evil.com", false),
        ("", false),
    ] {
        assert_eq!(guard.admit(TCP, &headers(&[("host", host)])).is_ok(), good, "{host}");
    }
}

#[test]
fn a_page_of_another_site_changes_nothing() {
    let guard = guard("server.admin = '127.0.0.1:9900'");
    for (origin, good) in [
        ("http://127.0.0.1:9900", true),
        ("http://127.0.0.1:9901", false),
        ("http://evil.com", false),
        ("https://127.0.0.1", false),
        ("null", false),
    ] {
        assert_eq!(
            guard.admit(TCP, &headers(&[("host", "127.0.0.1:9900"), ("origin", origin)])).is_ok(),
            good,
            "{origin}"
        );
    }
    for (site, good) in [("same-origin", true), ("none", true), ("same-site", false), ("cross-site", false)] {
        let headers = headers(&[("sec-fetch-site", site)]);
        assert_eq!(guard.admit_change(Some(Credential::NotAsked), &headers).is_ok(), good, "{site}");
    }
}

#[test]
fn cookies_say_where_they_come_from() {
    let guard = guard("server.admin = '127.0.0.1:9900'");
    for (lines, proof, good) in [
        (&[][..], Credential::Cookie, false),
        (&[("sec-fetch-site", "same-origin")], Credential::Cookie, true),
        (&[("origin", "http://127.0.0.1:9900")], Credential::Cookie, true),
        (&[("sec-fetch-site", "none")], Credential::Cookie, false),
        (&[("sec-fetch-site", "same-site"), ("origin", "http://127.0.0.1:9900")], Credential::Cookie, false),
        (&[], Credential::NotAsked, true),
        (&[], Credential::Token, true),
    ] {
        assert_eq!(guard.admit_change(Some(proof), &headers(lines)).is_ok(), good, "{lines:?} {proof:?}");
    }
}

/// A folder with two tokens, each 16 times the first letter of its file's name.
fn tokens() -> NamedFiles {
    let folder = tempfile::tempdir().unwrap();
    let mut files = NamedFiles::of(folder.path());
    for name in ["admin", "grafana"] {
        std::fs::write(folder.path().join(name), name[..1].repeat(16)).unwrap();
        files.read_tokens(&files.path(name)).unwrap();
    }
    files
}

#[test]
fn the_token_is_asked_for_where_there_is_one() {
    let conf = "[server.admin]\nbind = '0.0.0.0:9900'\ntokens = { ops = { file = 'admin', level = 'operate' }, g = { file = 'grafana' } }";
    assert!(guard_in(conf, &NamedFiles::default()).is_err(), "none was read");
    let guard = guard_in(conf, &tokens()).unwrap();
    let ops = |by| Visitor { name: "ops".into(), level: AdminLevel::Operate, by };
    for (shown, visitor) in [
        ("Bearer aaaaaaaaaaaaaaaa", Some(ops(Credential::Token))),
        ("bearer aaaaaaaaaaaaaaaa", Some(ops(Credential::Token))),
        (
            "Bearer gggggggggggggggg",
            Some(Visitor { name: "g".into(), level: AdminLevel::Read, by: Credential::Token }),
        ),
        ("Bearer aaaaaaaaaaaaaaab", None),
        ("Basic aaaaaaaaaaaaaaaa", None),
        ("Bearer ", None),
        ("", None),
    ] {
        let read = guard.visitor(&caller(TCP), &headers(&[("authorization", shown)]));
        match visitor {
            Some(_) => assert_eq!(read.unwrap(), visitor, "{shown}"),
            None => assert_eq!(read.unwrap_err().why, AdminRefusal::Token, "{shown}"),
        }
    }
    let by = |lines: &[(&'static str, &str)]| guard.visitor(&caller(TCP), &headers(lines)).ok().flatten();
    assert_eq!(by(&[]), None);
    assert!(guard.let_in("aaaaaaaaaaaaaaab", &caller(TCP)).is_err());
    let cookie = guard.let_in("aaaaaaaaaaaaaaaa", &caller(TCP)).unwrap();
    let encrypted = Caller { encrypted: true, ..caller(TCP) };
    assert!(
        !cookie.contains("Secure")
            && guard.let_in("aaaaaaaaaaaaaaaa", &encrypted).unwrap().contains(" Secure;")
    );
    let pair = cookie.split(';').next().unwrap();
    for (shown, good) in [
        (pair, true),
        (&format!("a=b; {pair}; c=d"), true),
        (&pair[1..], false),
        (&pair[..40], false),
        ("homing-admin=", false),
    ] {
        assert_eq!(by(&[("cookie", shown)]), good.then(|| ops(Credential::Cookie)), "{shown}");
    }
    assert_eq!(by(&[("cookie", pair), ("authorization", "Bearer wrong")]), None);
    assert!(
        guard.admit(TCP, &headers(&[("host", "proxy.example.com")])).is_ok(),
        "the token stands in for the name"
    );
    let took_back = guard.let_out(&caller(TCP), &headers(&[("cookie", pair)]));
    assert!(took_back.contains("Max-Age=0"), "{took_back}");
    assert_eq!(by(&[("cookie", pair)]), None, "also who has a copy of it");
}

#[test]
fn a_socket_or_a_certificate_is_enough_where_nothing_else_is_asked_for() {
    let named = |name: &str| Some(Rc::from([name.to_owned()]));
    let table = |more: &str| format!("[server.admin]\nbind = ['0.0.0.0:9900', 'unix:a']\n{more}");
    let ca = "tls = { certs = ['c'], client-ca = 'ca' }";
    let tokens_too = "tokens = { ops = { file = 'admin', level = 'admin' } }";
    let short = "server.admin = 'unix:a'\nserver.admin-token-file = 'admin'".to_owned();
    let mark = loop_marks::HEADER;
    for (conf, peer, names, lines, by) in [
        (table(""), TCP, None, &[][..], Some(("operator", Credential::NotAsked))),
        (table(ca), TCP, named("anna"), &[], Some(("anna", Credential::Certificate))),
        (table(ca), TCP, None, &[], None),
        (table(&format!("{ca}\n{tokens_too}")), TCP, named("anna"), &[], None),
        (
            table(&format!("{ca}\n{tokens_too}")),
            TCP,
            named("anna"),
            &[("authorization", "Bearer aaaaaaaaaaaaaaaa")],
            Some(("ops (anna)", Credential::Token)),
        ),
        (table(tokens_too), Peer::Unix, None, &[], Some(("root", Credential::Socket))),
        (table(tokens_too), Peer::Unix, None, &[(mark.as_str(), "through a listener")], None),
        (short, Peer::Unix, None, &[], None),
    ] {
        let guard = guard_in(&conf, &tokens()).unwrap();
        let caller = Caller { user: (peer == Peer::Unix).then_some(0), names, ..caller(peer) };
        let lines = lines
            .iter()
            .map(|(name, value)| (HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap()));
        let visitor = guard.visitor(&caller, &lines.collect()).unwrap();
        assert_eq!(visitor.as_ref().map(|visitor| (&*visitor.name, visitor.by)), by, "{conf}");
    }
}
