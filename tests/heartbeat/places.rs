//! Where a node may be that comes by itself, and who speaks for it.

use crate::fleet::{Fleet, beat};
use crate::support::proxy::refused_start;
use crate::support::{Client, Conf, Origin, Proxy, free_addr, until};
use serde_json::{Value, json};

fn refused(fleet: &Fleet, name: &str, url: &str) {
    let before = fleet.counted("refused");
    let answer = fleet.send(&fleet.token, "", &beat(name, url, json!({})));
    assert_eq!((answer.status, fleet.counted("refused")), (400, before + 1), "{url}: {}", answer.text());
}

/// A node's state and url, if it is known.
fn known(fleet: &Fleet, name: &str) -> Option<(String, String)> {
    let node = fleet.get(&format!("/api/clusters/app/nodes/{name}")).json();
    Some((node["state"].as_str()?.to_owned(), node["url"].as_str()?.to_owned()))
}

#[test]
fn a_node_that_comes_by_itself_is_never_the_proxy() {
    let node = Origin::start("n1");
    let fleet = Fleet::over([], "join = { admit = \"token\", urls = [\"sender\", \"0.0.0.0/0\", \"::/0\"] }");
    fleet.beat(&node, json!({}));
    fleet.node_is("n1", "ready");
    let ours = [fleet.admin.port(), fleet.announce.port(), fleet.proxy.addr.port()];
    for port in ours {
        for host in [
            "127.0.0.1",
            "localhost",
            "0.0.0.0",
            "127.0.0.2",
            "127.1.2.3",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:0:0]",
        ] {
            for scheme in ["http", "https"] {
                refused(&fleet, "n2", &format!("{scheme}://{host}:{port}"));
                assert_eq!(known(&fleet, "n2"), None, "{host}:{port}");
            }
            // nor does one that is accepted move there
            refused(&fleet, "n1", &format!("http://{host}:{port}"));
        }
    }
    assert_eq!(known(&fleet, "n1").unwrap().0, "ready");
    assert_eq!(Client::new(fleet.proxy.addr).get("/").node(), "n1", "and it stays where it was");
}

#[test]
fn a_listener_for_all_addresses_is_ours_at_each_of_them() {
    let Some(ip) = if_addrs::get_if_addrs()
        .unwrap()
        .into_iter()
        .map(|found| found.ip())
        .find(|ip| ip.is_ipv4() && !ip.is_loopback())
    else {
        return eprintln!("skipped: this machine has no address but its loopback");
    };
    let mut conf = Conf::over([]).cluster("join = { admit = \"token\" }");
    conf.web.set_ip("0.0.0.0".parse().unwrap());
    let port = conf.web.port();
    let fleet = Fleet::with(conf);
    refused(&fleet, "n1", &format!("http://{ip}:{port}"));
    refused(&fleet, "n1", &format!("http://127.0.0.9:{port}"));
}

#[test]
fn a_node_is_believed_where_it_speaks_from_and_in_the_networks_of_the_conf() {
    for (urls, url, good) in [
        ("", "http://10.1.2.3:8080", false),
        ("urls = \"sender\"", "http://10.1.2.3:8080", false),
        ("urls = [\"10.1.0.0/16\"]", "http://10.1.2.3:8080", true),
        ("urls = [\"10.1.0.0/16\"]", "http://10.2.2.3:8080", false),
        ("urls = [\"0.0.0.0/0\"]", "http://169.254.169.254:80", false),
    ] {
        let fleet = Fleet::over([], &format!("health = {{ kind = \"off\" }}\njoin = {{ {urls} }}"));
        match good {
            true => assert_eq!(fleet.beat_as("n1", url, json!({}))["state"], "pending", "{urls} {url}"),
            false => refused(&fleet, "n1", url),
        }
    }
}

fn token_of(fleet: &Fleet, whose: &str) -> String {
    let said = crate::window::homing(
        fleet.proxy.folder(),
        &["token", whose, "--config", fleet.proxy.conf().to_str().unwrap()],
        &[],
    );
    assert_eq!(said.code, 0, "{said:?}");
    said.out.trim().to_owned()
}

