//! 100 users × 100 requests keep one node, in every form of affinity, and the access log says why.

use crate::support::{Client, Conf, Origin, Proxy, client::Answer};
use std::net::SocketAddr;

const USERS: usize = 100;
const CLICKS: usize = 100;

/// One form of affinity, and how its users behave.
struct Form {
    affinity: &'static str,
    nodes: Vec<Origin>,
    /// What the access log says once a user is known.
    known: &'static str,
    arrive: fn(SocketAddr, usize) -> Client,
    /// The request; `click` counts from 0.
    ask: fn(&mut Client, usize, usize) -> Answer,
}

impl Form {
    fn new(affinity: &'static str, nodes: Vec<Origin>, known: &'static str) -> Self {
        Self {
            affinity,
            nodes,
            known,
            arrive: |addr, _| Client::with_jar(addr),
            ask: |c, user, _| c.get(&format!("/visit/u{user}")),
        }
    }

    /// Lets all users click, and checks that each met one node and the log knows them.
    fn holds(self) {
        let proxy = Proxy::start(&Conf::over(&self.nodes).affinity(self.affinity).text());
        let (addr, arrive, ask) = (proxy.addr, self.arrive, self.ask);
        let threads: Vec<_> = (0..10)
            .map(|t| {
                std::thread::spawn(move || {
                    (0..USERS).skip(t).step_by(10).for_each(|user| clicks(&mut arrive(addr, user), user, ask))
                })
            })
            .collect();
        threads.into_iter().for_each(|t| t.join().expect("every user kept a node"));
        let served: Vec<usize> = self.nodes.iter().map(Origin::hits).collect();
        assert_eq!(
            served.iter().sum::<usize>(),
            USERS * CLICKS,
            "every request reached a node once: {served:?}"
        );
        assert!(served.iter().all(|n| *n > 0), "every node has users: {served:?}");
        let lines = proxy.access_of("/", USERS * CLICKS);
        let count = |why: &str| lines.iter().filter(|l| l["why"] == why).count();
        assert_eq!((count("new"), count(self.known)), (USERS, USERS * (CLICKS - 1)), "{}", self.affinity);
    }
}

fn clicks(client: &mut Client, user: usize, ask: fn(&mut Client, usize, usize) -> Answer) {
    let mut home = String::new();
    for click in 0..CLICKS {
        let answer = ask(client, user, click);
        assert_eq!(answer.status, 200, "user {user}, click {click}: {}", answer.text());
        if click == 0 {
            home = answer.node().to_owned();
        }
        assert_eq!(answer.node(), home, "user {user} was moved at click {click}");
        let visits = answer.json()["visits"].as_u64();
        assert!(
            visits.is_none_or(|n| n == 0 || n == click as u64 + 1),
            "user {user} lost the session at click {click}: {}",
            answer.text()
        );
    }
}

