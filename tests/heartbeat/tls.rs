//! Nodes that announce themselves over TLS, with a certificate of their own in place of a token.

use crate::fleet::{Fleet, beat};
use crate::support::client::Answer;
use crate::support::{Certs, Client, Conf, Origin, free_addr, proxy::replace, until};
use crate::window::Window;
use serde_json::json;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// The name that the announce address shows.
const HOME: &str = "homing.test";

struct Guarded {
    window: Window,
    announce: SocketAddr,
    /// Who vouches for the nodes.
    nodes: Certs,
    /// Who vouches for the proxy.
    own: Certs,
    folder: tempfile::TempDir,
    token: String,
}

impl Guarded {
    fn new(tls: &str, join: &str) -> Self {
        let (announce, folder) = (free_addr(), tempfile::tempdir().unwrap());
        let (nodes, own) = (Certs::new(), Certs::new());
        let at = folder.path();
        own.write(&at.join("certs"), &[HOME]);
        std::fs::write(at.join("nodes.crt"), nodes.ca()).unwrap();
        let announce_conf = format!(
            "announce = {{ bind = \"{announce}\", tls = {{ certs = [{:?}], client-ca = {:?}{tls} }} }}",
            at.join("certs"),
            at.join("nodes.crt")
        );
        let conf = Conf::over([])
            .affinity("\"cookie\"")
            .cluster(&format!("health = {{ kind = \"off\" }}\njoin = {{ admit = \"token\"{join} }}"));
        let window = Window::with(conf.server(&announce_conf));
        until("the announce address opens", || std::net::TcpStream::connect(announce).is_ok().then_some(()));
        let said = crate::window::homing(
            window.proxy.folder(),
            &["token", "--config", window.proxy.conf().to_str().unwrap()],
            &[],
        );
        Self { window, announce, nodes, own, folder, token: said.out.trim().to_owned() }
    }

    /// A node's connection, with a certificate for this name that this authority made.
    fn node(&self, identity: Option<(&Certs, &str)>) -> Client {
        let pair = identity.map(|(by, name)| by.pair(&[name]));
        Certs::client_with(self.own.trust_as(&[], &["http/1.1"], pair), self.announce, HOME)
    }

    fn beat(&self, client: &mut Client, node: &str, token: Option<&str>) -> std::io::Result<Answer> {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("Content-Type", "application/json")];
        headers.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
        client.send(
            "POST",
            "/heartbeat",
            &headers,
            beat(node, "http://127.0.0.1:9", json!({})).to_string().as_bytes(),
        )
    }

    fn counted(&self, result: &str) -> u64 {
        self.window.status()["heartbeats"]["native"][result].as_u64().unwrap_or(0)
    }
}

#[test]
fn curl_registers_a_node_with_its_certificate() {
    let g = Guarded::new("", "");
    let put = |name: &str, text: String| {
        std::fs::write(g.folder.path().join(name), text).unwrap();
        g.folder.path().join(name)
    };
    let (cert, key) = g.nodes.pair(&["n1.nodes.test"]);
    let (cert, key, ca) = (put("n1.crt", cert), put("n1.key", key), put("own.crt", g.own.ca().to_owned()));
    let node = Origin::start("n1");
    let done = Command::new("curl")
        .args(["-sS", "--fail", "--resolve", &format!("{HOME}:{}:127.0.0.1", g.announce.port())])
        .args([Path::new("--cert"), &cert, Path::new("--key"), &key, Path::new("--cacert"), &ca])
        .args([
            "-d",
            &format!("cluster=app&node=n1&url={}", node.url()),
            &format!("https://{HOME}:{}/heartbeat", g.announce.port()),
        ])
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    let known = g.window.node_is("n1", "ready");
    assert!(known["set_by"].as_str().unwrap().starts_with("certificate at"), "who let it in: {known}");
    assert_eq!(Client::new(g.window.proxy.addr).get("/").node(), "n1");
}

#[test]
fn a_certificate_stands_for_the_token_and_a_token_for_the_certificate() {
    let g = Guarded::new(", client-auth = \"optional\"", "");
    let answer = g.beat(&mut g.node(None), "n1", None).unwrap();
    assert_eq!((answer.status, g.counted("denied")), (401, 1), "{}", answer.text());
    assert_eq!(g.beat(&mut g.node(None), "n1", Some(&g.token)).unwrap().status, 200);
    assert_eq!(g.beat(&mut g.node(Some((&g.nodes, "whoever.test"))), "n2", None).unwrap().status, 200);
    assert_eq!(
        g.beat(&mut g.node(Some((&g.nodes, "whoever.test"))), "n2", Some("0123456789abcdef")).unwrap().status,
        200
    );
    assert_eq!(
        g.node(Some((&g.nodes, "whoever.test"))).get("/clusters/app/nodes").status,
        200,
        "the list is read by it too"
    );
    assert!(
        g.beat(&mut Client::new(g.announce), "n3", Some(&g.token)).is_err(),
        "nothing is heard in clear text"
    );
}

