//! Pins as the wire carries them: what the client is told, what the application sees, and what a wrong one
//! does.

use crate::support::{Certs, Client, Conf, Origin, Proxy, free_addr, h2, proxy::replace, until};
use std::collections::{BTreeMap, BTreeSet};

const SEALED: &str = r#"{ cookie = "HOMING" }"#;

#[test]
fn proxies_with_the_same_keys_agree_in_any_order_of_nodes() {
    let nodes = Origin::several(4);
    let one = Proxy::start(&Conf::over(&nodes).affinity(SEALED).text());
    Client::with_jar(one.addr).get("/make-the-keys");
    let conf = Conf::over(nodes.iter().rev()).affinity(SEALED);
    let folder = tempfile::tempdir().expect("a temporary folder");
    replace(&folder.path().join("homing.toml"), &conf.text());
    std::fs::create_dir(folder.path().join("state")).expect("a state folder");
    for file in std::fs::read_dir(one.folder().join("state"))
        .expect("the first proxy keeps its keys in state-dir")
        .flatten()
    {
        std::fs::copy(file.path(), folder.path().join("state").join(file.file_name()))
            .expect("the keys are copied");
    }
    let other = Proxy::start_in(folder, "homing.toml");
    for user in 0..50 {
        let (here, there) = if user % 2 == 0 { (&one, &other) } else { (&other, &one) };
        let mut client = Client::with_jar(here.addr);
        let home = client.get("/first").node().to_owned();
        let pin = client.jar.take().and_then(|mut jar| jar.remove("HOMING")).expect("a pin");
        let mut client = Client::new(there.addr).cookie("HOMING", &pin);
        assert_eq!(client.get("/second").node(), home, "user {user}: the other proxy reads the pin");
    }
    assert!(
        one.access_of("/second", 25)
            .iter()
            .chain(&other.access_of("/second", 25))
            .all(|l| l["why"] == "cookie")
    );
}

#[test]
fn a_restart_keeps_the_keys() {
    let nodes = Origin::several(4);
    let conf = Conf::over(&nodes).affinity(SEALED).text();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let state = folder.path().join("kept");
    let conf =
        conf.replace("workers = 2", &format!("workers = 2\nstate-dir = {:?}", state.display().to_string()));
    let first = Proxy::start(&conf);
    let mut users: Vec<Client> = (0..20).map(|_| Client::with_jar(first.addr)).collect();
    let homes: Vec<String> = users.iter_mut().map(|u| u.get("/").node().to_owned()).collect();
    drop(first);
    let again = Proxy::start(&conf);
    for (user, home) in users.iter_mut().zip(&homes) {
        user.hang_up();
        assert_eq!(user.get("/again").node(), home);
    }
    assert!(again.access_of("/again", 20).iter().all(|l| l["why"] == "cookie"));
}

#[test]
fn the_first_burst_on_one_connection_lands_on_one_node() {
    let nodes = Origin::several(4);
    let proxy = Proxy::start(&Conf::over(&nodes).affinity(SEALED).text());
    for burst in 0..10 {
        let seen = h2::run(async {
            let send = h2::connect(proxy.addr).await;
            let tasks: Vec<_> = (0..20)
                .map(|i| {
                    let mut send = send.clone();
                    tokio::spawn(async move {
                        h2::node(
                            &h2::fetch(&mut send, h2::get("http", "app.test", &format!("/burst/{i}"))).await,
                        )
                    })
                })
                .collect();
            let mut seen = BTreeSet::new();
            for task in tasks {
                seen.insert(task.await.expect("an answer"));
            }
            seen
        });
        assert_eq!(seen.len(), 1, "burst {burst} was scattered over {seen:?}");
    }
}