#[test]
fn sealed_cookie() {
    Form::new(r#"{ cookie = "HOMING" }"#, Origin::several(3), "cookie").holds();
}

#[test]
fn the_word_cookie() {
    Form::new(r#""cookie""#, Origin::several(3), "cookie").holds();
}

#[test]
fn readable_cookie() {
    Form::new(r#"{ cookie = "SRV", value = "route" }"#, Origin::several(3), "cookie").holds();
}

#[test]
fn dynamic_cookie() {
    Form::new(
        r#"{ cookie = "SRV", value = "dynamic", dynamic-key = "MYKEY" }"#,
        Origin::several(3),
        "cookie",
    )
    .holds();
}

#[test]
fn prefixed_application_cookie() {
    Form::new(r#"{ cookie = "PHPSESSID", value = "route", mode = "prefix" }"#, Origin::phps(3), "cookie")
        .holds();
}

#[test]
fn rewritten_application_cookie() {
    let mut form =
        Form::new(r#"{ cookie = "SRV", value = "route", mode = "rewrite" }"#, Origin::several(3), "cookie");
    form.ask = |client, user, click| {
        client.get(&format!("{}/u{user}?SRV=mine", if click == 0 { "/set" } else { "/visit" }))
    };
    form.holds();
}

#[test]
fn passive_application_cookie() {
    let mut form =
        Form::new(r#"{ cookie = "SRV", value = "route", mode = "passive" }"#, Origin::several(3), "cookie");
    form.ask = |client, user, _| {
        let answer = client.get(&format!("/visit/u{user}"));
        assert_eq!(answer.set_cookie("SRV"), None, "passive never writes");
        // The application would have set this one itself.
        client.jar.get_or_insert_default().insert("SRV".into(), answer.node().into());
        answer
    };
    form.holds();
}

#[test]
fn route_in_the_applications_cookie() {
    Form::new(r#"{ route = "JSESSIONID" }"#, Origin::tomcats(3), "route").holds();
}

#[test]
fn route_in_the_path() {
    let mut form = Form::new(r#"{ route = "JSESSIONID" }"#, Origin::tomcats(3), "route");
    form.arrive = |addr, _| Client::new(addr);
    form.ask = |client, user, _| {
        let answer = client.get(&format!("/visit/u{user}{}?x=1", client.note));
        // Without a jar the id comes back in the links of the page.
        client.note = format!(
            ";jsessionid={}",
            answer.json()["session"].as_str().expect("every page shows its session")
        );
        answer
    };
    form.holds();
}

#[test]
fn learned_application_id() {
    Form::new(r#"{ learn = "PHPSESSID" }"#, Origin::phps(3), "learned").holds();
}

#[test]
fn key_in_the_query() {
    let mut form = Form::new(r#"{ key = "query:sid" }"#, Origin::several(3), "key");
    form.arrive = |addr, _| Client::new(addr);
    form.ask = |client, user, click| client.get(&format!("/visit/{click}?a=1&sid=user-{user}"));
    form.holds();
}

#[test]
fn key_in_a_header() {
    let mut form = Form::new(r#"{ key = "header:X-User" }"#, Origin::several(3), "key");
    form.arrive = |addr, _| Client::new(addr);
    form.ask = |client, user, click| {
        client.get_with(&format!("/visit/{click}"), &[("X-User", &format!("user-{user}"))])
    };
    form.holds();
}

#[test]
fn key_is_the_source() {
    let mut form = Form::new(r#"{ key = "source" }"#, Origin::several(3), "key");
    form.arrive = |addr, user| Client::from([127, 0, 1, user as u8 + 1], addr);
    form.holds();
}

#[test]
fn a_hashed_key_needs_no_memory() {
    keys_fall_alike(r#"{ key = "query:sid", remember = false }"#);
}

#[test]
fn a_hashed_key_beside_a_cookie_serves_who_has_no_jar() {
    keys_fall_alike(r#"{ cookie = "HOMING", also = [ { key = "query:sid", remember = false } ] }"#);
}

/// Two proxies that know nothing of each other send each key to the same node, again and again.
fn keys_fall_alike(affinity: &str) {
    let nodes = Origin::several(3);
    let conf = Conf::over(&nodes).affinity(affinity);
    let (one, other) =
        (Proxy::start(&conf.text()), Proxy::start(&Conf { web: crate::support::free_addr(), ..conf }.text()));
    let ask = |proxy: &Proxy, user: usize| {
        Client::new(proxy.addr).get(&format!("/visit?sid=user-{user}")).node().to_owned()
    };
    let homes: Vec<String> = (0..USERS).map(|user| ask(&one, user)).collect();
    // In another order, so that nodes given in turn would show.
    for (user, home) in homes.iter().enumerate().rev() {
        assert_eq!((&ask(&one, user), &ask(&other, user)), (home, home), "user {user}");
    }
    assert!(nodes.iter().all(|node| node.hits() > 0), "every node has keys");
}

#[test]
fn a_foreign_pin_stays_where_it_was() {
    let nodes = Origin::several(3);
    let affinity =
        r#"{ cookie = "HOMING", also = [ { cookie = "SRV", value = "route" }, { route = "ROUTEID" } ] }"#;
    let proxy = Proxy::start(&Conf::over(&nodes).affinity(affinity).text());
    for (user, node) in ["n1", "n2", "n3"].into_iter().cycle().take(30).enumerate() {
        let (name, value) =
            if user % 2 == 0 { ("SRV", node.to_owned()) } else { ("ROUTEID", format!(".{node}")) };
        let mut client = Client::new(proxy.addr).cookie(name, &value);
        let first = client.get("/foreign");
        assert_eq!(first.node(), node, "{name}={value} is honoured");
        assert!(first.set_cookie("HOMING").is_some(), "and gets our own pin: {:?}", first.head);
        client.jar.get_or_insert_default().remove(name);
        assert_eq!(client.get("/ours").node(), node, "which leads to the same node");
    }
    assert!(proxy.access_of("/ours", 30).iter().all(|l| l["why"] == "cookie"));
    assert!(proxy.access_of("/foreign", 30).iter().all(|l| l["why"] == "cookie" || l["why"] == "route"));
}

#[test]
fn a_foreign_pin_beside_a_session_the_ledger_does_not_know_is_learned() {
    let nodes = Origin::several(3);
    let srv = r#"also = [ { cookie = "SRV", value = "route" } ]"#;
    for (affinity, learned) in [
        (format!("{{ learn = \"PHPSESSID\", {srv} }}"), "learned"),
        (format!("{{ key = \"query:sid\", {srv} }}"), "key"),
    ] {
        let proxy = Proxy::start(&Conf::over(&nodes).affinity(&affinity).text());
        for (user, node) in ["n1", "n2", "n3"].into_iter().cycle().take(30).enumerate() {
            let id = format!("before-us-{user}");
            let mut client = Client::new(proxy.addr).cookie("PHPSESSID", &id).cookie("SRV", node);
            assert_eq!(client.get(&format!("/foreign?sid={id}")).node(), node, "{affinity}");
            client
                .jar
                .get_or_insert_default()
                .insert("SRV".into(), if node == "n1" { "n2".into() } else { "n1".into() });
            assert_eq!(
                client.get(&format!("/both?sid={id}")).node(),
                node,
                "{affinity}: the ledger knows it now"
            );
            client.jar.get_or_insert_default().remove("SRV");
            assert_eq!(client.get(&format!("/ours?sid={id}")).node(), node, "{affinity}");
        }
        assert!(proxy.access_of("/foreign", 30).iter().all(|l| l["why"] == "cookie"));
        assert!(
            proxy
                .access_of("/both", 30)
                .iter()
                .chain(&proxy.access_of("/ours", 30))
                .all(|l| l["why"] == learned)
        );
        assert_eq!(Client::new(proxy.addr).cookie("SRV", "n9").get("/nowhere?sid=x").status, 200);
    }
}
