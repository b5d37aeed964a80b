//! The announce address itself: who is heard, what is refused, and how it moves.

use crate::fleet::{Fleet, beat};
use crate::support::{Client, Conf, Origin, free_addr, until};
use crate::window::homing;
use serde_json::json;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

#[test]
fn one_curl_registers_a_node() {
    let node = Origin::start("n1");
    let fleet = Fleet::over([], "join = { admit = \"token\" }");
    let done = Command::new("curl")
        .args(["-sS", "--fail", "-H", &format!("Authorization: {}", fleet.bearer())])
        .args(["-d", &format!("cluster=app&node=n1&url={}&load=20", node.url())])
        .arg(format!("http://{}/heartbeat", fleet.announce))
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    let answer: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((answer["route"].as_str(), answer["interval"].as_u64()), (Some("n1"), Some(5)), "{answer}");
    assert!(answer.get("nodes").is_none(), "a long list must not go out with every beat");
    assert_eq!(Client::new(fleet.proxy.addr).get("/").node(), "n1", "a request waits for the first check");
    assert_eq!(
        (fleet.counted("taken"), fleet.metric(r#"homing_heartbeats_total{dialect="native",result="taken"}"#)),
        (1, 1.0)
    );
}

#[test]
fn what_is_refused_changes_nothing_and_says_why() {
    let node = Origin::start("n1");
    let fleet = Fleet::over([&node], "");
    let good = beat("n1", &node.url(), json!({"boot": "a", "sequence": 7}));
    for (result, status, token, body, says) in [
        ("denied", 401, "0123456789abcdef0123456789abcdef", good.clone(), "homing token"),
        ("denied", 401, "", good.clone(), "homing token"),
        ("malformed", 400, &fleet.token, json!({"cluster": "app", "node": "n1"}), "url"),
        ("malformed", 400, &fleet.token, beat("n1", &node.url(), json!({"load": 101})), "between 0 and 100"),
        ("malformed", 413, &fleet.token, beat("n1", &node.url(), json!({"x": "x".repeat(20_000)})), "16 KiB"),
        (
            "unknown",
            404,
            &fleet.token,
            json!({"cluster": "ap", "node": "n1", "url": "http://a:1"}),
            "there is app",
        ),
    ] {
        let before = fleet.counted(result);
        let answer = fleet.send(token, "", &body);
        assert_eq!((answer.status, fleet.counted(result)), (status, before + 1), "{}", answer.text());
        assert_eq!(answer.head.get("content-type"), Some("application/problem+json"));
        assert!(answer.json()["detail"].as_str().unwrap().contains(says), "{}", answer.text());
    }
    assert_eq!(fleet.send(&fleet.token, "", &good).status, 200);
    let replay = fleet.send(&fleet.token, "", &good);
    assert_eq!((replay.status, fleet.counted("replayed")), (409, 1), "{}", replay.text());
    fleet.proxy.log.says("a heartbeat from");
    let lines: Vec<String> =
        fleet.proxy.log.all().into_iter().filter(|line| line.contains("a heartbeat from")).collect();
    assert!(
        lines.len() == 1 && lines[0].contains("homing token"),
        "one line, however many are refused: {lines:?}"
    );
    for (method, path, status) in [
        ("GET", "/heartbeat", 405),
        ("POST", "/clusters/app/nodes", 405),
        ("GET", "/", 404),
        ("GET", "/api/status", 404),
    ] {
        assert_eq!(
            Client::new(fleet.announce).send(method, path, &[], b"").unwrap().status,
            status,
            "{method} {path}"
        );
    }
}

#[test]
fn a_replayed_beat_does_not_move_its_node() {
    let (first, second) = (Origin::start("a"), Origin::start("b"));
    let fleet = Fleet::over([], "join = { admit = \"token\" }");
    let old = beat("n1", &first.url(), json!({"boot": "one", "sequence": 1}));
    assert_eq!(fleet.send(&fleet.token, "", &old).status, 200);
    fleet.beat_as("n1", &second.url(), json!({"boot": "two", "sequence": 1}));
    assert_eq!(fleet.send(&fleet.token, "", &old).status, 409);
    assert_eq!(fleet.node_is("n1", "ready")["url"], second.url().as_str());
}

#[test]
fn the_token_is_made_once_and_a_cluster_may_have_its_own() {
    let nodes = Origin::several(1);
    let folder = tempfile::tempdir().unwrap();
    let own = "fedcba9876543210fedcba9876543210";
    std::fs::write(folder.path().join("own.token"), own).unwrap();
    std::fs::set_permissions(folder.path().join("own.token"), std::fs::Permissions::from_mode(0o600))
        .unwrap();
    let conf = Conf::over(&nodes).more("[cluster.other]\njoin = { token-file = \"own.token\" }");
    let announce = free_addr();
    std::fs::write(
        folder.path().join("homing.toml"),
        conf.server(&format!("announce = \"{announce}\"")).text(),
    )
    .unwrap();
    let said = homing(folder.path(), &["token", "--config", "homing.toml"], &[]);
    let token = said.out.trim().to_owned();
    assert!(said.code == 0 && token.len() >= 32, "{said:?}");
    let file = folder.path().join("state/join.token");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(homing(folder.path(), &["token", "other", "--config", "homing.toml"], &[]).out.trim(), own);
    let unknown = homing(folder.path(), &["token", "ap", "--config", "homing.toml"], &[]);
    assert!(unknown.code == 1 && unknown.err.contains("there are: app, other"), "{unknown:?}");
    let proxy = crate::support::Proxy::start_in(folder, "homing.toml");
    until("the announce address opens", || TcpStream::connect(announce).is_ok().then_some(()));
    let status = |cluster: &str, token: &str| {
        let body = json!({"cluster": cluster, "node": "n1", "url": "http://127.0.0.1:1"}).to_string();
        let headers =
            [("Authorization", format!("Bearer {token}")), ("Content-Type", "application/json".into())];
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Client::new(announce).send("POST", "/heartbeat", &headers, body.as_bytes()).unwrap().status
    };
    for (cluster, shown, expected) in
        [("app", &*token, 200), ("other", own, 200), ("app", own, 401), ("other", &token, 401)]
    {
        assert_eq!(status(cluster, shown), expected, "{cluster} {shown}");
    }
    // a file that changes is read again
    let new = "0123456789abcdef0123456789abcdef";
    assert!(proxy.reloads(|| crate::support::proxy::replace(&file, &format!("{new}\n{token}\n"))).applied());
    assert_eq!(
        (status("app", new), status("app", &token)),
        (200, 200),
        "either of the two, so that nodes can change over"
    );
}

#[test]
fn the_address_moves_with_the_conf() {
    let nodes = Origin::several(1);
    let fleet = Fleet::over(&nodes, "");
    let new = free_addr();
    let text = fleet.conf.text();
    assert!(fleet.proxy.reload_to(&text.replace(&fleet.announce.to_string(), &new.to_string())).applied());
    until("the new address is open", || TcpStream::connect(new).is_ok().then_some(()));
    until("the old one is closed", || TcpStream::connect(fleet.announce).is_err().then_some(()));
    assert!(
        fleet.proxy.reload_to(&text.replace(&fleet.announce.to_string(), "unix:announce.sock")).applied()
    );
    let path = fleet.proxy.folder().join("announce.sock");
    until("the socket answers", || std::os::unix::net::UnixStream::connect(&path).is_ok().then_some(()));
    assert_eq!(Client::unix(&path).get_with("/clusters/app/nodes", &[("Host", "localhost")]).status, 200);
    assert!(
        fleet.proxy.reload_to(&text.replace(&format!("announce = \"{}\"", fleet.announce), "")).applied()
    );
    until("it is gone", || (!path.exists()).then_some(()));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let word = fleet
        .proxy
        .reload_to(&text.replace(&fleet.announce.to_string(), &taken.local_addr().unwrap().to_string()));
    assert!(!word.applied(), "an address that is taken is refused: {word:?}");
}