#[test]
fn users_behind_a_front_that_is_not_trusted_are_sessions_of_their_own() {
    let nodes = Origin::several(4);
    for affinity in [SEALED, r#"{ cookie = "SRV", value = "route" }"#] {
        let proxy = Proxy::start(&Conf::over(&nodes).affinity(affinity).text());
        // one after the other over one kept connection: whoever has the pin of an answer shows it
        let mut front = Client::new(proxy.addr);
        let mut given: BTreeMap<String, u32> = BTreeMap::new();
        for _ in 0..100 {
            *given.entry(front.get("/one").node().to_owned()).or_default() += 1;
        }
        assert!(given.len() == 4 && given.values().all(|&users| users == 25), "{affinity}: {given:?}");

        // side by side: what the front says of them tells them apart, and keeps together what is one's
        let seen = h2::run(async {
            let send = h2::connect(proxy.addr).await;
            let tasks: Vec<_> = (0..80)
                .map(|i| {
                    let (user, mut send) = (i % 20, send.clone());
                    tokio::spawn(async move {
                        let mut request = h2::get("http", "app.test", "/many");
                        let named = format!("192.0.2.{user}").parse().expect("a value");
                        request.headers_mut().insert("x-forwarded-for", named);
                        (user, h2::node(&h2::fetch(&mut send, request).await))
                    })
                })
                .collect();
            let mut seen: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
            for task in tasks {
                let (user, node) = task.await.expect("an answer");
                seen.entry(user).or_default().insert(node);
            }
            seen
        });
        assert!(seen.values().all(|nodes| nodes.len() == 1), "{affinity}: {seen:?}");
        let used: BTreeSet<_> = seen.values().flatten().collect();
        assert_eq!(used.len(), 4, "{affinity}: {seen:?}");
    }
}

#[test]
fn our_cookie_is_hidden_from_the_application_and_set_once() {
    let nodes = Origin::several(2);
    let proxy = Proxy::start(&Conf::over(&nodes).affinity(SEALED).text());
    let mut client = Client::with_jar(proxy.addr).cookie("theirs", "1");
    let first = client.get("/headers");
    let set = first.set_cookie("HOMING").expect("the first answer sets it").to_ascii_lowercase();
    assert!(set.contains("httponly") && set.contains("path=/"), "{set}");
    assert!(!set.contains("secure") && !set.contains("samesite"), "clear text gets neither: {set}");
    assert!(first.head.says("cache-control", "private"), "no cache may share it: {:?}", first.head);
    for name in ["n1", "n2"] {
        // as a word: two letters alone may well occur in what is random
        let value = set.split(';').next().unwrap_or("").split_once('=').map_or("", |(_, value)| value);
        assert!(
            !value.split(['.', '|', '~', ':']).any(|word| word == name),
            "a sealed pin does not show its node: {set}"
        );
    }
    let second = client.get("/headers");
    assert_eq!(second.set_cookie("HOMING"), None, "with a valid pin nothing is set again");
    assert_eq!(second.seen("cookie"), ["theirs=1"], "the application sees only its own");
}

#[test]
fn over_tls_the_cookie_is_secure_and_survives_cross_site_posts() {
    let (certs, nodes, secure) = (Certs::new(), Origin::several(2), free_addr());
    let folder = tempfile::tempdir().expect("a temporary folder");
    certs.write(&folder.path().join("certs"), &["app.test"]);
    let conf = Conf::over(&nodes)
        .affinity(SEALED)
        .more(&format!("[listener.secure]\nbind = \"{secure}\"\ntls = {{ certs = [\"certs\"] }}"));
    replace(&folder.path().join("homing.toml"), &conf.text());
    let _proxy = Proxy::start_in(folder, "homing.toml");
    let answer = certs.client(secure, "app.test").get("/");
    let set = answer.set_cookie("HOMING").expect("a pin").to_ascii_lowercase();
    for part in ["secure", "samesite=none", "httponly", "path=/"] {
        assert!(set.contains(part), "{part} in {set}");
    }
}

#[test]
fn wrong_pins_are_placed_anew_and_counted() {
    let nodes = Origin::several(2);
    let proxy = Proxy::start(&Conf::over(&nodes).affinity(SEALED).text());
    let mut client = Client::with_jar(proxy.addr);
    client.get("/pin");
    let pin = client.jar.take().and_then(|mut jar| jar.remove("HOMING")).expect("a pin");
    for at in [0, pin.len() / 2, pin.len() - 2] {
        let mut bytes = pin.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(bytes).expect("still text");
        let answer = Client::new(proxy.addr).cookie("HOMING", &forged).get("/forged");
        assert_eq!(answer.status, 200);
        assert!(answer.set_cookie("HOMING").is_some(), "a forged pin is replaced");
    }
    for line in proxy.access_of("/forged", 3) {
        assert_eq!(line["why"], "moved:tampered");
    }
}