#[test]
fn who_has_no_certificate_of_the_authority_gets_no_word_in() {
    let g = Guarded::new("", "");
    let others = Certs::new();
    for identity in [None, Some((&others, "n1.nodes.test"))] {
        assert!(g.beat(&mut g.node(identity), "n1", Some(&g.token)).is_err(), "not even with the token");
    }
    let said =
        g.window.proxy.log.wait(0, crate::support::DEADLINE, |line| {
            line.contains("a TLS handshake from 127.0.0.1 is refused")
        });
    assert!(said.unwrap().contains("server.announce"));
    assert_eq!(g.window.status()["clusters"][0]["nodes"], json!([]));
}

#[test]
fn a_certificate_speaks_for_the_node_it_is_made_out_to() {
    let g = Guarded::new("", ", client-names = [\"{node}.nodes.test\", \"deploy.test\"]");
    let mut n1 = g.node(Some((&g.nodes, "n1.nodes.test")));
    assert_eq!(g.beat(&mut n1, "n1", None).unwrap().status, 200);
    let refused = g.beat(&mut n1, "n2", None).unwrap();
    assert_eq!((refused.status, g.counted("denied")), (403, 1));
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(
        ["n1.nodes.test", "app/n2", "client-names", "{node}.nodes.test"]
            .iter()
            .all(|part| detail.contains(part)),
        "{detail}"
    );
    assert_eq!(g.beat(&mut n1, "n2", Some(&g.token)).unwrap().status, 200, "with the token it may");
    assert_eq!(g.beat(&mut g.node(Some((&g.nodes, "deploy.test"))), "n3", None).unwrap().status, 200);
    assert_eq!(n1.get("/clusters/app/nodes").status, 200);
    let stranger = g.beat(&mut g.node(Some((&g.nodes, "printer.test"))), "n1", None).unwrap();
    assert_eq!((stranger.status, g.counted("denied")), (403, 2));
}

#[test]
fn renewed_certificates_and_authorities_count_without_a_restart() {
    let g = Guarded::new("", "");
    let mut kept = g.node(Some((&g.nodes, "n1.test")));
    assert_eq!(g.beat(&mut kept, "n1", None).unwrap().status, 200);
    let own = || g.window.status()["certificates"].as_array().unwrap().clone();
    assert_eq!((own().len(), &own()[0]["listener"]), (1, &json!("server.announce")));
    // the proxy's own
    let renewed = Certs::new();
    assert!(g.window.proxy.reloads(|| renewed.write(&g.folder.path().join("certs"), &[HOME])).applied());
    let identity = g.nodes.pair(&["n1.test"]);
    let mut trusting =
        Certs::client_with(renewed.trust_as(&[], &["http/1.1"], Some(identity)), g.announce, HOME);
    assert_eq!(g.beat(&mut trusting, "n1", None).unwrap().status, 200);
    assert!(
        g.beat(&mut g.node(Some((&g.nodes, "n1.test"))), "n1", None).is_err(),
        "the old one is not shown any more"
    );
    // the nodes' authority
    let others = Certs::new();
    assert!(g.window.proxy.reloads(|| replace(&g.folder.path().join("nodes.crt"), others.ca())).applied());
    let as_of = |by: &Certs| {
        Certs::client_with(
            renewed.trust_as(&[], &["http/1.1"], Some(by.pair(&["n1.test"]))),
            g.announce,
            HOME,
        )
    };
    assert_eq!(g.beat(&mut as_of(&others), "n1", None).unwrap().status, 200);
    assert!(g.beat(&mut as_of(&g.nodes), "n1", None).is_err());
    assert_eq!(g.beat(&mut kept, "n1", None).unwrap().status, 200, "and nobody was cut off");
}

#[test]
fn an_address_goes_over_to_tls_in_place() {
    let fleet = Fleet::over([], "join = { admit = \"token\" }\nhealth = { kind = \"off\" }");
    fleet.beat_as("n1", "http://127.0.0.1:9", json!({}));
    let own = Certs::new();
    own.write(&fleet.proxy.folder().join("certs"), &[HOME]);
    let old = format!("announce = \"{}\"", fleet.announce);
    let new = format!("announce = {{ bind = \"{}\", tls = {{ certs = [\"certs\"] }} }}", fleet.announce);
    assert!(fleet.proxy.reload_to(&fleet.conf.text().replace(&old, &new)).applied());
    let mut client = own.client(fleet.announce, HOME);
    let bearer = [("Authorization", fleet.bearer())];
    let headers: Vec<(&str, &str)> = bearer
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .chain([("Content-Type", "application/json")])
        .collect();
    let body = beat("n1", "http://127.0.0.1:9", json!({})).to_string();
    assert_eq!(client.send("POST", "/heartbeat", &headers, body.as_bytes()).unwrap().status, 200);
}
