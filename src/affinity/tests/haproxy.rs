//! The wire of HAProxy's `cookie`, row by row.

use super::*;

/// Conf; Cookie of the client; Cookie the node sees; Set-Cookie of the node; Set-Cookie the client gets; node
/// it goes to.
type Row<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str, u32);

const INSERT: &str = "cookie = 'SRV'\nvalue = 'route'\nindirect = false\nnocache = false";
const INDIRECT: &str = "cookie = 'SRV'\nvalue = 'route'";
const DATES: &str = "cookie = 'SRV'\nvalue = 'route'\nmax-idle = '30m'\nmax-life = '8h'";
const IDLE: &str = "cookie = 'SRV'\nvalue = 'route'\nmax-idle = '30m'";
const PREFIX: &str = "cookie = 'JSESSIONID'\nvalue = 'route'\nmode = 'prefix'";
const REWRITE: &str = "cookie = 'SRV'\nvalue = 'route'\nmode = 'rewrite'";
const PASSIVE: &str = "cookie = 'SRV'\nvalue = 'route'\nmode = 'passive'";

fn lines(text: &str) -> Vec<&str> {
    text.split(" & ").filter(|line| !line.is_empty()).collect()
}

fn check(rows: &[Row<'_>]) {
    for (conf, cookie, to_node, set, to_client, slot) in rows {
        let visit =
            Visit { cookie: lines(cookie), set_cookie: lines(set), balanced: *slot, ..Visit::default() };
        let seen = visit.go(&affinity(conf));
        let said = format!("{conf} / {cookie} / {set}");
        assert_eq!(seen.cookie, lines(to_node), "to node: {said}");
        assert_eq!(seen.set_cookie, lines(to_client), "to client: {said}");
        assert_eq!(seen.slot, *slot, "{said}");
    }
}

#[test]
fn insert() {
    check(&[
        (INSERT, "", "", "", "SRV=a1; path=/", 1),
        (INSERT, "SRV=a2", "SRV=a2", "", "", 2),
        (INSERT, "x=1; SRV=zz; y=2", "x=1; SRV=zz; y=2", "", "SRV=a2; path=/", 2),
        (INSERT, "", "", "SRV=mine; path=/", "SRV=a1; path=/", 1),
        (INSERT, "SRV=a2", "SRV=a2", "SRV=mine; path=/", "", 2),
        (INSERT, "SRV=a2|awF1y", "SRV=a2|awF1y", "", "SRV=a2; path=/", 2),
        // HAProxy itself leaves quotes on, and does not know such a value; others write them
        (INSERT, "SRV=\"a2\"", "SRV=\"a2\"", "", "", 2),
        (INSERT, "SRV=a1", "SRV=a1", "o=1 & SRV=x & p=2", "o=1 & p=2", 1),
        (INSERT, "", "", "", "SRV=; Expires=Thu, 01-Jan-1970 00:00:01 GMT; path=/", 3),
        (INDIRECT, "x=1; SRV=a2; y=2", "x=1; y=2", "", "", 2),
        (INDIRECT, "SRV=a2", "", "", "", 2),
        (INDIRECT, "x=1;SRV=a2", "x=1", "", "", 2),
        (INDIRECT, "SRV=a2, x=1", "x=1", "", "", 2),
        (INDIRECT, "SRV=a1; SRV=a2", "", "", "", 1),
        (INDIRECT, "SRV=zz; SRV=a2", "", "", "", 2),
        (INDIRECT, "$Version=1; SRV=a2; $Path=/", "", "", "", 2),
        (INDIRECT, "SRV=zz; x=1", "x=1", "", "SRV=a2; path=/", 2),
        (INDIRECT, "x=1 & SRV=a2 & y=1", "x=1 & y=1", "", "", 2),
    ]);
}

#[test]
fn insert_with_attributes_and_preserve() {
    let attributes = "cookie = 'SRV'\nvalue = 'route'\nhttp-only = true\nsecure = true\nattributes = ['SameSite=Lax']\n\
                      domain = ['.example.com', 'b.example']";
    let preserve = "cookie = 'SRV'\nvalue = 'route'\npreserve = true";
    check(&[
        (
            attributes,
            "",
            "",
            "",
            "SRV=a1; path=/; domain=.example.com; domain=b.example; HttpOnly; Secure; SameSite=Lax",
            1,
        ),
        (preserve, "SRV=a2", "", "SRV=mine; path=/", "SRV=mine; path=/", 2),
        (preserve, "", "", "SRV=mine; path=/", "SRV=mine; path=/", 1),
    ]);
    let gone = Visit { cookie: vec!["SRV=a2"], set_cookie: vec!["SRV=; Max-Age=0"], ..Visit::default() };
    assert!(gone.go(&affinity(preserve)).outcome.ended);
}

#[test]
fn dates() {
    check(&[
        (DATES, "", "", "", "SRV=a1|awF5s|awF5s; path=/", 1),
        (DATES, "SRV=a2", "", "", "SRV=a2|awF5s|awF5s; path=/", 2),
        (DATES, "SRV=a2|awF5T|awF1y", "", "", "SRV=a2|awF5s|awF1y; path=/", 2),
        (DATES, "SRV=a2|awF5s|awF1y", "", "", "", 2),
        (DATES, "SRV=a2|awF5r|awEEg", "", "", "SRV=a1|awF5s|awF5s; path=/", 1),
        (DATES, "SRV=a2|xx", "", "", "SRV=a2|awF5s|awF5s; path=/", 2),
        (IDLE, "", "", "", "SRV=a1|awF5s; path=/", 1),
        (IDLE, "SRV=a2|awF5s|awF1y", "", "", "SRV=a2|awF5s; path=/", 2),
    ]);
    let dated = affinity(DATES);
    assert_eq!(read(&dated, "/", &["SRV=a2|awF5r|awEEg"], NOW).found, FoundPin::Lost(Lost::Expired));
    assert_eq!(read(&dated, "/", &["SRV=a2|awF5s"], NOW + 1803).found, FoundPin::Lost(Lost::Expired));
    assert_eq!(read(&dated, "/", &["SRV=a2|awF5s"], NOW - 90_000).found, FoundPin::Lost(Lost::Expired));
    assert!(matches!(read(&dated, "/", &["SRV=a2|awF5s"], NOW - 80_000).found, FoundPin::Pin { .. }));
}

#[test]
fn postonly_and_nocache() {
    let only = affinity("cookie = 'SRV'\nvalue = 'route'\npostonly = true");
    assert!(Visit::default().go(&only).set_cookie.is_empty());
    let post = Visit { method: Method::POST, ..Visit::default() }.go(&only);
    assert_eq!(post.set_cookie, ["SRV=a1; path=/"]);
    assert_eq!(post.cache, ["private"]);
    assert!(post.outcome.pinned);
    assert!(Visit::default().go(&affinity(INSERT)).cache.is_empty());
    assert!(Visit { cookie: vec!["SRV=a2"], ..Visit::default() }.go(&affinity(INDIRECT)).cache.is_empty());
}

#[test]
fn prefix_rewrite_and_passive() {
    let indirect = format!("{PREFIX}\nindirect = true");
    check(&[
        (PREFIX, "", "", "JSESSIONID=abc; Path=/app; HttpOnly", "JSESSIONID=a1~abc; Path=/app; HttpOnly", 1),
        (PREFIX, "x=1; JSESSIONID=a2~abc.d~e; y=2", "x=1; JSESSIONID=abc.d~e; y=2", "", "", 2),
        (PREFIX, "JSESSIONID=zz~abc", "JSESSIONID=abc", "", "", 1),
        (PREFIX, "JSESSIONID=a2", "JSESSIONID=a2", "", "", 2),
        (PREFIX, "JSESSIONID=a2~abc", "JSESSIONID=abc", "JSESSIONID=; Path=/", "JSESSIONID=a2~; Path=/", 2),
        (
            PREFIX,
            "",
            "",
            "JSESSIONID=a & JSESSIONID=b; Path=/b",
            "JSESSIONID=a1~a & JSESSIONID=a1~b; Path=/b",
            1,
        ),
        (&indirect, "JSESSIONID=a2~abc", "JSESSIONID=abc", "JSESSIONID=new", "", 2),
        (REWRITE, "", "", "SRV=whatever; Path=/app & o=1", "SRV=a1; Path=/app & o=1", 1),
        (REWRITE, "SRV=a2", "SRV=a2", "", "", 2),
        (PASSIVE, "SRV=a2", "SRV=a2", "SRV=a1", "SRV=a1", 2),
    ]);
    let set = Visit { set_cookie: vec!["JSESSIONID=abc"], ..Visit::default() }.go(&affinity(PREFIX));
    let back = Visit { cookie: vec!["JSESSIONID=a1~abc"], ..Visit::default() }.go(&affinity(PREFIX));
    assert!(set.outcome.learned.is_some() && set.outcome.pinned);
    assert_eq!(set.outcome.learned, back.session);
}

#[test]
fn dynamic_values_go_by_address() {
    let members = [
        Member { slot: 0, name: "n1", route: "n1", address: "10.0.0.11:8080".parse().ok() },
        Member { slot: 1, name: "n2", route: "own", address: "10.0.0.12:8080".parse().ok() },
    ];
    let conf = conf("cookie = 'SRV'\nvalue = 'dynamic'\ndynamic-key = 'mysecret'");
    let dynamic = Affinity::compile(Some(&conf), "shop", &members, Arc::new(KeyRing::generate())).unwrap();
    let first = Visit { balanced: 0, ..Visit::default() }.go(&dynamic);
    assert_eq!(first.set_cookie, ["SRV=272b16914da59668; path=/"]);
    assert_eq!(Visit { cookie: vec!["SRV=272b16914da59668"], ..Visit::default() }.go(&dynamic).slot, 0);
    assert_eq!(Visit { cookie: vec!["SRV=own"], ..Visit::default() }.go(&dynamic).slot, 1);
}

#[test]
fn nodes_may_share_a_value() {
    let members = [member(7, "main", "a"), member(2, "backup", "a")];
    let shared =
        Affinity::compile(Some(&conf(INSERT)), "shop", &members, Arc::new(KeyRing::generate())).unwrap();
    assert_eq!(read(&shared, "/", &["SRV=a"], NOW).found, FoundPin::Pin { slots: &[7, 2], via: Via::Cookie });
}

#[test]
fn readable_values_of_other_front_ends() {
    let routes = ["1", "tomcat1", "http://10.0.0.1:8080", "MTI3LjAuMC4xOjgwODE=", "9f86d081884c7d65", "a.b"];
    let members: Vec<Member<'_>> =
        routes.iter().enumerate().map(|(slot, route)| member(slot as u32, "n", route)).collect();
    let compiled = |toml: &str| {
        Affinity::compile(Some(&conf(toml)), "shop", &members, Arc::new(KeyRing::generate())).unwrap()
    };
    let readable = compiled("cookie = 'R'\nvalue = 'route'");
    for (value, slot) in [
        ("1", Some(0)),
        (".1", Some(0)),
        ("balancer.tomcat1", Some(1)),
        ("my.balancer.tomcat1", Some(1)),
        ("\".1\"", Some(0)),
        ("http://10.0.0.1:8080", Some(2)),
        ("MTI3LjAuMC4xOjgwODE=", Some(3)),
        ("\"MTI3LjAuMC4xOjgwODE=\"", Some(3)),
        ("9f86d081884c7d65", Some(4)),
        ("a.b", Some(5)),
        ("x.a.b", Some(5)),
        (".1|awF5s", Some(0)),
        (".2", None),
        ("1.", None),
        ("1.2", None),
        ("", None),
    ] {
        let cookie = format!("R={value}");
        let found = match read(&readable, "/", &[&cookie], NOW).found {
            FoundPin::Pin { slots: [slot], .. } => Some(*slot),
            _ => None,
        };
        assert_eq!(found, slot, "{value}");
        // what came is understood by whoever wrote it, and stays as it is
        let seen = Visit { cookie: vec![&cookie], ..Visit::default() }.go(&readable);
        assert_eq!(seen.set_cookie.is_empty(), slot.is_some(), "{value}");
    }
    let new = |affinity: &Affinity| Visit { balanced: 0, ..Visit::default() }.go(affinity).set_cookie;
    assert_eq!(new(&readable), ["R=1; path=/"]);
    let httpd = compiled("cookie = 'R'\nvalue = 'route'\nseparator = '.'");
    assert_eq!(new(&httpd), ["R=.1; path=/"]);
    assert!(Visit { cookie: vec!["R=.1"], ..Visit::default() }.go(&httpd).set_cookie.is_empty());
    let sealed = compiled("cookie = 'H'\nalso = [{ cookie = 'R', value = 'route' }]");
    assert_eq!(Visit { cookie: vec!["R=.tomcat1"], ..Visit::default() }.go(&sealed).slot, 1);
}

#[test]
fn the_text_that_nobody_claims_is_shown_and_no_more() {
    let long = "x".repeat(100);
    for (toml, cookie, shown) in [
        ("cookie = 'R'\nvalue = 'route'", "R=9|awF5s", Some("9".to_owned())),
        ("cookie = 'R'\nvalue = 'route'", "R=\"9\"", Some("9".to_owned())),
        ("cookie = 'R'\nvalue = 'route'", "R=a1", None),
        ("cookie = 'R'\nvalue = 'route'", &format!("R={long}"), Some(format!("{}…", &long[..64]))),
        ("cookie = 'R'\nvalue = 'route'", "R=\u{e4}", Some("\\xc3\\xa4".to_owned())),
        ("cookie = 'R'\nmode = 'prefix'", "R=zz~secret", Some("zz".to_owned())),
        ("cookie = 'R'\nmode = 'prefix'", "R=secret", None),
        ("route = 'R'", "R=secret.zz", Some("zz".to_owned())),
        ("route = 'R'", "R=secret", None),
        ("learn = 'R'", "R=secret", None),
        ("cookie = 'R'", "R=secret", None),
        ("cookie = 'H'\nalso = [{ cookie = 'R', value = 'route' }]", "R=old", Some("old".to_owned())),
    ] {
        let headers = request_headers(&[cookie]);
        let uri = Uri::from_static("/");
        let request = PinRequest {
            method: &Method::GET,
            uri: &uri,
            headers: &headers,
            client: [127, 0, 0, 1].into(),
            hearsay: false,
            now: NOW,
        };
        assert_eq!(
            affinity(toml).unclaimed(&request, |_| None).as_deref(),
            shown.as_deref(),
            "{toml} {cookie}"
        );
    }
}