#[test]
fn a_nodes_own_token_speaks_for_it_alone_and_nothing_else_does_then() {
    let nodes = Origin::several(2);
    let mut fleet = Fleet::over([], "join = { admit = \"token\" }");
    let (own, other) = (token_of(&fleet, "app/n1"), token_of(&fleet, "app/n2"));
    let send = |fleet: &Fleet, token: &str, name: &str, url: &str| {
        fleet.send(token, "", &beat(name, url, json!({}))).status
    };
    let [url, elsewhere] = [0, 1].map(|n: usize| nodes[n].url());
    assert_eq!(send(&fleet, &fleet.token, "n1", &url), 200, "until then the cluster's does");
    assert_eq!(send(&fleet, &own, "n1", &url), 200);
    for (token, name, status) in [
        (fleet.token.clone(), "n1", 403),
        (other.clone(), "n1", 403),
        (own.clone(), "n2", 403),
        (own[..own.len() - 2].to_owned(), "n1", 401),
    ] {
        assert_eq!(send(&fleet, &token, name, &elsewhere), status, "{name}");
    }
    assert_eq!(send(&fleet, &fleet.token, "n2", &elsewhere), 200, "the cluster's speaks for others");
    assert!(known(&fleet, "n1").unwrap().1.contains(&url));
    let file = fleet.proxy.folder().join("state/heartbeats.json");
    until("it is written down", || {
        let document: Value = serde_json::from_str(&std::fs::read_to_string(&file).ok()?).ok()?;
        (document["data"]["clusters"]["app"]["n1"]["own_token"] == true).then_some(())
    });
    fleet.window.kill_and_start_again();
    assert_eq!(send(&fleet, &fleet.token, "n1", &elsewhere), 403, "after a restart as well");
    assert_eq!(send(&fleet, &own, "n1", &url), 200);
}

#[test]
fn where_each_node_has_a_token_the_clusters_speaks_for_none() {
    let node = Origin::start("n1");
    let fleet = Fleet::over([], "join = { admit = \"token\", token = \"node\" }");
    let answer = fleet.send(&fleet.token, "", &beat("n1", &node.url(), json!({})));
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert!(answer.text().contains("homing token app/n1"), "{}", answer.text());
    assert_eq!(known(&fleet, "n1"), None);
    assert_eq!(fleet.send(&token_of(&fleet, "app/n1"), "", &beat("n1", &node.url(), json!({}))).status, 200);
    fleet.node_is("n1", "ready");
}

#[test]
fn a_node_of_the_conf_file_is_the_control_plane_only_where_that_is_meant() {
    let (admin, announce) = (free_addr(), free_addr());
    let conf = |node: &str| {
        let conf = Conf::over([]).server(&format!("admin = \"{admin}\"\nannounce = \"{announce}\""));
        conf.cluster("health = { interval = \"100ms\", rise = 1, fall = 1 }").node("n1", node).text()
    };
    for url in [
        format!("http://{admin}"),
        format!("http://localhost:{}", admin.port()),
        format!("http://0.0.0.0:{}", announce.port()),
    ] {
        let (code, said) = refused_start(&conf(&format!("{url:?}")));
        assert!(code.is_some_and(|code| code != 0) && said.contains("own = true"), "{said}");
    }
    // by a name that only shows when it is looked up
    let url = format!("http://window.test:{}", admin.port());
    for (node, status) in [(format!("{url:?}"), 503), (format!("{{ url = {url:?}, own = true }}"), 200)] {
        let Some(proxy) = Proxy::start_knowing("127.0.0.1 window.test\n", &conf(&node)) else { return };
        until("the name is known", || {
            proxy.log.all().iter().any(|line| line.contains("name window.test is")).then_some(())
        });
        let answer = Client::new(proxy.addr).send("GET", "/ping", &[("Host", "127.0.0.1")], b"").unwrap();
        assert_eq!(answer.status, status, "{node}: {}", answer.text());
        if status == 503 {
            until("the check says why", || {
                proxy
                    .log
                    .all()
                    .iter()
                    .any(|line| line.contains("own server.admin: write own = true"))
                    .then_some(())
            });
        }
    }
}