#[test]
fn an_unknown_route_is_placed_anew() {
    let nodes = Origin::tomcats(2);
    let proxy = Proxy::start(&Conf::over(&nodes).affinity(r#"{ route = "JSESSIONID" }"#).text());
    let answer = Client::new(proxy.addr).cookie("JSESSIONID", "ABC.n9").get("/unknown");
    assert_eq!(answer.status, 200);
    assert_eq!(proxy.why("/unknown"), "moved:unknown-route");
    // once for each route, and without the id
    for (n, id) in ["AAA.n9", "BBB.n9", "CCC.n8"].into_iter().enumerate() {
        Client::new(proxy.addr).cookie("JSESSIONID", id).get(&format!("/unknown/{n}"));
    }
    let warned = |route: &str| {
        proxy
            .log
            .all()
            .into_iter()
            .filter(|line| line.contains(&format!("says \"{route}\", which names no node")))
            .collect::<Vec<_>>()
    };
    until("both routes are warned of", || (warned("n8").len() == 1).then_some(()));
    assert_eq!(warned("n9").len(), 1);
    let told = warned("n9").concat();
    assert!(told.contains("the routes that nodes have: n1, n2;"), "{told}");
    assert_eq!(proxy.access_of("/unknown", 1)[0]["note"], "unknown-route:n9");
    assert!(!proxy.log.all().concat().contains("BBB"), "{:?}", proxy.log.all());
}

#[test]
fn of_several_cookies_with_one_name_the_valid_one_wins() {
    let nodes = Origin::tomcats(3);
    let proxy = Proxy::start(&Conf::over(&nodes).affinity(r#"{ route = "JSESSIONID" }"#).text());
    let mut client = Client::new(proxy.addr);
    for node in ["n1", "n2", "n3"] {
        let cookies = format!("JSESSIONID=OLD.gone; JSESSIONID=NEW.{node}");
        assert_eq!(client.get_with("/several", &[("Cookie", &cookies)]).node(), node);
    }
}

#[test]
fn a_learned_id_follows_the_login() {
    let nodes = Origin::phps(3);
    let proxy = Proxy::start(&Conf::over(&nodes).affinity(r#"{ learn = "PHPSESSID" }"#).text());
    for _ in 0..20 {
        let mut client = Client::with_jar(proxy.addr);
        let home = client.get("/visit").node().to_owned();
        let before = client.jar.clone();
        assert_eq!(client.get("/login").node(), home);
        assert_ne!(client.jar, before, "the login changed the id");
        let answer = client.get("/visit/after");
        assert_eq!(answer.node(), home);
        assert_eq!(answer.json()["visits"], 2, "the new id's session: one from the login, one now");
    }
    assert!(proxy.access_of("/visit/after", 20).iter().all(|l| l["why"] == "learned"));
}

#[test]
fn two_applications_on_one_host_do_not_trample_each_other() {
    let (a, b) = (Origin::several(3), Origin::several(3));
    let list: String = b.iter().map(|o| format!("{} = {:?}\n", o.name(), o.url())).collect();
    // The first rule is ours to narrow; the second cluster comes after it.
    let conf = Conf::over(&a).rule("path = \"/a\"").affinity(r#""cookie""#).more(&format!(
        "[[rule]]\ncluster = \"other\"\n[cluster.other]\naffinity = \"cookie\"\n[cluster.other.nodes]\n{list}"
    ));
    let proxy = Proxy::start(&conf.text());
    for _ in 0..20 {
        let mut client = Client::with_jar(proxy.addr);
        let (home_a, home_b) = (client.get("/a").node().to_owned(), client.get("/b").node().to_owned());
        assert_eq!(client.jar.as_ref().map(|jar| jar.len()), Some(2), "each has its own cookie");
        for _ in 0..5 {
            assert_eq!(
                (client.get("/a").node(), client.get("/b").node()),
                (home_a.as_str(), home_b.as_str())
            );
        }
    }
}
